/* The parser against servers that want to hurt, and what its API promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "parser_text.h"

struct fixture {
	struct imap_parser *parser;
	struct buf text;
	struct error error;
};

static struct fixture make_fixture(const struct imap_limits *limits)
{
	return (struct fixture){ .parser = imap_parser_new(limits) };
}

static void finish_fixture(struct fixture *fixture)
{
	imap_parser_free(fixture->parser);
	buf_finish(&fixture->text);
}

static enum imap_parse_result feed(
	struct fixture *fixture, const char *bytes, size_t size)
{
	return parse_bytes(
		fixture->parser, bytes, size, &fixture->text, &fixture->error);
}

static void feed_text(struct fixture *fixture, const char *bytes)
{
	(void)feed(fixture, bytes, strlen(bytes));
}

/* Until an error, or `count` times. */
static enum imap_parse_result feed_often(
	struct fixture *fixture, const char *bytes, size_t count)
{
	enum imap_parse_result result = IMAP_PARSE_MORE;
	struct buf many = { 0 };
	size_t size = strlen(bytes);

	for (size_t i = 0; i < 1000; i++)
		buf_add(&many, bytes, size);
	for (size_t i = 0; i < count && result == IMAP_PARSE_MORE; i += 1000)
		result = feed(fixture, buf_text(&many), many.size);
	buf_finish(&many);
	return result;
}

