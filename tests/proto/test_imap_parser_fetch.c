/* FETCH, as real servers send it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parser_text.h"

static const struct parser_row ITEM_ROWS[] = {
	ROW("all we ask for, in any order",
		"* 23 FETCH (FLAGS (\\Seen $Forwarded) UID 447 MODSEQ "
		"(1236) RFC822.SIZE 44827 INTERNALDATE \"17-Jul-1996 "
		"02:44:25 -0700\" EMAILID (M6d99ac3275bb4e))\r\n",
		"fetch 23 uid=447 flags=(\\Seen $Forwarded) modseq=1236 "
		"size=44827 date=837596665 email='M6d99ac3275bb4e'\n"),
	ROW("a space before the parenthesis",
		"* 1 FETCH (UID 92285 )\r\n"
		"* 1 FETCH (UID 1 RFC822.SIZE 5799845 )\r\n",
		"fetch 1 uid=92285\nfetch 1 uid=1 size=5799845\n"),
	ROW("Zimbra before 5.08: no space behind the UID",
		"* 5 FETCH (UID 1234MODSEQ (12))\r\n",
		"fetch 5 uid=1234 modseq=12\n"),
	ROW("a flag without backslash is a keyword",
		"* 25 FETCH (FLAGS (Seen) MODSEQ (12345) UID 5)\r\n",
		"fetch 25 uid=5 flags=(Seen) modseq=12345\n"),
	ROW("Gmail: flags with brackets, braces, quotes",
		"* 25 FETCH (FLAGS (OIB-[Google Mail]/Alle a{b} BODY[ c\"d "
		"\"\\\\Seen\") UID 5)\r\n",
		"fetch 25 uid=5 flags=(OIB-[Google Mail]/Alle a{b} BODY[ c\"d "
		"\\Seen)\n"),
	ROW("two responses for one message",
		"* 5 FETCH (UID 7 RFC822.SIZE 3)\r\n"
		"* 5 FETCH (FLAGS (\\Seen))\r\n",
		"fetch 5 uid=7 size=3\nfetch 5 flags=(\\Seen)\n"),
	ROW("Zoho, free.fr: sequence numbers that cannot be",
		"* -3 FETCH (UID 9 FLAGS ())\r\n* 0 FETCH (UID 9)\r\n"
		"* 99999999999 FETCH (UID 9)\r\n* FETCH (UID 9)\r\n",
		"fetch 0 uid=9 flags=()\nfetch 0 uid=9\nfetch 0 uid=9\n"
		"unknown FETCH\n"),
	ROW("UIDONLY: the number is a UID",
		"* 25996 UIDFETCH (FLAGS (\\Seen))\r\n"
		"* 25996 UIDFETCH (UID 25996)\r\n* 7 UIDFETCH (UID 8)\r\n"
		"* 7 UIDFETCH (BODY[] {1}\r\nx)\r\n",
		"fetch 0 uid=25996 flags=(\\Seen)\nfetch 0 uid=25996\n"
		"broken UIDFETCH\nliteral 0 uid=7 whole 'x'\n"
		"fetch 0 uid=7 body=1 whole\n"),
	ROW("Domino: parentheses around an item",
		"* 2 FETCH (UID 14935 (ENVELOPE (NIL NIL ((\"a\" NIL \"b\" "
		"\"c\")))) BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" "
		"\"x\") NIL NIL \"7bit\" 5 1) (FLAGS (\\Seen)) RFC822.SIZE "
		"7)\r\n",
		"fetch 2 uid=14935 flags=(\\Seen) size=7\n"),
	ROW("the line's end closes all lists",
		"* 2 FETCH (FLAGS (\\Seen)\r\n* 3 FETCH (FLAGS (\\Seen\r\n"
		"* 4 FETCH (UID 5\r\n",
		"fetch 2 flags=(\\Seen)\nfetch 3 flags=(\\Seen)\n"
		"fetch 4 uid=5\n"),
	ROW("AOL: items nobody asked for",
		"* 1 FETCH (XAOL-MSGID 12345 UID 4 XAOL.SPAM.REASON (a (b "
		"\"c)\") {3}\r\n)x( d) X-FOO \"a b\" X-BAR {2}\r\nab "
		"FLAGS ())\r\n",
		"fetch 1 uid=4 flags=()\n"),
	ROW("an unknown item without a value",
		"* 1 FETCH (X-FOO UID 4 X-BAR)\r\n"
		"* 1 FETCH (X-FOO BODY[] {1}\r\na UID 4)\r\n",
		"fetch 1 uid=4\nliteral 1 uid=0 whole 'a'\n"
		"fetch 1 uid=4 body=1 whole\n"),
	ROW("OBJECTID with THREADID NIL, ids bare, NIL and Gmail's",
		"* 1 FETCH (EMAILID (M5fd) THREADID NIL UID 3)\r\n"
		"* 1 FETCH (EMAILID M5fd UID 3)\r\n"
		"* 1 FETCH (EMAILID NIL UID 3)\r\n"
		"* 1 FETCH (X-GM-MSGID 1278455344230334865 X-GM-LABELS (NIL "
		"\"\\\\Inbox\" +x) UID 3)\r\n"
		"* 1 FETCH (EMAILID (M1) X-GM-MSGID 5)\r\n",
		"fetch 1 uid=3 email='M5fd'\nfetch 1 uid=3 email='M5fd'\n"
		"fetch 1 uid=3\nfetch 1 uid=3 email='1278455344230334865'\n"
		"fetch 1 email='M1'\n"),
	ROW("SAVEDATE",
		"* 1 FETCH (SAVEDATE \"01-Jan-2025 12:00:00 +0000\" UID 1)\r\n"
		"* 1 FETCH (SAVEDATE NIL UID 1)\r\n",
		"fetch 1 uid=1\nfetch 1 uid=1\n"),
	ROW("qq.com, Domino: dates",
		"* 1 FETCH (INTERNALDATE \"8-Mar-2023 12:16:47 +0800\")\r\n"
		"* 1 FETCH (INTERNALDATE \" 9-Feb-2007 00:00:00 +0000\")\r\n"
		"* 1 FETCH (INTERNALDATE \"25-jun-1994 00:00:00 +0000\")\r\n"
		"* 1 FETCH (INTERNALDATE \"00-Jan-0000 00:00:00 +0000\")\r\n"
		"* 1 FETCH (INTERNALDATE NIL UID 1)\r\n"
		"* 1 FETCH (INTERNALDATE \"8-Mar-2023 12:16:47 +0800\"UID "
		"1)\r\n",
		"fetch 1 date=1678249007\nfetch 1 date=1170979200\n"
		"fetch 1 date=772502400\nfetch 1\nfetch 1 uid=1\n"
		"fetch 1 uid=1 date=1678249007\n"),
	ROW("numbers that say nothing",
		"* 1 FETCH (UID 0)\r\n* 1 FETCH (UID 4294967296)\r\n"
		"* 1 FETCH (UID -4 FLAGS ())\r\n* 1 FETCH (UID x)\r\n"
		"* 1 FETCH (MODSEQ (0) RFC822.SIZE 1.5e+6 UID 3)\r\n"
		"* 1 FETCH (MODSEQ 18446744073709551615 RFC822.SIZE 0)\r\n"
		"* 1 FETCH (MODSEQ (18446744073709551616) UID 3)\r\n"
		"* 1 FETCH (FLAGS NIL UID 3)\r\n* 1 FETCH (FLAGS (a (b)) UID "
		"3)\r\n",
		"fetch 1\nfetch 1\nfetch 1 flags=()\nfetch 1\nfetch 1 uid=3\n"
		"fetch 1 modseq=18446744073709551615 size=0\nfetch 1 uid=3\n"
		"fetch 1 uid=3\nfetch 1 uid=3\n"),
	ROW("two UIDs in one response",
		"* 1 FETCH (UID 3 UID 4)\r\n"
		"* 1 FETCH (UID 3 UID 3)\r\n",
		"broken FETCH\nfetch 1 uid=3\n"),
	ROW("no list",
		"* 1 FETCH\r\n* 1 FETCH UID 5\r\n* 1 FETCH ()\r\n"
		"* 1 FETCH (\r\n* 1 FETCH (UID 5) junk\r\n",
		"broken FETCH\nbroken FETCH\nfetch 1\nfetch 1\n"
		"fetch 1 uid=5\n"),
	ROW("NUL in a line, not in a literal",
		"* 1 FETCH (UID 3\0)\r\n* 1 FETCH (FLAGS (a\0b))\r\n"
		"* 1 FETCH (UID 3 BODY[] \"a\0b\")\r\n",
		"broken NUL FETCH\nbroken NUL FETCH\n"
		"broken NUL FETCH\n"),
};

static void test_items_are_read_in_any_order(void **state)
{
	(void)state;
	check_rows(ITEM_ROWS, ARRAY_LENGTH(ITEM_ROWS));
}

static const struct parser_row BODY_ROWS[] = {
	ROW("the UID before, behind, and not at all",
		"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n"
		"* 2 FETCH (BODY[] {3}\r\nabc UID 6)\r\n"
		"* 3 FETCH (FLAGS (UID 9) BODY[] {3}\r\nabc)\r\n",
		"literal 1 uid=5 whole 'abc'\nfetch 1 uid=5 body=3 whole\n"
		"literal 2 uid=0 whole 'abc'\nfetch 2 uid=6 body=3 whole\n"
		"literal 3 uid=0 whole 'abc'\n"
		"fetch 3 flags=(UID 9) body=3 whole\n"),
	ROW("everything a section may be",
		"* 1 FETCH (BODY[TEXT]<0> {1}\r\na BODY[1.HEADER] {1}\r\nb "
		"BODY[]<10.20> {1}\r\nc RFC822.TEXT {1}\r\nd BINARY[1] "
		"~{1}\r\ne body[header] {1+}\r\nf)\r\n",
		"literal 1 uid=0 'a'\nliteral 1 uid=0 'b'\n"
		"literal 1 uid=0 'c'\nliteral 1 uid=0 'd'\n"
		"literal 1 uid=0 'e'\nliteral 1 uid=0 header 'f'\n"
		"fetch 1 body=1 header\n"),
	ROW("two spaces, or none, before the literal",
		"* 4 FETCH (UID 71372 RFC822.HEADER  {4}\r\nA:\r\n)\r\n"
		"* 4 FETCH (UID 71372 RFC822{2}\r\nab)\r\n"
		"* 4 FETCH (UID 71372 BODY[]{2}\r\nab)\r\n",
		"literal 4 uid=71372 header 'A:<0d><0a>'\n"
		"fetch 4 uid=71372 body=4 header\n"
		"literal 4 uid=71372 whole 'ab'\n"
		"fetch 4 uid=71372 body=2 whole\n"
		"literal 4 uid=71372 whole 'ab'\n"
		"fetch 4 uid=71372 body=2 whole\n"),
	ROW("BODY[HEADER] for RFC822.HEADER",
		"* 12 FETCH (BODY[HEADER] {2}\r\n\r\n)\r\n",
		"literal 12 uid=0 header '<0d><0a>'\n"
		"fetch 12 body=2 header\n"),
	ROW("header names come back quoted, or as literals",
		"* 10 FETCH (BODY[HEADER.FIELDS (\"Content-Type\" \"a]b\")] "
		"{2}\r\n\r\n UID 1)\r\n"
		"* 11 FETCH (UID 2 BODY[HEADER.FIELDS ({4}\r\nFrom TO)] "
		"{2}\r\nab)\r\n",
		"literal 10 uid=0 header '<0d><0a>'\n"
		"fetch 10 uid=1 body=2 header\n"
		"literal 11 uid=2 header 'ab'\n"
		"fetch 11 uid=2 body=2 header\n"),
	ROW("Gmail: NIL is no data, not an empty message",
		"* 3 FETCH (BODY[3] NIL UID 456)\r\n"
		"* 3 FETCH (BINARY[4] NIL)\r\n"
		"* 3 FETCH (BODY[1.TEXT]<0> NIL)\r\n"
		"* 3 FETCH (UID 4 BODY[] NIL)\r\n"
		"* 3 FETCH (UID 4 BODY[]NIL)\r\n",
		"fetch 3 uid=456 body=nil\nfetch 3 body=nil\n"
		"fetch 3 body=nil\nfetch 3 uid=4 body=nil whole\n"
		"fetch 3 uid=4 body=nil whole\n"),
	ROW("Yandex: no value at all",
		"* 7 FETCH (UID 3 BODY[2.MIME] {5}\r\nA:b\r\n  BODY[2] )\r\n"
		"* 7 FETCH (BODY[] UID 3)\r\n",
		"literal 7 uid=3 'A:b<0d><0a>'\nfetch 7 uid=3 body=nil\n"
		"fetch 7 uid=3 body=nil whole\n"),
	ROW("an empty message is data",
		"* 7 FETCH (UID 3 BODY[] {0}\r\n)\r\n"
		"* 7 FETCH (UID 3 BODY[] \"\")\r\n",
		"literal 7 uid=3 whole ''\nfetch 7 uid=3 body=0 whole\n"
		"literal 7 uid=3 whole ''\nfetch 7 uid=3 body=0 whole\n"),
	ROW("a quoted body, handed out like a literal",
		"* 7 FETCH (BODY[] \"a \\\"b\\\\ {3}\" UID 3)\r\n* 8 EXISTS\r\n"
		"* 7 FETCH (BODY[HEADER] \"h\" BODY[TEXT] {1}\r\nt RFC822.TEXT "
		"\"u\")\r\n",
		"literal 7 uid=3 whole 'a \"b\\ {3}'\n"
		"fetch 7 uid=3 body=9 whole\nexists 8\n"
		"literal 7 uid=0 't'\nliteral 7 uid=0 header 'h'\n"
		"literal 7 uid=0 'u'\nfetch 7 body=1\n"),
	ROW("Exchange: asked for a part, got the whole",
		"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n"
		"* 1 FETCH (UID 5 BODY[]<0> {3}\r\nabc)\r\n",
		"literal 1 uid=5 whole 'abc'\nfetch 1 uid=5 body=3 whole\n"
		"literal 1 uid=5 'abc'\nfetch 1 uid=5 body=3\n"),
	ROW("a size with zeros in front",
		"* 20367 FETCH (BODY[HEADER.FIELDS (Foo)] {012}\r\nFoo: "
		"123\r\n\r\n)\r\n* 1 FETCH (BODY[] {00000000001}\r\nx)\r\n",
		"literal 20367 uid=0 header 'Foo: 123<0d><0a><0d><0a>'\n"
		"fetch 20367 body=12 header\n"
		"literal 1 uid=0 whole 'x'\nfetch 1 body=1 whole\n"),
	ROW("literal8 with NUL",
		"* 1 FETCH (UID 2 BINARY[] ~{5}\r\na\0bcd)\r\n",
		"literal 1 uid=2 'a<00>bcd'\nfetch 1 uid=2 body=5\n"),
	ROW("NUL, line feeds and what looks like responses in a literal",
		"* 1 FETCH (UID 2 BODY[] {25}\r\na\0\nb)\r\nA1 OK {5}\r\n\" "
		"(\\\r\n. FLAGS (\\Seen))\r\nA1 OK done\r\n",
		"literal 1 uid=2 whole 'a<00><0a>b)<0d><0a>A1 OK {5}<0d><0a>\" "
		"(\\<0d><0a>.'\n"
		"fetch 1 uid=2 flags=(\\Seen) body=25 whole\nA1 OK done\n"),
	ROW("the real item wins when there are two",
		"* 1 FETCH (UID 2 BODY[] {1}\r\na BODY[HEADER] NIL)\r\n"
		"* 1 FETCH (UID 2 BODY[HEADER] {1}\r\nh BODY[] NIL)\r\n",
		"literal 1 uid=2 whole 'a'\nfetch 1 uid=2 body=1 whole\n"
		"literal 1 uid=2 header 'h'\nfetch 1 uid=2 body=nil whole\n"),
	ROW("two whole bodies, or a UID that changes: not believed",
		"* 1 FETCH (UID 2 BODY[] {1}\r\na BODY[] {1}\r\nb)\r\n"
		"* 1 FETCH (UID 2 BODY[] {1}\r\na UID 3)\r\n",
		"literal 1 uid=2 whole 'a'\nliteral 1 uid=2 whole 'b'\n"
		"broken FETCH\nliteral 1 uid=2 whole 'a'\nbroken FETCH\n"),
	ROW("BODY without section and BINARY.SIZE are no bodies",
		"* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" {1}"
		"\r\n5 1) BINARY.SIZE[1] 5 UID 9)\r\n",
		"fetch 1 uid=9\n"),
};

static void test_bodies_are_streamed_and_missing_ones_are_told(void **state)
{
	(void)state;
	check_rows(BODY_ROWS, ARRAY_LENGTH(BODY_ROWS));
}

/* We ask for neither ENVELOPE nor BODYSTRUCTURE. A server that sends them
   unasked, with all their known flaws, must not make us lose the boundary. */
