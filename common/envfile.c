/* envfile.c - takes one line of an env file apart; see envfile.h for the grammar. */
#include <stdbool.h>
#include <string.h>

#include <hybridge/envfile.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_key_char(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static bool is_key(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_key_char(text.text[i], i == 0))
			return false;
	return text.len > 0;
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"';
}

/* Whether the whole text stands in one pair of quotes, with none of them inside. */
static bool is_quoted(struct hybridge_span text)
{
	const char *close;

	if (text.len < 2 || !is_quote(text.text[0]))
		return false;
	close = memchr(text.text + 1, text.text[0], text.len - 1);
	return close == text.text + text.len - 1;
}

static struct hybridge_span trim(struct hybridge_span text)
{
	while (text.len > 0 && is_blank(text.text[0])) {
		text.text++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.text[text.len - 1]))
		text.len--;
	return text;
}

static struct hybridge_span drop_bom_and_cr(const char *line, size_t len)
{
	if (len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return (struct hybridge_span){line, len};
}

struct hybridge_env_line hybridge_env_parse_line(const char *line, size_t len)
{
	struct hybridge_env_line out = {.kind = HYBRIDGE_ENV_BLANK};
	struct hybridge_span text = trim(drop_bom_and_cr(line, len));
	struct hybridge_span key, value;
	const char *equals;

	if (len > HYBRIDGE_ENV_LINE_MAX) {
		out.kind = HYBRIDGE_ENV_TOO_LONG;
		return out;
	}
	if (text.len == 0 || text.text[0] == '#' || text.text[0] == ';')
		return out;
	if (memchr(text.text, '\0', text.len)) {
		out.kind = HYBRIDGE_ENV_NUL;
		return out;
	}
	equals = memchr(text.text, '=', text.len);
	if (!equals) {
		out.kind = HYBRIDGE_ENV_NO_EQUALS;
		return out;
	}
	key = (struct hybridge_span){text.text, (size_t)(equals - text.text)};
	value = (struct hybridge_span){equals + 1, text.len - key.len - 1};
	if (!is_key(key)) {
		out.kind = HYBRIDGE_ENV_BAD_KEY;
		return out;
	}
	out.key = key;
	if (value.len > 0 && is_blank(value.text[0])) {
		out.kind = HYBRIDGE_ENV_SPACE_AFTER_EQUALS;
		return out;
	}
	if (value.len > 0 && is_quote(value.text[0]) && !is_quoted(value)) {
		out.kind = HYBRIDGE_ENV_OPEN_QUOTE;
		return out;
	}
	out.kind = HYBRIDGE_ENV_PAIR;
	out.value = hybridge_env_unquote(value);
	return out;
}

struct hybridge_span hybridge_env_unquote(struct hybridge_span value)
{
	if (is_quoted(value))
		return (struct hybridge_span){value.text + 1, value.len - 2};
	return value;
}

const char *hybridge_env_reason(enum hybridge_env_kind kind)
{
	static const char *const reasons[] = {
		[HYBRIDGE_ENV_BLANK] = "blank",
		[HYBRIDGE_ENV_PAIR] = "a key and its value",
		[HYBRIDGE_ENV_NO_EQUALS] = "no '='",
		[HYBRIDGE_ENV_BAD_KEY] =
			"not letters, digits and '_' alone before '='",
		[HYBRIDGE_ENV_SPACE_AFTER_EQUALS] = "a space after '='",
		[HYBRIDGE_ENV_OPEN_QUOTE] =
			"a quote that does not close at the end of the value",
		[HYBRIDGE_ENV_NUL] = "a NUL byte in the line",
		[HYBRIDGE_ENV_TOO_LONG] = "a line of more than 8192 bytes",
	};
	_Static_assert(sizeof(reasons) / sizeof(*reasons) ==
			       HYBRIDGE_ENV_TOO_LONG + 1,
		       "every kind has a reason");
	_Static_assert(HYBRIDGE_ENV_LINE_MAX == 8192, "as the text says");

	return reasons[kind];
}
