/*
 * gcm_cipher.h - AES-GCM as OpenSSL's providers offer it.
 */
#ifndef HYBRIDGE_GCM_CIPHER_H
#define HYBRIDGE_GCM_CIPHER_H

#include "gcm_kernel.h"

#ifdef HYBRIDGE_HAVE_GCM_KERNEL

#include <openssl/core.h>

/**
 * GCM_PROPERTY - What a property query asks for to get these
 *
 * With a dot: names without one are OpenSSL's own, property(7).
 */
#define GCM_PROPERTY "hybridge.fast"

/**
 * gcm_cipher_algorithms - AES-128-GCM and AES-256-GCM, for a provider whose
 * context is a const struct gcm_kernels; see provider-cipher(7)
 */
extern const OSSL_ALGORITHM gcm_cipher_algorithms[];

#endif
#endif
