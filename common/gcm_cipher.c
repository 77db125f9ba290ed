/*
 * gcm_cipher.c - AES-GCM as OpenSSL's providers offer it: provider-cipher(7).
 *
 * Translates OpenSSL's calls and parameters; gcm_aead.c does the work.  Return values
 * are OpenSSL's here: 1, or 0 on failure.
 */
#include "gcm_cipher.h"

#include <string.h>

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/proverr.h>

#include "gcm_aead.h"

static int fail(int reason)
{
	ERR_raise(ERR_LIB_PROV, reason);
	return 0;
}

static void *new_128(void *provider)
{
	const struct gcm_kernels *kernels = provider;

	return gcm_new(&kernels->aes128);
}

static void *new_256(void *provider)
{
	const struct gcm_kernels *kernels = provider;

	return gcm_new(&kernels->aes256);
}

static void free_ctx(void *ctx)
{
	gcm_free(ctx);
}

static void *dup_ctx(void *ctx)
{
	return gcm_dup(ctx);
}

/* Parameters of the context. */

static int set_tag(struct gcm *gcm, OSSL_PARAM *param)
{
	void *tag = gcm->tag;
	size_t len;

	if (gcm->encrypts)
		return fail(PROV_R_TAG_NOT_NEEDED);
	if (!OSSL_PARAM_get_octet_string(param, &tag, sizeof(gcm->tag), &len))
		return fail(PROV_R_FAILED_TO_GET_PARAMETER);
	if (len == 0)
		return fail(PROV_R_INVALID_TAG);
	gcm->tag_len = len;
	return 1;
}

static int set_iv_len(struct gcm *gcm, OSSL_PARAM *param)
{
	size_t len;

	if (!OSSL_PARAM_get_size_t(param, &len))
		return fail(PROV_R_FAILED_TO_GET_PARAMETER);
	return gcm_set_iv_len(gcm, len) == 0 ? 1
					     : fail(PROV_R_INVALID_IV_LENGTH);
}

static int set_record_aad(struct gcm *gcm, OSSL_PARAM *param)
{
	return gcm_set_record_aad(gcm, param->data, param->data_size) == 0
		       ? 1
		       : fail(PROV_R_INVALID_AAD);
}

static int set_fixed_iv(struct gcm *gcm, OSSL_PARAM *param)
{
	return gcm_set_fixed_iv(gcm, param->data, param->data_size) == 0
		       ? 1
		       : fail(PROV_R_FAILED_TO_SET_PARAMETER);
}

static int set_peer_iv(struct gcm *gcm, OSSL_PARAM *param)
{
	return gcm_peer_iv(gcm, param->data, param->data_size) == 0
		       ? 1
		       : fail(PROV_R_FAILED_TO_SET_PARAMETER);
}

/* One parameter's name, and what reads or writes it. */
struct accessor {
	const char *name;
	int (*call)(struct gcm *gcm, OSSL_PARAM *param);
};

static int get_key_len(struct gcm *gcm, OSSL_PARAM *param)
{
	return OSSL_PARAM_set_size_t(param, gcm->kernel->key_len);
}

static int get_iv_len(struct gcm *gcm, OSSL_PARAM *param)
{
	return OSSL_PARAM_set_size_t(param, gcm->iv_len);
}

static int get_tag_len(struct gcm *gcm, OSSL_PARAM *param)
{
	return OSSL_PARAM_set_size_t(param,
				     gcm->tag_len ? gcm->tag_len : GCM_TAG_LEN);
}

/* What a TLS 1.2 record grows by, behind its payload. */
static int get_pad(struct gcm *gcm, OSSL_PARAM *param)
{
	return OSSL_PARAM_set_size_t(param, gcm->has_record ? GCM_TAG_LEN : 0);
}

static int get_iv(struct gcm *gcm, OSSL_PARAM *param)
{
	return param->data_type == OSSL_PARAM_OCTET_PTR
		       ? OSSL_PARAM_set_octet_ptr(param, gcm->iv, gcm->iv_len)
		       : OSSL_PARAM_set_octet_string(param, gcm->iv,
						     gcm->iv_len);
}

static int get_tag(struct gcm *gcm, OSSL_PARAM *param)
{
	if (!gcm->encrypts || gcm->tag_len == 0)
		return fail(PROV_R_TAG_NOT_SET);
	if (param->data_size == 0 || param->data_size > sizeof(gcm->tag))
		return fail(PROV_R_INVALID_TAG);
	return OSSL_PARAM_set_octet_string(param, gcm->tag, param->data_size);
}

