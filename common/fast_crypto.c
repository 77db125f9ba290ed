/*
 * fast_crypto.c - the OpenSSL provider with the faster AES-GCM.
 *
 * Theory of operation.  libssl fetches its ciphers by name and property query
 * when an SSL_CTX is made.  Our provider is compiled in and offers nothing but two
 * ciphers with the property hybridge.fast=yes; an SSL_CTX that asks for "?hybridge.fast=yes"
 * prefers them, and gets everything else from where it always came.  The record
 * layer, the handshake, keys and random numbers stay OpenSSL's.
 */
#include <hybridge/fast_crypto.h>

#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "gcm_cipher.h"

#define NAME "hybridge" /* of the provider */

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_PROVIDER *kept; /* for ever: any SSL_CTX may need it */
static atomic_bool registered;

static const OSSL_PARAM *gettable_params(void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
		OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
		OSSL_PARAM_END,
	};

	(void)provider;
	return known;
}

static int get_params(void *provider, OSSL_PARAM params[])
{
	OSSL_PARAM *name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
	OSSL_PARAM *version =
		OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
	OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

	(void)provider;
	return (!name ||
		OSSL_PARAM_set_utf8_ptr(name, "AES-GCM by libipsec-mb")) &&
	       (!version ||
		OSSL_PARAM_set_utf8_ptr(version, HYBRIDGE_VERSION)) &&
	       (!status || OSSL_PARAM_set_int(status, 1));
}

static const OSSL_ALGORITHM *query_operation(void *provider, int operation,
					     int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_CIPHER ? gcm_cipher_algorithms : NULL;
}

/* OpenSSL calls it when the provider is loaded. */
static int provider_init(const OSSL_CORE_HANDLE *handle,
			 const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
			 void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_GETTABLE_PARAMS,
		 (void (*)(void))gettable_params},
		{OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION,
		 (void (*)(void))query_operation},
		{0, NULL},
	};

	(void)handle;
	(void)in;
	*out = functions;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): newctx only reads it */
	*provider = (void *)(uintptr_t)gcm_kernel_load();
	return *provider != NULL;
}

static void register_once(void)
{
	ERR_set_mark();
	/* Retaining fallbacks: OpenSSL's own stays loaded by itself. */
	if (gcm_kernel_load() &&
	    OSSL_PROVIDER_add_builtin(NULL, NAME, provider_init) == 1)
		kept = OSSL_PROVIDER_try_load(NULL, NAME, 1);
	registered = kept != NULL;
	ERR_pop_to_mark();
}

const char *hybridge_fast_crypto_query(enum hybridge_fast_crypto mode)
{
	bool wanted = mode == HYBRIDGE_FAST_CRYPTO_ON ||
		      (mode == HYBRIDGE_FAST_CRYPTO_AUTO && gcm_kernel_pays());

	if (wanted)
		pthread_once(&once, register_once);
	if (!registered)
		return NULL;
	return wanted ? "?" GCM_PROPERTY "=yes" : GCM_PROPERTY "!=yes";
}

#else

const char *hybridge_fast_crypto_query(enum hybridge_fast_crypto mode)
{
	(void)mode;
	return NULL;
}

#endif

int hybridge_fast_crypto_parse(const char *text, enum hybridge_fast_crypto *out)
{
	static const char *const names[] = {
		[HYBRIDGE_FAST_CRYPTO_AUTO] = "auto",
		[HYBRIDGE_FAST_CRYPTO_ON] = "on",
		[HYBRIDGE_FAST_CRYPTO_OFF] = "off",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum hybridge_fast_crypto)i;
			return 0;
		}
	}
	return -1;
}

const char *hybridge_fast_crypto_name(enum hybridge_fast_crypto mode)
{
	const char *query = hybridge_fast_crypto_query(mode);
	EVP_CIPHER *cipher;
	bool ours;

	ERR_set_mark();
	/* Asked, not assumed: OpenSSL's own configuration has a say. */
	cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", query);
	ours = cipher &&
	       strcmp(OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher)),
		      NAME) == 0;
	EVP_CIPHER_free(cipher);
	ERR_pop_to_mark();
	return ours ? "libipsec-mb" : "OpenSSL";
}
