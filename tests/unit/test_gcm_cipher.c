/*
 * test_gcm_cipher.c - our AES-GCM against OpenSSL's own and NIST's vectors.
 */
#include "gcm_fixture.h"

static void same_both_ways(const struct world *world, size_t len,
			   size_t aad_len)
{
	static struct sealed ours, theirs;

	seal(world, world->ours, len, aad_len, &ours);
	seal(world, world->theirs, len, aad_len, &theirs);
	assert_memory_equal(ours.data, theirs.data, len);
	assert_memory_equal(ours.tag, theirs.tag, TAG_LEN);
	assert_int_equal(unseal(world, world->ours, aad_len, &theirs), 1);
	assert_memory_equal(theirs.data, world->plain, len);
}

static void try_every_length(struct world *world)
{
	static const size_t large[] = {511,   512,   513,   767,   768,
				       769,   1023,  1024,  1025,  4096,
				       16383, 16384, 16385, 16401, DATA_MAX};

	for (size_t len = 0; len <= 520; len++)
		same_both_ways(world, len, 5);
	for (size_t i = 0; i < NUM(large); i++)
		same_both_ways(world, large[i], 13);
	for (int i = 0; i < 200; i++)
		same_both_ways(world, next(world) % 20000, next(world) % 600);
}

static void every_length_gives_what_openssl_gives(void **state)
{
	(void)state;
	with_each(try_every_length);
}

static void try_every_aad(struct world *world)
{
	for (size_t aad_len = 0; aad_len <= 300; aad_len++)
		same_both_ways(world, 100, aad_len);
}

static void every_length_of_aad_gives_what_openssl_gives(void **state)
{
	(void)state;
	with_each(try_every_aad);
}

static void try_in_place(struct world *world)
{
	static struct sealed theirs;
	static uint8_t data[DATA_MAX];

	for (size_t len = 1; len < DATA_MAX; len = len * 3 / 2 + 1) {
		EVP_CIPHER_CTX *ctx =
			start(world->ours, world->key, world->iv, IV_LEN, 1);
		uint8_t tag[TAG_LEN];

		seal(world, world->theirs, len, 5, &theirs);
		memcpy(data, world->plain, len);
		add_aad(ctx, world->aad, 5);
		crypt(ctx, data, data, len);
		get_tag(ctx, tag);
		assert_memory_equal(data, theirs.data, len);
		assert_memory_equal(tag, theirs.tag, TAG_LEN);
		EVP_CIPHER_CTX_free(ctx);
	}
}

static void in_place_is_the_same(void **state)
{
	(void)state;
	with_each(try_in_place);
}

static void try_pieces(struct world *world)
{
	static struct sealed whole, pieces;

	for (int round = 0; round < 300; round++) {
		size_t len = next(world) % 3000, aad_len = next(world) % 300;
		int enc = (int)(next(world) & 1);
		EVP_CIPHER_CTX *ctx =
			start(world->ours, world->key, world->iv, IV_LEN, enc);
		const uint8_t *in;

		seal(world, world->theirs, len, aad_len, &whole);
		in = enc ? world->plain : whole.data;
		for (size_t at = 0, n; at < aad_len; at += n) {
			n = 1 + next(world) % (aad_len - at);
			add_aad(ctx, world->aad + at, n);
		}
		for (size_t at = 0, n; at < len; at += n) {
			n = 1 + next(world) % (len - at);
			crypt(ctx, pieces.data + at, in + at, n);
		}
		if (enc) {
			get_tag(ctx, pieces.tag);
			assert_memory_equal(pieces.tag, whole.tag, TAG_LEN);
			assert_memory_equal(pieces.data, whole.data, len);
		} else {
			assert_int_equal(check_tag(ctx, whole.tag, TAG_LEN), 1);
			assert_memory_equal(pieces.data, world->plain, len);
		}
		EVP_CIPHER_CTX_free(ctx);
	}
}

static void pieces_of_any_size_make_the_same_whole(void **state)
{
	(void)state;
	with_each(try_pieces);
}

