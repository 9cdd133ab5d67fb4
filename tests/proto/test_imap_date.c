/* Dates as servers and mail write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "proto/imap_date.h"

#define NO_DATE INT64_MIN

static const struct {
	const char *text;
	int64_t seconds;
} INTERNAL_DATES[] = {
	{ "17-Jul-1996 02:44:25 -0700", 837596665 },
	{ " 9-Feb-2007 00:00:00 +0000", 1170979200 },
	{ "9-Feb-2007 00:00:00 +0000", 1170979200 },
	{ "09-Feb-2007 00:00:00 +0000", 1170979200 },
	{ "8-Mar-2023 12:16:47 +0800", 1678249007 }, /* qq.com */
	{ "25-jun-1994 00:00:00 +0000", 772502400 },
	{ "25-JUN-1994 00:00:00 +0000", 772502400 },
	{ "25-Jun-1994 00:00:00", 772502400 },
	{ "29-Feb-2000 23:59:60 +0000", 951868800 },
	{ "01-Jan-1970 00:00:00 +0000", 0 },
	{ "31-Dec-1969 23:59:59 +0000", -1 },
	{ "01-Jan-0001 00:00:00 +0000", -62135596800 },
	{ "31-Dec-9999 23:59:59 +0000", 253402300799 },
	{ "01-Jan-1970 00:00:00 +1400", -50400 },
	{ "01-Jan-1970 00:00:00 -0330", 12600 },
	{ "00-Jan-0000 00:00:00 +0000", NO_DATE }, /* Domino */
	{ "29-Feb-1900 00:00:00 +0000", NO_DATE },
	{ "31-Apr-2000 00:00:00 +0000", NO_DATE },
	{ "01-Foo-2000 00:00:00 +0000", NO_DATE },
	{ "01-Jan-2000 24:00:00 +0000", NO_DATE },
	{ "01-Jan-2000 00:60:00 +0000", NO_DATE },
	{ "01-Jan-2000 00:00:61 +0000", NO_DATE },
	{ "01-Jan-2000 00:00:00 +0060", NO_DATE },
	{ "01-Jan-2000 00:00:00 +000", NO_DATE },
	{ "01-Jan-2000 00:00:00 GMT", NO_DATE },
	{ "01-Jan-2000 00:00:00 +0000 x", NO_DATE },
	{ "001-Jan-2000 00:00:00 +0000", NO_DATE },
	{ "01-Jan-20000 00:00:00 +0000", NO_DATE },
	{ "01-Jan-99 00:00:00 +0000", NO_DATE },
	{ "-1-Jan-2000 00:00:00 +0000", NO_DATE },
	{ "", NO_DATE },
};

static void test_internal_dates_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(INTERNAL_DATES); i++) {
		const char *text = INTERNAL_DATES[i].text;
		int64_t seconds = NO_DATE;
		bool ok = imap_date_parse(text, strlen(text), &seconds);

		if (ok != (seconds != NO_DATE) ||
			seconds != INTERNAL_DATES[i].seconds)
			fail_msg("'%s' is %lld", text, (long long)seconds);
		/* The size counts, not a NUL behind it. */
		seconds = NO_DATE;
		for (size_t size = 0; size < 15 && size < strlen(text); size++)
			assert_false(imap_date_parse(text, size, &seconds));
		assert_true(seconds == NO_DATE);
	}
}

static const struct {
	const char *text;
	int64_t seconds;
} HEADER_DATES[] = {
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706 },
	{ "21 Nov 1997 09:55:06 -0600", 880127706 },
	{ "Fri, 21 Nov 97 09:55:06 CST", 880127706 },
	{ "21 Nov 97 09:55 -0600", 880127700 },
	{ " Fri (day),(x) 21 (y) Nov (z(\\))) 1997 09:55:06 -0600 (CST)",
		880127706 },
	{ "Fri,\r\n 21 nov 1997\r\n\t09:55:06 -0600", 880127706 },
	{ "Thu, 1 Jan 1970 00:00:00 GMT", 0 },
	{ "Thu, 1 Jan 1970 00:00:00 Z", 0 },
	{ "Thu, 1 Jan 1970 00:00:00", 0 },
	{ "1 Jan 49 00:00:00 GMT", 2493072000 },
	{ "1 Jan 103 00:00:00 GMT", 1041379200 },
	{ "Fri, 32 Nov 1997 09:55:06 -0600", NO_DATE },
	{ "yesterday", NO_DATE },
	{ "(((((", NO_DATE },
	{ "(\\", NO_DATE },
	{ "", NO_DATE },
};

static void test_date_headers_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(HEADER_DATES); i++) {
		const char *text = HEADER_DATES[i].text;
		int64_t seconds = NO_DATE;
		bool ok = imap_date_parse_header(text, strlen(text), &seconds);

		if (ok != (seconds != NO_DATE) ||
			seconds != HEADER_DATES[i].seconds)
			fail_msg("'%s' is %lld", text, (long long)seconds);
	}
}

static void test_dates_are_written_for_append(void **state)
{
	char text[IMAP_DATE_SIZE];

	(void)state;
	imap_date_format(1170979200, text);
	assert_string_equal(text, "\" 9-Feb-2007 00:00:00 +0000\"");
	imap_date_format(-1, text);
	assert_string_equal(text, "\"31-Dec-1969 23:59:59 +0000\"");
	imap_date_format(INT64_MIN, text);
	assert_string_equal(text, "\" 1-Jan-0001 00:00:00 +0000\"");
	imap_date_format(INT64_MAX, text);
	assert_string_equal(text, "\"31-Dec-9999 23:59:59 +0000\"");
}

static void test_what_is_written_is_read_back(void **state)
{
	char text[IMAP_DATE_SIZE];
	int64_t seconds = -62135596800;

	(void)state;
	for (; seconds <= 253402300799; seconds += 7919317) {
		int64_t read = NO_DATE;

		imap_date_format(seconds, text);
		assert_true(imap_date_parse(text + 1, strlen(text) - 2, &read));
		assert_true(read == seconds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_internal_dates_are_read_or_refused),
		cmocka_unit_test(test_date_headers_are_read_or_refused),
		cmocka_unit_test(test_dates_are_written_for_append),
		cmocka_unit_test(test_what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
