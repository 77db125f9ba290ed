/*
 * connstr.c - takes the portal's connection strings apart.
 *
 * Messages are predicates of "connection string", so that the configuration
 * can put a key's name and place in front.  None shows a value other than the
 * end point's, nor a word that could be a piece of a key pasted out of place.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hybridge/authority.h>
#include <hybridge/connstr.h>
#include <hybridge/envfile.h>
#include <hybridge/text.h>

#define SECRET_MAX 256 /* characters of a key or rule name; Azure's limit */

enum part {
	PART_ENDPOINT,
	PART_KEY_NAME,
	PART_KEY,
	PART_SIGNATURE,
	PART_ENTITY,
	PART_TIMEOUT,
	PART_AUTHENTICATION,
	NUM_PARTS,
};

static const char *const part_names[] = {
	[PART_ENDPOINT] = "Endpoint",
	[PART_KEY_NAME] = "SharedAccessKeyName",
	[PART_KEY] = "SharedAccessKey",
	[PART_SIGNATURE] = "SharedAccessSignature",
	[PART_ENTITY] = "EntityPath",
	[PART_TIMEOUT] = "OperationTimeout",
	[PART_AUTHENTICATION] = "Authentication",
};
_Static_assert(sizeof(part_names) / sizeof(part_names[0]) == NUM_PARTS,
	       "every part has a name");

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct hybridge_span trim(struct hybridge_span s)
{
	while (s.len > 0 && is_blank(s.text[0])) {
		s.text++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.text[s.len - 1]))
		s.len--;
	return s;
}

static enum part find_part(struct hybridge_span name)
{
	for (int i = 0; i < NUM_PARTS; i++)
		if (strlen(part_names[i]) == name.len &&
		    strncasecmp(part_names[i], name.text, name.len) == 0)
			return (enum part)i;
	return NUM_PARTS;
}

static void fail_unknown(struct hybridge_span name, ptrdiff_t at,
			 struct hybridge_error *err)
{
	size_t letters = 0;

	while (letters < name.len &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
		      name.text[letters]))
		letters++;
	/* Anything else may be the rest of a key that was cut in two. */
	if (name.len > 0 && letters == name.len && name.len <= 24)
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string: unknown key '%.*s'",
			      (int)name.len, name.text);
	else
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string: unknown key at character %td",
			      at + 1);
	hybridge_hint(err, "copy the connection string from the portal again: "
			   "Endpoint=…;SharedAccessKeyName=…;"
			   "SharedAccessKey=…;EntityPath=…");
}

/* Splits at ';' and the first '=' into @parts. */
static int split(const char *text, struct hybridge_span parts[NUM_PARTS],
		 struct hybridge_error *err)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ";");
		struct hybridge_span piece =
			trim((struct hybridge_span){p, len});
		const char *equals = memchr(piece.text, '=', piece.len);

		p += p[len] ? len + 1 : len;
		if (piece.len == 0)
			continue;
		if (!equals) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "connection string has no '=' in the "
				      "part at character %td",
				      piece.text - text + 1);
			return -1;
		}
		size_t name_len = (size_t)(equals - piece.text);
		struct hybridge_span name =
			trim((struct hybridge_span){piece.text, name_len});
		enum part part = find_part(name);

		if (part == NUM_PARTS) {
			fail_unknown(name, piece.text - text, err);
			return -1;
		}
		if (parts[part].text) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "connection string has %s twice",
				      part_names[part]);
			return -1;
		}
		parts[part] = trim((struct hybridge_span){
			equals + 1, piece.len - name_len - 1});
	}
	return 0;
}

/* Which parts must, and must not, stand together. */
static int check_parts(const char *text, const struct hybridge_span *parts,
		       struct hybridge_error *err)
{
	bool whole = strchr(text, ';') != NULL;

	if (!whole && parts[PART_ENDPOINT].text) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string stops at 'Endpoint=%.*s'",
			      (int)parts[PART_ENDPOINT].len,
			      parts[PART_ENDPOINT].text);
		hybridge_hint(err,
			      "a shell cut it at the first ';': put the whole "
			      "string between single quotes");
		return -1;
	}
	if (parts[PART_ENDPOINT].len == 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string has no Endpoint");
		hybridge_hint(err,
			      whole ? "copy it from the portal again"
				    : "if a shell cut it at the first ';', put "
				      "the whole string between single quotes");
		return -1;
	}
	if (parts[PART_AUTHENTICATION].text) {
		hybridge_fail(
			err, HYBRIDGE_ECONFIG,
			"connection string asks for Authentication, which "
			"is not supported");
		hybridge_hint(err, "use the string of a shared access policy");
		return -1;
	}
	if (parts[PART_SIGNATURE].text &&
	    (parts[PART_KEY].text || parts[PART_KEY_NAME].text)) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string has both a "
			      "SharedAccessSignature and a SharedAccessKey");
		return -1;
	}
	if (!parts[PART_KEY].text != !parts[PART_KEY_NAME].text) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string has %s but no %s",
			      part_names[parts[PART_KEY].text ? PART_KEY
							      : PART_KEY_NAME],
			      part_names[parts[PART_KEY].text ? PART_KEY_NAME
							      : PART_KEY]);
		hybridge_hint(err, "copy it from the portal again; in a shell "
				   "put it between single quotes");
		return -1;
	}
	return 0;
}

