/*
 * fuzz_envfile.c - lines of an env file: what is a pair, is one under the grammar.
 */
#include "fuzz.h"

#include <ctype.h>

static bool is_key(struct hybridge_span key)
{
	for (size_t i = 0; i < key.len; i++) {
		unsigned char c = (unsigned char)key.text[i];

		if (c > 127 || !(isalpha(c) || c == '_' || (i && isdigit(c))))
			return false;
	}
	return key.len > 0;
}

/* In quotes, a value comes out as it went in. */
static void check_quoted(struct hybridge_span key, struct hybridge_span value)
{
	char quote =
		value.len && memchr(value.text, '\'', value.len) ? '"' : '\'';
	char line[HYBRIDGE_ENV_LINE_MAX];
	struct hybridge_env_line again;
	int len;

	if (value.len && memchr(value.text, quote, value.len))
		return;
	if (key.len + value.len + 3 >= sizeof(line))
		return;
	len = snprintf(line, sizeof(line), "%.*s=%c%.*s%c", (int)key.len,
		       key.text, quote, (int)value.len, value.text, quote);
	again = hybridge_env_parse_line(line, (size_t)len);
	MUST(again.kind == HYBRIDGE_ENV_PAIR);
	MUST(fuzz_span_same(again.key, key));
	MUST(fuzz_span_same(again.value, value));
}

static void check_blank(const char *line, size_t len)
{
	size_t at = len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	if (len > at && line[len - 1] == '\r')
		len--;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	MUST(at == len || line[at] == '#' || line[at] == ';');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	char *line = fuzz_exact(&in, &len);
	struct hybridge_env_line out = hybridge_env_parse_line(line, len);
	struct hybridge_span bare =
		hybridge_env_unquote((struct hybridge_span){line, len});

	MUST(hybridge_env_reason(out.kind)[0]);
	MUST(fuzz_within(out.key, line, len));
	MUST(fuzz_within(out.value, line, len));
	MUST(fuzz_within(bare, line, len));
	MUST(bare.len == len || bare.len + 2 == len);
	if (len > HYBRIDGE_ENV_LINE_MAX)
		MUST(out.kind == HYBRIDGE_ENV_TOO_LONG);
	if (out.kind == HYBRIDGE_ENV_BLANK)
		check_blank(line, len);
	if (out.kind == HYBRIDGE_ENV_PAIR) {
		MUST(is_key(out.key));
		MUST(out.value.len == 0 ||
		     !memchr(out.value.text, '\0', out.value.len));
		check_quoted(out.key, out.value);
	}
	free(line);
	return 0;
}
