# The demo's certificate, keys and env files, in $folder.
# shellcheck shell=bash

: "${folder:?}" "${relay_name:?}" "${relay_listen:?}"

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

# connection_string RULE KEY ENTITY: as Azure's portal shows it
connection_string() {
	printf '%s' "Endpoint=sb://$relay_name:$relay_port/;SharedAccessKeyName=$1;SharedAccessKey=$2;EntityPath=$3"
}

# env_files RELAY_PORT DB WEB: app.env for the cloud, agent.env for the private side
env_files() {
	local relay_port=$1
	cat >app.env <<-END
		HYBRIDGE_DB_CONNECTION='$(connection_string defaultSender "$sender_key" db)'
		HYBRIDGE_DB_HOSTS='db.corp:5432'
		HYBRIDGE_INTRANET_CONNECTION='$(connection_string defaultSender "$sender_key" intranet)'
		HYBRIDGE_INTRANET_HOSTS='intranet.corp:80'
		HYBRIDGE_CA_FILE=$folder/ca.pem
		HYBRIDGE_SOCKET=$folder/sender.sock
	END
	cat >agent.env <<-END
		HYBRIDGE_DB_CONNECTION='$(connection_string defaultListener "$listener_key" db)'
		HYBRIDGE_DB_TARGET=$2
		HYBRIDGE_INTRANET_CONNECTION='$(connection_string defaultListener "$listener_key" intranet)'
		HYBRIDGE_INTRANET_TARGET=$3
		HYBRIDGE_CA_FILE=$folder/ca.pem
	END
}
