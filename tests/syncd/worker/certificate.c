#define _GNU_SOURCE
#include "tests/syncd/worker/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool is_fine)
{
	if (!is_fine)
		abort();
}

static void add_extension(
	X509 *x509, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(
		&context, (X509 *)(uintptr_t)issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_raw_name(X509 *x509, const char *text, size_t size)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();

	must(names != NULL && name != NULL && string != NULL);
	must(ASN1_STRING_set(string, text, (int)size) == 1);
	GENERAL_NAME_set0_value(name, GEN_DNS, string);
	must(sk_GENERAL_NAME_push(names, name) > 0);
	must(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1);
	GENERAL_NAMES_free(names);
}

static void set_subject(X509 *x509, const struct certificate_options *options)
{
	X509_NAME *name = X509_get_subject_name(x509);
	int size = options->common_name_size == 0
		? -1
		: (int)options->common_name_size;

	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		     (const unsigned char *)options->common_name, size, -1,
		     0) == 1);
}

void certificate_init(struct certificate *certificate,
	const struct certificate_options *options)
{
	X509 *x509 = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *issuer = options->issuer ? options->issuer->x509 : x509;
	EVP_PKEY *issuer_key = options->issuer ? options->issuer->key : key;
	long valid_to = options->valid_to ? options->valid_to : 86400;
	static long serial;

	must(x509 != NULL && key != NULL);
	must(X509_set_version(x509, 2) == 1);
	must(ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial) == 1);
	set_subject(x509, options);
	must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1);
	must(X509_gmtime_adj(X509_getm_notBefore(x509), options->valid_from) !=
		NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(x509), valid_to) != NULL);
	must(X509_set_pubkey(x509, key) == 1);
	if (options->is_authority)
		add_extension(x509, issuer, NID_basic_constraints,
			"critical,CA:TRUE");
	if (options->names != NULL)
		add_extension(
			x509, issuer, NID_subject_alt_name, options->names);
	if (options->raw_name != NULL)
		add_raw_name(x509, options->raw_name, options->raw_name_size);
	must(X509_sign(x509, issuer_key, EVP_sha256()) > 0);
	certificate->key = key;
	certificate->x509 = x509;
}

void certificate_finish(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
}

void certificate_save(const struct certificate *certificate, char *path)
{
	FILE *file;
	int fd = mkstemp(path);

	must(fd != -1);
	file = fdopen(fd, "w");
	must(file != NULL);
	must(PEM_write_X509(file, certificate->x509) == 1);
	must(PEM_write_PrivateKey(
		     file, certificate->key, NULL, NULL, 0, NULL, NULL) == 1);
	must(fclose(file) == 0);
}

void certificate_pin(const struct certificate *certificate, char pin[45])
{
	unsigned char *der = NULL;
	unsigned char hash[32];
	int size = i2d_PUBKEY(certificate->key, &der);

	must(size > 0);
	must(EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL) ==
		1);
	OPENSSL_free(der);
	must(EVP_EncodeBlock((unsigned char *)pin, hash, 32) == 44);
}