static void try_wrong(struct world *world)
{
	static struct sealed sealed, copy;

	seal(world, world->theirs, 77, 13, &sealed);
	for (size_t bit = 0; bit < (size_t)(77 + TAG_LEN) * 8; bit++) {
		uint8_t *byte;

		copy = sealed;
		byte = bit < (size_t)77 * 8 ? &copy.data[bit / 8]
					    : &copy.tag[bit / 8 - 77];
		*byte ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(unseal(world, world->ours, 13, &copy), 0);
	}
	for (size_t byte = 0; byte < 13; byte++) {
		copy = sealed;
		world->aad[byte] ^= 1;
		assert_int_equal(unseal(world, world->ours, 13, &copy), 0);
		world->aad[byte] ^= 1;
	}
	assert_int_equal(unseal(world, world->ours, 12, &(struct sealed){0}),
			 0);
	assert_int_equal(unseal(world, world->ours, 13, &sealed), 1);
}

static void one_wrong_bit_anywhere_is_refused(void **state)
{
	(void)state;
	with_each(try_wrong);
}

static void try_short_tags(struct world *world)
{
	static struct sealed sealed;

	seal(world, world->theirs, 50, 5, &sealed);
	for (size_t len = 1; len <= TAG_LEN; len++) {
		EVP_CIPHER_CTX *ctx =
			start(world->ours, world->key, world->iv, IV_LEN, 0);
		uint8_t out[50];

		add_aad(ctx, world->aad, 5);
		crypt(ctx, out, sealed.data, sizeof(out));
		assert_int_equal(check_tag(ctx, sealed.tag, len), 1);
		EVP_CIPHER_CTX_free(ctx);
	}
}

static void shorter_tags_are_compared_as_far_as_they_go(void **state)
{
	(void)state;
	with_each(try_short_tags);
}

static void try_other_ivs(struct world *world)
{
	for (size_t len = 1; len <= sizeof(world->iv); len++) {
		uint8_t out[2][100], tag[2][TAG_LEN];
		const EVP_CIPHER *both[] = {world->ours, world->theirs};

		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		for (size_t i = 0; i < NUM(both); i++) {
			EVP_CIPHER_CTX *ctx =
				start(both[i], world->key, world->iv, len, 1);

			assert_int_equal(EVP_CIPHER_CTX_get_iv_length(ctx),
					 len);
			crypt(ctx, out[i], world->plain, sizeof(out[i]));
			get_tag(ctx, tag[i]);
			EVP_CIPHER_CTX_free(ctx);
		}
		assert_memory_equal(out[0], out[1], sizeof(out[0]));
		assert_memory_equal(tag[0], tag[1], TAG_LEN);
	}
}

static void an_iv_of_any_length_gives_what_openssl_gives(void **state)
{
	(void)state;
	with_each(try_other_ivs);
}

static void try_order(struct world *world)
{
	EVP_CIPHER_CTX *ctx =
		start(world->ours, world->key, world->iv, IV_LEN, 1);
	EVP_CIPHER_CTX *bare = EVP_CIPHER_CTX_new();
	uint8_t out[32], tag[TAG_LEN];
	int n;

	/* No key, no IV. */
	assert_int_equal(
		EVP_EncryptInit_ex(bare, world->ours, NULL, NULL, world->iv),
		1);
	assert_int_equal(EVP_EncryptUpdate(bare, out, &n, world->plain, 32), 0);
	EVP_CIPHER_CTX_reset(bare);
	assert_int_equal(
		EVP_EncryptInit_ex(bare, world->ours, NULL, world->key, NULL),
		1);
	assert_int_equal(EVP_EncryptUpdate(bare, out, &n, world->plain, 32), 0);
	EVP_CIPHER_CTX_free(bare);

	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag),
		0);
	crypt(ctx, out, world->plain, 32);
	/* AAD after data. */
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, world->aad, 5), 0);
	get_tag(ctx, tag);
	/* The same IV twice. */
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, world->plain, 32), 0);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out, &n), 0);
	EVP_CIPHER_CTX_free(ctx);

	/* Decrypting without a tag. */
	ctx = start(world->ours, world->key, world->iv, IV_LEN, 0);
	crypt(ctx, out, world->plain, 32);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, out, &n), 0);
	EVP_CIPHER_CTX_free(ctx);
}

