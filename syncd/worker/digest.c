#include "syncd/worker/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/message_header.h"

/* Nothing here depends on input: a hash that fails is OpenSSL out of memory or
   built without the algorithm. Going on would mean wrong identities. */
static void must(bool is_fine)
{
	if (!is_fine)
		abort();
}

void digest_init_without_tls(void)
{
	/* Should it fail, more is loaded when it is needed. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
			OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
			OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
		NULL);
}

/* ---- SHA-256 in pieces ---- */

struct digest {
	EVP_MD_CTX *context;
	EVP_MD *algorithm;
};

struct digest *digest_new(void)
{
	struct digest *digest = alloc(1, sizeof(*digest));

	/* Fetched once: an implicit fetch costs more than hashing a mail. */
	digest->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	digest->context = EVP_MD_CTX_new();
	must(digest->algorithm != NULL && digest->context != NULL);
	must(EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1);
	return digest;
}

void digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	EVP_MD_free(digest->algorithm);
	free(digest);
}

void digest_feed(struct digest *digest, const void *data, size_t size)
{
	must(EVP_DigestUpdate(digest->context, data, size) == 1);
}

void digest_finish(struct digest *digest, uint8_t hash[DIGEST_SHA256_SIZE])
{
	must(EVP_DigestFinal_ex(digest->context, hash, NULL) == 1);
	must(EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1);
}

/* ---- For SASL ---- */

static void hash_once(const EVP_MD *algorithm, const uint8_t *data, size_t size,
	uint8_t *hash)
{
	must(EVP_Digest(data, size, hash, NULL, algorithm, NULL) == 1);
}

void digest_md5(const uint8_t *data, size_t size, uint8_t *hash)
{
	hash_once(EVP_md5(), data, size, hash);
}

void digest_sha1(const uint8_t *data, size_t size, uint8_t *hash)
{
	hash_once(EVP_sha1(), data, size, hash);
}

void digest_sha256(const uint8_t *data, size_t size, uint8_t *hash)
{
	hash_once(EVP_sha256(), data, size, hash);
}

static void hmac_once(const EVP_MD *algorithm, const uint8_t *key,
	size_t key_size, const uint8_t *data, size_t size, uint8_t *hash)
{
	/* HMAC() takes a NULL key for "the one before". */
	static const uint8_t NO_KEY[1];

	must(key_size <= INT32_MAX);
	must(HMAC(algorithm, key == NULL ? NO_KEY : key, (int)key_size, data,
		     size, hash, NULL) != NULL);
}

void digest_hmac_md5(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *hash)
{
	hmac_once(EVP_md5(), key, key_size, data, size, hash);
}

void digest_hmac_sha1(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *hash)
{
	hmac_once(EVP_sha1(), key, key_size, data, size, hash);
}

void digest_hmac_sha256(const uint8_t *key, size_t key_size,
	const uint8_t *data, size_t size, uint8_t *hash)
{
	hmac_once(EVP_sha256(), key, key_size, data, size, hash);
}

const struct sasl_hash DIGEST_SASL_MD5 = {
	.size = DIGEST_MD5_SIZE,
	.hash = digest_md5,
	.hmac = digest_hmac_md5,
};

const struct sasl_hash DIGEST_SASL_SHA1 = {
	.size = DIGEST_SHA1_SIZE,
	.hash = digest_sha1,
	.hmac = digest_hmac_sha1,
};

const struct sasl_hash DIGEST_SASL_SHA256 = {
	.size = DIGEST_SHA256_SIZE,
	.hash = digest_sha256,
	.hmac = digest_hmac_sha256,
};

/* ---- Messages ---- */

struct canonical_digest {
	uint8_t key[HASH_KEY_SIZE];
	struct digest *content;
	struct message_header id_scan;
	struct buf header; /* canonical, for a hash that takes it at once */
	bool is_behind_header;
	bool is_after_cr;
	uint64_t line_size; /* octets of the line so far, in the header */
	uint64_t size;
};

