# The demo's three places: cloud, relay and private.  As root they are network
# namespaces, each with its own /etc/hosts from $folder; else all are here.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use what is found out here

: "${folder:?}"
namespaces=false
id=$$
relay_name=localhost
relay_listen=127.0.0.1:0
private_ip=127.0.0.1

# Nothing is made outside the namespaces: no address here can clash with yours.
places_make() {
	if [ "$(id -u)" != 0 ] || ! ip netns add "hybridge-$id-relay" 2>/dev/null; then
		return 0
	fi
	# Some containers let one be made, but not entered.
	if ! ip netns exec "hybridge-$id-relay" true 2>/dev/null; then
		ip netns del "hybridge-$id-relay"
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

# in_place PLACE COMMAND...: runs it there
in_place() {
	(exec_in "$@")
}

# exec_in PLACE COMMAND...: becomes it
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
