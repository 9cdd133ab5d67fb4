#include "syncd/worker/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static const uint8_t KEY[HASH_KEY_SIZE] = "0123456789abcdef";

static void assert_hex(const uint8_t *hash, size_t size, const char *expected)
{
	char text[2 * DIGEST_SHA256_SIZE + 1];

	for (size_t i = 0; i < size; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", (unsigned)hash[i]);
	assert_string_equal(text, expected);
}

static const uint8_t *bytes(const char *text)
{
	return (const uint8_t *)text;
}

/* FIPS 180-4, RFC 1321, RFC 2202, RFC 4231. */
static void test_hashes_match_published_vectors(void **state)
{
	uint8_t hash[DIGEST_SHA256_SIZE];
	const char *question = "what do ya want for nothing?";

	(void)state;
	digest_md5(bytes("abc"), 3, hash);
	assert_hex(hash, 16, "900150983cd24fb0d6963f7d28e17f72");
	digest_sha1(bytes("abc"), 3, hash);
	assert_hex(hash, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest_sha256(bytes("abc"), 3, hash);
	assert_hex(hash, 32,
		"ba7816bf8f01cfea414140de5dae2223"
		"b00361a396177a9cb410ff61f20015ad");
	digest_hmac_md5(bytes("Jefe"), 4, bytes(question), 28, hash);
	assert_hex(hash, 16, "750c783e6ab0b503eaa86e310a5db738");
	digest_hmac_sha1(bytes("Jefe"), 4, bytes(question), 28, hash);
	assert_hex(hash, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	digest_hmac_sha256(bytes("Jefe"), 4, bytes(question), 28, hash);
	assert_hex(hash, 32,
		"5bdcc146bf60754e6a042426089575c7"
		"5a003f089d2739839dec58b964ec3843");
}

static void test_an_empty_key_is_a_key(void **state)
{
	uint8_t hash[DIGEST_SHA256_SIZE];

	(void)state;
	digest_hmac_sha256(NULL, 0, bytes(""), 0, hash);
	assert_hex(hash, 32,
		"b613679a0814d9ec772f95d778c35fc5"
		"ff1697c493715653c6c712144292c5ad");
}

static void test_sasl_tables_name_the_right_sizes(void **state)
{
	(void)state;
	assert_int_equal(DIGEST_SASL_MD5.size, 16);
	assert_int_equal(DIGEST_SASL_SHA1.size, 20);
	assert_int_equal(DIGEST_SASL_SHA256.size, 32);
}

static void test_a_finished_digest_starts_over(void **state)
{
	struct digest *digest = digest_new();
	uint8_t hash[DIGEST_SHA256_SIZE];

	(void)state;
	digest_feed(digest, "junk", 4);
	digest_finish(digest, hash);
	digest_feed(digest, "a", 1);
	digest_feed(digest, "bc", 2);
	digest_finish(digest, hash);
	digest_free(digest);
	assert_hex(hash, 32,
		"ba7816bf8f01cfea414140de5dae2223"
		"b00361a396177a9cb410ff61f20015ad");
}

/* ---- Messages ---- */

static struct content digest_message(const char *text, size_t size)
{
	struct canonical_digest *digest = canonical_digest_new(KEY);
	struct content content = { 0 };

	canonical_digest_feed(digest, text, size);
	canonical_digest_finish(digest, &content);
	canonical_digest_free(digest);
	return content;
}

struct canonical_row {
	const char *message;
	const char *canonical;
	const char *header; /* canonical */
	const char *id;
};

static const struct canonical_row ROWS[] = {
	{ "", "", "", NULL },
	{ "\n", "\r\n", "\r\n", NULL },
	{ "\r\n", "\r\n", "\r\n", NULL },
	{ "\r", "\r", "\r", NULL },
	{ "\r\r\n", "\r\r\n", "\r\r\n", NULL },
	{ "a\rb\nc", "a\rb\r\nc", "a\rb\r\nc", NULL },
	{ "A: b\n\nbody\n", "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\n", NULL },
	{ "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\n",
		NULL },
	{ "A: b\n\r\nbody\n\n\r", "A: b\r\n\r\nbody\r\n\r\n\r", "A: b\r\n\r\n",
		NULL },
	{ "A: b\n\r\r\nx", "A: b\r\n\r\r\nx", "A: b\r\n\r\r\nx", NULL },
	{ "\nMessage-ID: <no>\n", "\r\nMessage-ID: <no>\r\n", "\r\n", NULL },
	{ "Message-ID: <a@b>\n\nb", "Message-ID: <a@b>\r\n\r\nb",
		"Message-ID: <a@b>\r\n\r\n", "<a@b>" },
	{ "X: y\nmessage-id:\n <a@b> \nZ: z",
		"X: y\r\nmessage-id:\r\n <a@b> \r\nZ: z",
		"X: y\r\nmessage-id:\r\n <a@b> \r\nZ: z", "<a@b>" },
};

static void assert_content(
	const struct content *content, const struct canonical_row *row)
{
	uint8_t hash[DIGEST_SHA256_SIZE];
	size_t size = strlen(row->canonical);

	digest_sha256(bytes(row->canonical), size, hash);
	assert_true(content->has_hash);
	assert_int_equal(content->size, size);
	assert_memory_equal(content->hash, hash, sizeof(hash));
	assert_int_equal(content->header_hash,
		hash_keyed(KEY, row->header, strlen(row->header)));
	assert_int_equal(content->message_id,
		row->id == NULL ? 0
				: hash_keyed(KEY, row->id, strlen(row->id)));
}

static void test_line_ends_do_not_matter_and_everything_else_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
		struct content content = digest_message(
			ROWS[i].message, strlen(ROWS[i].message));

		print_message("row %zu\n", i);
		assert_content(&content, &ROWS[i]);
	}
}

static void test_any_split_gives_the_same(void **state)
{
	struct canonical_digest *digest = canonical_digest_new(KEY);

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
		const char *message = ROWS[i].message;
		size_t size = strlen(message);

		for (size_t split = 0; split <= size; split++) {
			struct content content = { 0 };

			canonical_digest_feed(digest, message, split);
			canonical_digest_feed(
				digest, message + split, size - split);
			canonical_digest_finish(digest, &content);
			assert_content(&content, &ROWS[i]);
			canonical_digest_reset(digest);
		}
	}
	canonical_digest_free(digest);
}