static void calls_out_of_order_fail_and_an_iv_serves_once(void **state)
{
	(void)state;
	with_each(try_order);
}

static void try_records(struct world *world)
{
	EVP_CIPHER_CTX *ours =
		start(world->ours, world->key, world->iv, IV_LEN, 1);
	EVP_CIPHER_CTX *theirs =
		start(world->theirs, world->key, world->iv, IV_LEN, 0);
	uint8_t data[600], tag[TAG_LEN];

	for (int i = 0; i < 200; i++) {
		size_t len = 1 + next(world) % sizeof(data);

		world->iv[IV_LEN - 1]++;
		assert_int_equal(
			EVP_CipherInit_ex(ours, NULL, NULL, NULL, world->iv, 1),
			1);
		assert_int_equal(EVP_CipherInit_ex(theirs, NULL, NULL, NULL,
						   world->iv, 0),
				 1);
		add_aad(ours, world->aad, 5);
		add_aad(theirs, world->aad, 5);
		crypt(ours, data, world->plain, len);
		get_tag(ours, tag);
		crypt(theirs, data, data, len);
		assert_int_equal(check_tag(theirs, tag, TAG_LEN), 1);
		assert_memory_equal(data, world->plain, len);
	}
	EVP_CIPHER_CTX_free(ours);
	EVP_CIPHER_CTX_free(theirs);
}

static void one_key_serves_many_records(void **state)
{
	(void)state;
	with_each(try_records);
}

static void try_copy(struct world *world)
{
	EVP_CIPHER_CTX *ctx =
		start(world->ours, world->key, world->iv, IV_LEN, 1);
	EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();
	static struct sealed theirs;
	uint8_t out[200], tag[TAG_LEN];

	/* Long AAD: memory that copy and original must not share. */
	add_aad(ctx, world->aad, 300);
	assert_int_equal(EVP_CIPHER_CTX_copy(copy, ctx), 1);
	EVP_CIPHER_CTX_free(ctx);
	add_aad(copy, world->aad + 300, 100);
	crypt(copy, out, world->plain, 70);
	ctx = EVP_CIPHER_CTX_new();
	assert_int_equal(EVP_CIPHER_CTX_copy(ctx, copy), 1);
	EVP_CIPHER_CTX_free(copy);
	crypt(ctx, out + 70, world->plain + 70, sizeof(out) - 70);
	get_tag(ctx, tag);
	EVP_CIPHER_CTX_free(ctx);

	seal(world, world->theirs, sizeof(out), 400, &theirs);
	assert_memory_equal(out, theirs.data, sizeof(out));
	assert_memory_equal(tag, theirs.tag, TAG_LEN);
}

static void a_copy_goes_on_where_the_original_was(void **state)
{
	(void)state;
	with_each(try_copy);
}

static void try_names(struct world *world)
{
	assert_string_equal(
		OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(world->ours)),
		"hybridge");
	assert_int_equal(EVP_CIPHER_get_nid(world->ours),
			 EVP_CIPHER_get_nid(world->theirs));
	assert_int_equal(EVP_CIPHER_get_mode(world->ours), EVP_CIPH_GCM_MODE);
	assert_int_equal(EVP_CIPHER_get_key_length(world->ours),
			 EVP_CIPHER_get_key_length(world->theirs));
	assert_int_equal(EVP_CIPHER_get_iv_length(world->ours), IV_LEN);
	assert_int_equal(EVP_CIPHER_get_block_size(world->ours), 1);
	assert_int_equal(EVP_CIPHER_get_flags(world->ours),
			 EVP_CIPHER_get_flags(world->theirs));
}

static void it_describes_itself_as_openssls_does(void **state)
{
	(void)state;
	with_each(try_names);
}