static double cpu_seconds(void)
{
	struct timespec time;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long peak_kib(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

static void check_limit(const struct imap_limits *limits, const char *start,
	const char *rest, const char *expected)
{
	struct fixture fixture = make_fixture(limits);

	feed_text(&fixture, start);
	assert_int_equal(
		feed_often(&fixture, rest, 10000000), IMAP_PARSE_ERROR);
	assert_int_equal(fixture.error.code, ERROR_LIMIT);
	assert_string_equal(fixture.error.message, expected);
	/* And for ever. */
	assert_int_equal(feed(&fixture, "* OK\r\n", 6), IMAP_PARSE_ERROR);
	assert_string_equal(fixture.error.message, expected);
	finish_fixture(&fixture);
}

static void test_an_endless_line_is_an_error(void **state)
{
	(void)state;
	check_limit(NULL, "", "x",
		"server sent a line that is too long (limit line_max)");
	check_limit(NULL, "* OK ", "a ",
		"server sent a line that is too long (limit line_max)");
	check_limit(NULL, "* 1 FETCH (", "BODY[ ",
		"server sent a line that is too long (limit line_max)");
}

static void test_line_max_is_met_exactly(void **state)
{
	const struct imap_limits limits = { .line_max = 10 };
	struct fixture fixture = make_fixture(&limits);

	(void)state;
	assert_int_equal(feed(&fixture, "* OK 67890\n", 11), IMAP_PARSE_MORE);
	assert_string_equal(buf_text(&fixture.text), "* OK 67890\n");
	assert_int_equal(feed(&fixture, "* OK 678901\n", 12), IMAP_PARSE_ERROR);
	finish_fixture(&fixture);
}

static void test_held_literals_are_limited_in_size_sum_and_number(void **state)
{
	const struct imap_limits limits = {
		.literal_max = 10,
		.literals_max = 25,
	};

	(void)state;
	check_limit(&limits, "* LIST () \"/\" {11}\r\n", "x",
		"server sent a literal that is too large (limit literal_max)");
	check_limit(&limits, "* ID (", "{10}\r\n0123456789 ",
		"server sent a response that is too large (limit "
		"literals_max)");
	check_limit(NULL, "* ID (", "{0}\r\n ",
		"server sent too many literals in one response");
	check_limit(NULL, "* 1 FETCH (", "BODY[1] {0}\r\n ",
		"server sent too many literals in one response");
	check_limit(NULL, "* 1 FETCH (BODY[", "{0}\r\n ",
		"server sent too many literals in one response");
	check_limit(NULL, "* BLAH ", "{0}\r\n ",
		"server sent too many literals in one response");
}

/* ---- Fields of any length ---- */

struct field {
	const char *before, *after;
	char filler; /* '~' is told again, whole, or not at all */
};

static const struct field FIELDS[] = {
	{ "* 1 FETCH (UID 5 INTERNALDATE \"", "\")\r\n", '1' },
	{ "* 1 FETCH (UID 5 RFC822.SIZE ", ")\r\n", '9' },
	{ "* 1 FETCH (UID 5 FLAGS (", "))\r\n", '~' },
	{ "* 1 FETCH (UID 5 EMAILID (", "))\r\n", '~' },
	{ "* 1 FETCH (UID 5 X-NEW ", ")\r\n", '~' },
	{ "* 1 FETCH (UID ", ")\r\n", '9' },
	{ "* 1 FETCH (BODY[", "] NIL)\r\n", 'X' },
	{ "* NAMESPACE ((\"", "\" \"/\")) NIL NIL\r\n", '~' },
	{ "* LIST () \"/\" \"", "\"\r\n", '~' },
	{ "* LIST (\\", ") \"/\" a\r\n", '~' },
	{ "* STATUS ", " (MESSAGES 1)\r\n", '~' },
	{ "* STATUS a (MESSAGES ", ")\r\n", '9' },
	{ "* SEARCH ", "\r\n", '9' },
	{ "* VANISHED ", "\r\n", '9' },
	{ "* CAPABILITY ", "\r\n", '~' },
	{ "* OK [UIDVALIDITY ", "] x\r\n", '9' },
	{ "* OK [", "] x\r\n", '~' },
	{ "* ", " EXISTS\r\n", '9' },
	{ "* ", "\r\n", '~' },
	{ "+ ", "\r\n", 'A' },
	{ "", " OK x\r\n", '~' },
};

static const size_t FIELD_SIZES[] = { 0, 1, 2, 9, 10, 11, 19, 20, 21, 31, 32,
	33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1000, 1001,
	1023, 1024, 1025, 4095, 4096, 4097, 65535, 65536, 65537, 1048576 };

static size_t count_of(const char *text, char wanted)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == wanted;
	return count;
}

/* What comes behind it is understood: nothing of the field is left over. */
static void check_field(const struct field *field, const char *header,
	const struct buf *filling, enum imap_parse_result expected)
{
	struct fixture fixture = make_fixture(NULL);
	struct buf bytes = { 0 };
	enum imap_parse_result result;
	size_t told;

	buf_add_text(&bytes, field->before);
	buf_add_text(&bytes, header);
	buf_add(&bytes, filling->data, filling->size);
	buf_add_text(&bytes, field->after);
	buf_add_text(&bytes, "* 7 EXISTS\r\n");
	result = feed(&fixture, buf_text(&bytes), bytes.size);
	told = field->filler == '~' ? count_of(buf_text(&fixture.text), '~')
				    : 0;
	if (result != expected || (told != 0 && told != filling->size) ||
		(result == IMAP_PARSE_MORE &&
			strstr(buf_text(&fixture.text), "exists 7\n") == NULL))
		fail_msg("%zu octets: '%s': %.200s", filling->size,
			field->before, buf_text(&fixture.text));
	buf_finish(&bytes);
	finish_fixture(&fixture);
}

static void fill(struct buf *filling, const struct field *field, size_t size)
{
	buf_clear(filling);
	for (size_t i = 0; i < size; i++)
		buf_add_byte(filling, (uint8_t)field->filler);
}

static void test_fields_of_any_length_end_where_they_end(void **state)
{
	struct buf filling = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(FIELDS); i++)
		for (size_t j = 0; j < ARRAY_LENGTH(FIELD_SIZES); j++) {
			fill(&filling, &FIELDS[i], FIELD_SIZES[j]);
			check_field(&FIELDS[i], "", &filling, IMAP_PARSE_MORE);
		}
	buf_finish(&filling);
}

static void test_literals_of_any_length_end_where_they_end(void **state)
{
	static const struct field LITERALS[] = {
		{ "* LIST () \"/\" ", "\r\n", '~' },
		{ "* STATUS ", " (MESSAGES 1)\r\n", '~' },
		{ "* NAMESPACE ((", " \"/\")) NIL NIL\r\n", '~' },
		{ "* 1 FETCH (UID 5 X-NEW ", ")\r\n", '~' },
		{ "* 1 FETCH (UID 5 EMAILID (", "))\r\n", '~' },
		{ "* 1 FETCH (UID 5 INTERNALDATE ", ")\r\n", '1' },
	};
	const size_t literal_max = 65536;
	struct buf filling = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LITERALS); i++)
		for (size_t j = 0; j < ARRAY_LENGTH(FIELD_SIZES); j++) {
			size_t size = FIELD_SIZES[j];
			char *header = alloc_format("{%zu}\r\n", size);

			fill(&filling, &LITERALS[i], size);
			check_field(&LITERALS[i], header, &filling,
				size > literal_max ? IMAP_PARSE_ERROR
						   : IMAP_PARSE_MORE);
			free(header);
		}
	buf_finish(&filling);
}

