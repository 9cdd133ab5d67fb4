/* SEARCH, ESEARCH, EXISTS, EXPUNGE and VANISHED, as real servers send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parser_text.h"

static const struct parser_row SEARCH_ROWS[] = {
	ROW("DavMail: several lines for one command",
		"* SEARCH 266\r\n* SEARCH 304\r\n",
		"search all=266\n"
		"search all=304\n"),
	ROW("order stays, neighbours share a range",
		"* SEARCH 2 84 882\r\n* SEARCH 1 2 3 7 6 5\r\n* SEARCH 4 4\r\n",
		"search all=2,84,882\nsearch all=1:3,7,6,5\n"
		"search all=4,4\n"),
	ROW("a mod-sequence behind",
		"* SEARCH 87216 87221 (MODSEQ 7667567)\r\n"
		"* SEARCH (MODSEQ 5)\r\n",
		"search all=87216,87221 modseq=7667567\n"
		"search all= modseq=5\n"),
	ROW("nothing found", "* SEARCH\r\n* SEARCH \r\n* search  \r\n",
		"search all=\nsearch all=\nsearch all=\n"),
	ROW("half a list is no list",
		"* SEARCH 1 foo 2\r\n* SEARCH 1 2x\r\n* SEARCH 0\r\n"
		"* SEARCH 1,2\r\n* SEARCH 4294967296\r\n* SEARCH -1\r\n"
		"* SEARCH 1 (MODSEQ 5) 2\r\n* SEARCH 1 (FOO 5)\r\n"
		"* SEARCH 1 \0 2\r\n",
		"broken SEARCH\nbroken SEARCH\nbroken SEARCH\n"
		"broken SEARCH\nbroken SEARCH\nbroken SEARCH\n"
		"broken SEARCH\nbroken SEARCH\nbroken NUL SEARCH\n"),
	ROW("ESEARCH without ALL",
		"* ESEARCH (TAG \"A284\")\r\n* ESEARCH (TAG \"A\") COUNT 0\r\n",
		"esearch tag='A284'\nesearch tag='A' count=0\n"),
	ROW("ESEARCH with the tag missing or bare, UID in any case",
		"* ESEARCH\r\n* ESEARCH (TAG x)\r\n* ESEARCH UiD\r\n"
		"* ESEARCH \r\n* ESEARCH (TAG \"a\") UID ALL 1:3 \r\n",
		"esearch\nesearch tag='x'\nesearch uid\nesearch\n"
		"esearch tag='a' uid all=1:3\n"),
	ROW("a set that is not sorted",
		"* ESEARCH (TAG \"a\") ALL 5,3,2,1 MODSEQ 1236\r\n",
		"esearch tag='a' all=5,3,2,1 modseq=1236\n"),
	ROW("MIN, MAX, COUNT, and PARTIAL skipped",
		"* ESEARCH (TAG \"A04\") UID PARTIAL (24000:24500 NIL) MIN 2 "
		"MAX 47 COUNT 25\r\n"
		"* ESEARCH (TAG \"A04\") UID PARTIAL (-1:-100 "
		"200:250,252:300)\r\n",
		"esearch tag='A04' uid count=25 min=2 max=47\n"
		"esearch tag='A04' uid\n"),
	ROW("the tag as a literal", "* ESEARCH (TAG {2}\r\nA1) UID ALL 7\r\n",
		"esearch tag='A1' uid all=7\n"),
	ROW("ESEARCH that makes no sense",
		"* ESEARCH ALL\r\n* ESEARCH ALL 1,\r\n* ESEARCH ALL 1:*\r\n"
		"* ESEARCH COUNT x\r\n* ESEARCH MIN 0\r\n* ESEARCH ALL 0\r\n"
		"* ESEARCH (TAG)\r\n* ESEARCH (TAG \"a\" \"b\r\n"
		"* ESEARCH ALL 1 X \"b\r\n",
		"broken ESEARCH\nbroken ESEARCH\nbroken ESEARCH\n"
		"broken ESEARCH\nbroken ESEARCH\nbroken ESEARCH\n"
		"broken ESEARCH\nbroken ESEARCH\nbroken ESEARCH\n"),
};

static void test_search_results_are_whole_or_broken(void **state)
{
	(void)state;
	check_rows(SEARCH_ROWS, ARRAY_LENGTH(SEARCH_ROWS));
}

static const struct parser_row COUNT_ROWS[] = {
	ROW("Zimbra counts up",
		"* 500 EXISTS\r\n* 1000 EXISTS\r\n* 0 EXISTS\r\n"
		"* 0 RECENT\r\n",
		"exists 500\nexists 1000\nexists 0\nrecent 0\n"),
	ROW("32 bits and beyond",
		"* 4294967295 EXISTS\r\n* 4294967296 EXISTS\r\n"
		"* -1 EXISTS\r\n* EXISTS\r\n* 99999999999999999999 RECENT\r\n",
		"exists 4294967295\nbroken EXISTS\nbroken EXISTS\n"
		"unknown EXISTS\nbroken RECENT\n"),
	ROW("Exchange: EXPUNGE of what is not there; of what cannot be",
		"* 7 EXPUNGE\r\n* 0 EXPUNGE\r\n* -3 EXPUNGE\r\n"
		"* 4294967296 EXPUNGE\r\n* 3 expunge\r\n",
		"expunge 7\nbroken EXPUNGE\nbroken EXPUNGE\n"
		"broken EXPUNGE\nexpunge 3\n"),
};

static void test_counts_are_numbers_of_32_bits(void **state)
{
	(void)state;
	check_rows(COUNT_ROWS, ARRAY_LENGTH(COUNT_ROWS));
}

static const struct parser_row VANISHED_ROWS[] = {
	ROW("MOVE under QRESYNC: both kinds",
		"* VANISHED 1:7\r\n* 3 EXPUNGE\r\n",
		"vanished 1:7\n"
		"expunge 3\n"),
	ROW("EARLIER, in any case and before the FETCHes",
		"* VANISHED (EARLIER) 1:5,7\r\n* VANIShED (EARlIER) 1\r\n"
		"* 1 FETCH (UID 9 MODSEQ (4))\r\n",
		"vanished earlier 1:5,7\nvanished earlier 1\n"
		"fetch 1 uid=9 modseq=4\n"),
	ROW("iCloud: an open range", "* VANISHED (EARLIER) 12:*\r\n",
		"vanished earlier 12:4294967295\n"),
	ROW("everything there is costs one range",
		"* VANISHED 1:4294967295\r\n", "vanished 1:4294967295\n"),
	ROW("mutt's CVE-2021-32055 and its relatives",
		"* VANISHED 1,\r\n* VANISHED ,1\r\n* VANISHED 1:\r\n"
		"* VANISHED :\r\n* VANISHED 4294967296\r\n* VANISHED 5:1\r\n"
		"* VANISHED\r\n* VANISHED (EARLIER)\r\n* VANISHED (FOO) 1\r\n"
		"* VANISHED 0\r\n* VANISHED 1 2\r\n* VANISHED 1:2:3\r\n"
		"* VANISHED (EARLIER 1\r\n* VANISHED 0:5\r\n",
		"broken VANISHED\nbroken VANISHED\nbroken VANISHED\n"
		"broken VANISHED\nbroken VANISHED\nvanished 5:1\n"
		"broken VANISHED\nbroken VANISHED\nbroken VANISHED\n"
		"broken VANISHED\nbroken VANISHED\nbroken VANISHED\n"
		"broken VANISHED\nbroken VANISHED\n"),
};

static void test_vanished_sets_are_whole_or_broken(void **state)
{
	(void)state;
	check_rows(VANISHED_ROWS, ARRAY_LENGTH(VANISHED_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_results_are_whole_or_broken),
		cmocka_unit_test(test_counts_are_numbers_of_32_bits),
		cmocka_unit_test(test_vanished_sets_are_whole_or_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