struct canonical_digest *canonical_digest_new(const uint8_t key[HASH_KEY_SIZE])
{
	struct canonical_digest *digest = alloc(1, sizeof(*digest));

	memcpy(digest->key, key, HASH_KEY_SIZE);
	digest->content = digest_new();
	message_header_init(&digest->id_scan);
	return digest;
}

void canonical_digest_free(struct canonical_digest *digest)
{
	if (digest == NULL)
		return;
	digest_free(digest->content);
	message_header_finish(&digest->id_scan);
	buf_finish(&digest->header);
	free(digest);
}

void canonical_digest_reset(struct canonical_digest *digest)
{
	uint8_t unused[DIGEST_SHA256_SIZE];

	digest_finish(digest->content, unused);
	message_header_finish(&digest->id_scan);
	message_header_init(&digest->id_scan);
	buf_clear(&digest->header);
	digest->is_behind_header = false;
	digest->is_after_cr = false;
	digest->line_size = 0;
	digest->size = 0;
}

/* Canonical octets; in the header, one line or less. */
static void feed_canonical(
	struct canonical_digest *digest, const void *data, size_t size)
{
	size_t room = CANONICAL_DIGEST_HEADER_MAX - digest->header.size;
	size_t kept = size < room ? size : room;

	digest_feed(digest->content, data, size);
	digest->size += size;
	if (digest->is_behind_header)
		return;
	buf_add(&digest->header, data, kept);
	message_header_feed(&digest->id_scan, data, kept);
	digest->line_size += size;
}

/* An LF came: `is_after_cr` tells whether its CR has been fed already. */
static void feed_line_end(struct canonical_digest *digest, bool is_after_cr)
{
	if (is_after_cr)
		feed_canonical(digest, "\n", 1);
	else
		feed_canonical(digest, "\r\n", 2);
	if (digest->line_size == 2)
		digest->is_behind_header = true;
	digest->line_size = 0;
}

/* Octets up to the first LF that needs a CR, or all. Line ends that are fine
   already cost nothing extra. */
static size_t find_bare_line_end(
	const uint8_t *data, size_t size, bool is_after_cr)
{
	size_t at = 0;

	while (at < size) {
		const uint8_t *end = memchr(data + at, '\n', size - at);

		if (end == NULL)
			return size;
		at = (size_t)(end - data);
		if (at == 0 ? !is_after_cr : data[at - 1] != '\r')
			return at;
		at++;
	}
	return size;
}

/* Octets up to and without the next LF, or all: the header's lines count. */
static size_t find_line_end(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);

	return end == NULL ? size : (size_t)(end - data);
}

void canonical_digest_feed(
	struct canonical_digest *digest, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size > 0) {
		size_t text_size = digest->is_behind_header
			? find_bare_line_end(bytes, size, digest->is_after_cr)
			: find_line_end(bytes, size);

		if (text_size > 0) {
			feed_canonical(digest, bytes, text_size);
			digest->is_after_cr = bytes[text_size - 1] == '\r';
		}
		if (text_size == size)
			return;
		feed_line_end(digest, digest->is_after_cr);
		digest->is_after_cr = false;
		bytes += text_size + 1;
		size -= text_size + 1;
	}
}

uint64_t canonical_digest_size(const struct canonical_digest *digest)
{
	return digest->size;
}

const char *canonical_digest_message_id(const struct canonical_digest *digest)
{
	return message_header_id(&digest->id_scan);
}

void canonical_digest_finish(
	struct canonical_digest *digest, struct content *content)
{
	const char *id = canonical_digest_message_id(digest);

	content->size = digest->size;
	digest_finish(digest->content, content->hash);
	content->has_hash = true;
	content->header_hash = hash_keyed(
		digest->key, digest->header.data, digest->header.size);
	content->message_id =
		id == NULL ? 0 : hash_keyed(digest->key, id, strlen(id));
}
