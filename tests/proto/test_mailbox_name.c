#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/text.h"
#include "proto/mailbox_name.h"

/* What `iconv -f UTF-8 -t UTF-7-IMAP` gives, and the example of RFC 3501. */
static const struct {
	const char *name;
	const char *wire;
} PAIRS[] = {
	{ "INBOX", "INBOX" },
	{ "Sent Items", "Sent Items" },
	{ "Entwürfe", "Entw&APw-rfe" },
	{ "é", "&AOk-" },
	{ "éé", "&AOkA6Q-" },
	{ "ééé", "&AOkA6QDp-" },
	{ "☃", "&JgM-" },
	{ "Папка", "&BB8EMAQ,BDoEMA-" },
	{ "~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
	{ "A&B", "A&-B" },
	{ "&", "&-" },
	{ "a&é&b", "a&-&AOk-&-b" },
	{ "𝄞 music", "&2DTdHg- music" },
	{ "😀😀", "&2D3eANg93gA-" },
	{ "tab\there", "tab&AAk-here" },
	{ "back\\slash \"quote\" *%", "back\\slash \"quote\" *%" },
};

static void test_canonical_names_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(PAIRS); i++) {
		const char *name = PAIRS[i].name;
		const char *wire = PAIRS[i].wire;
		struct buf out = { 0 };

		assert_true(mailbox_name_encode(name, strlen(name), &out));
		assert_string_equal(buf_text(&out), wire);
		buf_clear(&out);
		assert_int_equal(mailbox_name_decode(wire, strlen(wire), &out),
			MAILBOX_NAME_CANONICAL);
		assert_string_equal(buf_text(&out), name);
		buf_finish(&out);
	}
}

static void test_other_spellings_are_kept_octet_by_octet(void **state)
{
	static const char *const RAW[] = {
		"☃️&☺️", /* UTF-8 without UTF8=ACCEPT, bare & */
		"Entwürfe",      /* UTF-8 */
		"R&D",           /* a bare & */
		"&AGE-",         /* 'a' needs no encoding */
		"&AOl-",         /* bits behind the last unit */
		"&AOk",          /* never closed */
		"&AOk-&AOk-",    /* two runs that are one */
		"&AOkA-",        /* half a unit */
		"&2DQ-",         /* a high surrogate alone */
		"&3R4-",         /* a low surrogate alone */
		"&3R7YNA-",      /* the wrong way round */
		"&AAA-",         /* NUL in disguise */
		"&AO/-",         /* '/' belongs to the other base64 */
		"&AOk=-",        /* so does padding */
		"&U,BTFw-/&ZeVnLIqe",
		"tab\there",
		"a&b-",
		"&&-",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(RAW); i++) {
		struct buf out = { 0 };

		assert_int_equal(
			mailbox_name_decode(RAW[i], strlen(RAW[i]), &out),
			MAILBOX_NAME_RAW);
		assert_string_equal(buf_text(&out), RAW[i]);
		buf_finish(&out);
	}
}

static void test_names_that_are_neither_are_refused(void **state)
{
	static const struct {
		const char *wire;
		size_t size;
	} CASES[] = {
		{ "", 0 },
		{ "Entw\xfcrfe", 8 },
		{ "\xc0\xaf", 2 },
		{ "\xed\xa0\x80", 3 },
		{ "a\0b", 3 },
		{ "a\rb", 3 },
		{ "a\nb", 3 },
	};
	char longest[MAILBOX_NAME_SIZE_MAX + 1];
	struct buf out = { 0 };

	(void)state;
	buf_add_text(&out, "kept");
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++)
		assert_int_equal(
			mailbox_name_decode(CASES[i].wire, CASES[i].size, &out),
			MAILBOX_NAME_INVALID);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(mailbox_name_decode(longest, sizeof(longest), &out),
		MAILBOX_NAME_INVALID);
	assert_false(mailbox_name_encode(longest, sizeof(longest), &out));
	assert_false(mailbox_name_encode("", 0, &out));
	assert_false(mailbox_name_encode("\xff", 1, &out));
	assert_string_equal(buf_text(&out), "kept");

	assert_int_equal(
		mailbox_name_decode(longest, sizeof(longest) - 1, &out),
		MAILBOX_NAME_CANONICAL);
	buf_finish(&out);
}

