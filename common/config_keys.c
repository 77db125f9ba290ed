/*
 * config_keys.c - the one table of configuration keys.
 */
#include "config_keys.h"

#include <string.h>

#include <hybridge/config.h>

#include "config_values.h"

#define RELAY_PREFIX "HYBRIDGE_RELAY_"

const struct hybridge_key hybridge_config_keys[] = {
	[CONFIG_CONNECTION] = {"HYBRIDGE_*_CONNECTION",
			       "'Endpoint=sb://…;SharedAccessKeyName=…;"
			       "SharedAccessKey=…;EntityPath=…'",
			       "Connection string of the hybrid connection, as "
			       "the portal shows it.",
			       true},
	[CONFIG_CONNECTION_FILE] = {"HYBRIDGE_*_CONNECTION_FILE", "PATH",
				    "File that holds the connection string.",
				    false},
	[CONFIG_ENTITY] = {"HYBRIDGE_*_ENTITY", "PATH",
			   "Hybrid connection's path, when the connection "
			   "string has no EntityPath.",
			   false},
	[CONFIG_TOKEN_FILE] = {"HYBRIDGE_*_TOKEN_FILE", "PATH",
			       "File that holds an Entra ID token; read again "
			       "before that runs out.",
			       false},
	[CONFIG_TOKEN_COMMAND] = {"HYBRIDGE_*_TOKEN_COMMAND", "COMMAND",
				  "Shell command that prints an Entra ID "
				  "token; run again before that runs out.",
				  true},
	[CONFIG_HOSTS] = {"HYBRIDGE_*_HOSTS", "'HOST:PORT…'",
			  "What programs connect to: host:port, host:p1,p2, "
			  "host:*, *.suffix:port, addresses and blocks of "
			  "them, separated by blanks.",
			  false},
	[CONFIG_MODE] = {"HYBRIDGE_*_MODE", "raw|azbridge",
			 "Whether the far side is azure-relay-bridge, which "
			 "puts a preamble before each stream.",
			 false},
	[CONFIG_PORT_NAME] = {"HYBRIDGE_*_PORT_NAME", "TEXT",
			      "Port name in azbridge's preamble; else the "
			      "port's number.",
			      false},
	[CONFIG_SUFFIX] = {"HYBRIDGE_*_SUFFIX", "[/PATH][?QUERY]",
			   "What the sender's address has beyond the hybrid "
			   "connection's path; listeners see it.",
			   false},
	[CONFIG_HEADERS] = {"HYBRIDGE_*_HEADERS", "'NAME: VALUE|…'",
			    "Headers of the sender's requests; listeners see "
			    "them.",
			    true},
	[CONFIG_ALLOW] = {"HYBRIDGE_*_ALLOW", "'HOST:PORT…'",
			  "Without a TARGET: endpoints, as in HOSTS, of which "
			  "the hybrid connection's user metadata may name one "
			  "for the agent to dial.",
			  false},
	[CONFIG_TARGET] = {"HYBRIDGE_*_TARGET", "HOST:PORT",
			   "Service that the agent dials.", false},
	[CONFIG_RANGE] = {"HYBRIDGE_RANGE", "A.B.C.D/N",
			  "Loopback addresses that stand for mapped host "
			  "names.",
			  false},
	[CONFIG_SOCKET] = {"HYBRIDGE_SOCKET", "PATH",
			   "Unix socket of the sender.", false},
	[CONFIG_CA_FILE] = {"HYBRIDGE_CA_FILE", "PATH",
			    "Certificates, in PEM, that alone are trusted to "
			    "sign the relay's.",
			    false},
	[CONFIG_PROXY] = {"HYBRIDGE_PROXY", "http://[USER:PASSWORD@]HOST:PORT",
			  "Proxy to the relay; empty: none, whatever "
			  "HTTPS_PROXY says.",
			  true},
	[CONFIG_CONNECT_TIMEOUT] = {"HYBRIDGE_CONNECT_TIMEOUT", "DURATION",
				    "How long a program's connect() may take.",
				    false},
	[CONFIG_IDLE_EXIT] = {"HYBRIDGE_IDLE_EXIT", "DURATION",
			      "How long a sender that was started by the "
			      "library stays without a stream.",
			      false},
	[CONFIG_KEEPALIVE] = {"HYBRIDGE_KEEPALIVE", "DURATION",
			      "How long the relay may be silent on a "
			      "connection before it is pinged; after three "
			      "times that the connection is dead.",
			      false},
	[CONFIG_HTTP2] = {"HYBRIDGE_HTTP2", "on|off",
			  "Whether many streams share a connection with a "
			  "relay of ours.",
			  false},
	[CONFIG_STATUS_LISTEN] = {"HYBRIDGE_STATUS_LISTEN", "HOST:PORT",
				  "Where /livez, /readyz and /metrics are "
				  "served.",
				  false},
	[CONFIG_FAST_CRYPTO] = {"HYBRIDGE_FAST_CRYPTO", "auto|on|off",
				"Whether libipsec-mb encrypts for OpenSSL.",
				false},
	[CONFIG_LOG_LEVEL] = {"HYBRIDGE_LOG_LEVEL", "error|warning|info|debug",
			      "Least important event that is logged.", false},
	[CONFIG_LOG_FORMAT] = {"HYBRIDGE_LOG_FORMAT", "auto|text|logfmt|json",
			       "Form of the log on standard error.", false},
	[CONFIG_ALLOW_OPEN_FILES] = {"HYBRIDGE_ALLOW_OPEN_FILES", "0|1",
				     "Whether a file with a secret may be open "
				     "to others.",
				     false},
	[CONFIG_ENV] = {"HYBRIDGE_ENV", "PATH",
			"Env file to read; set in the environment only.",
			false},
	[CONFIG_SENDER] = {"HYBRIDGE_SENDER", "PATH",
			   "Sender that the library starts when none runs.",
			   false},
	[CONFIG_DEBUG] = {"HYBRIDGE_DEBUG", "PATH",
			  "File to which the library writes what it does.",
			  false},
	[CONFIG_NUM_KEYS] = {NULL, NULL, NULL, false},
};

/* The relay's own file has these, and may serve other programs as well. */
static bool is_relays(struct hybridge_span name)
{
	size_t len = strlen(RELAY_PREFIX);

	return name.len >= len && memcmp(name.text, RELAY_PREFIX, len) == 0;
}

const struct hybridge_settings_table hybridge_config_table = {
	.keys = hybridge_config_keys,
	.short_forms = true,
	.foreign = is_relays,
	.secret = config_is_secret,
	.environment = "HYBRIDGE_",
	.hint = "a connection's keys are HYBRIDGE_NAME_ and CONNECTION, "
		"CONNECTION_FILE, ENTITY, HOSTS or TARGET, NAME in capitals",
};
