#include "proto/sasl.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/sasl_private.h"

static const char *const NAMES[SASL_MECHANISM_COUNT] = {
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
	[SASL_CRAM_MD5] = "CRAM-MD5",
	[SASL_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[SASL_OAUTHBEARER] = "OAUTHBEARER",
	[SASL_XOAUTH2] = "XOAUTH2",
	[SASL_EXTERNAL] = "EXTERNAL",
	[SASL_LOGIN_COMMAND] = "LOGIN",
};

const char *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
	return NAMES[mechanism];
}

bool sasl_mechanism_from_name(
	const char *name, enum sasl_mechanism *mechanism_out)
{
	for (unsigned i = 0; i < SASL_LOGIN_COMMAND; i++) {
		if (text_equal_nocase(name, NAMES[i])) {
			*mechanism_out = (enum sasl_mechanism)i;
			return true;
		}
	}
	return false;
}

static bool check_presence(
	const struct sasl_options *options, struct error *error)
{
	const char *name = NAMES[options->mechanism];

	if (options->mechanism == SASL_EXTERNAL)
		return true;
	if (options->user == NULL || options->user[0] == '\0')
		return error_set(error, ERROR_AUTH, "%s needs a user", name);
	if (options->secret == NULL || options->secret[0] == '\0')
		return error_set(error, ERROR_AUTH,
			"%s needs a password or token", name);
	return true;
}

/* The key-value pairs of OAuth mechanisms end at control characters, so these
   could smuggle pairs in. */
static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool check_credentials(
	const struct sasl_options *options, struct error *error)
{
	const char *texts[] = { options->user, options->secret,
		options->authzid, options->host };
	bool is_oauth = options->mechanism == SASL_OAUTHBEARER ||
		options->mechanism == SASL_XOAUTH2;

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		if (texts[i] == NULL)
			continue;
		if (strlen(texts[i]) > SASL_CREDENTIAL_MAX)
			return error_set(error, ERROR_AUTH,
				"a credential is longer than %d octets",
				SASL_CREDENTIAL_MAX);
		if (is_oauth && !is_printable(texts[i]))
			return error_set(error, ERROR_AUTH,
				"a credential holds control characters");
	}
	return true;
}

static const struct sasl_hash *scram_hash(const struct sasl_options *options)
{
	if (options->mechanism == SASL_SCRAM_SHA_256)
		return options->sha256;
	if (options->mechanism == SASL_SCRAM_SHA_1)
		return options->sha1;
	return NULL;
}

static bool is_scram(enum sasl_mechanism mechanism)
{
	return mechanism == SASL_SCRAM_SHA_256 || mechanism == SASL_SCRAM_SHA_1;
}

/* nonce = printable, no comma (RFC 5802, 7) */
static bool check_scram(const struct sasl_options *options, struct error *error)
{
	const struct sasl_hash *hash = scram_hash(options);
	const char *nonce = options->nonce;

	if (hash == NULL || hash->size > SASL_HASH_SIZE_MAX)
		return error_set(error, ERROR_AUTH, "no hash function for %s",
			NAMES[options->mechanism]);
	if (nonce == NULL || nonce[0] == '\0')
		return error_set(error, ERROR_AUTH, "%s needs a nonce",
			NAMES[options->mechanism]);
	for (; *nonce != '\0'; nonce++) {
		if (*nonce < 0x21 || *nonce > 0x7e || *nonce == ',')
			return error_set(error, ERROR_AUTH,
				"the nonce is not printable");
	}
	return true;
}

static bool check_options(
	const struct sasl_options *options, struct error *error)
{
	if (!check_presence(options, error))
		return false;
	if (!check_credentials(options, error))
		return false;
	if (is_scram(options->mechanism))
		return check_scram(options, error);
	if (options->mechanism == SASL_CRAM_MD5 &&
		(options->md5 == NULL ||
			options->md5->size > SASL_HASH_SIZE_MAX))
		return error_set(
			error, ERROR_AUTH, "no hash function for CRAM-MD5");
	return true;
}

