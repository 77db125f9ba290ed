# The demo's private servers, a PostgreSQL and an nginx: they know nothing of
# hybridge.  Needs places.sh and processes.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use what is found out here

: "${folder:?}" "${private_ip:?}" "${namespaces:?}"

# Run by the user that Debian made for the database when we are root.
as_ordinary_user() {
	if [ "$(id -u)" = 0 ]; then
		echo "setpriv --reuid=postgres --regid=postgres --clear-groups"
	fi
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# servers_start: leaves where they are in $db and $web
servers_start() {
	local db_port=5432 web_port=80
	if ! $namespaces; then
		db_port=$(free_port) web_port=$(free_port)
	fi
	db=$private_ip:$db_port
	web=$private_ip:$web_port
	postgres_start "$db_port"
	nginx_start
}

postgres_start() {
	local port=$1 bin user
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
	launch private postgres $user "$bin/postgres" -D "$folder/data" -p "$port" \
		-c listen_addresses="$private_ip" -c unix_socket_directories= -c fsync=off
	wait_for "PostgreSQL" grep -q "ready to accept connections" postgres.log
	in_place private psql -q -h "$private_ip" -p "$port" -U shop postgres <<-END
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
			server { listen $web; root $folder/www; }
		}
	END
	launch private nginx nginx -e stderr -c "$folder/nginx.conf"
	wait_for "nginx" in_place private curl -sf -o page "http://$web/"
}
