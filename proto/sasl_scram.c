#define _GNU_SOURCE /* explicit_bzero */

/* SCRAM (RFC 5802, RFC 7677) without channel binding:

     C: n,,n=user,r=nonce
     S: r=nonce…,s=salt,i=4096
     C: c=biws,r=nonce…,p=proof
     S: v=signature

   The password is used as it is: SASLprep changes nothing in ASCII, and what
   users type elsewhere is composed already. */
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "proto/base64.h"
#include "proto/sasl_private.h"

#define SALT_SIZE_MAX 1024

struct server_first {
	const char *nonce;
	size_t nonce_size;
	struct buf salt;
	uint32_t iterations;
};

void scram_finish(struct scram *scram)
{
	free(scram->nonce);
	buf_finish(&scram->first_bare);
}

static void add_gs2_header(const struct sasl *sasl, struct buf *out)
{
	buf_add_text(out, "n,");
	if (sasl->authzid != NULL) {
		buf_add_text(out, "a=");
		sasl_add_name(out, sasl->authzid);
	}
	buf_add_byte(out, ',');
}

void scram_first(struct sasl *sasl, struct buf *out)
{
	struct buf *bare = &sasl->scram.first_bare;

	buf_clear(bare);
	buf_add_text(bare, "n=");
	sasl_add_name(bare, sasl->user);
	buf_add_text(bare, ",r=");
	buf_add_text(bare, sasl->scram.nonce);

	add_gs2_header(sasl, out);
	buf_add(out, bare->data, bare->size);
}

/* "x=value" up to the next comma, and a step behind it. */
static bool take_attribute(const char **text, const char *end, char name,
	const char **value_out, size_t *size_out)
{
	const char *comma;

	if (end - *text < 2 || (*text)[0] != name || (*text)[1] != '=')
		return false;
	*value_out = *text + 2;
	comma = memchr(*value_out, ',', (size_t)(end - *value_out));
	*size_out = (size_t)((comma != NULL ? comma : end) - *value_out);
	*text = comma != NULL ? comma + 1 : end;
	return true;
}

static bool check_nonce(const struct scram *scram,
	const struct server_first *first, struct error *error)
{
	size_t own_size = strlen(scram->nonce);

	if (first->nonce_size <= own_size ||
		memcmp(first->nonce, scram->nonce, own_size) != 0)
		return error_set(error, ERROR_AUTH,
			"server's nonce does not extend ours");
	return true;
}

static bool check_iterations(uint32_t iterations, struct error *error)
{
	if (iterations < SASL_ITERATIONS_MIN ||
		iterations > SASL_ITERATIONS_MAX)
		return error_set(error, ERROR_AUTH,
			"server wants %u iterations (allowed %d to %d)",
			(unsigned)iterations, SASL_ITERATIONS_MIN,
			SASL_ITERATIONS_MAX);
	return true;
}

/* server-first-message = [reserved-mext ","] nonce "," salt ","
     iteration-count ["," extensions] (RFC 5802, 7). A reserved-mext is a demand
   we do not know, so it must fail. */
static bool read_server_first(const struct scram *scram, const char *text,
	size_t size, struct server_first *first, struct error *error)
{
	const char *end = text + size;
	const char *salt;
	const char *count;
	size_t salt_size;
	size_t count_size;

	if (!take_attribute(
		    &text, end, 'r', &first->nonce, &first->nonce_size) ||
		!take_attribute(&text, end, 's', &salt, &salt_size) ||
		!take_attribute(&text, end, 'i', &count, &count_size) ||
		!number_parse_u32(count, count_size, &first->iterations))
		return error_set(error, ERROR_AUTH,
			"server's first SCRAM message is malformed");

	if (salt_size == 0 || salt_size > SALT_SIZE_MAX ||
		!base64_decode(salt, salt_size, &first->salt))
		return error_set(
			error, ERROR_AUTH, "server's SCRAM salt is malformed");
	return check_nonce(scram, first, error) &&
		check_iterations(first->iterations, error);
}

static void xor_into(uint8_t *target, const uint8_t *other, size_t size)
{
	for (size_t i = 0; i < size; i++)
		target[i] ^= other[i];
}

/* Hi(str, salt, i) (RFC 5802, 2.2) */
static void salt_password(
	const struct sasl *sasl, struct server_first *first, uint8_t *salted)
{
	const struct sasl_hash *hash = sasl->scram.hash;
	const uint8_t *password = (const uint8_t *)sasl->secret;
	size_t password_size = strlen(sasl->secret);
	uint8_t round[SASL_HASH_SIZE_MAX];
	static const uint8_t INT_1[] = { 0, 0, 0, 1 };

	buf_add(&first->salt, INT_1, sizeof(INT_1));
	hash->hmac(password, password_size, first->salt.data, first->salt.size,
		round);
	memcpy(salted, round, hash->size);
	for (uint32_t i = 1; i < first->iterations; i++) {
		uint8_t next[SASL_HASH_SIZE_MAX];

		hash->hmac(password, password_size, round, hash->size, next);
		memcpy(round, next, hash->size);
		xor_into(salted, round, hash->size);
	}
	explicit_bzero(round, sizeof(round));
}

