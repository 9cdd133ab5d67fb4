/* Certificates made on the spot. */
#ifndef TESTS_SYNCD_WORKER_CERTIFICATE_H
#define TESTS_SYNCD_WORKER_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdbool.h>

struct certificate {
	EVP_PKEY *key;
	X509 *x509;
};

struct certificate_options {
	const char *common_name;
	size_t common_name_size; /* 0 = up to its NUL */
	const char *names;       /* "DNS:a.example,IP:127.0.0.1", or NULL */
	/* One DNS name in place of `names`, of any octets. */
	const char *raw_name;
	size_t raw_name_size;
	const struct certificate *issuer; /* NULL = self-signed */
	bool is_authority;
	long valid_from; /* seconds from now */
	long valid_to;   /* 0 = a day */
};

void certificate_init(struct certificate *certificate,
	const struct certificate_options *options);
void certificate_finish(struct certificate *certificate);

/* PEM: certificate and key in one file of mkstemp(); `path` is a template. */
void certificate_save(const struct certificate *certificate, char *path);

/* As tls_pin has it. */
void certificate_pin(const struct certificate *certificate, char pin[45]);

#endif
