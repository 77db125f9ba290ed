/*
 * fuzz_token.c - tokens, alone, in JWTs or in JSON, as files and commands give them.
 */
#include "fuzz.h"

#include "../../common/token_text.h"

#define NOW     1800000000
#define SOONEST 5 /* seconds until a renewal */

static void check_failure(const struct hybridge_error *err)
{
	/* Its words are ours alone: nothing of the token may be among them. */
	if (err->code == HYBRIDGE_EDENIED)
		MUST(strcmp(err->what, "the token ran out") == 0);
	else
		MUST(err->code == HYBRIDGE_ECONFIG &&
		     strncmp(err->what, "no usable token: ", 17) == 0);
}

/* It goes into a header as it is. */
static void check_token(const struct hybridge_endpoint_token *token)
{
	size_t len = strlen(token->text);

	MUST(len > 0 && token->text[0] != ' ' && token->text[len - 1] != ' ');
	for (size_t i = 0; i < len; i++)
		MUST(token->text[i] >= ' ' && token->text[i] <= '~');
	MUST(token->expires == 0 || token->expires > NOW);
	MUST(token->renew >= NOW + SOONEST);
	if (token->expires > NOW + 2 * SOONEST)
		MUST(token->renew < token->expires);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct hybridge_endpoint_token token = {0};
	struct hybridge_error err = {0};
	size_t len;
	char *text = fuzz_exact(&in, &len);
	int ret = token_text_parse((struct hybridge_span){text, len}, NOW,
				   &token, &err);

	free(text); /* what was read must not point into it */
	if (ret == 0) {
		check_token(&token);
	} else {
		check_failure(&err);
		MUST(!token.text && token.expires == 0 && token.renew == 0);
	}
	hybridge_endpoint_token_free(&token);
	return 0;
}
