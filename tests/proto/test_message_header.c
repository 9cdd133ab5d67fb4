#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "proto/message_header.h"

static const struct {
	const char *label;
	const char *message;
	const char *id; /* NULL = none */
} CASES[] = {
	{ "plain", "From: a\nMessage-ID: <1@x>\nTo: b\n\nbody", "<1@x>" },
	{ "CRLF", "From: a\r\nMessage-ID: <1@x>\r\nTo: b\r\n\r\n", "<1@x>" },
	{ "any case", "mEsSaGe-iD:<1@x>\n\n", "<1@x>" },
	{ "first line", "Message-ID: <1@x>\n\n", "<1@x>" },
	{ "last line without an end", "A: b\nMessage-ID: <1@x>", "<1@x>" },
	{ "folded before", "Message-ID:\n <1@x>\n\n", "<1@x>" },
	{ "folded before, CRLF", "Message-ID:\r\n\t<1@x>\r\n\r\n", "<1@x>" },
	{ "folded within", "Message-ID: <1\r\n  @x>\r\n\r\n", "<1 @x>" },
	{ "blanks around", "Message-ID: \t <1@x> \t \n\n", "<1@x>" },
	{ "blank before the colon", "Message-ID : <1@x>\n\n", "<1@x>" },
	{ "two: the first", "Message-ID: <1@x>\nMessage-ID: <2@x>\n\n",
		"<1@x>" },
	{ "first of them empty", "Message-ID:\nMessage-ID: <2@x>\n\n", NULL },
	{ "not a prefix", "Message-ID-Old: <1@x>\n\n", NULL },
	{ "not a suffix", "X-Message-ID: <1@x>\n\n", NULL },
	{ "not in a fold", "Subject: a\n Message-ID: <1@x>\n\n", NULL },
	{ "not in the body", "From: a\n\nMessage-ID: <1@x>\n", NULL },
	{ "not in the body, CRLF", "From: a\r\n\r\nMessage-ID: <1@x>\r\n",
		NULL },
	{ "no header at all", "\r\nMessage-ID: <1@x>\r\n", NULL },
	{ "no header at all, LF", "\nMessage-ID: <1@x>\n", NULL },
	{ "empty mail", "", NULL },
	{ "only a CR", "\r", NULL },
	{ "name cut by the end", "Message-I", NULL },
	{ "name cut by a line end", "Message-\nMessage-ID: <1@x>\n", "<1@x>" },
	{ "no colon", "Message-ID <1@x>\n\n", NULL },
	{ "mbox line first", "From a@b Mon\nMessage-ID: <1@x>\n\n", "<1@x>" },
	{ "CR inside a line", "A: b\rMessage-ID: <1@x>\n\n", NULL },
	{ "8-bit", "Message-ID: <\xfc@x>\n\n", "<\xfc@x>" },
};

static void check(const char *label, const char *message, size_t size,
	size_t piece, const char *expected)
{
	struct message_header header;
	const char *id;

	message_header_init(&header);
	for (size_t i = 0; i < size; i += piece)
		message_header_feed(&header, (const uint8_t *)message + i,
			size - i < piece ? size - i : piece);
	id = message_header_id(&header);
	if ((id == NULL) != (expected == NULL) ||
		(id != NULL && expected != NULL && strcmp(id, expected) != 0))
		fail_msg("%s, by %zu: '%s'", label, piece,
			id != NULL ? id : "(none)");
	message_header_finish(&header);
}

static void test_finds_the_id_however_it_is_fed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		size_t size = strlen(CASES[i].message);

		for (size_t piece = 1; piece <= size + 1; piece++)
			check(CASES[i].label, CASES[i].message, size, piece,
				CASES[i].id);
	}
}

static void test_a_value_has_a_limit(void **state)
{
	struct buf message = { 0 };
	struct buf id = { 0 };

	(void)state;
	for (size_t i = 0; i < MESSAGE_HEADER_ID_MAX; i++)
		buf_add_byte(&id, 'x');
	buf_add_format(&message, "Message-ID: %s\n\n", buf_text(&id));
	check("at the limit", buf_text(&message), message.size, 100,
		buf_text(&id));
	buf_clear(&message);
	buf_add_format(&message, "Message-ID: %sx\n\n", buf_text(&id));
	check("over the limit", buf_text(&message), message.size, 100, NULL);
	buf_finish(&message);
	buf_finish(&id);
}

static void test_a_nul_spoils_the_value(void **state)
{
	static const char MESSAGE[] = "Message-ID: <1\0@x>\n\n";

	(void)state;
	check("NUL", MESSAGE, sizeof(MESSAGE) - 1, 3, NULL);
}

/* A hostile mail: no line ever ends, or folds for ever. */
static void test_memory_stays_bounded(void **state)
{
	static const char *const PIECES[] = { "aaaaaaaaaaaaaaaa",
		"Message-ID:", "\n \n \n \n", "\n xxxxxxxxxxxxxx", "\r\r\r" };
	struct message_header header;

	(void)state;
	for (size_t p = 0; p < ARRAY_LENGTH(PIECES); p++) {
		message_header_init(&header);
		message_header_feed(
			&header, (const uint8_t *)"message-id:", 11);
		for (unsigned i = 0; i < 100000; i++)
			message_header_feed(&header, (const uint8_t *)PIECES[p],
				strlen(PIECES[p]));
		assert_true(header.id.capacity < 8192);
		message_header_finish(&header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_the_id_however_it_is_fed),
		cmocka_unit_test(test_a_value_has_a_limit),
		cmocka_unit_test(test_a_nul_spoils_the_value),
		cmocka_unit_test(test_memory_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
