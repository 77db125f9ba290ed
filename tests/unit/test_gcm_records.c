/*
 * test_gcm_records.c - our AES-GCM against OpenSSL's own on records of TLS 1.2, which are worked on in place.
 */
#include "gcm_fixture.h"

#define IV_PART    8
#define AAD_LEN    13
#define AROUND     (IV_PART + TAG_LEN)
#define AAD_LEN_AT 11

static EVP_CIPHER_CTX *start_tls12(const struct world *world,
				   const EVP_CIPHER *cipher, int enc)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t fixed[4] = {1, 2, 3, 4};

	assert_int_equal(
		EVP_CipherInit_ex(ctx, cipher, NULL, world->key, NULL, enc), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IV_FIXED,
					     sizeof(fixed), fixed),
			 1);
	return ctx;
}

/* What EVP_CipherUpdate() returns; @len: of the payload. */
static int record(EVP_CIPHER_CTX *ctx, uint64_t sequence, uint8_t *data,
		  size_t len, int *done)
{
	uint8_t aad[AAD_LEN] = {0};
	int enc = EVP_CIPHER_CTX_is_encrypting(ctx);
	size_t seen = len + IV_PART + (enc ? 0 : TAG_LEN);

	aad[7] = (uint8_t)sequence;
	aad[8] = 23;
	aad[AAD_LEN_AT] = (uint8_t)(seen >> 8);
	aad[AAD_LEN_AT + 1] = (uint8_t)seen;
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, AAD_LEN, aad),
		TAG_LEN);
	return EVP_CipherUpdate(ctx, data, done, data, (int)(len + AROUND));
}

static void tls12_one_way(struct world *world, const EVP_CIPHER *from,
			  const EVP_CIPHER *to)
{
	static uint8_t data[16384 + AROUND];
	EVP_CIPHER_CTX *sealer = start_tls12(world, from, 1);
	EVP_CIPHER_CTX *opener = start_tls12(world, to, 0);
	uint8_t last[IV_PART] = {0};
	int done;

	for (uint64_t i = 0; i < 200; i++) {
		size_t len = i < 40 ? i : next(world) % 16384;

		memcpy(data + IV_PART, world->plain, len);
		assert_int_equal(record(sealer, i, data, len, &done), 1);
		assert_int_equal(done, len + AROUND);
		/* No IV twice. */
		assert_memory_not_equal(data, last, IV_PART);
		memcpy(last, data, IV_PART);
		assert_int_equal(record(opener, i, data, len, &done), 1);
		assert_int_equal(done, len);
		assert_memory_equal(data + IV_PART, world->plain, len);
	}
	EVP_CIPHER_CTX_free(sealer);
	EVP_CIPHER_CTX_free(opener);
}

static void try_tls12(struct world *world)
{
	tls12_one_way(world, world->ours, world->theirs);
	tls12_one_way(world, world->theirs, world->ours);
	tls12_one_way(world, world->ours, world->ours);
}

static void records_of_tls_1_2_are_openssls_both_ways(void **state)
{
	(void)state;
	with_each(try_tls12);
}

static void try_tls12_wrong(struct world *world)
{
	uint8_t data[100 + AROUND] = {0}, zeros[100] = {0};
	EVP_CIPHER_CTX *sealer = start_tls12(world, world->theirs, 1);
	EVP_CIPHER_CTX *opener = start_tls12(world, world->ours, 0);
	uint8_t aad[AAD_LEN] = {0};
	int done;

	memcpy(data + IV_PART, world->plain, 100);
	assert_int_equal(record(sealer, 0, data, 100, &done), 1);
	data[50] ^= 1;
	assert_int_equal(record(opener, 0, data, 100, &done), 0);
	/* Nothing that was not authenticated is left to be read. */
	assert_memory_equal(data + IV_PART, zeros, 100);
	/* A record that cannot hold IV and tag. */
	aad[AAD_LEN_AT + 1] = AROUND - 1;
	assert_true(EVP_CIPHER_CTX_ctrl(opener, EVP_CTRL_AEAD_TLS1_AAD, AAD_LEN,
					aad) <= 0);
	EVP_CIPHER_CTX_free(sealer);
	EVP_CIPHER_CTX_free(opener);
}

static void a_wrong_record_of_tls_1_2_is_refused_and_wiped(void **state)
{
	(void)state;
	with_each(try_tls12_wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_tls_1_2_are_openssls_both_ways),
		cmocka_unit_test(
			a_wrong_record_of_tls_1_2_is_refused_and_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
