/*
 * fuzz_agent_metadata.c - the endpoint in a hybrid connection's user metadata.
 */
#include "fuzz.h"

#include "../../agent/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hybridge_description description;
	struct fuzz_input in = {data, size};
	char untouched[] = "untouched";
	char *host = untouched;
	uint16_t port = 0;
	struct hybridge_error err = {0};
	size_t len;
	char *text;

	description.is_cut = fuzz_byte(&in) & 1;
	text = fuzz_copy(&in, in.size, &len);
	snprintf(description.user_metadata, sizeof(description.user_metadata),
		 "%s", text);
	free(text);
	if (metadata_endpoint(&description, &host, &port, &err) != 0) {
		MUST(host == untouched && err.code == HYBRIDGE_ECONFIG);
		MUST(err.what[0]);
		return 0;
	}
	MUST(!description.is_cut && host != untouched && host[0] && port > 0);
	for (const char *c = host; *c; c++)
		MUST((unsigned char)*c > ' ' && *c != 0x7f &&
		     !(*c >= 'A' && *c <= 'Z'));
	free(host);
	return 0;
}