static int get_next_iv(struct gcm *gcm, OSSL_PARAM *param)
{
	return param->data && param->data_type == OSSL_PARAM_OCTET_STRING &&
	       gcm_next_iv(gcm, param->data, param->data_size) == 0;
}

/* Unknown parameters are passed by: provider-cipher(7). */
static int call_each(const struct accessor *accessors, struct gcm *gcm,
		     OSSL_PARAM *params)
{
	for (OSSL_PARAM *param = params; param && param->key; param++) {
		const struct accessor *accessor = accessors;

		while (accessor->name &&
		       strcmp(accessor->name, param->key) != 0)
			accessor++;
		if (accessor->name && !accessor->call(gcm, param))
			return 0;
	}
	return 1;
}

static int get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	static const struct accessor getters[] = {
		{OSSL_CIPHER_PARAM_IVLEN, get_iv_len},
		{OSSL_CIPHER_PARAM_AEAD_TAG, get_tag},
		{OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, get_pad},
		{OSSL_CIPHER_PARAM_KEYLEN, get_key_len},
		{OSSL_CIPHER_PARAM_AEAD_TAGLEN, get_tag_len},
		{OSSL_CIPHER_PARAM_IV, get_iv},
		{OSSL_CIPHER_PARAM_UPDATED_IV, get_iv},
		{OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, get_next_iv},
		{NULL, NULL},
	};

	return call_each(getters, ctx, params);
}

static int set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	static const struct accessor setters[] = {
		{OSSL_CIPHER_PARAM_AEAD_TAG, set_tag},
		{OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, set_record_aad},
		{OSSL_CIPHER_PARAM_AEAD_IVLEN, set_iv_len},
		{OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, set_fixed_iv},
		{OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, set_peer_iv},
		{NULL, NULL},
	};

	/* NOLINTNEXTLINE(performance-no-int-to-ptr): setters only read */
	return call_each(setters, ctx, (OSSL_PARAM *)(uintptr_t)params);
}

static const OSSL_PARAM *gettable_ctx_params(void *ctx, void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN,
					NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return known;
}

static const OSSL_PARAM *settable_ctx_params(void *ctx, void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL,
					0),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED,
					NULL, 0),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV,
					NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return known;
}

/* Parameters of the algorithm. */

static int get_params(OSSL_PARAM params[], size_t key_len)
{
	const struct {
		const char *name;
		size_t value;
	} sizes[] = {
		{OSSL_CIPHER_PARAM_BLOCK_SIZE, 1},
		{OSSL_CIPHER_PARAM_KEYLEN, key_len},
		{OSSL_CIPHER_PARAM_IVLEN, GCM_IV_LEN},
	};
	static const char *const truths[] = {OSSL_CIPHER_PARAM_AEAD,
					     OSSL_CIPHER_PARAM_CUSTOM_IV};
	OSSL_PARAM *param = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_MODE);

	if (param && !OSSL_PARAM_set_uint(param, EVP_CIPH_GCM_MODE))
		return 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		param = OSSL_PARAM_locate(params, sizes[i].name);
		if (param && !OSSL_PARAM_set_size_t(param, sizes[i].value))
			return 0;
	}
	for (size_t i = 0; i < sizeof(truths) / sizeof(*truths); i++) {
		param = OSSL_PARAM_locate(params, truths[i]);
		if (param && !OSSL_PARAM_set_int(param, 1))
			return 0;
	}
	return 1;
}

static int get_params_128(OSSL_PARAM params[])
{
	return get_params(params, IMB_GCM_128_KEY_LEN);
}

static int get_params_256(OSSL_PARAM params[])
{
	return get_params(params, IMB_GCM_256_KEY_LEN);
}

static const OSSL_PARAM *gettable_params(void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
		OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, NULL),
		OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, NULL),
		OSSL_PARAM_END,
	};

	(void)provider;
	return known;
}

/* Work. */

static int init(struct gcm *gcm, const uint8_t *key, size_t key_len,
		const uint8_t *iv, size_t iv_len)
{
	if (iv && gcm_set_iv(gcm, iv, iv_len) != 0)
		return fail(PROV_R_INVALID_IV_LENGTH);
	if (key && key_len != gcm->kernel->key_len)
		return fail(PROV_R_INVALID_KEY_LENGTH);
	if (key)
		gcm_set_key(gcm, key);
	return 1;
}

static int encrypt_init(void *ctx, const unsigned char *key, size_t key_len,
			const unsigned char *iv, size_t iv_len,
			const OSSL_PARAM params[])
{
	struct gcm *gcm = ctx;

	gcm->encrypts = true;
	return init(gcm, key, key_len, iv, iv_len) &&
	       set_ctx_params(gcm, params);
}