static char *copy(const char *text)
{
	return text != NULL ? alloc_text(text) : NULL;
}

struct sasl *sasl_new(const struct sasl_options *options, struct error *error)
{
	struct sasl *sasl;

	if (!check_options(options, error))
		return NULL;

	sasl = alloc(1, sizeof(*sasl));
	sasl->mechanism = options->mechanism;
	sasl->user = copy(options->user);
	sasl->secret = copy(options->secret);
	sasl->authzid = copy(options->authzid);
	sasl->host = copy(options->host);
	sasl->port = options->port;
	sasl->md5 = options->md5;
	sasl->scram.hash = scram_hash(options);
	sasl->scram.nonce = copy(options->nonce);
	return sasl;
}

void sasl_free(struct sasl *sasl)
{
	if (sasl == NULL)
		return;

	free(sasl->user);
	free_secret(sasl->secret);
	free(sasl->authzid);
	free(sasl->host);
	scram_finish(&sasl->scram);
	buf_finish(&sasl->failure);
	free(sasl);
}

void sasl_add_name(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == ',')
			buf_add_text(out, "=2C");
		else if (*name == '=')
			buf_add_text(out, "=3D");
		else
			buf_add_byte(out, (uint8_t)*name);
	}
}

/* Secrets are added into room reserved before: a buffer that grows leaves a
   copy of what it held behind. */
static void reserve(const struct sasl *sasl, struct buf *out)
{
	const char *texts[] = { sasl->user, sasl->secret, sasl->authzid,
		sasl->host };
	size_t size = 128;

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		size += texts[i] != NULL ? 3 * strlen(texts[i]) : 0;
	buf_reserve(out, size);
}

/* message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616, 2) */
static void plain_first(const struct sasl *sasl, struct buf *out)
{
	if (sasl->authzid != NULL)
		buf_add_text(out, sasl->authzid);
	buf_add_byte(out, 0);
	buf_add_text(out, sasl->user);
	buf_add_byte(out, 0);
	buf_add_text(out, sasl->secret);
}

/* client-resp = gs2-header kvsep *kvpair kvsep (RFC 7628, 3.1) */
static void oauthbearer_first(const struct sasl *sasl, struct buf *out)
{
	buf_add_text(out, "n,a=");
	sasl_add_name(out, sasl->user);
	buf_add_text(out, ",\001");
	if (sasl->host != NULL)
		buf_add_format(out, "host=%s\001", sasl->host);
	if (sasl->port != 0)
		buf_add_format(out, "port=%u\001", (unsigned)sasl->port);
	buf_add_text(out, "auth=Bearer ");
	buf_add_text(out, sasl->secret);
	buf_add_text(out, "\001\001");
}

static void xoauth2_first(const struct sasl *sasl, struct buf *out)
{
	buf_add_text(out, "user=");
	buf_add_text(out, sasl->user);
	buf_add_text(out, "\001auth=Bearer ");
	buf_add_text(out, sasl->secret);
	buf_add_text(out, "\001\001");
}

static void external_first(const struct sasl *sasl, struct buf *out)
{
	if (sasl->authzid != NULL)
		buf_add_text(out, sasl->authzid);
	else if (sasl->user != NULL)
		buf_add_text(out, sasl->user);
}

bool sasl_initial_response(struct sasl *sasl, struct buf *out)
{
	reserve(sasl, out);
	switch (sasl->mechanism) {
	case SASL_PLAIN:
		plain_first(sasl, out);
		return true;
	case SASL_SCRAM_SHA_1:
	case SASL_SCRAM_SHA_256:
		scram_first(sasl, out);
		return true;
	case SASL_OAUTHBEARER:
		oauthbearer_first(sasl, out);
		return true;
	case SASL_XOAUTH2:
		xoauth2_first(sasl, out);
		return true;
	case SASL_EXTERNAL:
		external_first(sasl, out);
		return true;
	case SASL_LOGIN:
	case SASL_CRAM_MD5:
	case SASL_LOGIN_COMMAND:
	case SASL_MECHANISM_COUNT:
		break;
	}
	return false;
}

