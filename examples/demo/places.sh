# The demo's three places - cloud, relay, private - with the servers, keys and
# processes in them; and their end.  Needs $here, the demo's own folder, and
# $folder, where it works.
# shellcheck shell=bash

: "${here:?}" "${folder:?}"
namespaces=false
cleaned_up=false
id=$$
pids=()
declare -A pid_of
ready=''
relay_name=localhost
relay_listen=127.0.0.1:0
private_ip=127.0.0.1

# Nothing is made outside the namespaces: no address here can clash with yours.
places_make() {
	if [ "$(id -u)" != 0 ] || ! ip netns add "hybridge-$id-relay" 2>/dev/null; then
		return 0
	fi
	namespaces=true
	relay_name=relay.example
	relay_listen=0.0.0.0:443
	private_ip=10.77.2.2
	ip netns add "hybridge-$id-cloud"
	ip netns add "hybridge-$id-private"
	local place net=1
	for place in cloud private; do
		ip -n "hybridge-$id-relay" link add "$place" type veth \
			peer name eth0 netns "hybridge-$id-$place"
		address relay "$place" "10.77.$net.1/24"
		address "$place" eth0 "10.77.$net.2/24"
		printf '127.0.0.1 localhost\n10.77.%d.1 %s\n' "$net" "$relay_name" >"hosts.$place"
		net=2
	done
	cp hosts.cloud hosts.relay
	for place in cloud relay private; do
		ip -n "hybridge-$id-$place" link set lo up
	done
}

address() {
	ip -n "hybridge-$id-$1" address add "$3" dev "$2"
	ip -n "hybridge-$id-$1" link set "$2" up
}

# in_place PLACE COMMAND...: runs it there; becomes it when called with exec_in
in_place() {
	(exec_in "$@")
}

exec_in() {
	local place=$1
	shift
	$namespaces || exec "$@"
	# shellcheck disable=SC2016 # expanded by the inner shell
	exec ip netns exec "hybridge-$id-$place" sh -c \
		'mount --bind "$0" /etc/hosts && exec "$@"' "$folder/hosts.$place" "$@"
}

places_picture() {
	if $namespaces; then
		cat <<-END
			cloud     10.77.1.2              psql, curl, python3, node; no route to 10.77.2.0/24
			relay     10.77.1.1, 10.77.2.1   hybridge-relay: TLS, port 443
			private   10.77.2.2              PostgreSQL, nginx, and hybridge-agent beside them
		END
	else
		cat <<-END
			cloud     psql, curl, python3, node; db.corp and intranet.corp do not resolve here
			relay     hybridge-relay: TLS, on loopback
			private   PostgreSQL, nginx, and hybridge-agent beside them
			(as root, these three would be network namespaces without a route between them)
		END
	fi
}

places_barrier() {
	if $namespaces; then
		echo "they have no route to"
	else
		echo "they cannot even name"
	fi
}

