/*
 * fuzz_connstr.c - connection strings: same parts when written anew, and no key in any message.
 */
#include "fuzz.h"

#include <ctype.h>

#include <hybridge/connstr.h>

#define SECRET "q7Zk-3xW9vBn5LcJ"

static void check_parts(const struct hybridge_connstr *cs)
{
	MUST(cs->host && cs->host[0] && cs->port > 0);
	for (const char *c = cs->host; *c; c++)
		MUST(!isupper((unsigned char)*c) && !strchr(" /@[];\r\n", *c));
	if (!cs->has_port)
		MUST(cs->port == (cs->plaintext ? 80 : 443));
	if (cs->entity)
		MUST(cs->entity[0] && cs->entity[0] != '/' &&
		     cs->entity[strlen(cs->entity) - 1] != '/');
}

static bool has_outer_blanks(const char *text)
{
	return text && (strspn(text, " \t") > 0 ||
			strchr(" \t", text[strlen(text) - 1]));
}

static void put(FILE *to, const char *name, const char *value)
{
	if (value)
		fprintf(to, ";%s=%s", name, value);
}

static void check_round_trip(const struct hybridge_connstr *cs)
{
	const char *scheme = cs->plaintext ? "ws" : "sb";
	bool v6 = strchr(cs->host, ':');
	struct hybridge_connstr again = {0};
	struct hybridge_error err = {0};
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to);
	fprintf(to, "Endpoint=%s://%s%s%s", scheme, v6 ? "[" : "", cs->host,
		v6 ? "]" : "");
	if (cs->has_port)
		fprintf(to, ":%u", cs->port);
	fputs("/", to);
	put(to, "SharedAccessKeyName", cs->key_name);
	put(to, "SharedAccessKey", cs->key);
	put(to, "SharedAccessSignature", cs->signature);
	put(to, "EntityPath", cs->entity);
	fputs(";", to);
	MUST(fclose(to) == 0);
	MUST(hybridge_connstr_parse(text, &again, &err) == 0);
	MUST(fuzz_same(again.host, cs->host) && again.port == cs->port &&
	     again.has_port == cs->has_port &&
	     again.plaintext == cs->plaintext);
	/* Blanks behind slashes, "/ a", are only reached the second time. */
	MUST(fuzz_same(again.entity, cs->entity) ||
	     has_outer_blanks(cs->entity));
	MUST(fuzz_same(again.key_name, cs->key_name));
	MUST(fuzz_same(again.key, cs->key));
	MUST(fuzz_same(again.signature, cs->signature));
	hybridge_connstr_free(&again);
	free(text);
}

static void check(const char *text, const char *secret)
{
	struct hybridge_connstr cs = {0};
	struct hybridge_error err = {0};

	if (hybridge_connstr_parse(text, &cs, &err) == 0) {
		check_parts(&cs);
		check_round_trip(&cs);
	} else {
		MUST(err.code == HYBRIDGE_ECONFIG && err.what[0]);
		MUST(!cs.host && !cs.key && !cs.signature && !cs.entity);
	}
	MUST(!secret ||
	     (!strstr(err.what, secret) && !strstr(err.hint, secret)));
	hybridge_connstr_free(&cs);
	MUST(!cs.host && !cs.key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	/* Where the fuzzer itself puts the secret, it may be no key at all. */
	bool with_secret = !memmem(data, size, SECRET, sizeof(SECRET) - 1);
	/* The last: what is left of a key that was cut in two. */
	static const char *const places[] = {
		"SharedAccessKey=", "SharedAccessSignature=", ""};
	const char *place = places[fuzz_byte(&in) % 3];
	char *before = fuzz_string(&in);
	size_t len;
	char *after = fuzz_copy(&in, in.size, &len);
	char *text;

	check(after, NULL);
	MUST(asprintf(&text, "%s;%s%s%s", before, place, SECRET, after) > 0);
	check(text, with_secret ? SECRET : NULL);
	free(text);
	free(before);
	free(after);
	return 0;
}