static const struct parser_row STRUCTURE_ROWS[] = {
	ROW("Exchange, Seznam: negative sizes",
		"* 1 FETCH (UID 1 BODYSTRUCTURE (\"text\" \"plain\" "
		"(\"charset\" \"us-ascii\") NIL NIL \"quoted-printable\" -1 -1 "
		"NIL NIL NIL NIL) FLAGS ())\r\n"
		"* 2 FETCH (BODY (\"a\" \"b\" NIL NIL NIL \"7bit\" -2 1) UID "
		"2)\r\n* 3 EXISTS\r\n",
		"fetch 1 uid=1 flags=()\nfetch 2 uid=2\nexists 3\n"),
	ROW("O365: a part of nothing but NIL",
		"* 1 FETCH (BODYSTRUCTURE ((NIL NIL NIL NIL NIL \"7BIT\" 563 "
		"NIL NIL NIL NIL)(NIL \"alternative\" (\"boundary\" \"x\") NIL "
		"NIL NIL) \"mixed\") UID 1)\r\n",
		"fetch 1 uid=1\n"),
	ROW("Dovecot, Gmail, QQ: empty multiparts",
		"* 1 FETCH (BODYSTRUCTURE ((\"ALTERNATIVE\")(\"ALTERNATIVE\" "
		"(\"BOUNDARY\" \"x\") NIL NIL) \"MIXED\") UID 1)\r\n",
		"fetch 1 uid=1\n"),
	ROW("an empty message/rfc822 body",
		"* 1 FETCH (BODYSTRUCTURE (\"message\" \"rfc822\" NIL NIL NIL "
		"\"7bit\" 0 () () 0 NIL NIL NIL NIL ()) UID 1)\r\n",
		"fetch 1 uid=1\n"),
	ROW("a string where a list belongs",
		"* 1 FETCH (BODYSTRUCTURE (\"alternative\" (\"boundary\" "
		"\"=_1234\") \"random@exchange!crap!goes!here!\" NIL) UID 1)"
		"\r\n",
		"fetch 1 uid=1\n"),
	ROW("quotes that are not escaped, in a quoted string",
		"* 1 FETCH (UID 7 BODYSTRUCTURE ((\"MOUNDARY=\"_006_5DBB50A5"
		"A54730AD4A54730AD4A54730AD42KOS_\"\" \"OCTET-STREAM\" "
		"(\"name\" \"x\") NIL NIL \"BASE64\" 1) \"mixed\") FLAGS "
		"(\\Seen) BODY[] {1}\r\na)\r\n",
		"literal 1 uid=7 whole 'a'\n"
		"fetch 1 uid=7 flags=(\\Seen) body=1 whole\n"),
	ROW("iCloud: quotes in a Message-ID",
		"* 1 FETCH (ENVELOPE (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL "
		"\"<\"a\"@b>\") UID 1 BODY[] {1}\r\na)\r\n"
		"* 1 FETCH (ENVELOPE (NIL \"<\"a@b>\") UID 1)\r\n",
		"literal 1 uid=1 whole 'a'\nfetch 1 uid=1 body=1 whole\n"
		"fetch 1 uid=1\n"),
	ROW("runs of spaces between parts",
		"* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\"  (\"charset\" "
		"\"UTF-8\") NIL NIL \"7bit\" 1 1) (\"text\" \"html\" NIL NIL "
		"NIL \"7bit\" 1 1) \"alternative\") UID 1)\r\n",
		"fetch 1 uid=1\n"),
	ROW("163.com, QQ: ENVELOPE with fields missing",
		"* 1 FETCH (ENVELOPE (\"d\" \"s\" NIL NIL NIL NIL NIL NIL) UID "
		"1)\r\n* 2 FETCH (ENVELOPE (\"d\" {3}\r\n)\"( NIL) UID 2)\r\n",
		"fetch 1 uid=1\nfetch 2 uid=2\n"),
	ROW("a literal announced in characters, not octets",
		"* 1 FETCH (UID 1 ENVELOPE (NIL (({4}\r\n\xd0\xa0\xd0\xb5\xd1"
		"\x86\xd0\xb5 NIL \"x\" \"y\"))) FLAGS ())\r\n* 3 EXISTS\r\n",
		"fetch 1 uid=1 flags=()\nexists 3\n"),
	ROW("an attribute named UID deep inside",
		"* 1 FETCH (BODYSTRUCTURE (\"a\" (UID 5)) BODY[] {1}\r\nx UID "
		"6)\r\n",
		"literal 1 uid=0 whole 'x'\nfetch 1 uid=6 body=1 whole\n"),
};

