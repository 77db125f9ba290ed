/*
 * token.c - caches one connection's token: signing costs time, and a stream should not.
 */
#include "token.h"

void token_forget(struct token_cache *cache)
{
	hybridge_endpoint_token_free(&cache->token);
	cache->made = 0;
	cache->put = false;
	cache->rejected = false;
}

void token_reject(struct token_cache *cache)
{
	if (cache->put)
		cache->rejected = true;
	else
		token_forget(cache);
}

void token_put(struct token_cache *cache, struct hybridge_endpoint_token *token,
	       time_t now)
{
	token_forget(cache);
	cache->token = *token;
	cache->made = now;
	cache->put = true;
	*token = (struct hybridge_endpoint_token){0}; /* kept here now */
}

int token_get(struct token_cache *cache, const struct hybridge_connstr *relay,
	      time_t now, const char **text, struct hybridge_error *err)
{
	struct hybridge_endpoint_token fresh;

	if (cache->put) {
		*text = cache->token.text;
		return 0;
	}
	if (cache->made == 0 || now >= cache->token.renew ||
	    now < cache->made) {
		if (hybridge_endpoint_token_make(relay, now, &fresh, err) != 0)
			return -1;
		token_forget(cache);
		cache->token = fresh;
		cache->made = now;
	}
	*text = cache->token.text;
	return 0;
}