static int decrypt_init(void *ctx, const unsigned char *key, size_t key_len,
			const unsigned char *iv, size_t iv_len,
			const OSSL_PARAM params[])
{
	struct gcm *gcm = ctx;

	gcm->encrypts = false;
	return init(gcm, key, key_len, iv, iv_len) &&
	       set_ctx_params(gcm, params);
}

static int crypt_record(struct gcm *gcm, unsigned char *out, size_t *out_len,
			const unsigned char *in, size_t len)
{
	/* As libssl does it; OpenSSL's own cipher refuses the rest as well. */
	ssize_t done = out == in ? gcm_crypt_record(gcm, out, len) : -1;

	if (done < 0)
		return fail(PROV_R_CIPHER_OPERATION_FAILED);
	*out_len = (size_t)done;
	return 1;
}

static int update(void *ctx, unsigned char *out, size_t *out_len,
		  size_t out_size, const unsigned char *in, size_t len)
{
	struct gcm *gcm = ctx;

	*out_len = 0;
	if (len == 0)
		return 1;
	if (out && out_size < len)
		return fail(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
	if (gcm->has_record)
		return crypt_record(gcm, out, out_len, in, len);
	if ((out ? gcm_crypt(gcm, out, in, len) : gcm_add_aad(gcm, in, len)) !=
	    0)
		return fail(PROV_R_CIPHER_OPERATION_FAILED);
	*out_len = len;
	return 1;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL gives the signature */
static int final(void *ctx, unsigned char *out, size_t *out_len,
		 size_t out_size)
{
	(void)out;
	(void)out_size;
	*out_len = 0;
	return gcm_end(ctx) == 0;
}

/* EVP_Cipher(): an update, or the end when there is no input. */
static int cipher(void *ctx, unsigned char *out, size_t *out_len,
		  size_t out_size, const unsigned char *in, size_t len)
{
	return in ? update(ctx, out, out_len, out_size, in, len)
		  : final(ctx, out, out_len, out_size);
}

/* OpenSSL keeps functions of every type under one. */
#define ENTRY(id, function)                       \
	{                                         \
		(id), (void (*)(void))(function), \
	}

#define COMMON_ENTRIES                                                    \
	ENTRY(OSSL_FUNC_CIPHER_FREECTX, free_ctx),                        \
		ENTRY(OSSL_FUNC_CIPHER_DUPCTX, dup_ctx),                  \
		ENTRY(OSSL_FUNC_CIPHER_ENCRYPT_INIT, encrypt_init),       \
		ENTRY(OSSL_FUNC_CIPHER_DECRYPT_INIT, decrypt_init),       \
		ENTRY(OSSL_FUNC_CIPHER_UPDATE, update),                   \
		ENTRY(OSSL_FUNC_CIPHER_FINAL, final),                     \
		ENTRY(OSSL_FUNC_CIPHER_CIPHER, cipher),                   \
		ENTRY(OSSL_FUNC_CIPHER_GET_CTX_PARAMS, get_ctx_params),   \
		ENTRY(OSSL_FUNC_CIPHER_SET_CTX_PARAMS, set_ctx_params),   \
		ENTRY(OSSL_FUNC_CIPHER_GETTABLE_PARAMS, gettable_params), \
		ENTRY(OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS,               \
		      gettable_ctx_params),                               \
		ENTRY(OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS,               \
		      settable_ctx_params),                               \
	{                                                                 \
		0, NULL                                                   \
	}

static const OSSL_DISPATCH aes128[] = {
	ENTRY(OSSL_FUNC_CIPHER_NEWCTX, new_128),
	ENTRY(OSSL_FUNC_CIPHER_GET_PARAMS, get_params_128),
	COMMON_ENTRIES,
};

static const OSSL_DISPATCH aes256[] = {
	ENTRY(OSSL_FUNC_CIPHER_NEWCTX, new_256),
	ENTRY(OSSL_FUNC_CIPHER_GET_PARAMS, get_params_256),
	COMMON_ENTRIES,
};

#define PROPERTIES "provider=hybridge," GCM_PROPERTY "=yes"

/* All names that OpenSSL has for them: libssl asks for the middle one. */
const OSSL_ALGORITHM gcm_cipher_algorithms[] = {
	{"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", PROPERTIES, aes128,
	 "AES-128-GCM by libipsec-mb"},
	{"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", PROPERTIES,
	 aes256, "AES-256-GCM by libipsec-mb"},
	{NULL, NULL, NULL, NULL},
};

#endif