static void test_a_name_too_long_when_encoded_is_refused(void **state)
{
	struct buf name = { 0 };
	struct buf out = { 0 };

	(void)state;
	for (unsigned i = 0; i < 240; i++)
		buf_add_text(&name, "é.");
	assert_false(mailbox_name_encode(buf_text(&name), name.size, &out));
	assert_int_equal(out.size, 0);
	buf_finish(&name);
	buf_finish(&out);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Pieces that meet in every order: direct, shifted, two and four octets. */
static void test_every_name_returns_from_the_wire(void **state)
{
	static const char *const PIECES[] = { "a", "&", "-", "/", " ", "é",
		"\x01", "\x7f", "€", "語", "😀", "𝄞", "\xef\xbf\xbf", "," };
	uint32_t seed = 20260101;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct buf name = { 0 };
		struct buf wire = { 0 };
		struct buf again = { 0 };
		size_t count = 1 + next_random(&seed) % 12;

		for (size_t i = 0; i < count; i++)
			buf_add_text(&name,
				PIECES[next_random(&seed) %
					ARRAY_LENGTH(PIECES)]);
		assert_true(
			mailbox_name_encode(buf_text(&name), name.size, &wire));
		assert_int_equal(
			mailbox_name_decode(buf_text(&wire), wire.size, &again),
			MAILBOX_NAME_CANONICAL);
		assert_string_equal(buf_text(&again), buf_text(&name));
		buf_finish(&name);
		buf_finish(&wire);
		buf_finish(&again);
	}
}

/* Whatever a server sends: canonical means it can be sent back, raw means it
   is what was sent, and both are UTF-8 without NUL. */
static void test_every_wire_name_has_an_honest_outcome(void **state)
{
	static const char CHARS[] = "&-ABIJ,/+=a \xc3\xa9\xff\t";
	uint32_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		char wire[16];
		size_t size = next_random(&seed) % sizeof(wire);
		struct buf name = { 0 };
		struct buf again = { 0 };

		for (size_t i = 0; i < size; i++)
			wire[i] = CHARS[next_random(&seed) % sizeof(CHARS)];
		switch (mailbox_name_decode(wire, size, &name)) {
		case MAILBOX_NAME_CANONICAL:
			assert_true(mailbox_name_encode(
				buf_text(&name), name.size, &again));
			assert_int_equal(again.size, size);
			assert_memory_equal(again.data, wire, size);
			break;
		case MAILBOX_NAME_RAW:
			assert_int_equal(name.size, size);
			assert_memory_equal(name.data, wire, size);
			break;
		case MAILBOX_NAME_INVALID:
			assert_int_equal(name.size, 0);
			break;
		}
		assert_true(text_is_utf8(buf_text(&name), name.size));
		buf_finish(&name);
		buf_finish(&again);
	}
}

static void test_only_inbox_compares_without_case(void **state)
{
	(void)state;
	assert_true(mailbox_name_is_inbox("Inbox", 5));
	assert_true(mailbox_name_is_inbox("INBOX", 5));
	assert_false(mailbox_name_is_inbox("INBOX/a", 7));
	assert_false(mailbox_name_is_inbox("INBO", 4));
	assert_true(mailbox_name_equal("inbox", "INBOX"));
	assert_true(mailbox_name_equal("Work", "Work"));
	assert_false(mailbox_name_equal("Work", "work"));
	assert_false(mailbox_name_equal("INBOX", "Work"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_names_go_both_ways),
		cmocka_unit_test(test_other_spellings_are_kept_octet_by_octet),
		cmocka_unit_test(test_names_that_are_neither_are_refused),
		cmocka_unit_test(test_a_name_too_long_when_encoded_is_refused),
		cmocka_unit_test(test_every_name_returns_from_the_wire),
		cmocka_unit_test(test_every_wire_name_has_an_honest_outcome),
		cmocka_unit_test(test_only_inbox_compares_without_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
