/* SHA-256 of content, the hash functions SASL needs, and the digest that tells
   whether two messages are the same whatever their line ends are. */
#ifndef SYNCD_WORKER_DIGEST_H
#define SYNCD_WORKER_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/hash.h"
#include "base/pair.h"
#include "proto/sasl.h"

#define DIGEST_MD5_SIZE    16
#define DIGEST_SHA1_SIZE   20
#define DIGEST_SHA256_SIZE 32

/* Octets of a header that are hashed and scanned; the rest is ignored. */
#define CANONICAL_DIGEST_HEADER_MAX ((size_t)1024 * 1024)

/* Before anything else here, in a process that speaks no TLS: OpenSSL's error
   texts and the names of ciphers stay out of memory. The configuration of the
   system is heeded all the same. */
void digest_init_without_tls(void);

/* SHA-256 of bytes fed in pieces of any size. */
struct digest;

struct digest *digest_new(void) MUST_CHECK;
void digest_free(struct digest *digest);
void digest_feed(struct digest *digest, const void *data, size_t size);

/* Writes the hash; the digest is then as new. */
void digest_finish(struct digest *digest, uint8_t hash[DIGEST_SHA256_SIZE]);

/* One call each, in the form of struct sasl_hash. */
void digest_md5(const uint8_t *data, size_t size, uint8_t *hash);
void digest_sha1(const uint8_t *data, size_t size, uint8_t *hash);
void digest_sha256(const uint8_t *data, size_t size, uint8_t *hash);
void digest_hmac_md5(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *hash);
void digest_hmac_sha1(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *hash);
void digest_hmac_sha256(const uint8_t *key, size_t key_size,
	const uint8_t *data, size_t size, uint8_t *hash);

extern const struct sasl_hash DIGEST_SASL_MD5;
extern const struct sasl_hash DIGEST_SASL_SHA1;
extern const struct sasl_hash DIGEST_SASL_SHA256;

/* What identifies one message, computed while its bytes pass by. They count in
   canonical form: an LF without CR before it is CRLF, everything else is as it
   is, so that a Maildir file and its server copy agree. */
struct canonical_digest;

/* `key` is copied; it keys the hashes of Message-ID and header. */
struct canonical_digest *canonical_digest_new(
	const uint8_t key[HASH_KEY_SIZE]) MUST_CHECK;
void canonical_digest_free(struct canonical_digest *digest);
void canonical_digest_feed(
	struct canonical_digest *digest, const void *data, size_t size);

/* Canonical octets fed so far. */
uint64_t canonical_digest_size(const struct canonical_digest *digest);

/* Sets size, has_hash, hash, message_id (0 = none) and header_hash (up to and
   with the blank line); leaves the rest of `content` alone. Next is
   canonical_digest_reset() or _free(). */
void canonical_digest_finish(
	struct canonical_digest *digest, struct content *content);

/* The Message-ID header's value, or NULL; borrowed until reset. */
const char *canonical_digest_message_id(const struct canonical_digest *digest);

/* As new, for another message. */
void canonical_digest_reset(struct canonical_digest *digest);

#endif
