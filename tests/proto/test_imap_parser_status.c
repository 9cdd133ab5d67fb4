/* Greetings, capabilities, continuations, status lines and their codes, as real
   servers send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parser_text.h"

static const struct parser_row STATUS_ROWS[] = {
	ROW("Exchange: brackets at the end of a greeting are text",
		"* OK The Microsoft Exchange IMAP4 service is ready. "
		"[TQBXAEgAUABSADA0AG0A]\r\n",
		"* OK The Microsoft Exchange IMAP4 service is ready. "
		"[TQBXAEgAUABSADA0AG0A]\n"),
	ROW("no text at all (Courier, Exchange, mox)",
		"* BYE\r\n* BAD\r\n* PREAUTH\r\ntag0001 OK\r\n* OK \r\n"
		"A1 NO \r\n",
		"* BYE\n* BAD\n* PREAUTH\ntag0001 OK\n* OK\nA1 NO\n"),
	ROW("a code and nothing behind it", "e NO [CONTACTADMIN]\r\n",
		"e NO [CONTACTADMIN]\n"),
	ROW("continuations: text that looks like base64, empty, bare, stray",
		"+ IDLE accepted, awaiting DONE command.\r\n+ \r\n+\r\n"
		"+ dGVzdA==\r\n",
		"+ IDLE accepted, awaiting DONE command.\n+\n+\n+ dGVzdA==\n"),
	ROW("Exchange: blank lines between responses",
		"\r\n* OK a\r\n\r\n\n* OK b\r\n", "* OK a\n* OK b\n"),
	ROW("NULs in front of a line",
		"\0\0* OK padded\r\n\0\0\r\n\0* 3 EXISTS\r\n",
		"* OK padded\nexists 3\n"),
	ROW("NULs inside of text and tag",
		"* OK a\0b\r\nA\0"
		"1 OK x\0\r\n",
		"* OK a?b\nA?1 OK x?\n"),
	ROW("UTF-8 in text", "* OK \xc2\xab\xce\xb1\xc2\xbb\r\n",
		"* OK <c2><ab><ce><b1><c2><bb>\n"),
	ROW("Latin-1 in text",
		"* OK Willk\xfc"
		"mmen\r\n",
		"* OK Willk<fc>mmen\n"),
	ROW("Exchange: a code with quotes, '=' and spaces",
		"RUBY0001 OK [Error=\"Microsoft.Exchange.Data.Storage."
		"WrongServerException: Cross Server access is not allowed\" "
		"AuthResultFromPopImapEnd=0 Proxy=X.COM:1993:SSL "
		"Service=Imap4] AUTHENTICATE completed.\r\n",
		"RUBY0001 OK [other ERROR=\"MICROSOFT.EXCHANGE.DATA.STORAGE."
		"WRONGSERVEREXCEPTION: atom='Cross Server access is not "
		"allowed\" AuthResultFromPopImapEnd=0 Proxy=X.COM:1993:SSL "
		"Service=Imap4'] AUTHENTICATE completed.\n"),
	ROW("Office365: a code without a status before it",
		"[COPYUID 55 31 6]\r\n* 1 EXPUNGE\r\n* 0 EXISTS\r\n",
		"* OK [COPYUID validity=55 from 31 to 6]\nexpunge 1\n"
		"exists 0\n"),
	ROW("lower case status and PERMANENTFLAGS with \\*",
		"* ok [PERMANENTFLAGS (\\foo \\* bAR $Etc \\baz)] flags "
		"saved\r\n",
		"* OK [PERMANENTFLAGS \\foo \\* bAR $Etc \\baz] flags "
		"saved\n"),
	ROW("a brace at the end of text is no literal",
		"* OK see {5}\r\nA1 NO [ALERT] {12}\r\n+ {3}\r\n",
		"* OK see {5}\nA1 NO [ALERT] {12}\n+ {3}\n"),
	ROW("a quote in text begins nothing",
		"* OK it's \"half\r\nA1 OK done\r\n",
		"* OK it's \"half\nA1 OK done\n"),
	ROW("not a tagged status", "A1\r\nA1 FOO bar\r\nA1 BYE\r\n*\r\n* \r\n",
		"unknown A1\nunknown A1\nunknown A1\nunknown\nunknown\n"),
	ROW("line feed without carriage return, and one too many",
		"* OK a\n* OK b\r\r\nA1 OK c\n", "* OK a\n* OK b\nA1 OK c\n"),
	ROW("unknown untagged responses and their literals are skipped",
		"* NOOP\r\n* 99 NOOP\r\n* NOOP froopy snood\r\n* blah\r\n"
		"* METADATA \"\" (/a {4}\r\na\r\nb /c {0}\r\n)\r\nA1 OK x\r\n",
		"unknown NOOP\nunknown NOOP\nunknown NOOP\nunknown BLAH\n"
		"unknown METADATA\nA1 OK x\n"),
	ROW("a subscription is no mailbox", "* LSUB () \"/\" foo\r\n",
		"unknown LSUB\n"),
};

static void test_status_lines_are_taken_as_servers_send_them(void **state)
{
	(void)state;
	check_rows(STATUS_ROWS, ARRAY_LENGTH(STATUS_ROWS));
}

static const struct parser_row CODE_ROWS[] = {
	ROW("words of a CAPABILITY code are any atoms",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR 1234 NIL THIS+THAT + "
		"AUTH=PLAIN ID] IMAP4rev1 Hello\r\n",
		"* OK [CAPABILITY IMAP4REV1 SASL-IR 1234 NIL THIS+THAT + "
		"AUTH=PLAIN ID] IMAP4rev1 Hello\n"),
	ROW("Outlook: COPYUID of nothing", "* OK [COPYUID 701  ]\r\n",
		"* OK [COPYUID junk]\n"),
	ROW("COPYUID with a payload missing or too long",
		"* OK [COPYUID] missing\r\n"
		"* OK [COPYUID 1 1:10 101:110 extra junk] x\r\n"
		"* OK [COPYUID 0 1 1] x\r\n* OK [COPYUID 1 1, 1] x\r\n"
		"* OK [COPYUID 1 1:* 1] x\r\n"
		"* OK [COPYUID 1 4294967296 1] x\r\n",
		"* OK [COPYUID junk] missing\n* OK [COPYUID junk] x\n"
		"* OK [COPYUID junk] x\n* OK [COPYUID junk] x\n"
		"* OK [COPYUID junk] x\n* OK [COPYUID junk] x\n"),
	ROW("Gmail: COPYUID counts down; order and direction stay",
		"A1 OK [COPYUID 5 1:3 12,11,10] x\r\n"
		"A2 OK [COPYUID 5 3:1,7 20:22,4] x\r\n",
		"A1 OK [COPYUID validity=5 from 1:3 to 12,11,10] x\n"
		"A2 OK [COPYUID validity=5 from 3:1,7 to 20:22,4] x\n"),
	ROW("MULTIAPPEND: APPENDUID of a set",
		"A003 OK [APPENDUID 2 4,6:7,9] APPEND completed\r\n"
		"A004 OK [APPENDUID 38505 3955] APPEND completed\r\n"
		"A005 OK [APPENDUID 38505] APPEND completed\r\n",
		"A003 OK [APPENDUID validity=2 to 4,6:7,9] APPEND completed\n"
		"A004 OK [APPENDUID validity=38505 to 3955] APPEND completed\n"
		"A005 OK [APPENDUID junk] APPEND completed\n"),
	ROW("Yahoo, Yandex, DavMail: codes without text",
		"* OK [HIGHESTMODSEQ 7]\r\n* OK [UNSEEN 8]\r\n"
		"* OK [UIDVALIDITY 1]\r\n",
		"* OK [HIGHESTMODSEQ number=7]\n* OK [other UNSEEN atom='8']\n"
		"* OK [UIDVALIDITY number=1]\n"),
	ROW("mod-sequences of 64 bits, and what is none",
		"* OK [HIGHESTMODSEQ 5875136264581852368] x\r\n"
		"* OK [HIGHESTMODSEQ 18446744073709551615] x\r\n"
		"* OK [HIGHESTMODSEQ 18446744073709551616] x\r\n"
		"* OK [HIGHESTMODSEQ 0] x\r\n* OK [HIGHESTMODSEQ ] x\r\n"
		"* OK [NOMODSEQ] x\r\n",
		"* OK [HIGHESTMODSEQ number=5875136264581852368] x\n"
		"* OK [HIGHESTMODSEQ number=18446744073709551615] x\n"
		"* OK [HIGHESTMODSEQ junk] x\n* OK [HIGHESTMODSEQ junk] x\n"
		"* OK [HIGHESTMODSEQ junk] x\n* OK [NOMODSEQ] x\n"),
	ROW("numbers of 32 bits, strictly",
		"* OK [UIDNEXT 4294967295] x\r\n* OK [UIDNEXT 4294967296] x\r\n"
		"* OK [UIDNEXT -1] x\r\n* OK [UIDVALIDITY 0] x\r\n"
		"* OK [UIDNEXT 5 6] x\r\n* OK [UIDNEXT 007] x\r\n",
		"* OK [UIDNEXT number=4294967295] x\n* OK [UIDNEXT junk] x\n"
		"* OK [UIDNEXT junk] x\n* OK [UIDVALIDITY junk] x\n"
		"* OK [UIDNEXT junk] x\n* OK [UIDNEXT number=7] x\n"),
	ROW("Cyrus: a payload where none belongs",
		"* OK [CLOSED shouldn't be anything here] mailbox closed\r\n",
		"* OK [CLOSED] mailbox closed\n"),
	ROW("a bracket in a quoted string does not end the code",
		"* NO [BADCHARSET] error\r\n* NO [BADCHARSET ()] x\r\n"
		"* NO [BADCHARSET (US-ASCII \"[astring with brackets]\")] "
		"x\r\n",
		"* NO [other BADCHARSET] error\n"
		"* NO [other BADCHARSET atom='()'] x\n"
		"* NO [other BADCHARSET atom='(US-ASCII \"[astring with "
		"brackets]\")'] x\n"),
	ROW("REFERRAL is one token",
		"A1 NO [REFERRAL imap://user;AUTH=*@host/mail%20box;"
		"UIDVALIDITY=1] x\r\n",
		"A1 NO [other REFERRAL atom='imap://user;AUTH=*@host/"
		"mail%20box;UIDVALIDITY=1'] x\n"),
	ROW("MESSAGELIMIT: OK, but partial",
		"03 OK [MESSAGELIMIT 1000 23221] FETCH completed with 1000 "
		"partial results\r\n04 NO [MESSAGELIMIT 1000] x\r\n",
		"03 OK [MESSAGELIMIT number=1000 last=23221] FETCH completed "
		"with 1000 partial results\n"
		"04 NO [MESSAGELIMIT number=1000] x\n"),
	ROW("Gmail: a flag with brackets in PERMANENTFLAGS",
		"* OK [PERMANENTFLAGS (\\Seen OIB-[Google Mail]/Alle \\*)] "
		"Flags permitted.\r\n",
		"* OK [PERMANENTFLAGS \\Seen OIB-[Google Mail]/Alle \\*] "
		"Flags permitted.\n"),
	ROW("Yahoo: PERMANENTFLAGS of nothing, and no list at all",
		"* OK [PERMANENTFLAGS ()] No permanent flags permitted\r\n"
		"* OK [PERMANENTFLAGS] x\r\n",
		"* OK [PERMANENTFLAGS] No permanent flags permitted\n"
		"* OK [PERMANENTFLAGS junk] x\n"),
	ROW("CONDSTORE: MODIFIED",
		"A1 OK [MODIFIED 7,9:12] x\r\n"
		"A1 OK [MODIFIED] x\r\n",
		"A1 OK [MODIFIED from 7,9:12] x\nA1 OK [MODIFIED junk] x\n"),
	ROW("OBJECTID: MAILBOXID",
		"A1 OK [MAILBOXID (F2212ea87-6097)] x\r\n"
		"A1 OK [MAILBOXID ()] x\r\n",
		"A1 OK [MAILBOXID atom='F2212ea87-6097'] x\n"
		"A1 OK [MAILBOXID junk] x\n"),
	ROW("codes we react to, in any case",
		"A1 NO [AuthenticationFailed] x\r\nA1 NO [overquota] x\r\n"
		"* OK [READ-ONLY] x\r\nA1 NO [TRYCREATE] x\r\n"
		"* OK [INPROGRESS (\"tag\" 1 2)] x\r\n",
		"A1 NO [AUTHENTICATIONFAILED] x\nA1 NO [OVERQUOTA] x\n"
		"* OK [READ-ONLY] x\nA1 NO [TRYCREATE] x\n"
		"* OK [other INPROGRESS atom='(\"tag\" 1 2)'] x\n"),
	ROW("brackets that never close are text",
		"* OK [UIDNEXT 5 x\r\n* OK [] x\r\n* OK [\r\n",
		"* OK [UIDNEXT 5 x\n* OK x\n* OK [\n"),
	ROW("quotes and parentheses that never close end at the bracket",
		"* NO [ALERT (foo] bar\r\n* NO [BADURL \"x] bar\r\n",
		"* NO [ALERT] bar\n* NO [other BADURL atom='\"x'] bar\n"),
	ROW("Gmail: WEBALERT",
		"A1 NO [WEBALERT https://x.example/y?z=1] Web login "
		"required.\r\n",
		"A1 NO [other WEBALERT atom='https://x.example/y?z=1'] Web "
		"login required.\n"),
};

static void test_a_code_is_read_or_marked_as_junk(void **state)
{
	(void)state;
	check_rows(CODE_ROWS, ARRAY_LENGTH(CODE_ROWS));
}

static const struct parser_row CAPABILITY_ROWS[] = {
	ROW("iCloud: junk atoms and a space at the end",
		"* CAPABILITY st11p00mm-iscream009 1Q49 XAPPLEPUSHSERVICE "
		"IMAP4 IMAP4rev1 SASL-IR AUTH=ATOKEN AUTH=PLAIN \r\n",
		"capability ST11P00MM-ISCREAM009 1Q49 XAPPLEPUSHSERVICE IMAP4 "
		"IMAP4REV1 SASL-IR AUTH=ATOKEN AUTH=PLAIN\n"),
	ROW("all in lower case",
		"* capability imap4rev1 starttls login special-use\r\n",
		"capability IMAP4REV1 STARTTLS LOGIN SPECIAL-USE\n"),
	ROW("Netscape: the star twice",
		"* CAPABILITY * CAPABILITY IMAP4 IMAP4rev1\r\n",
		"capability IMAP4 IMAP4REV1\n"),
	ROW("nothing in it", "* CAPABILITY\r\n* CAPABILITY \r\n",
		"capability\ncapability\n"),
	ROW("Cyrus: ENABLED, also empty",
		"* ENABLED\r\n* ENABLED \r\n* ENABLED CONDSTORE QRESYNC\r\n",
		"enabled\nenabled\nenabled CONDSTORE QRESYNC\n"),
	ROW("ID in all its forms",
		"* ID NIL\r\n* ID nIl\r\n* ID ()\r\n"
		"* ID (\"v1\" 333 \"v2\" 666x333)\r\n* ID (\"a\")\r\n"
		"* ID (\"name\" \"GImap\" \"vendor\" \"Google, Inc.\" "
		"\"support-url\" NIL)\r\n",
		"id\nid\nid\nid v1 333 v2 666x333\nid a \n"
		"id name GImap vendor Google, Inc. support-url \n"),
	ROW("ID with a literal, and what it is not",
		"* ID (\"name\" {3}\r\na b)\r\n* ID foo\r\n* ID ((\"a\"))\r\n",
		"id name a b\nbroken ID\nbroken ID\n"),
};

static void test_capabilities_are_words_in_upper_case(void **state)
{
	(void)state;
	check_rows(CAPABILITY_ROWS, ARRAY_LENGTH(CAPABILITY_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_status_lines_are_taken_as_servers_send_them),
		cmocka_unit_test(test_a_code_is_read_or_marked_as_junk),
		cmocka_unit_test(test_capabilities_are_words_in_upper_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
