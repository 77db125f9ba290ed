/*
 * text.c - puts pieces of text together.
 */
#include <hybridge/text.h>

char *hybridge_text_join(const struct hybridge_span *parts, size_t num)
{
	size_t len = 0;
	char *text, *to;

	for (size_t i = 0; i < num; i++)
		len += parts[i].len;
	text = malloc(len + 1);
	if (!text)
		return NULL;
	to = text;
	for (size_t i = 0; i < num; i++) {
		if (parts[i].len > 0)
			memcpy(to, parts[i].text, parts[i].len);
		to += parts[i].len;
	}
	*to = '\0';
	return text;
}

struct hybridge_span hybridge_text_number(uint32_t number,
					  char out[static HYBRIDGE_TEXT_NUMBER])
{
	const size_t end = HYBRIDGE_TEXT_NUMBER - 1;
	size_t at = end;

	out[at] = '\0';
	do {
		out[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return (struct hybridge_span){out + at, end - at};
}

static const char *value_of(const char *text, const char *key)
{
	while ((text = strcasestr(text, key)) != NULL) {
		text += strlen(key);
		text += strspn(text, " \t");
		if (*text == '=')
			return text + 1;
	}
	return NULL;
}

const char *hybridge_text_find_secret(const char *text)
{
	const char *key = value_of(text, "SharedAccessKey");
	const char *signature = value_of(text, "SharedAccessSignature");

	if (!key || (signature && signature < key))
		return signature;
	return key;
}
