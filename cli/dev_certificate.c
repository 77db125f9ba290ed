/*
 * dev_certificate.c - the certificate of one run of hybridge dev.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "dev.h"

#define GOOD_FOR_S (2L * 24 * 60 * 60)
#define SKEW_S     (5L * 60)

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	int ret;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ret = extension && X509_add_ext(cert, extension, -1) == 1 ? 0 : -1;
	X509_EXTENSION_free(extension);
	return ret;
}

static int set_serial(X509 *cert)
{
	uint64_t serial = 0;

	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
			       ASN1_INTEGER_set_uint64(
				       X509_get_serialNumber(cert),
				       serial >> 1) == 1
		       ? 0
		       : -1;
}

/* A certificate for @key, not signed yet. */
static X509 *new_cert(EVP_PKEY *key, const char *name)
{
	X509 *cert = X509_new();
	X509_NAME *subject = cert ? X509_get_subject_name(cert) : NULL;

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_serial(cert) == 0 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), GOOD_FOR_S) &&
	    X509_set_pubkey(cert, key) == 1 &&
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				       (const unsigned char *)name, -1, -1,
				       0) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *make_authority(EVP_PKEY *key)
{
	X509 *ca = new_cert(key, "hybridge dev authority");

	if (ca && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
	    add_extension(ca, ca, NID_basic_constraints,
			  "critical,CA:TRUE,pathlen:0") == 0 &&
	    add_extension(ca, ca, NID_key_usage, "critical,keyCertSign") == 0 &&
	    add_extension(ca, ca, NID_subject_key_identifier, "hash") == 0 &&
	    X509_sign(ca, key, EVP_sha256()) > 0)
		return ca;
	X509_free(ca);
	return NULL;
}

static X509 *make_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	X509 *leaf = new_cert(key, "localhost");

	if (leaf &&
	    X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1 &&
	    add_extension(leaf, ca, NID_basic_constraints,
			  "critical,CA:FALSE") == 0 &&
	    add_extension(leaf, ca, NID_key_usage,
			  "critical,digitalSignature") == 0 &&
	    add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") == 0 &&
	    add_extension(leaf, ca, NID_authority_key_identifier, "keyid") ==
		    0 &&
	    add_extension(leaf, ca, NID_subject_alt_name,
			  "DNS:localhost,IP:127.0.0.1,IP:::1") == 0 &&
	    X509_sign(leaf, ca_key, EVP_sha256()) > 0)
		return leaf;
	X509_free(leaf);
	return NULL;
}

/* Writes DIR/NAME; a certificate or a key, whichever is not NULL. */
static int write_pem(const char *dir, const char *name, X509 *cert,
		     EVP_PKEY *key)
{
	char *path;
	FILE *file;
	int ret = -1;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return -1;
	file = fopen(path, "wex");
	if (file) {
		if (fchmod(fileno(file), 0600) == 0 &&
		    (!cert || PEM_write_X509(file, cert) == 1) &&
		    (!key || PEM_write_PrivateKey(file, key, NULL, NULL, 0,
						  NULL, NULL) == 1))
			ret = 0;
		if (fclose(file) != 0)
			ret = -1;
	}
	free(path);
	return ret;
}

int dev_certificate_make(const char *dir, struct hybridge_error *err)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *ca = ca_key ? make_authority(ca_key) : NULL;
	X509 *leaf = ca && key ? make_leaf(key, ca, ca_key) : NULL;
	int ret = -1;

	if (leaf && write_pem(dir, "ca.pem", ca, NULL) == 0 &&
	    write_pem(dir, "cert.pem", leaf, NULL) == 0)
		ret = write_pem(dir, "key.pem", NULL, key);
	if (ret != 0)
		hybridge_fail(err, HYBRIDGE_ESYSTEM,
			      "cannot make a certificate in %s", dir);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return ret;
}
