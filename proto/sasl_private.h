/* The inside of an exchange, for sasl.c and sasl_scram.c only. */
#ifndef PROTO_SASL_PRIVATE_H
#define PROTO_SASL_PRIVATE_H

#include "proto/sasl.h"

struct scram {
	const struct sasl_hash *hash;
	char *nonce;
	struct buf first_bare; /* client-first-message-bare (RFC 5802, 7) */
	uint8_t server_signature[SASL_HASH_SIZE_MAX];
	bool is_verified;
};

struct sasl {
	enum sasl_mechanism mechanism;
	char *user;
	char *secret;
	char *authzid;
	char *host;
	uint16_t port;
	const struct sasl_hash *md5;
	unsigned step; /* challenges answered */
	struct scram scram;
	struct buf failure;
};

/* saslname (RFC 5802, 5.1): ',' and '=' escaped. */
void sasl_add_name(struct buf *out, const char *name);
void sasl_keep_failure(struct sasl *sasl, const uint8_t *text, size_t size);

void scram_first(struct sasl *sasl, struct buf *out);
enum sasl_result scram_step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error) MUST_CHECK;
void scram_finish(struct scram *scram);

#endif
