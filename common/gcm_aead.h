/*
 * gcm_aead.h - one AES-GCM key and the message that it is busy with.
 *
 * What OpenSSL's record layer does with a cipher decides what is here: TLS 1.3
 * sets an IV, AAD, data and a tag per record; TLS 1.2 has the cipher count IVs
 * and work on the record as it travels.
 *
 * Not thread-safe: one thread at a time per struct gcm, as with any EVP_CIPHER_CTX.
 */
#ifndef HYBRIDGE_GCM_AEAD_H
#define HYBRIDGE_GCM_AEAD_H

#include "gcm_kernel.h"

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <stdint.h>
#include <sys/types.h>

#define GCM_TAG_LEN       16
#define GCM_IV_LEN        12 /* unless told otherwise */
#define GCM_IV_MAX        128
#define GCM_AAD_INSIDE    16 /* TLS needs 5 or 13 */
#define GCM_TLS12_AAD_LEN 13
#define GCM_TLS12_IV_LEN  8 /* the part of the IV that travels */

/**
 * enum gcm_phase - Where a message is
 * @GCM_NO_IV:   Waits for an IV
 * @GCM_HAVE_IV: AAD may come, or the first data
 * @GCM_RUNNING: Data may come, or the end
 * @GCM_SPENT:   The IV was used and must not be used again
 */
enum gcm_phase { GCM_NO_IV, GCM_HAVE_IV, GCM_RUNNING, GCM_SPENT };

/**
 * struct gcm - A key, and a message
 * @key:      Key schedule and hash keys: 1 KiB, first for its alignment of 64
 * @message:  The library's state between start and end
 * @kernel:   Whose functions work on both
 * @aad:      @inside, or memory of its own once the AAD is longer than that
 * @tag:      Encrypting: of the message that ended last.  Decrypting: awaited
 * @tag_len:  0: no tag yet
 * @record_aad: TLS 1.2: of the record that comes next
 * @has_record: @record_aad is set: the next data is a TLS 1.2 record
 * @counts_iv: The last 8 bytes of @iv are TLS 1.2's counter
 * @used_iv:   That counter's value was given to a message
 */
struct gcm {
	struct gcm_key_data key;
	struct gcm_context_data message;
	const struct gcm_kernel *kernel;
	uint8_t *aad;
	size_t aad_len;
	size_t aad_size;
	size_t iv_len;
	size_t tag_len;
	enum gcm_phase phase;
	bool encrypts;
	bool has_key;
	bool has_record;
	bool counts_iv;
	bool used_iv;
	uint8_t inside[GCM_AAD_INSIDE];
	uint8_t record_aad[GCM_TLS12_AAD_LEN];
	uint8_t tag[GCM_TAG_LEN];
	uint8_t iv[GCM_IV_MAX];
};

/**
 * gcm_new() - Make room for a key
 * Return: Owned by the caller (gcm_free()), or NULL without memory
 */
struct gcm *gcm_new(const struct gcm_kernel *kernel);

/** gcm_dup() - Copy key and message; as gcm_new() */
struct gcm *gcm_dup(const struct gcm *from);

/** gcm_free() - Wipe and release; NULL is fine */
void gcm_free(struct gcm *gcm);

/** gcm_set_key() - Take a key of kernel->key_len bytes; IV and message stay */
void gcm_set_key(struct gcm *gcm, const uint8_t *key);

/**
 * gcm_set_iv() - Begin another message
 * Return: 0, or -1 when @len is 0 or above GCM_IV_MAX
 */
int gcm_set_iv(struct gcm *gcm, const uint8_t *iv, size_t len);

/** gcm_set_iv_len() - Change the length; an IV that was set is void then */
int gcm_set_iv_len(struct gcm *gcm, size_t len);

/** gcm_add_aad() - More AAD; Return: 0, or -1 out of turn or memory */
int gcm_add_aad(struct gcm *gcm, const uint8_t *aad, size_t len);

/**
 * gcm_crypt() - More data
 * @out: May be @in, must not overlap it otherwise
 * @len: Any but 0
 *
 * What is decrypted is not to be believed before gcm_end().
 *
 * Return: 0, or -1 out of turn, or beyond SP 800-38D's 64 GiB
 */
int gcm_crypt(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t len);

/**
 * gcm_end() - Compute the tag, or check it in constant time
 * Return: 0, or -1 out of turn, without an awaited tag, or on the wrong tag
 */
int gcm_end(struct gcm *gcm);

/**
 * gcm_set_record_aad() - TLS 1.2 (RFC 5246 section 6.2.3.3): announce a record
 * @aad: Sequence number, type, version, and the length that OpenSSL sees:
 *       with the explicit IV and, when decrypting, the tag
 *
 * Return: 0, or -1 when that length is impossible
 */
int gcm_set_record_aad(struct gcm *gcm, const uint8_t *aad, size_t len);

/**
 * gcm_set_fixed_iv() - TLS 1.2 (RFC 5288): the part of the IV that does not travel
 * @len: 4 at least, and 8 are left of the IV's length: when encrypting these
 *       count from a random number on.  SIZE_MAX: @iv is a whole IV
 */
int gcm_set_fixed_iv(struct gcm *gcm, const uint8_t *iv, size_t len);

/** gcm_next_iv() - Begin a message with the next IV, whose end goes to @out */
int gcm_next_iv(struct gcm *gcm, uint8_t *out, size_t len);

/** gcm_peer_iv() - Begin a message with the end of an IV that the peer sent */
int gcm_peer_iv(struct gcm *gcm, const uint8_t *end, size_t len);

/**
 * gcm_crypt_record() - The TLS 1.2 record that was announced, in place
 * @record: Explicit IV, payload, room for the tag or the tag
 * @len:    Of all three
 *
 * On the wrong tag the payload is wiped.
 *
 * Return: Length of what counts: all when encrypting, of the payload when
 *         decrypting; or -1
 */
ssize_t gcm_crypt_record(struct gcm *gcm, uint8_t *record, size_t len);

#endif
#endif