static void test_tokens_are_limited(void **state)
{
	const struct imap_limits limits = { .token_max = 1000 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		static const char *const STARTS[] = { "* VANISHED 1",
			"* SEARCH 1", "* CAPABILITY a", "* FLAGS (a",
			"* OK [PERMANENTFLAGS (a" };
		static const char *const RESTS[] = { ",1", " 5", " a", " a",
			" a" };
		struct fixture fixture = make_fixture(&limits);

		feed_text(&fixture, STARTS[i]);
		assert_int_equal(
			feed_often(&fixture, RESTS[i], 2000), IMAP_PARSE_MORE);
		feed_text(&fixture, i == 4 ? ")]\r\n" : "\r\n");
		assert_string_equal(buf_text(&fixture.text),
			"error limit: server sent a response that is too "
			"complex (limit token_max)\n");
		finish_fixture(&fixture);
	}
}

/* Nested a million deep: neither the stack nor the time runs out. */
static void test_nesting_is_limited_or_skipped(void **state)
{
	struct fixture fixture = make_fixture(NULL);

	(void)state;
	feed_text(&fixture, "* BLAH ");
	assert_int_equal(feed_often(&fixture, "(", 1000000), IMAP_PARSE_MORE);
	feed_text(&fixture, "\r\n* OK ");
	assert_int_equal(feed_often(&fixture, "(", 1000000), IMAP_PARSE_MORE);
	feed_text(&fixture, "\r\n");
	assert_memory_equal(
		buf_text(&fixture.text), "unknown BLAH\n* OK (((", 20);
	buf_clear(&fixture.text);
	feed_text(&fixture, "* 1 FETCH ");
	assert_int_equal(feed_often(&fixture, "(", 1000000), IMAP_PARSE_MORE);
	feed_text(&fixture, "\r\n");
	assert_string_equal(buf_text(&fixture.text),
		"error limit: server sent a response that is too complex "
		"(limit nesting_max)\n");
	finish_fixture(&fixture);
}

/* A server that announces gigabytes and falls silent gets no memory for it
   (CVE-2025-43857). */
static void test_an_announced_size_allocates_nothing(void **state)
{
	static const char *const LINES[] = {
		"* 1 FETCH (BODY[] {4000000000}\r\n",
		"* 1 FETCH (BODY[] {1099511627776}\r\n",
		"* BLAH {4000000000}\r\n",
		"* LIST () \"/\" {65536}\r\n",
	};
	long before = peak_kib();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++) {
		struct fixture fixture = make_fixture(NULL);

		feed_text(&fixture, LINES[i]);
		feed_text(&fixture, "some");
		assert_string_equal(buf_text(&fixture.text), "");
		finish_fixture(&fixture);
	}
	assert_true(peak_kib() - before < 4096);
}

/* 64 MiB in pieces of one byte: quadratic work would never end. */
static void test_a_large_body_costs_linear_time_and_no_memory(void **state)
{
	const size_t size = (size_t)64 << 20;
	struct imap_parser *parser = imap_parser_new(NULL);
	static const char START[] = "* 1 FETCH (UID 5 BODY[] {67108864}\r\n";
	const uint8_t byte = 'x';
	long before = peak_kib();
	size_t seen = 0;

	(void)state;
	imap_parser_feed(parser, (const uint8_t *)START, strlen(START));
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_MORE);
	for (size_t i = 0; i < size; i++) {
		imap_parser_feed(parser, &byte, 1);
		while (imap_parser_next(parser, NULL) == IMAP_PARSE_LITERAL)
			seen += imap_parser_literal(parser)->size;
	}
	assert_int_equal(seen, size);
	assert_true(imap_parser_literal(parser)->is_last);
	assert_true(peak_kib() - before < 4096);
	imap_parser_free(parser);
}

/* Lines made to be read again and again by a careless parser. */
static void test_hostile_lines_cost_linear_time(void **state)
{
	static const char *const STARTS[] = { "* 1 FETCH (", "* 1 FETCH (",
		"* 1 FETCH (", "* LIST () \"/\" ", "* STATUS ", "* OK [",
		"* " };
	static const char *const RESTS[] = { "BODY[ ", "BODY[\\\" ",
		"BODY[\"\\ ", "(a ", "( ", "(\"", " " };
	double before = cpu_seconds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(STARTS); i++) {
		struct fixture fixture = make_fixture(NULL);

		feed_text(&fixture, STARTS[i]);
		assert_int_equal(feed_often(&fixture, RESTS[i], 1000000),
			IMAP_PARSE_MORE);
		feed_text(&fixture, "\r\n");
		assert_true(fixture.text.size > 0);
		finish_fixture(&fixture);
	}
	/* A hundred times what it takes. */
	assert_true(cpu_seconds() - before < 60);
}