static void hmac_text(const struct sasl_hash *hash, const uint8_t *key,
	const char *text, uint8_t *out)
{
	hash->hmac(key, hash->size, (const uint8_t *)text, strlen(text), out);
}

/* ClientProof, and the ServerSignature to expect (RFC 5802, 3). */
static void prove(struct sasl *sasl, struct server_first *first,
	const struct buf *auth_message, uint8_t *proof)
{
	const struct sasl_hash *hash = sasl->scram.hash;
	uint8_t salted[SASL_HASH_SIZE_MAX];
	uint8_t key[SASL_HASH_SIZE_MAX];
	uint8_t signature[SASL_HASH_SIZE_MAX];

	salt_password(sasl, first, salted);

	hmac_text(hash, salted, "Server Key", key);
	hash->hmac(key, hash->size, auth_message->data, auth_message->size,
		sasl->scram.server_signature);

	hmac_text(hash, salted, "Client Key", proof);
	hash->hash(proof, hash->size, key);
	hash->hmac(key, hash->size, auth_message->data, auth_message->size,
		signature);
	xor_into(proof, signature, hash->size);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(key, sizeof(key));
}

/* client-final-message-without-proof = "c=" base64 "," nonce */
static void add_final(const struct sasl *sasl, const struct server_first *first,
	struct buf *out)
{
	struct buf header;

	buf_init(&header);
	add_gs2_header(sasl, &header);
	buf_add_text(out, "c=");
	base64_encode(header.data, header.size, out);
	buf_add_text(out, ",r=");
	buf_add(out, first->nonce, first->nonce_size);
	buf_finish(&header);
}

static enum sasl_result answer_first(struct sasl *sasl, const char *text,
	size_t size, struct buf *answer, struct error *error)
{
	struct server_first first = { 0 };
	struct buf message;
	uint8_t proof[SASL_HASH_SIZE_MAX];
	enum sasl_result result = SASL_FAILED;

	buf_init(&message);
	if (!read_server_first(&sasl->scram, text, size, &first, error))
		goto out;

	buf_add(&message, sasl->scram.first_bare.data,
		sasl->scram.first_bare.size);
	buf_add_byte(&message, ',');
	buf_add(&message, text, size);
	buf_add_byte(&message, ',');
	add_final(sasl, &first, &message);
	prove(sasl, &first, &message, proof);

	add_final(sasl, &first, answer);
	buf_add_text(answer, ",p=");
	base64_encode(proof, sasl->scram.hash->size, answer);
	result = SASL_CONTINUE;
out:
	buf_finish(&first.salt);
	buf_finish(&message);
	return result;
}

/* Takes the same time wherever the difference is. */
static bool is_same(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint8_t difference = 0;

	for (size_t i = 0; i < size; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static enum sasl_result check_signature(
	struct sasl *sasl, const char *value, size_t size, struct error *error)
{
	struct scram *scram = &sasl->scram;
	struct buf signature;

	buf_init(&signature);
	scram->is_verified = size <= base64_encoded_size(SASL_HASH_SIZE_MAX) &&
		base64_decode(value, size, &signature) &&
		signature.size == scram->hash->size &&
		is_same(signature.data, scram->server_signature,
			signature.size);
	buf_finish(&signature);

	if (scram->is_verified)
		return SASL_DONE;
	error_set(error, ERROR_AUTH,
		"server does not know the password (wrong SCRAM signature)");
	return SASL_FAILED;
}

/* server-final-message = (server-error / verifier) ["," extensions] */
static enum sasl_result check_final(
	struct sasl *sasl, const char *text, size_t size, struct error *error)
{
	const char *end = text + size;
	const char *value;
	size_t value_size;

	if (take_attribute(&text, end, 'v', &value, &value_size))
		return check_signature(sasl, value, value_size, error);

	if (take_attribute(&text, end, 'e', &value, &value_size)) {
		sasl_keep_failure(sasl, (const uint8_t *)value, value_size);
		error_set(error, ERROR_AUTH, "server refused: %s",
			buf_text(&sasl->failure));
		return SASL_FAILED;
	}
	error_set(
		error, ERROR_AUTH, "server's last SCRAM message is malformed");
	return SASL_FAILED;
}

enum sasl_result scram_step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error)
{
	const char *text = (const char *)challenge;

	if (sasl->step == 0)
		return answer_first(sasl, text, size, answer, error);
	if (sasl->step == 1)
		return check_final(sasl, text, size, error);
	error_set(error, ERROR_AUTH, "unexpected challenge in SCRAM");
	return SASL_FAILED;
}