static int check_secrets(const struct hybridge_span *parts,
			 struct hybridge_error *err)
{
	static const enum part secrets[] = {PART_KEY_NAME, PART_KEY,
					    PART_SIGNATURE};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		const struct hybridge_span *s = &parts[secrets[i]];

		if (s->text && s->len == 0) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "connection string has an empty %s",
				      part_names[secrets[i]]);
			return -1;
		}
		if (secrets[i] != PART_SIGNATURE && s->len > SECRET_MAX) {
			hybridge_fail(err, HYBRIDGE_ECONFIG,
				      "connection string has a %s of more than "
				      "%d characters",
				      part_names[secrets[i]], SECRET_MAX);
			return -1;
		}
	}
	return 0;
}

static const struct {
	const char *prefix;
	bool plaintext;
} schemes[] = {
	{"sb://", false}, {"wss://", false}, {"https://", false},
	{"ws://", true},  {"http://", true},
};

static int parse_endpoint(struct hybridge_span text,
			  struct hybridge_connstr *out,
			  struct hybridge_error *err)
{
	struct hybridge_span rest = {NULL, 0};
	struct hybridge_authority authority = {0};
	const char *why = NULL;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].prefix);

		if (!text.text || text.len < len ||
		    strncasecmp(text.text, schemes[i].prefix, len) != 0)
			continue;
		rest.text = text.text + len;
		rest.len = text.len - len;
		out->plaintext = schemes[i].plaintext;
		break;
	}
	while (rest.len > 0 && rest.text[rest.len - 1] == '/')
		rest.len--;
	if (!rest.text)
		why = "does not start with sb://, wss:// or https://";
	else if (memchr(rest.text, '/', rest.len))
		why = "has a path (which belongs into EntityPath)";
	else if (memchr(rest.text, '@', rest.len))
		why = "has user information";
	else
		why = hybridge_authority_split(rest, &authority);
	if (why) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "connection string: Endpoint: %s", why);
		hybridge_hint(
			err, "it looks like "
			     "Endpoint=sb://NAMESPACE.servicebus.windows.net/");
		return -1;
	}
	out->has_port = authority.has_port;
	out->port = authority.port;
	if (!out->has_port)
		out->port = out->plaintext ? 80 : 443;
	out->host = strndup(authority.host.text, authority.host.len);
	if (!out->host) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	hybridge_text_lower(out->host);
	return 0;
}

static int check_entity(struct hybridge_span *entity,
			struct hybridge_error *err)
{
	*entity = hybridge_text_trim_slashes(*entity);
	for (size_t i = 0; i < entity->len; i++) {
		unsigned char c = (unsigned char)entity->text[i];

		if (c >= 0x20 && c != 0x7f && c != '?' && c != '#')
			continue;
		hybridge_fail(
			err, HYBRIDGE_ECONFIG,
			"connection string: EntityPath holds a '?', a '#' "
			"or a control character");
		return -1;
	}
	return 0;
}

static int copy(char **to, struct hybridge_span from,
		struct hybridge_error *err)
{
	if (from.len == 0)
		return 0;
	*to = strndup(from.text, from.len);
	if (*to)
		return 0;
	hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
	return -1;
}

int hybridge_connstr_parse(const char *text, struct hybridge_connstr *out,
			   struct hybridge_error *err)
{
	struct hybridge_span parts[NUM_PARTS] = {{NULL, 0}};
	struct hybridge_connstr cs = {0};
	int ret = -1;

	if (split(text, parts, err) < 0 || check_parts(text, parts, err) < 0 ||
	    check_secrets(parts, err) < 0 ||
	    check_entity(&parts[PART_ENTITY], err) < 0)
		goto out;
	if (parse_endpoint(parts[PART_ENDPOINT], &cs, err) < 0 ||
	    copy(&cs.entity, parts[PART_ENTITY], err) < 0 ||
	    copy(&cs.key_name, parts[PART_KEY_NAME], err) < 0 ||
	    copy(&cs.key, parts[PART_KEY], err) < 0 ||
	    copy(&cs.signature, parts[PART_SIGNATURE], err) < 0)
		goto out;

	*out = cs;
	cs = (struct hybridge_connstr){0}; /* handed to the caller */
	ret = 0;
out:
	hybridge_connstr_free(&cs);
	return ret;
}

void hybridge_connstr_free(struct hybridge_connstr *cs)
{
	if (!cs)
		return;
	free(cs->host);
	free(cs->entity);
	free(cs->key_name);
	hybridge_text_free_secret(cs->key);
	hybridge_text_free_secret(cs->signature);
	*cs = (struct hybridge_connstr){0};
}