static void test_bytes_behind_a_response_are_pending(void **state)
{
	static const char BYTES[] = "A1 OK go\r\nA2 OK";
	struct imap_parser *parser = imap_parser_new(NULL);
	const uint8_t *rest = NULL;

	(void)state;
	imap_parser_feed(parser, (const uint8_t *)BYTES, strlen(BYTES));
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_RESPONSE);
	assert_int_equal(imap_parser_pending(parser), 5);
	/* Also when the beginning of a line has been swallowed. */
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_MORE);
	assert_int_equal(imap_parser_pending(parser), 5);
	imap_parser_feed(parser, (const uint8_t *)"\r\n", 2);
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_RESPONSE);
	assert_int_equal(imap_parser_pending(parser), 0);
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_MORE);
	assert_int_equal(imap_parser_pending(parser), 0);

	imap_parser_feed(parser, (const uint8_t *)BYTES, strlen(BYTES));
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_RESPONSE);
	assert_int_equal(imap_parser_take_pending(parser, &rest), 5);
	assert_memory_equal(rest, "A2 OK", 5);
	assert_int_equal(imap_parser_pending(parser), 0);
	assert_int_equal(imap_parser_next(parser, NULL), IMAP_PARSE_MORE);
	imap_parser_free(parser);
}

static void test_a_long_text_is_kept_whole(void **state)
{
	struct fixture fixture = make_fixture(NULL);

	(void)state;
	feed_text(&fixture, "A1 NO [ALERT] ");
	(void)feed_often(&fixture, "word ", 200000);
	feed_text(&fixture, "end\r\n");
	assert_int_equal(fixture.text.size, 14 + 1000000 + 4);
	finish_fixture(&fixture);
}

/* Whatever bytes come, in whatever pieces, the outcome is the same. */
static void test_random_lines_do_not_depend_on_pieces(void **state)
{
	static const char *const PARTS[] = { "* ", "1 ", "FETCH ", "(", ")",
		"BODY[] ", "{2}\r\n", "\r\n", "\n", "UID 5 ", "\"", "\\", "[",
		"]", " ", "FLAGS (", "a", "NIL ", "LIST () \"/\" ", "\t", "OK ",
		"{1}\r\n", "x", "VANISHED 1:2", "STATUS a (", "A1 OK [UIDNEXT ",
		"~{3}\r\n", "BODY[HEADER.FIELDS (", "+ ", "ESEARCH ", "ALL " };
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct fixture whole = make_fixture(NULL);
		struct fixture pieces = make_fixture(NULL);
		struct buf bytes = { 0 };

		for (int i = 0; i < 30; i++) {
			random = random * 6364136223846793005u + 1;
			buf_add_text(&bytes,
				PARTS[(random >> 33) % ARRAY_LENGTH(PARTS)]);
		}
		(void)feed(&whole, buf_text(&bytes), bytes.size);
		for (size_t i = 0; i < bytes.size; i++) {
			if (feed(&pieces, buf_text(&bytes) + i, 1) ==
				IMAP_PARSE_ERROR)
				break;
		}
		assert_string_equal(
			buf_text(&whole.text), buf_text(&pieces.text));
		buf_finish(&bytes);
		finish_fixture(&whole);
		finish_fixture(&pieces);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_endless_line_is_an_error),
		cmocka_unit_test(test_line_max_is_met_exactly),
		cmocka_unit_test(
			test_held_literals_are_limited_in_size_sum_and_number),
		cmocka_unit_test(test_fields_of_any_length_end_where_they_end),
		cmocka_unit_test(
			test_literals_of_any_length_end_where_they_end),
		cmocka_unit_test(test_tokens_are_limited),
		cmocka_unit_test(test_nesting_is_limited_or_skipped),
		cmocka_unit_test(test_an_announced_size_allocates_nothing),
		cmocka_unit_test(
			test_a_large_body_costs_linear_time_and_no_memory),
		cmocka_unit_test(test_hostile_lines_cost_linear_time),
		cmocka_unit_test(test_bytes_behind_a_response_are_pending),
		cmocka_unit_test(test_a_long_text_is_kept_whole),
		cmocka_unit_test(test_random_lines_do_not_depend_on_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