void sasl_keep_failure(struct sasl *sasl, const uint8_t *text, size_t size)
{
	buf_clear(&sasl->failure);
	if (size > SASL_FAILURE_TEXT_MAX)
		size = SASL_FAILURE_TEXT_MAX;
	for (size_t i = 0; i < size; i++)
		buf_add_byte(&sasl->failure, text[i] != 0 ? text[i] : '?');
}

static enum sasl_result fail_unexpected(
	const struct sasl *sasl, struct error *error)
{
	assert(sasl->mechanism < SASL_MECHANISM_COUNT);
	error_set(error, ERROR_AUTH, "unexpected challenge in %s",
		NAMES[sasl->mechanism]);
	return SASL_FAILED;
}

/* Servers word the two prompts differently; only their order counts. */
static enum sasl_result login_step(
	const struct sasl *sasl, struct buf *answer, struct error *error)
{
	if (sasl->step > 1)
		return fail_unexpected(sasl, error);

	buf_add_text(answer, sasl->step == 0 ? sasl->user : sasl->secret);
	return sasl->step == 0 ? SASL_CONTINUE : SASL_DONE;
}

static enum sasl_result cram_md5_step(const struct sasl *sasl,
	const uint8_t *challenge, size_t size, struct buf *answer,
	struct error *error)
{
	uint8_t digest[SASL_HASH_SIZE_MAX];

	if (sasl->step > 0)
		return fail_unexpected(sasl, error);

	sasl->md5->hmac((const uint8_t *)sasl->secret, strlen(sasl->secret),
		challenge, size, digest);
	buf_add_text(answer, sasl->user);
	buf_add_byte(answer, ' ');
	for (size_t i = 0; i < sasl->md5->size; i++)
		buf_add_format(answer, "%02x", (unsigned)digest[i]);
	return SASL_DONE;
}

/* The only challenge of an OAuth exchange is its refusal: RFC 7628, 3.2.3
   wants %x01, XOAUTH2 an empty answer, before the tagged NO can come. */
static enum sasl_result oauth_step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error)
{
	if (sasl->step > 0)
		return fail_unexpected(sasl, error);

	sasl_keep_failure(sasl, challenge, size);
	if (sasl->mechanism == SASL_OAUTHBEARER)
		buf_add_byte(answer, 1);
	return SASL_CONTINUE;
}

static enum sasl_result step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error)
{
	switch (sasl->mechanism) {
	case SASL_LOGIN:
		return login_step(sasl, answer, error);
	case SASL_CRAM_MD5:
		return cram_md5_step(sasl, challenge, size, answer, error);
	case SASL_SCRAM_SHA_1:
	case SASL_SCRAM_SHA_256:
		return scram_step(sasl, challenge, size, answer, error);
	case SASL_OAUTHBEARER:
	case SASL_XOAUTH2:
		return oauth_step(sasl, challenge, size, answer, error);
	case SASL_PLAIN:
	case SASL_EXTERNAL:
	case SASL_LOGIN_COMMAND:
	case SASL_MECHANISM_COUNT:
		break;
	}
	return fail_unexpected(sasl, error);
}

enum sasl_result sasl_step(struct sasl *sasl, const uint8_t *challenge,
	size_t size, struct buf *answer, struct error *error)
{
	enum sasl_result result;

	if (size == 0)
		challenge = (const uint8_t *)"";
	reserve(sasl, answer);
	result = step(sasl, challenge, size, answer, error);
	if (sasl->step < 8)
		sasl->step++;
	return result;
}

bool sasl_is_verified(const struct sasl *sasl)
{
	return !is_scram(sasl->mechanism) || sasl->scram.is_verified;
}

const char *sasl_failure_text(const struct sasl *sasl)
{
	return sasl->failure.size > 0 ? buf_text(&sasl->failure) : NULL;
}