/* A slow second opinion. */
static void make_canonical(struct buf *out, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
			buf_add_byte(out, '\r');
		buf_add_byte(out, (uint8_t)data[i]);
	}
}

static void test_random_bytes_in_random_pieces(void **state)
{
	static const char LETTERS[] = "\r\n\r\n\nab:";
	struct canonical_digest *digest = canonical_digest_new(KEY);

	(void)state;
	srand(7);
	for (int round = 0; round < 3000; round++) {
		char message[64];
		size_t size = (size_t)rand() % sizeof(message);
		struct buf canonical = { 0 };
		struct content content = { 0 };
		struct content whole;
		uint8_t hash[DIGEST_SHA256_SIZE];

		for (size_t i = 0; i < size; i++)
			message[i] =
				LETTERS[(size_t)rand() % (sizeof(LETTERS) - 1)];
		for (size_t i = 0, piece; i < size; i += piece) {
			piece = 1 + (size_t)rand() % (size - i);
			canonical_digest_feed(digest, message + i, piece);
		}
		canonical_digest_finish(digest, &content);
		canonical_digest_reset(digest);
		make_canonical(&canonical, message, size);
		digest_sha256(canonical.data, canonical.size, hash);
		assert_int_equal(content.size, canonical.size);
		assert_memory_equal(content.hash, hash, sizeof(hash));
		/* Canonical form is its own canonical form. */
		whole = digest_message(buf_text(&canonical), canonical.size);
		assert_int_equal(whole.header_hash, content.header_hash);
		assert_memory_equal(whole.hash, hash, sizeof(hash));
		buf_finish(&canonical);
	}
	canonical_digest_free(digest);
}

static void test_an_endless_header_is_cut(void **state)
{
	size_t size = 2 * CANONICAL_DIGEST_HEADER_MAX;
	char *message = malloc(size);
	struct content content;

	(void)state;
	assert_non_null(message);
	memset(message, 'x', size);
	content = digest_message(message, size);
	assert_int_equal(content.size, size);
	assert_int_equal(content.header_hash,
		hash_keyed(KEY, message, CANONICAL_DIGEST_HEADER_MAX));
	free(message);
}

static void test_other_fields_of_the_content_stay(void **state)
{
	struct canonical_digest *digest = canonical_digest_new(KEY);
	struct content content = { .email_id = 5, .internal_date = 6 };

	(void)state;
	canonical_digest_feed(digest, "Message-ID: <x>\n", 16);
	assert_string_equal(canonical_digest_message_id(digest), "<x>");
	assert_int_equal(canonical_digest_size(digest), 17);
	canonical_digest_finish(digest, &content);
	assert_int_equal(content.email_id, 5);
	assert_int_equal(content.internal_date, 6);
	canonical_digest_free(digest);
	canonical_digest_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes_match_published_vectors),
		cmocka_unit_test(test_an_empty_key_is_a_key),
		cmocka_unit_test(test_sasl_tables_name_the_right_sizes),
		cmocka_unit_test(test_a_finished_digest_starts_over),
		cmocka_unit_test(
			test_line_ends_do_not_matter_and_everything_else_does),
		cmocka_unit_test(test_any_split_gives_the_same),
		cmocka_unit_test(test_random_bytes_in_random_pieces),
		cmocka_unit_test(test_an_endless_header_is_cut),
		cmocka_unit_test(test_other_fields_of_the_content_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
