/*
 * fast_crypto.h - the OpenSSL provider with the faster AES-GCM, and its switch.
 */
#ifndef HYBRIDGE_FAST_CRYPTO_H
#define HYBRIDGE_FAST_CRYPTO_H

#include <hybridge/error.h>

/**
 * enum hybridge_fast_crypto - Who encrypts TLS records (HYBRIDGE_FAST_CRYPTO)
 * @HYBRIDGE_FAST_CRYPTO_AUTO: libipsec-mb where it is installed and ahead of
 *                             OpenSSL on this CPU, else OpenSSL
 * @HYBRIDGE_FAST_CRYPTO_ON:   libipsec-mb where it is installed and runs
 * @HYBRIDGE_FAST_CRYPTO_OFF:  OpenSSL
 *
 * What travels is the same.
 */
enum hybridge_fast_crypto {
	HYBRIDGE_FAST_CRYPTO_AUTO,
	HYBRIDGE_FAST_CRYPTO_ON,
	HYBRIDGE_FAST_CRYPTO_OFF,
};

/**
 * hybridge_fast_crypto_parse() - Read "auto", "on" or "off"
 * Return: 0, or -1 with @out untouched
 */
HYBRIDGE_MUSTUSE int hybridge_fast_crypto_parse(const char *text,
						enum hybridge_fast_crypto *out);

/**
 * hybridge_fast_crypto_query() - Make the faster ciphers available, as far as
 * @mode and this machine allow
 *
 * The provider joins OpenSSL's default library context and stays.  What
 * openssl.cnf says about providers and default properties goes on to hold: who
 * insists on another provider, as for FIPS, gets that one.  Any thread.
 *
 * Return: Property query for SSL_CTX_new_ex() that prefers our ciphers, or avoids
 *         them; NULL when OpenSSL is as it was.  A constant
 */
const char *hybridge_fast_crypto_query(enum hybridge_fast_crypto mode);

/**
 * hybridge_fast_crypto_name() - Whose AES-GCM an SSL_CTX made now gets
 * Return: "libipsec-mb" or "OpenSSL", for the log; a constant
 */
const char *hybridge_fast_crypto_name(enum hybridge_fast_crypto mode);

#endif
