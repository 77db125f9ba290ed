/*
 * config_connection.c - builds one connection from its settings: connection
 * string, entity, hosts, target and name.
 */
#include "config_connection.h"

#include <stdlib.h>
#include <string.h>

#include <hybridge/file.h>
#include <hybridge/preamble.h>
#include <hybridge/settings_values.h>
#include <hybridge/text.h>

#include "config_keys.h"
#include "config_request.h"
#include "config_values.h"

/* What connstr.c's messages start with; a key's name takes its place. */
#define CONNSTR_SUBJECT "connection string"

/* A connection while it is being built. */
struct build {
	const struct hybridge_settings *settings;
	const struct hybridge_setting *first;
	struct hybridge_connection connection;
};

static int fail_memory(struct hybridge_error *err)
{
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

/* Passes a failure of a part on, with the setting's place in front. */
static void fail_from(const struct build *b,
		      const struct hybridge_setting *item,
		      const struct hybridge_error *cause,
		      struct hybridge_error *err)
{
	size_t len = strlen(CONNSTR_SUBJECT);

	if (cause->code == HYBRIDGE_ESYSTEM)
		hybridge_fail(err, cause->code, "%s", cause->what);
	else if (strncmp(cause->what, CONNSTR_SUBJECT, len) == 0)
		hybridge_settings_fail(b->settings, item, err, "%s",
				       cause->what + len);
	else
		hybridge_settings_fail(b->settings, item, err, ": %s",
				       cause->what);
	if (cause->hint[0] != '\0')
		hybridge_hint(err, "%s", cause->hint);
}

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* UTF-8's */

/* Trims what editors and "echo" leave around it. */
static char *trim(char *text)
{
	static const char blanks[] = " \t\r\n";
	size_t len;

	if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		text += strlen(BYTE_ORDER_MARK);
	text += strspn(text, blanks);
	len = strlen(text);
	while (len > 0 && strchr(blanks, text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static int load_string_file(struct build *b,
			    const struct hybridge_setting *item,
			    struct hybridge_error *err)
{
	struct hybridge_file file = {0};
	struct hybridge_error cause = {0};
	const char *path;
	int ret = -1;

	if (hybridge_settings_path(b->settings, item->key, item->star,
				   &b->connection.string_file, err) < 0)
		return -1;
	path = b->connection.string_file;
	if (hybridge_file_read(path, &file, &cause) < 0) {
		fail_from(b, item, &cause, err);
		goto out;
	}
	if (strlen(file.text) != file.len) {
		hybridge_settings_fail(b->settings, item, err,
				       ": '%.150s' holds a NUL byte", path);
		goto out;
	}
	if (!b->settings->allow_open &&
	    config_is_secret(item->key, file.text) &&
	    hybridge_file_check_private(&file, err) < 0)
		goto out;
	const char *text = trim(file.text);

	if (hybridge_connstr_parse(text, &b->connection.relay, &cause) < 0) {
		hybridge_fail(err, cause.code, "%s: %s", path, cause.what);
		hybridge_hint(err, "%s", cause.hint);
		goto out;
	}
	ret = 0;
out:
	hybridge_file_free(&file);
	return ret;
}

/*
 * Chooses between CONNECTION and CONNECTION_FILE.  The environment wins over
 * the file here too; both in one place would leave us guessing.
 */
static const struct hybridge_setting *choose_source(const struct build *b,
						    struct hybridge_error *err)
{
	const char *conn = b->first->star;
	const struct hybridge_setting *text =
		hybridge_settings_get(b->settings, CONFIG_CONNECTION, conn);
	const struct hybridge_setting *file = hybridge_settings_get(
		b->settings, CONFIG_CONNECTION_FILE, conn);

	if (!text && !file) {
		hybridge_settings_fail(
			b->settings, b->first, err,
			": the connection has no connection string");
		hybridge_hint(err,
			      "set HYBRIDGE_%s%sCONNECTION or "
			      "HYBRIDGE_%s%sCONNECTION_FILE",
			      conn, *conn ? "_" : "", conn, *conn ? "_" : "");
		return NULL;
	}
	if (text && file && !text->line == !file->line) {
		hybridge_settings_fail(b->settings, file, err,
				       ": %s is set as well", text->name);
		hybridge_hint(err, "remove one of the two");
		return NULL;
	}
	if (text && file)
		return text->line == 0 ? text : file;
	return text ? text : file;
}

static int load_entity(struct build *b, const struct hybridge_setting *source,
		       struct hybridge_error *err)
{
	struct hybridge_connstr *relay = &b->connection.relay;
	const struct hybridge_setting *item = hybridge_settings_get(
		b->settings, CONFIG_ENTITY, b->first->star);
	struct hybridge_span entity = {"", 0};

	if (item)
		entity = hybridge_text_trim_slashes(
			hybridge_text_span(item->value));
	if (item && (entity.len == 0 || strpbrk(item->value, "?#"))) {
		hybridge_settings_fail(
			b->settings, item, err,
			": '%.100s' is not a hybrid connection's path",
			item->value);
		return -1;
	}
	if (!relay->entity && !item) {
		hybridge_settings_fail(b->settings, source, err,
				       " has no EntityPath");
		hybridge_hint(
			err,
			"this is the string of a whole namespace: copy the "
			"hybrid connection's own, or set "
			"HYBRIDGE_%s%sENTITY",
			b->first->star, *b->first->star ? "_" : "");
		return -1;
	}
	if (relay->entity && item &&
	    (strlen(relay->entity) != entity.len ||
	     memcmp(relay->entity, entity.text, entity.len) != 0)) {
		hybridge_settings_fail(
			b->settings, item, err,
			": '%.80s' is not the connection string's "
			"EntityPath, '%.80s'",
			item->value, relay->entity);
		hybridge_hint(err, "remove %s", item->name);
		return -1;
	}
	if (relay->entity)
		return 0;
	relay->entity = strndup(entity.text, entity.len);
	return relay->entity ? 0 : fail_memory(err);
}

static bool is_loopback(const char *host)
{
	struct hybridge_ip ip;
	static const uint8_t v6_loopback[16] = {[15] = 1};

	if (strcmp(host, "localhost") == 0)
		return true;
	if (!hybridge_ip_parse(hybridge_text_span(host), &ip))
		return false;
	if (ip.family == 4)
		return ip.bytes[0] == 127;
	return memcmp(ip.bytes, v6_loopback, sizeof(v6_loopback)) == 0;
}

/* Exactly one source of tokens. */
static int load_token(struct build *b, const struct hybridge_setting *source,
		      struct hybridge_error *err)
{
	const char *conn = b->first->star;
	const struct hybridge_setting *file =
		hybridge_settings_get(b->settings, CONFIG_TOKEN_FILE, conn);
	const struct hybridge_setting *command =
		hybridge_settings_get(b->settings, CONFIG_TOKEN_COMMAND, conn);
	const struct hybridge_connstr *relay = &b->connection.relay;
	bool signs = relay->key || relay->signature;

	if (file && command) {
		hybridge_settings_fail(b->settings, command, err,
				       ": %s is set as well", file->name);
		hybridge_hint(err, "remove one of the two");
		return -1;
	}
	if (signs && (file || command)) {
		hybridge_settings_fail(
			b->settings, file ? file : command, err,
			": the connection string has a key of its own");
		hybridge_hint(err, "remove SharedAccessKeyName and "
				   "SharedAccessKey from it, or this setting");
		return -1;
	}
	if (!signs && !file && !command) {
		hybridge_settings_fail(b->settings, source, err,
				       " has no SharedAccessKey");
		hybridge_hint(err,
			      "copy the connection string of a shared access "
			      "policy, with its key; or set "
			      "HYBRIDGE_%s%sTOKEN_COMMAND or _TOKEN_FILE",
			      conn, *conn ? "_" : "");
		return -1;
	}
	b->connection.token_file_private = !b->settings->allow_open;
	if (hybridge_settings_path(b->settings, CONFIG_TOKEN_FILE,
				   b->first->star, &b->connection.token_file,
				   err) < 0)
		return -1;
	return hybridge_settings_text(b->settings, CONFIG_TOKEN_COMMAND,
				      b->first->star,
				      &b->connection.token_command, err);
}

static int load_relay(struct build *b, struct hybridge_error *err)
{
	const struct hybridge_setting *source = choose_source(b, err);
	const struct hybridge_connstr *relay = &b->connection.relay;
	struct hybridge_error cause = {0};

	if (!source)
		return -1;
	if (source->key == CONFIG_CONNECTION_FILE) {
		if (load_string_file(b, source, err) < 0)
			return -1;
	} else if (hybridge_connstr_parse(source->value, &b->connection.relay,
					  &cause) < 0) {
		fail_from(b, source, &cause, err);
		return -1;
	}
	if (load_entity(b, source, err) < 0)
		return -1;
	if (load_token(b, source, err) < 0)
		return -1;
	if (relay->plaintext && !is_loopback(relay->host)) {
		hybridge_settings_fail(
			b->settings, source, err,
			": '%.100s' would get the key without encryption",
			relay->host);
		hybridge_hint(err, "use sb:// or wss://; ws:// and http:// are "
				   "for 127.0.0.1 and localhost only");
		return -1;
	}
	return 0;
}

/* Reads a list of hosts; its entries point into @text. */
static int load_items(const struct build *b,
		      const struct hybridge_setting *item, const char *text,
		      uint16_t index, struct config_entries *entries,
		      struct hybridge_error *err)
{
	struct hybridge_span rest = hybridge_text_span(text);
	size_t before = entries->len;
	const char *why = NULL;

	for (;;) {
		struct hybridge_map_entry entry = {.connection = index};
		int got = hybridge_map_parse_item(&rest, &entry, &why);

		if (got == 0)
			break;
		if (got < 0) {
			size_t len = strcspn(rest.text, " \t\r\n");

			hybridge_settings_fail(b->settings, item, err,
					       ": '%.*s' at character %td: %s",
					       len < 100 ? (int)len : 100,
					       rest.text, rest.text - text + 1,
					       why);
			hybridge_hint(err, "an item is db.corp:5432, "
					   "db.corp:5432,5433, db.corp:*, "
					   "*.corp:443 or [2001:db8::1]:443");
			return -1;
		}
		struct hybridge_map_entry *items = reallocarray(
			entries->items, entries->len + 1, sizeof(*items));

		if (!items)
			return fail_memory(err);
		items[entries->len++] = entry;
		entries->items = items;
	}
	if (entries->len > before)
		return 0;
	hybridge_settings_fail(b->settings, item, err, " names no host");
	return -1;
}

static int load_hosts(struct build *b, uint16_t index,
		      struct config_entries *entries,
		      struct hybridge_error *err)
{
	const struct hybridge_setting *item = hybridge_settings_get(
		b->settings, CONFIG_HOSTS, b->first->star);

	if (!item)
		return 0;
	b->connection.hosts = strdup(item->value);
	if (!b->connection.hosts)
		return fail_memory(err);
	return load_items(b, item, b->connection.hosts, index, entries, err);
}

static int load_allow(struct build *b, struct hybridge_error *err)
{
	const struct hybridge_setting *item = hybridge_settings_get(
		b->settings, CONFIG_ALLOW, b->first->star);
	struct config_entries entries = {NULL, 0};
	int ret;

	if (!item)
		return 0;
	if (b->connection.target_host) {
		hybridge_settings_fail(
			b->settings, item, err,
			": the connection has a target of its own");
		hybridge_hint(err, "remove it, or HYBRIDGE_%s%sTARGET",
			      b->first->star, *b->first->star ? "_" : "");
		return -1;
	}
	b->connection.allow_text = strdup(item->value);
	if (!b->connection.allow_text)
		return fail_memory(err);
	ret = load_items(b, item, b->connection.allow_text, 0, &entries, err);
	b->connection.allow.entries = entries.items;
	b->connection.allow.len = entries.len;
	return ret;
}

static int load_target(struct build *b, struct hybridge_error *err)
{
	const struct hybridge_setting *item = hybridge_settings_get(
		b->settings, CONFIG_TARGET, b->first->star);
	struct hybridge_error cause = {0};

	if (!item ||
	    hybridge_parse_host_port(item->value, &b->connection.target_host,
				     &b->connection.target_port, &cause) == 0)
		return 0;
	fail_from(b, item, &cause, err);
	return -1;
}

static int load_mode(struct build *b, struct hybridge_error *err)
{
	const struct hybridge_setting *mode =
		hybridge_settings_get(b->settings, CONFIG_MODE, b->first->star);
	const struct hybridge_setting *name = hybridge_settings_get(
		b->settings, CONFIG_PORT_NAME, b->first->star);

	if (mode && strcmp(mode->value, "azbridge") == 0) {
		b->connection.mode = HYBRIDGE_MODE_AZBRIDGE;
	} else if (mode && strcmp(mode->value, "raw") != 0) {
		hybridge_settings_fail(b->settings, mode, err,
				       ": '%.60s' is not raw or azbridge",
				       mode->value);
		return -1;
	}
	if (name && b->connection.mode == HYBRIDGE_MODE_RAW) {
		hybridge_settings_fail(
			b->settings, name, err,
			" means something with azbridge's preamble only");
		hybridge_hint(err,
			      "set HYBRIDGE_%s%sMODE=azbridge, or remove "
			      "it",
			      b->first->star, *b->first->star ? "_" : "");
		return -1;
	}
	if (name && strlen(name->value) > HYBRIDGE_PREAMBLE_NAME_MAX) {
		hybridge_settings_fail(b->settings, name, err,
				       " is longer than %d bytes",
				       HYBRIDGE_PREAMBLE_NAME_MAX);
		return -1;
	}
	return hybridge_settings_text(b->settings, CONFIG_PORT_NAME,
				      b->first->star, &b->connection.port_name,
				      err);
}

static int load_request(struct build *b, struct hybridge_error *err)
{
	const char *conn = b->first->star;
	const struct hybridge_setting *suffix =
		hybridge_settings_get(b->settings, CONFIG_SUFFIX, conn);
	const struct hybridge_setting *headers =
		hybridge_settings_get(b->settings, CONFIG_HEADERS, conn);
	struct hybridge_error cause = {0};

	if (suffix && config_check_suffix(suffix->value, &cause) < 0) {
		fail_from(b, suffix, &cause, err);
		return -1;
	}
	if (headers &&
	    config_parse_headers(headers->value, &b->connection.headers,
				 &cause) < 0) {
		fail_from(b, headers, &cause, err);
		return -1;
	}
	return hybridge_settings_text(b->settings, CONFIG_SUFFIX, conn,
				      &b->connection.suffix, err);
}

/* [a-z][a-z0-9_]*, as every other connection's name is shown */
static bool is_shown_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return name[0] >= 'a' && name[0] <= 'z' && name[len] == '\0';
}

static int load_name(struct build *b, struct hybridge_error *err)
{
	const char *from = b->first->star;

	/* The short form has no NAME. */
	if (*from == '\0')
		from = b->connection.relay.entity;
	b->connection.name = strdup(from);
	if (!b->connection.name)
		return fail_memory(err);
	hybridge_text_lower(b->connection.name);
	if (is_shown_name(b->connection.name))
		return 0;
	free(b->connection.name);
	b->connection.name = strdup("default");
	return b->connection.name ? 0 : fail_memory(err);
}

int config_connection_load(const struct hybridge_settings *settings,
			   const struct hybridge_setting *first, uint16_t index,
			   struct config_entries *entries,
			   struct hybridge_connection *out,
			   struct hybridge_error *err)
{
	struct build b = {.settings = settings, .first = first};

	if (load_hosts(&b, index, entries, err) < 0 ||
	    load_target(&b, err) < 0 || load_allow(&b, err) < 0 ||
	    load_relay(&b, err) < 0 || load_mode(&b, err) < 0 ||
	    load_request(&b, err) < 0 || load_name(&b, err) < 0) {
		hybridge_connection_free(&b.connection);
		return -1;
	}
	*out = b.connection;
	return 0;
}

void hybridge_connection_free(struct hybridge_connection *connection)
{
	free(connection->name);
	free(connection->string_file);
	free(connection->hosts);
	free(connection->target_host);
	free(connection->allow_text);
	/* Const for those who read the map; the array is ours. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	free((void *)(uintptr_t)connection->allow.entries);
	free(connection->token_file);
	hybridge_text_free_secret(connection->token_command);
	free(connection->port_name);
	free(connection->suffix);
	hybridge_text_free_secret(connection->headers);
	hybridge_connstr_free(&connection->relay);
	*connection = (struct hybridge_connection){0};
}