static void test_structures_nobody_asked_for_are_skipped(void **state)
{
	(void)state;
	check_rows(STRUCTURE_ROWS, ARRAY_LENGTH(STRUCTURE_ROWS));
}

static const struct parser_row BAD_LITERAL_ROWS[] = {
	ROW("Rambler: a body shorter than announced swallows what follows",
		"* 1 FETCH (UID 2 BODY[] {30}\r\nabc UID 123)\r\n45 OK "
		"completed\r\n",
		"literal 1 uid=2 whole 'abc UID 123)<0d><0a>45 OK "
		"completed<0d>'\n"
		"error protocol: server sent a literal of the wrong size\n"),
	ROW("Rambler: the same, waiting for more",
		"* 1 FETCH (UID 2 BODY[] {99}\r\nabc UID 123)\r\n45 OK "
		"completed\r\n",
		""),
	ROW("a body that swallows the beginning of the next response",
		"* 1 FETCH (UID 2 BODY[] {7}\r\nabc)\r\n* 2 FETCH (UID 3)"
		"\r\n",
		"literal 1 uid=2 whole 'abc)<0d><0a>*'\n"
		"error protocol: server sent a literal of the wrong size\n"),
	ROW("a body longer than announced",
		"* 1 FETCH (UID 2 BODY[] {3}\r\nabcdef (g) h\r\nA1 OK x\r\n",
		"literal 1 uid=2 whole 'abc'\n"
		"error protocol: server sent a literal of the wrong size\n"),
	ROW("a string that never ends behind a body",
		"* 1 FETCH (UID 2 BODY[] {1}\r\na FLAGS (\"x)\r\n",
		"literal 1 uid=2 whole 'a'\n"
		"error protocol: server sent a literal of the wrong size\n"),
	ROW("a negative size (CVE-2021-3657 and relatives)",
		"* 1 FETCH (BODY[] {-1}\r\nA1 OK x\r\n",
		"error protocol: server sent a literal without a size\n"),
	ROW("more than 64 bits", "* 1 FETCH (BODY[] {99999999999999999999}\r\n",
		"error protocol: server sent a literal without a size\n"),
	ROW("one more than 64 bits",
		"* 1 FETCH (BODY[] {18446744073709551616}\r\n",
		"error protocol: server sent a literal without a size\n"),
	ROW("no number", "* 3 EXISTS\r\n* LIST () \"/\" {abc}\r\n",
		"exists 3\n"
		"error protocol: server sent a literal without a size\n"),
	ROW("nothing", "* 1 FETCH (BODY[]{}\r\n",
		"error protocol: server sent a literal without a size\n"),
	ROW("over the limit of bodies",
		"* 1 FETCH (BODY[] {18446744073709551615}\r\n",
		"error limit: server announced a literal that is too large "
		"(limit body_max)\n"),
	ROW("over the limit of held literals", "* LIST () \"/\" {65537}\r\n",
		"error limit: server sent a literal that is too large (limit "
		"literal_max)\n"),
	ROW("over the limit of lists",
		"* 1 FETCH (((((((((((((((((((((((((((((((((\r\n",
		"error limit: server sent a response that is too complex "
		"(limit nesting_max)\n"),
};

static void test_a_lost_literal_boundary_is_an_error(void **state)
{
	(void)state;
	check_rows(BAD_LITERAL_ROWS, ARRAY_LENGTH(BAD_LITERAL_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_are_read_in_any_order),
		cmocka_unit_test(
			test_bodies_are_streamed_and_missing_ones_are_told),
		cmocka_unit_test(test_structures_nobody_asked_for_are_skipped),
		cmocka_unit_test(test_a_lost_literal_boundary_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
