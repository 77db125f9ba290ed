/*
 * config_keys.c - the one table of configuration keys, and look-ups in it.
 */
#include "config_keys.h"

#include <stdio.h>
#include <string.h>

#include <hybridge/config.h>

#define STAR_PREFIX  "HYBRIDGE_*" /* a connection's key without its suffix */
#define NAME_MAX_LEN 120          /* of a key for which a suggestion is made */

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

/* "_HOSTS" of "HYBRIDGE_*_HOSTS", or NULL. */
static const char *suffix_of(enum config_key key)
{
	return config_key_is_connection(key)
		       ? hybridge_config_keys[key].name + strlen(STAR_PREFIX)
		       : NULL;
}

/* The form that has no NAME: "HYBRIDGE_HOSTS", "HYBRIDGE_SOCKET". */
static void plain_form(enum config_key key, char *out, size_t size)
{
	const char *suffix = suffix_of(key);

	if (suffix)
		snprintf(out, size, CONFIG_PREFIX "%s", suffix + 1);
	else
		snprintf(out, size, "%s", hybridge_config_keys[key].name);
}

/* [A-Z][A-Z0-9_]* */
static bool is_name(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.text[i];

		if (c >= 'A' && c <= 'Z')
			continue;
		if (i == 0 || (c != '_' && (c < '0' || c > '9')))
			return false;
	}
	return text.len > 0;
}

static bool has_prefix(struct hybridge_span name)
{
	size_t len = strlen(CONFIG_PREFIX);

	return name.len > len && memcmp(name.text, CONFIG_PREFIX, len) == 0;
}

/* Whether @name is HYBRIDGE_NAME and the suffix; @conn is then its NAME. */
static bool match_suffix(struct hybridge_span name, const char *suffix,
			 struct hybridge_span *conn)
{
	size_t prefix_len = strlen(CONFIG_PREFIX);
	size_t suffix_len = strlen(suffix);

	if (name.len <= prefix_len + suffix_len ||
	    memcmp(name.text + name.len - suffix_len, suffix, suffix_len) != 0)
		return false;
	conn->text = name.text + prefix_len;
	conn->len = name.len - prefix_len - suffix_len;
	return is_name(*conn);
}

bool config_key_find(struct hybridge_span name, enum config_key *key,
		     struct hybridge_span *conn)
{
	char plain[64];

	if (!has_prefix(name))
		return false;
	for (enum config_key k = 0; k < CONFIG_NUM_KEYS; k++) {
		plain_form(k, plain, sizeof(plain));
		if (strlen(plain) != name.len ||
		    memcmp(plain, name.text, name.len) != 0)
			continue;
		*key = k;
		*conn = (struct hybridge_span){name.text, 0};
		return true;
	}
	for (enum config_key k = 0; config_key_is_connection(k); k++) {
		if (match_suffix(name, suffix_of(k), conn)) {
			*key = k;
			return true;
		}
	}
	return false;
}

/* Levenshtein's distance; both at most NAME_MAX_LEN long. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1];
	size_t len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t best = diagonal + (a[i] == b[j] ? 0 : 1);

			diagonal = row[j + 1];
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[len];
}

/* What a search has found so far; a third of the letters may differ. */
struct nearest {
	size_t distance;
	char name[NAME_MAX_LEN + 24]; /* room for the longest suffix */
};

static void consider_plain(const char *name, enum config_key key,
			   struct nearest *best)
{
	char plain[64];

	plain_form(key, plain, sizeof(plain));
	size_t d = distance(name, plain);

	if (d >= best->distance ||
	    d * 3 > strlen(plain) - strlen(CONFIG_PREFIX))
		return;
	best->distance = d;
	snprintf(best->name, sizeof(best->name), "%s", plain);
}

/* Tries every '_' in @name as the end of the connection's NAME. */
static void consider_suffix(const char *name, enum config_key key,
			    struct nearest *best)
{
	const char *suffix = suffix_of(key);
	const char *start = name + strlen(CONFIG_PREFIX);

	for (const char *p = strchr(start, '_'); p; p = strchr(p + 1, '_')) {
		struct hybridge_span conn = {start, (size_t)(p - start)};
		size_t d = distance(p, suffix);

		if (!is_name(conn) || d >= best->distance ||
		    d * 3 > strlen(suffix))
			continue;
		best->distance = d;
		snprintf(best->name, sizeof(best->name), "%.*s%s",
			 (int)(p - name), name, suffix);
	}
}

bool config_key_suggest(struct hybridge_span name, char *out, size_t size)
{
	struct nearest best = {.distance = NAME_MAX_LEN};
	char upper[NAME_MAX_LEN + 1];

	if (!has_prefix(name) || name.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.text[i];

		upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	upper[name.len] = '\0';
	for (enum config_key k = 0; k < CONFIG_NUM_KEYS; k++) {
		consider_plain(upper, k, &best);
		if (config_key_is_connection(k))
			consider_suffix(upper, k, &best);
	}
	if (best.distance == NAME_MAX_LEN)
		return false;
	snprintf(out, size, "%s", best.name);
	return true;
}
