/*
 * gcm_aead.c - one AES-GCM key and the message that it is busy with.
 */
#include "gcm_aead.h"

#include <stdlib.h>

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

/* SP 800-38D section 5.2.1.1: the block counter has 32 bits. */
#define MESSAGE_MAX ((UINT64_C(1) << 36) - 32)

static struct gcm *make(void)
{
	return aligned_alloc(_Alignof(struct gcm), sizeof(struct gcm));
}

struct gcm *gcm_new(const struct gcm_kernel *kernel)
{
	struct gcm *gcm = make();

	if (!gcm)
		return NULL;
	memset(gcm, 0, sizeof(*gcm));
	gcm->kernel = kernel;
	gcm->iv_len = GCM_IV_LEN;
	gcm->aad = gcm->inside;
	gcm->aad_size = sizeof(gcm->inside);
	return gcm;
}

struct gcm *gcm_dup(const struct gcm *from)
{
	struct gcm *gcm = make();

	if (!gcm)
		return NULL;
	memcpy(gcm, from, sizeof(*gcm));
	gcm->aad = gcm->inside;
	if (from->aad == from->inside)
		return gcm;
	gcm->aad = malloc(gcm->aad_size);
	if (!gcm->aad) {
		OPENSSL_cleanse(gcm, sizeof(*gcm));
		free(gcm);
		return NULL;
	}
	memcpy(gcm->aad, from->aad, gcm->aad_len);
	return gcm;
}

void gcm_free(struct gcm *gcm)
{
	if (!gcm)
		return;
	if (gcm->aad != gcm->inside)
		free(gcm->aad);
	OPENSSL_cleanse(gcm, sizeof(*gcm));
	free(gcm);
}

void gcm_set_key(struct gcm *gcm, const uint8_t *key)
{
	gcm->kernel->expand(key, &gcm->key);
	gcm->has_key = true;
}

/* Another message, with the IV that stands in @gcm. */
static void begin(struct gcm *gcm)
{
	gcm->aad_len = 0;
	gcm->phase = GCM_HAVE_IV;
}

int gcm_set_iv(struct gcm *gcm, const uint8_t *iv, size_t len)
{
	if (len == 0 || len > sizeof(gcm->iv))
		return -1;
	memcpy(gcm->iv, iv, len);
	gcm->iv_len = len;
	begin(gcm);
	return 0;
}

int gcm_set_iv_len(struct gcm *gcm, size_t len)
{
	if (len == 0 || len > sizeof(gcm->iv))
		return -1;
	if (len != gcm->iv_len) {
		gcm->iv_len = len;
		gcm->phase = GCM_NO_IV;
	}
	return 0;
}

/* Room for @more bytes of AAD; it is no secret. */
static int grow(struct gcm *gcm, size_t more)
{
	bool inside = gcm->aad == gcm->inside;
	size_t size = (gcm->aad_len + more) * 2;
	uint8_t *aad;

	if (more <= gcm->aad_size - gcm->aad_len)
		return 0;
	aad = realloc(inside ? NULL : gcm->aad, size);
	if (!aad)
		return -1;
	if (inside)
		memcpy(aad, gcm->inside, gcm->aad_len);
	gcm->aad = aad;
	gcm->aad_size = size;
	return 0;
}

int gcm_add_aad(struct gcm *gcm, const uint8_t *aad, size_t len)
{
	if (!gcm->has_key || gcm->phase != GCM_HAVE_IV || grow(gcm, len) != 0)
		return -1;
	memcpy(gcm->aad + gcm->aad_len, aad, len);
	gcm->aad_len += len;
	return 0;
}

/* Whether data may come, now that all of the AAD is known. */
static bool run(struct gcm *gcm)
{
	if (!gcm->has_key)
		return false;
	if (gcm->phase == GCM_HAVE_IV) {
		if (gcm->iv_len == GCM_IV_LEN)
			gcm->kernel->start(&gcm->key, &gcm->message, gcm->iv,
					   gcm->aad, gcm->aad_len);
		else
			gcm->kernel->start_iv(&gcm->key, &gcm->message, gcm->iv,
					      gcm->iv_len, gcm->aad,
					      gcm->aad_len);
		gcm->phase = GCM_RUNNING;
	}
	return gcm->phase == GCM_RUNNING;
}

int gcm_crypt(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t len)
{
	if (!run(gcm) || len > MESSAGE_MAX - gcm->message.in_length)
		return -1;
	if (gcm->encrypts)
		gcm->kernel->encrypt(&gcm->key, &gcm->message, out, in, len);
	else
		gcm->kernel->decrypt(&gcm->key, &gcm->message, out, in, len);
	return 0;
}