/* The GCM specification's test cases, as NIST publishes them. */
static const struct {
	const char *key;
	const char *iv;
	const char *aad;
	const char *plain;
	const char *sealed;
	const char *tag;
} vectors[] = {
#define K128 "feffe9928665731c6d6a8f9467308308"
#define ZERO "00000000000000000000000000000000"
#define PLAIN                                                              \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define IV  "cafebabefacedbaddecaf888"
	{ZERO, "000000000000000000000000", "", "", "",
	 "58e2fccefa7e3061367f1d57a4e7455a"},
	{ZERO, "000000000000000000000000", "", ZERO,
	 "0388dace60b6a392f328c2b971b2fe78",
	 "ab6e47d42cec13bdf53a67b21257bddf"},
	{K128, IV, "", PLAIN "1aafd255",
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
	 "4d5c2af327cd64a62cf35abd2ba6fab4"},
	{K128, IV, AAD, PLAIN,
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
	 "5bc94fbc3221a5db94fae95ae7121a47"},
	{K128, "cafebabefacedbad", AAD, PLAIN,
	 "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423"
	 "73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
	 "3612d2e79e3b0785561be14aaca2fccb"},
	{K128,
	 "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728"
	 "c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
	 AAD, PLAIN,
	 "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7"
	 "01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
	 "619cc5aefffe0bfa462af43c1699d050"},
	{ZERO ZERO, "000000000000000000000000", "", "", "",
	 "530f8afbc74536b9a963b4f1c4cb738b"},
	{ZERO ZERO, "000000000000000000000000", "", ZERO,
	 "cea7403d4d606b6e074ec5d3baf39d18",
	 "d0d1c8a799996bf0265b98b5d48ab919"},
	{K128 K128, IV, AAD, PLAIN,
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	 "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static size_t unhex(const char *text, uint8_t *out)
{
	size_t len = strlen(text) / 2;

	for (size_t i = 0; i < len; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return len;
}

static void nists_vectors_hold(void **state)
{
	(void)state;
	if (!hybridge_fast_crypto_query(HYBRIDGE_FAST_CRYPTO_ON))
		skip();
	for (size_t i = 0; i < NUM(vectors); i++) {
		uint8_t key[32], iv[64], aad[32], plain[64], sealed[64];
		uint8_t tag[TAG_LEN], out[64], out_tag[TAG_LEN];
		size_t long_key = unhex(vectors[i].key, key) == sizeof(key);
		size_t iv_len = unhex(vectors[i].iv, iv);
		size_t aad_len = unhex(vectors[i].aad, aad);
		size_t len = unhex(vectors[i].plain, plain);
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[long_key],
						      "hybridge.fast=yes");
		EVP_CIPHER_CTX *ctx = start(cipher, key, iv, iv_len, 1);

		print_message("case: %s\n", vectors[i].tag);
		unhex(vectors[i].sealed, sealed);
		unhex(vectors[i].tag, tag);
		add_aad(ctx, aad, aad_len);
		crypt(ctx, out, plain, len);
		get_tag(ctx, out_tag);
		assert_memory_equal(out, sealed, len);
		assert_memory_equal(out_tag, tag, TAG_LEN);
		EVP_CIPHER_CTX_free(ctx);
		ctx = start(cipher, key, iv, iv_len, 0);
		add_aad(ctx, aad, aad_len);
		crypt(ctx, out, sealed, len);
		assert_int_equal(check_tag(ctx, tag, TAG_LEN), 1);
		assert_memory_equal(out, plain, len);
		EVP_CIPHER_CTX_free(ctx);
		EVP_CIPHER_free(cipher);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nists_vectors_hold),
		cmocka_unit_test(it_describes_itself_as_openssls_does),
		cmocka_unit_test(every_length_gives_what_openssl_gives),
		cmocka_unit_test(every_length_of_aad_gives_what_openssl_gives),
		cmocka_unit_test(an_iv_of_any_length_gives_what_openssl_gives),
		cmocka_unit_test(in_place_is_the_same),
		cmocka_unit_test(pieces_of_any_size_make_the_same_whole),
		cmocka_unit_test(one_wrong_bit_anywhere_is_refused),
		cmocka_unit_test(shorter_tags_are_compared_as_far_as_they_go),
		cmocka_unit_test(calls_out_of_order_fail_and_an_iv_serves_once),
		cmocka_unit_test(one_key_serves_many_records),
		cmocka_unit_test(a_copy_goes_on_where_the_original_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