# Run by the user that Debian made for the database when we are root.
as_ordinary_user() {
	if [ "$(id -u)" = 0 ]; then
		echo "setpriv --reuid=postgres --regid=postgres --clear-groups"
	fi
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

servers_start() {
	db_port=5432 web_port=80
	if ! $namespaces; then
		db_port=$(free_port) web_port=$(free_port)
	fi
	postgres_start
	nginx_start
	cp "$here/app.py" "$here/app.js" .
}

postgres_start() {
	local bin user
	bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	user=$(as_ordinary_user)
	mkdir -m 0700 data
	if [ -n "$user" ]; then
		chmod 0711 .
		chown postgres data
	fi
	# shellcheck disable=SC2086 # $user is a command's words
	(cd / && $user "$bin/initdb" -D "$folder/data" -U shop --auth=trust --no-sync) >initdb.log
	printf 'host all all 10.77.2.0/24 trust\n' >>data/pg_hba.conf
	# shellcheck disable=SC2086
	launch private postgres $user "$bin/postgres" -D "$folder/data" -p "$db_port" \
		-c listen_addresses="$private_ip" -c unix_socket_directories= -c fsync=off
	wait_for "PostgreSQL" grep -q "ready to accept connections" postgres.log
	in_place private psql -q -h "$private_ip" -p "$db_port" -U shop postgres <<-END
		create database shop;
		\c shop
		create table orders (id int, article text, pieces int);
		insert into orders values (1, 'copper wire', 40), (2, 'relay, 12 V', 8);
	END
}

nginx_start() {
	mkdir www nginx
	echo "a private page" >www/index.html
	chmod 0755 www nginx
	cat >nginx.conf <<-END
		daemon off;
		master_process off;
		pid $folder/nginx/pid;
		error_log stderr;
		events {}
		http {
			access_log off;
			client_body_temp_path $folder/nginx/body;
			proxy_temp_path $folder/nginx/proxy;
			fastcgi_temp_path $folder/nginx/fastcgi;
			uwsgi_temp_path $folder/nginx/uwsgi;
			scgi_temp_path $folder/nginx/scgi;
			server { listen $private_ip:$web_port; root $folder/www; }
		}
	END
	launch private nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -e stderr -c "$folder/nginx.conf"
	wait_for "nginx" in_place private curl -sf -o page "http://$private_ip:$web_port/"
}

new_key() {
	openssl rand -base64 32
}

# A certificate authority of our own, the relay's certificate and two keys.
keys_make() {
	umask 077
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj "/CN=hybridge demo" -keyout ca.key -out ca.pem 2>>openssl.log
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-CA ca.pem -CAkey ca.key -subj "/CN=$relay_name" \
		-addext basicConstraints=critical,CA:FALSE -addext "subjectAltName=DNS:$relay_name" \
		-keyout relay.key -out relay.pem 2>>openssl.log
	listener_key=$(new_key)
	sender_key=$(new_key)
	mkdir relay.d
	cat >relay.env <<-END
		HYBRIDGE_RELAY_LISTEN=$relay_listen
		HYBRIDGE_RELAY_CERT=$folder/relay.pem
		HYBRIDGE_RELAY_KEY=$folder/relay.key
		HYBRIDGE_RELAY_DIR=$folder/relay.d
		HYBRIDGE_RELAY_HOSTS=$relay_name
	END
	local entity
	for entity in db intranet; do
		cat >relay.d/$entity.env <<-END
			HYBRIDGE_RELAY_ENTITY=$entity
			HYBRIDGE_RULE_LISTENER_NAME=defaultListener
			HYBRIDGE_RULE_LISTENER_RIGHTS=listen
			HYBRIDGE_RULE_LISTENER_KEY=$listener_key
			HYBRIDGE_RULE_SENDER_NAME=defaultSender
			HYBRIDGE_RULE_SENDER_RIGHTS=send
			HYBRIDGE_RULE_SENDER_KEY=$sender_key
		END
	done
}

# env_files HOST:PORT: app.env for the cloud and agent.env for the private side
env_files() {
	local endpoint="Endpoint=sb://$relay_name:${1##*:}/"
	cat >app.env <<-END
		HYBRIDGE_DB_CONNECTION='$endpoint;SharedAccessKeyName=defaultSender;SharedAccessKey=$sender_key;EntityPath=db'
		HYBRIDGE_DB_HOSTS='db.corp:5432'
		HYBRIDGE_INTRANET_CONNECTION='$endpoint;SharedAccessKeyName=defaultSender;SharedAccessKey=$sender_key;EntityPath=intranet'
		HYBRIDGE_INTRANET_HOSTS='intranet.corp:80'
		HYBRIDGE_CA_FILE=$folder/ca.pem
		HYBRIDGE_SOCKET=$folder/sender.sock
	END
	cat >agent.env <<-END
		HYBRIDGE_DB_CONNECTION='$endpoint;SharedAccessKeyName=defaultListener;SharedAccessKey=$listener_key;EntityPath=db'
		HYBRIDGE_DB_TARGET=$private_ip:$db_port
		HYBRIDGE_INTRANET_CONNECTION='$endpoint;SharedAccessKeyName=defaultListener;SharedAccessKey=$listener_key;EntityPath=intranet'
		HYBRIDGE_INTRANET_TARGET=$private_ip:$web_port
		HYBRIDGE_CA_FILE=$folder/ca.pem
	END
}

# launch PLACE NAME COMMAND...: in the background, logging to NAME.log
launch() {
	local place=$1 name=$2
	shift 2
	(exec_in "$place" "$@") >>"$name.log" 2>&1 </dev/null &
	pid_of[$name]=$!
	pids+=("$!")
}

# start PLACE "hybridge-NAME ARGUMENT...": shows it, waits until it is $ready
start() {
	local name=${2%% *}
	local -a words
	read -ra words <<<"$2"
	name=${name#hybridge-}
	prompt "$1" "$2 &"
	rm -f ready
	mkfifo ready
	launch "$1" "$name" bash -c 'exec 9>ready; exec "$@" --ready-fd 9' sh "${words[@]}"
	ready=$(timeout 20 cat ready) || fail "hybridge-$name did not get ready"
	[ -n "$ready" ] || fail "hybridge-$name ended"
	ready=${ready#ready }
}

# stop NAME: as a service manager does
stop() {
	prompt private "kill \$agent"
	kill "${pid_of[$1]}"
	wait "${pid_of[$1]}" || fail "hybridge-$1 left with status $?"
}

# until_true COMMAND...: waits until it succeeds, at most 20 seconds
until_true() {
	local end=$((SECONDS + 20))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
	return 0
}

# wait_for WHAT COMMAND...: likewise, or that is the end
wait_for() {
	local what=$1
	shift
	until_true "$@" || fail "$what did not get ready"
}

# The sender was started by the library: it is found by the folder it works in.
our_pids() {
	local process
	if $namespaces; then
		for process in cloud relay private; do
			ip netns pids "hybridge-$id-$process"
		done
		return
	fi
	for process in /proc/[0-9]*; do
		[ "${process#/proc/}" != $$ ] || continue
		if grep -qsF "$folder/" "$process/environ" "$process/cmdline"; then
			echo "${process#/proc/}"
		fi
	done
}

none_left() {
	[ -z "$(our_pids)" ]
}

# Ends all processes, then removes the namespaces and the folder; says whether it could.
clean_up() {
	local pid place clean=true
	for pid in "${pids[@]}"; do
		kill -INT "$pid" 2>/dev/null
	done
	for pid in $(our_pids); do
		kill "$pid" 2>/dev/null
	done
	if ! until_true none_left; then
		clean=false
		for pid in $(our_pids); do
			kill -KILL "$pid" 2>/dev/null
		done
	fi
	wait
	if $namespaces; then
		for place in cloud relay private; do
			ip netns delete "hybridge-$id-$place" || clean=false
		done
	fi
	cd /
	rm -rf "$folder"
	$clean && [ ! -e "$folder" ]
}

# leave STATUS: whatever happened
leave() {
	trap - EXIT
	trap '' INT TERM
	set +e
	$cleaned_up || clean_up 2>/dev/null
	exit "$1"
}
