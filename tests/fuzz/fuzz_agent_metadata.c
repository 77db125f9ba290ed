/*
 * fuzz_agent_metadata.c - the endpoint in the user metadata of a relay's Atom entry.
 */
#include "fuzz.h"

#include "../../agent/metadata.h"

/* A whole entry whose user metadata are this text; owned by the caller. */
static char *make_entry(const char *text)
{
	static const char head[] =
		"<entry xmlns=\"http://www.w3.org/2005/Atom\"><content>"
		"<HybridConnectionDescription xmlns=\"urn:x\"><UserMetadata>";
	static const char tail[] = "</UserMetadata>"
				   "</HybridConnectionDescription>"
				   "</content></entry>";
	/* Each byte becomes at most five: &amp; */
	char *xml = malloc(sizeof(head) + sizeof(tail) + 5 * strlen(text));
	char *to = xml;

	MUST(xml);
	to = stpcpy(to, head);
	for (; *text; text++) {
		if (*text == '&')
			to = stpcpy(to, "&amp;");
		else if (*text == '<')
			to = stpcpy(to, "&lt;");
		else if (*text == '>')
			to = stpcpy(to, "&gt;");
		else
			*to++ = *text;
	}
	stpcpy(to, tail);
	return xml;
}

static void check(const char *xml, size_t len)
{
	char untouched[] = "untouched";
	char *host = untouched;
	uint16_t port = 0;
	struct hybridge_error err = {0};

	if (metadata_parse((struct hybridge_span){xml, len}, &host, &port,
			   &err) != 0) {
		MUST(host == untouched && err.what[0]);
		MUST(err.code == HYBRIDGE_EPROTOCOL ||
		     err.code == HYBRIDGE_ECONFIG);
		return;
	}
	MUST(host != untouched && host[0] && port > 0);
	for (const char *c = host; *c; c++)
		MUST((unsigned char)*c > ' ' && *c != 0x7f &&
		     !(*c >= 'A' && *c <= 'Z'));
	free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	bool is_entry = fuzz_byte(&in) & 1;
	size_t len;
	char *text;

	if (is_entry) {
		text = fuzz_exact(&in, &len);
		check(text, len);
	} else {
		char *metadata = fuzz_copy(&in, in.size, &len);

		text = make_entry(metadata);
		check(text, strlen(text));
		free(metadata);
	}
	free(text);
	return 0;
}
