/*
 * gcm_fixture.h - our AES-GCM and OpenSSL's, and messages that both are given.
 *
 * Each test skips itself where libipsec-mb is not installed or does not run.
 */
#ifndef HYBRIDGE_TESTS_GCM_FIXTURE_H
#define HYBRIDGE_TESTS_GCM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/provider.h>

#include <hybridge/fast_crypto.h>

#define TAG_LEN  16
#define IV_LEN   12
#define DATA_MAX ((size_t)80 * 1024)
#define NUM(a)   (sizeof(a) / sizeof(*(a)))

static const char *const names[] = {"AES-128-GCM", "AES-256-GCM"};

/* Ours and OpenSSL's, of one key length, and what they work on. */
struct world {
	EVP_CIPHER *ours;
	EVP_CIPHER *theirs;
	uint64_t seed;
	uint8_t key[32];
	uint8_t iv[128];
	uint8_t aad[600];
	uint8_t plain[DATA_MAX];
};

/* The same numbers in every run: xorshift64*. */
static inline uint64_t next(struct world *world)
{
	world->seed ^= world->seed >> 12;
	world->seed ^= world->seed << 25;
	world->seed ^= world->seed >> 27;
	return world->seed * UINT64_C(2685821657736338717);
}

static inline void fill(struct world *world, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(next(world) >> 56);
}

static inline struct world *world_new(const char *name)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->seed = 0x9e3779b97f4a7c15;
	world->ours = EVP_CIPHER_fetch(NULL, name, "hybridge.fast=yes");
	world->theirs = EVP_CIPHER_fetch(NULL, name, "provider=default");
	assert_non_null(world->ours);
	assert_non_null(world->theirs);
	fill(world, world->key, sizeof(world->key));
	fill(world, world->iv, sizeof(world->iv));
	fill(world, world->aad, sizeof(world->aad));
	fill(world, world->plain, sizeof(world->plain));
	return world;
}

static inline void world_free(struct world *world)
{
	EVP_CIPHER_free(world->ours);
	EVP_CIPHER_free(world->theirs);
	free(world);
}

/* Runs @test with either key length. */
static inline void with_each(void (*test)(struct world *world))
{
	if (!hybridge_fast_crypto_query(HYBRIDGE_FAST_CRYPTO_ON))
		skip();
	for (size_t i = 0; i < NUM(names); i++) {
		struct world *world = world_new(names[i]);

		print_message("case: %s\n", names[i]);
		test(world);
		world_free(world);
	}
}

/* A message as it travels. */
struct sealed {
	size_t len;
	uint8_t tag[TAG_LEN];
	uint8_t data[DATA_MAX];
};

static inline EVP_CIPHER_CTX *start(const EVP_CIPHER *cipher,
				    const uint8_t *key, const uint8_t *iv,
				    size_t iv_len, int enc)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	assert_non_null(ctx);
	/* In libssl's order. */
	assert_int_equal(EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, enc),
			 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN,
					     (int)iv_len, NULL),
			 1);
	assert_int_equal(EVP_CipherInit_ex(ctx, NULL, NULL, key, NULL, -1), 1);
	assert_int_equal(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, enc), 1);
	return ctx;
}

static inline void add_aad(EVP_CIPHER_CTX *ctx, const uint8_t *aad, size_t len)
{
	int n;

	assert_int_equal(EVP_CipherUpdate(ctx, NULL, &n, aad, (int)len), 1);
	assert_int_equal(n, len);
}

static inline void crypt(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in,
			 size_t len)
{
	int n;

	assert_int_equal(EVP_CipherUpdate(ctx, out, &n, in, (int)len), 1);
	assert_int_equal(n, len);
}

static inline void get_tag(EVP_CIPHER_CTX *ctx, uint8_t *tag)
{
	uint8_t none[1];
	int n = -1;

	assert_int_equal(EVP_CipherFinal_ex(ctx, none, &n), 1);
	assert_int_equal(n, 0);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag),
		1);
}

static inline int check_tag(EVP_CIPHER_CTX *ctx, uint8_t *tag, size_t len)
{
	uint8_t none[1];
	int n;

	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)len, tag),
		1);
	return EVP_CipherFinal_ex(ctx, none, &n);
}

static inline void seal(const struct world *world, const EVP_CIPHER *cipher,
			size_t len, size_t aad_len, struct sealed *out)
{
	EVP_CIPHER_CTX *ctx = start(cipher, world->key, world->iv, IV_LEN, 1);

	add_aad(ctx, world->aad, aad_len);
	crypt(ctx, out->data, world->plain, len);
	get_tag(ctx, out->tag);
	out->len = len;
	EVP_CIPHER_CTX_free(ctx);
}

/* Decrypts in place; 1 when the tag is right. */
static inline int unseal(const struct world *world, const EVP_CIPHER *cipher,
			 size_t aad_len, struct sealed *sealed)
{
	EVP_CIPHER_CTX *ctx = start(cipher, world->key, world->iv, IV_LEN, 0);
	int ret;

	add_aad(ctx, world->aad, aad_len);
	crypt(ctx, sealed->data, sealed->data, sealed->len);
	ret = check_tag(ctx, sealed->tag, TAG_LEN);
	EVP_CIPHER_CTX_free(ctx);
	return ret;
}

#endif