int gcm_end(struct gcm *gcm)
{
	uint8_t tag[GCM_TAG_LEN];
	int ret;

	if ((!gcm->encrypts && gcm->tag_len == 0) || !run(gcm))
		return -1;
	gcm->phase = GCM_SPENT;
	if (gcm->encrypts) {
		gcm->kernel->encrypt_end(&gcm->key, &gcm->message, gcm->tag,
					 sizeof(gcm->tag));
		gcm->tag_len = sizeof(gcm->tag);
		return 0;
	}
	gcm->kernel->decrypt_end(&gcm->key, &gcm->message, tag, sizeof(tag));
	ret = CRYPTO_memcmp(tag, gcm->tag, gcm->tag_len) == 0 ? 0 : -1;
	OPENSSL_cleanse(tag, sizeof(tag));
	return ret;
}

int gcm_set_record_aad(struct gcm *gcm, const uint8_t *aad, size_t len)
{
	size_t around = GCM_TLS12_IV_LEN + (gcm->encrypts ? 0 : GCM_TAG_LEN);
	size_t payload;

	if (len != sizeof(gcm->record_aad))
		return -1;
	payload = (size_t)aad[len - 2] << 8 | aad[len - 1];
	if (payload < around)
		return -1;
	payload -= around;
	memcpy(gcm->record_aad, aad, len);
	/* What is authenticated is the payload's own length. */
	gcm->record_aad[len - 2] = (uint8_t)(payload >> 8);
	gcm->record_aad[len - 1] = (uint8_t)payload;
	gcm->has_record = true;
	return 0;
}

int gcm_set_fixed_iv(struct gcm *gcm, const uint8_t *iv, size_t len)
{
	if (len == SIZE_MAX)
		len = gcm->iv_len;
	else if (len < 4 || len > gcm->iv_len ||
		 gcm->iv_len - len < GCM_TLS12_IV_LEN ||
		 (gcm->encrypts &&
		  RAND_bytes(gcm->iv + len, (int)(gcm->iv_len - len)) != 1))
		return -1;
	memcpy(gcm->iv, iv, len);
	gcm->counts_iv = true;
	gcm->used_iv = false;
	begin(gcm);
	return 0;
}

/* The invocation field of SP 800-38D section 8.2.1: 64 bits do not wrap. */
static void count(uint8_t counter[static GCM_TLS12_IV_LEN])
{
	for (size_t i = GCM_TLS12_IV_LEN; i-- > 0;)
		if (++counter[i] != 0)
			return;
}

int gcm_next_iv(struct gcm *gcm, uint8_t *out, size_t len)
{
	if (!gcm->counts_iv || !gcm->has_key || !gcm->encrypts)
		return -1;
	if (len == 0 || len > gcm->iv_len)
		len = gcm->iv_len;
	if (gcm->used_iv)
		count(gcm->iv + gcm->iv_len - GCM_TLS12_IV_LEN);
	gcm->used_iv = true;
	memcpy(out, gcm->iv + gcm->iv_len - len, len);
	begin(gcm);
	return 0;
}

int gcm_peer_iv(struct gcm *gcm, const uint8_t *end, size_t len)
{
	if (!gcm->counts_iv || !gcm->has_key || gcm->encrypts ||
	    len > gcm->iv_len)
		return -1;
	memcpy(gcm->iv + gcm->iv_len - len, end, len);
	begin(gcm);
	return 0;
}

/* The tag behind the payload: written, or compared with. */
static int end_record(struct gcm *gcm, uint8_t *payload, size_t len)
{
	if (gcm->encrypts) {
		if (gcm_end(gcm) != 0)
			return -1;
		memcpy(payload + len, gcm->tag, GCM_TAG_LEN);
		return 0;
	}
	memcpy(gcm->tag, payload + len, GCM_TAG_LEN);
	gcm->tag_len = GCM_TAG_LEN;
	if (gcm_end(gcm) == 0)
		return 0;
	OPENSSL_cleanse(payload, len);
	return -1;
}

ssize_t gcm_crypt_record(struct gcm *gcm, uint8_t *record, size_t len)
{
	const size_t around = GCM_TLS12_IV_LEN + GCM_TAG_LEN;
	uint8_t *payload = record + GCM_TLS12_IV_LEN;
	size_t payload_len = len - around;
	int ret;

	gcm->has_record = false;
	gcm->phase = GCM_SPENT;
	if (len < around)
		return -1;
	ret = gcm->encrypts ? gcm_next_iv(gcm, record, GCM_TLS12_IV_LEN)
			    : gcm_peer_iv(gcm, record, GCM_TLS12_IV_LEN);
	if (ret != 0 ||
	    gcm_add_aad(gcm, gcm->record_aad, sizeof(gcm->record_aad)) != 0)
		return -1;
	if (payload_len > 0 &&
	    gcm_crypt(gcm, payload, payload, payload_len) != 0)
		return -1;
	if (end_record(gcm, payload, payload_len) != 0)
		return -1;
	return (ssize_t)(gcm->encrypts ? len : payload_len);
}

#endif
