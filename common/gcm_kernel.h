/*
 * gcm_kernel.h - AES-GCM of Intel's libipsec-mb, where it is there.
 */
#ifndef HYBRIDGE_GCM_KERNEL_H
#define HYBRIDGE_GCM_KERNEL_H

#if defined(__x86_64__) && __has_include(<intel-ipsec-mb.h>)

#define HYBRIDGE_HAVE_GCM_KERNEL 1

#include <stdbool.h>
#include <stddef.h>

#include <intel-ipsec-mb.h>

/**
 * struct gcm_kernel - AES-GCM with keys of one length
 * @key_len:     In bytes
 * @expand:      Key schedule and hash keys from the key
 * @start:       First call of a message: IV of 12 bytes, all of the AAD
 * @start_iv:    The same for an IV of another length
 * @encrypt, @decrypt: Any number of calls, any length but 0; in place too
 * @encrypt_end, @decrypt_end: Computes the tag; nothing is compared
 *
 * Functions of the library itself: they keep no state but what they are
 * given, so any thread may call them.
 */
struct gcm_kernel {
	size_t key_len;
	aes_gcm_pre_t expand;
	aes_gcm_init_t start;
	aes_gcm_init_var_iv_t start_iv;
	aes_gcm_enc_dec_update_t encrypt;
	aes_gcm_enc_dec_update_t decrypt;
	aes_gcm_enc_dec_finalize_t encrypt_end;
	aes_gcm_enc_dec_finalize_t decrypt_end;
};

/**
 * struct gcm_kernels - What the library does best on this CPU
 * @aes128, @aes256: By length of the key
 */
struct gcm_kernels {
	struct gcm_kernel aes128;
	struct gcm_kernel aes256;
};

/**
 * gcm_kernel_pays() - Whether this CPU runs the library's AES-GCM faster than
 * OpenSSL 3.0's
 *
 * With VAES on 512-bit registers it is three times as fast; the library's code
 * for lesser CPUs is not ahead.  Asks the CPU only: the library is not loaded.
 */
bool gcm_kernel_pays(void);

/**
 * gcm_kernel_load() - Load the library, once, and let it choose for this CPU
 *
 * Any thread.
 *
 * Return: For ever; NULL where the library is missing, is of another version
 *         than it was built against, fails its own self-test, or the CPU has no
 *         AES instructions
 */
const struct gcm_kernels *gcm_kernel_load(void);

#endif
#endif
