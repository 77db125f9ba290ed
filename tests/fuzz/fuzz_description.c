/*
 * fuzz_description.c - the Atom entry that describes a hybrid connection.
 */
#include "fuzz.h"

#include <hybridge/description.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hybridge_description description;
	struct fuzz_input in = {data, size};
	struct hybridge_error err = {0};
	size_t len;
	char *xml = fuzz_exact(&in, &len);

	memset(&description, 'x', sizeof(description));
	if (hybridge_description_parse((struct hybridge_span){xml, len},
				       &description, &err) != 0) {
		MUST(err.code == HYBRIDGE_EPROTOCOL && err.what[0]);
	} else {
		MUST(memchr(description.user_metadata, '\0',
			    sizeof(description.user_metadata)));
		MUST(description.listeners >= -1);
	}
	free(xml);
	return 0;
}
