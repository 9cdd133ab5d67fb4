/* A hostile server's challenges. The first octet picks the mechanism; then
   each challenge is an octet of length and its octets. The hashes are toys:
   what is tested is the reading. */
#include <stdlib.h>
#include <string.h>

#include "proto/sasl.h"

#define TOY_SIZE 4 /* octets: SCRAM hashes thousands of times */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few octets of each end. */
static void toy_hash(const uint8_t *data, size_t size, uint8_t *out)
{
	memset(out, 0x5a, TOY_SIZE);
	for (size_t i = 0; i < size && i < TOY_SIZE; i++) {
		out[i] ^= data[i];
		out[TOY_SIZE - 1 - i] ^= data[size - 1 - i];
	}
}

static void toy_hmac(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *out)
{
	toy_hash(data, size, out);
	out[0] ^= key[key_size - 1];
}

/* An iteration count of five digits and more, which is either refused or only
   slow: the limits have tests of their own. */
static bool is_slow(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 2 < size; i++) {
		size_t digits = 0;

		if (memcmp(data + i, "i=", 2) != 0)
			continue;
		while (i + 2 + digits < size && data[i + 2 + digits] >= '0' &&
			data[i + 2 + digits] <= '9')
			digits++;
		if (digits == 5 || digits == 6)
			return true;
	}
	return false;
}

static const struct sasl_hash TOY = { TOY_SIZE, toy_hash, toy_hmac };

static struct sasl *open_sasl(uint8_t choice)
{
	struct sasl_options options = {
		.mechanism = (enum sasl_mechanism)(choice % SASL_LOGIN_COMMAND),
		.user = "user",
		.secret = "pencil",
		.host = "imap.example.org",
		.port = 993,
		.nonce = "nonce",
		.md5 = &TOY,
		.sha1 = &TOY,
		.sha256 = &TOY,
	};

	return sasl_new(&options, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum sasl_result result = SASL_CONTINUE;
	struct sasl *sasl;
	struct buf out = { 0 };

	if (size == 0 || is_slow(data, size))
		return 0;
	sasl = open_sasl(data[0]);
	if (!sasl_initial_response(sasl, &out))
		buf_clear(&out);

	for (size_t i = 1; i < size && result != SASL_FAILED;) {
		size_t length = data[i++];
		struct error error = { 0 };

		if (length > size - i)
			length = size - i;
		buf_clear(&out);
		result = sasl_step(sasl, data + i, length, &out, &error);
		if ((result == SASL_FAILED) != (error.code == ERROR_AUTH))
			abort();
		i += length;
	}
	(void)sasl_failure_text(sasl);
	buf_finish_secret(&out);
	sasl_free(sasl);
	return 0;
}
