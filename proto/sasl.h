/* The client half of SASL exchanges (RFC 4422). No I/O, no randomness, no hash
   functions of its own: nonces and hashes are arguments. One object per
   attempt. */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

#define SASL_HASH_SIZE_MAX    64
#define SASL_ITERATIONS_MIN   4096   /* RFC 5802, 5.1 */
#define SASL_ITERATIONS_MAX   600000 /* more is an attack on our CPU */
#define SASL_CREDENTIAL_MAX   65536  /* octets of a user, password, token */
#define SASL_FAILURE_TEXT_MAX 1024   /* octets kept of a server's reason */

enum sasl_mechanism {
	SASL_PLAIN,         /* RFC 4616 */
	SASL_LOGIN,         /* draft-murchison-sasl-login */
	SASL_CRAM_MD5,      /* RFC 2195; only when asked for by name */
	SASL_SCRAM_SHA_1,   /* RFC 5802 */
	SASL_SCRAM_SHA_256, /* RFC 7677 */
	SASL_OAUTHBEARER,   /* RFC 7628 */
	SASL_XOAUTH2,
	SASL_EXTERNAL,      /* RFC 4422, A; only when asked for by name */
	SASL_LOGIN_COMMAND, /* no SASL: IMAP's own LOGIN (RFC 9051, 6.2.3) */
	SASL_MECHANISM_COUNT,
};

/* A hash and its HMAC (RFC 2104). `out` has room for `size` octets. */
struct sasl_hash {
	size_t size; /* at most SASL_HASH_SIZE_MAX */
	void (*hash)(const uint8_t *data, size_t size, uint8_t *out);
	void (*hmac)(const uint8_t *key, size_t key_size, const uint8_t *data,
		size_t size, uint8_t *out);
};

/* Everything is copied but the hashes. NULL = not there. */
struct sasl_options {
	enum sasl_mechanism mechanism;
	const char *user;
	const char *secret;  /* password or token */
	const char *authzid; /* act as somebody else */
	const char *host;    /* OAUTHBEARER: as connected to */
	uint16_t port;
	const char *nonce; /* SCRAM: printable ASCII, no comma, never reused */
	const struct sasl_hash *md5;
	const struct sasl_hash *sha1;
	const struct sasl_hash *sha256;
};

enum sasl_result {
	SASL_CONTINUE, /* send `answer` (it may be empty) */
	SASL_DONE,     /* same, and nothing more can come but the outcome */
	SASL_FAILED,   /* `error` is set: cancel the exchange */
};

struct sasl;

/* NULL with ERROR_AUTH when the mechanism lacks what it needs, or a credential
   holds octets the mechanism cannot carry. */
struct sasl *sasl_new(
	const struct sasl_options *options, struct error *error) MUST_CHECK;
/* Wipes the secrets. */
void sasl_free(struct sasl *sasl);

/* Appends the initial response; false when the server speaks first (LOGIN,
   CRAM-MD5). Call at most once. */
bool sasl_initial_response(struct sasl *sasl, struct buf *out) MUST_CHECK;

/* Appends the answer to a decoded challenge. OAuth mechanisms take a challenge
   as the server's refusal: they keep its text and answer so that the tagged NO
   can come. */
enum sasl_result sasl_step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error) MUST_CHECK;

/* False while the server still has to prove that it knows the password
   (SCRAM): a tagged OK then is no success but ERROR_AUTH. */
bool sasl_is_verified(const struct sasl *sasl);

/* What the server said about a refusal (the JSON of RFC 7628, 3.2.2, or SCRAM's
   e=), cut to SASL_FAILURE_TEXT_MAX; NULL when nothing. Borrowed. */
const char *sasl_failure_text(const struct sasl *sasl);

/* "SCRAM-SHA-256" and its like, upper case, static; "LOGIN" for both LOGINs.
   The reverse takes any case and never gives SASL_LOGIN_COMMAND. */
const char *sasl_mechanism_name(enum sasl_mechanism mechanism);
bool sasl_mechanism_from_name(
	const char *name, enum sasl_mechanism *mechanism_out) MUST_CHECK;

/* Sets of mechanisms, as bits. */
#define SASL_BIT(mechanism) (UINT32_C(1) << (mechanism))

struct sasl_offer {
	uint32_t offered; /* SASL_BIT of each AUTH= of the server */
	/* SASL_BIT of each the user allows; 0 = all that need not be named.
	   SASL_LOGIN allows LOGIN as mechanism and as command. */
	uint32_t wanted;
	bool is_login_disabled; /* LOGINDISABLED */
	bool has_token;         /* the secret is an OAuth token */
	/* TLS is up, or the user allows plaintext: what shows the secret to
	   a listener is out otherwise. */
	bool is_protected;
};

/* The strongest that is offered, allowed and fits the secret. ERROR_AUTH, and
   the reason, when there is none. */
bool sasl_choose(const struct sasl_offer *offer,
	enum sasl_mechanism *mechanism_out, struct error *error) MUST_CHECK;

#endif
