/* A hostile server's challenges. The first octet picks the mechanism; then
   each challenge is an octet of length and its octets. The hashes are toys:
   what is tested is the reading. */
#include <stdlib.h>
#include <string.h>

#include "proto/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void toy_hash(const uint8_t *data, size_t size, uint8_t *out)
{
	memset(out, 0x5a, 20);
	for (size_t i = 0; i < size; i++)
		out[i % 20] = (uint8_t)(out[i % 20] * 31 + data[i]);
}

static void toy_hmac(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *out)
{
	toy_hash(data, size < 64 ? size : 64, out);
	out[0] ^= key[key_size - 1];
}

static const struct sasl_hash TOY = { 20, toy_hash, toy_hmac };

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

	if (size == 0)
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
