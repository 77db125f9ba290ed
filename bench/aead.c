/*
 * aead.c - AES-GCM as libssl uses it, by OpenSSL's own cipher and by ours.
 *
 *	aead [SECONDS]	prints GB/s and ns of one core per record, for several sizes, rounds interleaved
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/evp.h>

#include <hybridge/fast_crypto.h>

#define ROUNDS     5
#define RECORD_MAX 65536

static const size_t sizes[] = {16, 256, 1024, 4096, 16384, RECORD_MAX};
static uint8_t data[RECORD_MAX];

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(int ret)
{
	if (ret == 1)
		return;
	fprintf(stderr, "aead: OpenSSL failed\n");
	exit(1);
}

/* One record of TLS 1.3: RFC 8446 section 5.2. */
static void seal(EVP_CIPHER_CTX *ctx, size_t len)
{
	static uint8_t iv[12];
	uint8_t header[5] = {23, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
	uint8_t tag[16];
	int n;

	iv[11]++;
	check(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, iv, 1));
	check(EVP_CipherUpdate(ctx, NULL, &n, header, sizeof(header)));
	check(EVP_CipherUpdate(ctx, data, &n, data, (int)len));
	check(EVP_CipherFinal_ex(ctx, tag, &n));
	check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(tag),
				  tag));
}

/* Seconds for one record. */
static double measure(const EVP_CIPHER *cipher, size_t len, double seconds)
{
	static const uint8_t key[32] = {1};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	double start, spent;
	long count = 0;

	check(ctx != NULL);
	check(EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, 1));
	start = cpu_s();
	do {
		for (int i = 0; i < 64; i++)
			seal(ctx, len);
		count += 64;
		spent = cpu_s() - start;
	} while (spent < seconds);
	EVP_CIPHER_CTX_free(ctx);
	return spent / (double)count;
}

/* The best round counts: whatever else runs can only add. */
static void compare(const char *name, double seconds)
{
	EVP_CIPHER *ciphers[] = {
		EVP_CIPHER_fetch(NULL, name, "provider=default"),
		EVP_CIPHER_fetch(NULL, name, "?hybridge.fast=yes"),
	};

	check(ciphers[0] && ciphers[1]);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		double best[2] = {1e9, 1e9};

		for (int round = 0; round < ROUNDS * 2; round++) {
			double spent =
				measure(ciphers[round & 1], sizes[i], seconds);

			if (spent < best[round & 1])
				best[round & 1] = spent;
		}
		printf("%s %6zu bytes: OpenSSL %7.2f GB/s %7.0f ns, "
		       "hybridge %7.2f GB/s %7.0f ns, ratio %5.2f\n",
		       name, sizes[i], (double)sizes[i] / best[0] / 1e9,
		       best[0] * 1e9, (double)sizes[i] / best[1] / 1e9,
		       best[1] * 1e9, best[0] / best[1]);
	}
	EVP_CIPHER_free(ciphers[0]);
	EVP_CIPHER_free(ciphers[1]);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.1;

	printf("on: %s, auto: %s\n",
	       hybridge_fast_crypto_name(HYBRIDGE_FAST_CRYPTO_ON),
	       hybridge_fast_crypto_name(HYBRIDGE_FAST_CRYPTO_AUTO));
	compare("AES-128-GCM", seconds);
	compare("AES-256-GCM", seconds);
	return 0;
}
