/* LIST, STATUS, NAMESPACE and FLAGS, as real servers send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parser_text.h"

static const struct parser_row LIST_ROWS[] = {
	ROW("a name as literal",
		"* LIST (\\HasNoChildren) \"/\" {19}\r\nLiteral Folder Name"
		"\r\n* LIST () \"/\" {3+}\r\na\nb\r\n"
		"* LIST () \"/\" ~{2}\r\nab\r\n* LIST () \"/\" {0}\r\n\r\n",
		"list (\\HasNoChildren) '/' name='Literal Folder Name'\n"
		"list () '/' name='a<0a>b'\nlist () '/' name='ab'\n"
		"list () '/' name=''\n"),
	ROW("Domino: the backslash as delimiter, Inbox not in upper case",
		"* LIST (\\Noinferiors \\HasNoChildren) \"\\\\\" Inbox\r\n",
		"list (\\Noinferiors \\HasNoChildren) '\\' name='Inbox'\n"),
	ROW("Gmail: an atom that begins with a plus",
		"* LIST (\\HasNoChildren \\Subscribed) \"/\" +Folder\r\n",
		"list (\\HasNoChildren \\Subscribed) '/' name='+Folder'\n"),
	ROW("numbers and NIL are names",
		"* LIST () \"/\" 666\r\n* LIST () \"/\" 666x333\r\n"
		"* LIST () NIL NIL\r\n* LIST () NIL INBOX\r\n",
		"list () '/' name='666'\nlist () '/' name='666x333'\n"
		"list () NIL name='NIL'\nlist () NIL name='INBOX'\n"),
	ROW("Exchange: a tab without quotes",
		"* LIST (\\HasNoChildren) \"/\" Foo\tBar\r\n",
		"list (\\HasNoChildren) '/' name='Foo<09>Bar'\n"),
	ROW("spaces without quotes, parentheses in them",
		"* LIST () \"/\" Sent Items\r\n* LIST () \"/\" a (b) \r\n"
		"* LIST () \"/\" (b)\r\n* LIST () \"/\" a(b\r\n",
		"list () '/' name='Sent Items'\nlist () '/' name='a (b)'\n"
		"list () '/' name='(b)'\nlist () '/' name='a(b'\n"),
	ROW("GroupWise: escaped parentheses in a quoted string",
		"* LIST (\\Unmarked) \"/\" \"Calendar/"
		"GroupWise.5-Mehrfachbenutzer \\(Standard\\).MultiUser "
		"Control\"\r\n",
		"list (\\Unmarked) '/' name='Calendar/"
		"GroupWise.5-Mehrfachbenutzer (Standard).MultiUser "
		"Control'\n"),
	ROW("raw UTF-8 with a bare '&'",
		"* LIST () \"/\" \"\xe2\x98\x83&\xe2\x98\xba\"\r\n",
		"list () '/' name='<e2><98><83>&<e2><98><ba>'\n"),
	ROW("keywords in mixed case",
		"* List (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n",
		"list (\\HasNoChildren \\Trash) '/' name='Trash'\n"),
	ROW("Exchange: the name keeps its last delimiter here",
		"* LIST (\\HasNoChildren) \"/\" \"Public Folders/\"\r\n",
		"list (\\HasNoChildren) '/' name='Public Folders/'\n"),
	ROW("NOTIFY: a mailbox that went",
		"* LIST (\\NonExistent) \".\" "
		"DeleteMe\r\n",
		"list (\\NonExistent) '.' name='DeleteMe'\n"),
	ROW("Yandex: XLIST, attributes twice",
		"* XLIST (\\HasChildren \\Unmarked \\Drafts \\Drafts) \"|\" "
		"Drafts\r\n",
		"list (\\HasChildren \\Unmarked \\Drafts \\Drafts) '|' "
		"name='Drafts'\n"),
	ROW("the delimiter question", "* LIST (\\Noselect) \"/\" \"\"\r\n",
		"list (\\Noselect) '/' name=''\n"),
	ROW("the delimiter without quotes or empty",
		"* LIST () / a\r\n* LIST () \"\" a\r\n",
		"list () '/' name='a'\nlist () NIL name='a'\n"),
	ROW("runs of spaces, none at all",
		"*  LIST  ( \\A  \\B )  \"/\"   \"a\"  \r\n"
		"* LIST(\\A)\"/\"\"a\"\r\n",
		"list (\\A \\B) '/' name='a'\nlist (\\A) '/' name='a'\n"),
	ROW("LIST-EXTENDED: what stands behind the name",
		"* LIST () \"/\" new (\"OLDNAME\" (\"old\"))\r\n"
		"* LIST () \"/\" \"new\" (OLDNAME (\"o l d\"))\r\n"
		"* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
		"* LIST () \"/\" a (\"MAILBOXID\" (\"F2\") \"X\" {1}\r\ny)\r\n",
		"list () '/' name='new' old='old'\n"
		"list () '/' name='new' old='o l d'\n"
		"list () '/' name='Foo'\nlist () '/' name='a' id='F2'\n"),
	ROW("LIST-EXTENDED with a literal",
		"* LIST () \"/\" \"a\" (\"X\" {1}\r\ny \"MAILBOXID\" (F2))\r\n",
		"list () '/' name='a' id='F2'\n"),
	ROW("no name, half a name, two names: nothing is believed",
		"* LIST\r\n* LIST ()\r\n* LIST () \"/\"\r\n"
		"* LIST () \"/\" \"a\r\n* LIST () \"/\" \"a\"b\"\r\n"
		"* LIST () \"ab\" a\r\n* LIST () \"/\" \"a\" b\r\n"
		"* LIST \\A \"/\" a\r\n* LIST () \"\x01\" a\r\n",
		"broken LIST\nbroken LIST\nbroken LIST\nbroken LIST\n"
		"broken LIST\nbroken LIST\nbroken LIST\nbroken LIST\n"
		"broken LIST\n"),
	ROW("NUL in a name would cut it",
		"* LIST () \"/\" \"a\0b\"\r\n* LIST () \"/\" {3}\r\na\0b\r\n"
		"* LIST () \"/\" a\0\r\n* LIST () \"/\" {2}\r\nok\r\n",
		"broken NUL LIST\nbroken NUL LIST\nbroken NUL LIST\n"
		"list () '/' name='ok'\n"),
	ROW("a name that looks like a literal",
		"* LIST () \"/\" \"a {5}\r\n* LIST () \"/\" \"a {5}\"\r\n"
		"* LIST () \"/\" a{b}\r\n",
		"broken LIST\nlist () '/' name='a {5}'\n"
		"list () '/' name='a{b}'\n"),
};

static void test_mailboxes_are_listed_by_their_whole_names(void **state)
{
	(void)state;
	check_rows(LIST_ROWS, ARRAY_LENGTH(LIST_ROWS));
}

static const struct parser_row STATUS_ROWS[] = {
	ROW("a name as literal, then more of the line",
		"* STATUS {19}\r\nLiteral Folder Name (MESSAGES 60)\r\n",
		"status name='Literal Folder Name' messages=60\n"),
	ROW("a numeric name", "* STATUS 333 (MESSAGES 231)\r\n",
		"status name='333' messages=231\n"),
	ROW("Strato: spaces without quotes",
		"* STATUS Sent Items (UIDNEXT 1)\r\n"
		"* STATUS a (b) c (UIDNEXT 1 MAILBOXID (x))\r\n"
		"* STATUS Sent Items (UIDNEXT 1\r\n",
		"status name='Sent Items' uidnext=1\n"
		"status name='a (b) c' uidnext=1 id='x'\n"
		"status name='Sent Items' uidnext=1\n"),
	ROW("runs of spaces",
		"* STATUS  test  ( MESSAGES  231  UIDNEXT  44292 )\r\n",
		"status name='test' messages=231 uidnext=44292\n"),
	ROW("163.com: asked for UIDNEXT, got nothing",
		"* STATUS \"INBOX\" ()\r\n", "status name='INBOX'\n"),
	ROW("Dovecot: NOTIFY during IDLE",
		"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UNSEEN 3 HIGHESTMODSEQ "
		"3)\r\n",
		"status name='INBOX' messages=3 uidnext=4 unseen=3 "
		"modseq=3\n"),
	ROW("a value that is a list",
		"* STATUS \"INBOX\" (SIZE 1024 MAILBOXID (d0f3b017-0a1b) "
		"DELETED 5 X-FOO (a (b) \"c)\") UIDVALIDITY 9)\r\n",
		"status name='INBOX' uidvalidity=9 size=1024 "
		"id='d0f3b017-0a1b'\n"),
	ROW("APPENDLIMIT, also NIL",
		"* STATUS a (APPENDLIMIT 5)\r\n"
		"* STATUS a (APPENDLIMIT NIL MESSAGES 1)\r\n",
		"status name='a' appendlimit=5\nstatus name='a' messages=1\n"),
	ROW("numbers that say nothing",
		"* STATUS a (UIDNEXT 0 UIDVALIDITY 0 HIGHESTMODSEQ 0 MESSAGES "
		"0)\r\n* STATUS a (MESSAGES -1 UIDNEXT 4294967296 UNSEEN 1e9 "
		"SIZE 99999999999999999999)\r\n* STATUS a (MESSAGES)\r\n",
		"status name='a' messages=0\nstatus name='a'\n"
		"status name='a'\n"),
	ROW("no list, or no name",
		"* STATUS a\r\n* STATUS\r\n* STATUS (MESSAGES 1)\r\n"
		"* STATUS \"a\"b (MESSAGES 1)\r\n",
		"broken STATUS\nbroken STATUS\nbroken STATUS\n"
		"broken STATUS\n"),
};

static void test_status_tells_only_what_the_server_said(void **state)
{
	(void)state;
	check_rows(STATUS_ROWS, ARRAY_LENGTH(STATUS_ROWS));
}

static const struct parser_row NAMESPACE_ROWS[] = {
	ROW("Domino: backslashes",
		"* NAMESPACE ((\"\" \"\\\\\")) ((\"Other\\\\\" \"\\\\\")) "
		"((\"Shared\\\\\" \"\\\\\"))\r\n",
		"namespace personal prefix='' '\\' other prefix='Other\\' "
		"'\\' shared prefix='Shared\\' '\\'\n"),
	ROW("NIL and spaces",
		"* NAMESPACE ((\"\" \"/\")) NIL ( ( \"~\" \"/\" ) )\r\n",
		"namespace personal prefix='' '/' other shared prefix='~' "
		"'/'\n"),
	ROW("several, extensions, delimiter NIL",
		"* NAMESPACE ((\"\" \"/\" \"X-PARAM\" (\"F1\" \"F2\"))(\"#\" "
		"NIL)) NIL NIL\r\n",
		"namespace personal prefix='' '/' prefix='#' NIL other "
		"shared\n"),
	ROW("less than three", "* NAMESPACE\r\n* NAMESPACE NIL\r\n",
		"namespace personal other shared\n"
		"namespace personal other shared\n"),
	ROW("nonsense",
		"* NAMESPACE foo\r\n* NAMESPACE ((\"\"))\r\n"
		"* NAMESPACE (\"\" \"/\")\r\n",
		"broken NAMESPACE\nbroken NAMESPACE\nbroken NAMESPACE\n"),
};

static void test_namespaces_are_read(void **state)
{
	(void)state;
	check_rows(NAMESPACE_ROWS, ARRAY_LENGTH(NAMESPACE_ROWS));
}

static const struct parser_row FLAGS_ROWS[] = {
	ROW("Gmail: a flag with brackets and spaces",
		"* FLAGS (\\Answered \\Seen OIB-Seen-INBOX OIB-Seen-[Google "
		"Mail]/Alle Nachrichten)\r\n",
		"flags \\Answered \\Seen OIB-Seen-INBOX OIB-Seen-[Google "
		"Mail]/Alle Nachrichten\n"),
	ROW("GreenMail: \\* in FLAGS",
		"* FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen "
		"\\*)\r\n",
		"flags \\Answered \\Deleted \\Draft \\Flagged \\Seen \\*\n"),
	ROW("Yandex: fewer FLAGS than PERMANENTFLAGS",
		"* FLAGS (\\Answered \\Seen \\Draft \\Deleted $Forwarded)\r\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Seen \\Draft \\Flagged "
		"\\Deleted $Forwarded \\*)] Limited\r\n",
		"flags \\Answered \\Seen \\Draft \\Deleted $Forwarded\n"
		"* OK [PERMANENTFLAGS \\Answered \\Seen \\Draft \\Flagged "
		"\\Deleted $Forwarded \\*] Limited\n"),
	ROW("quotas are not ours",
		"* QUOTA \"#user/alice\" (STORAGE 54 111 MESSAGE 42  1000)\r\n"
		"* QUOTAROOT INBOX storage=0\r\n",
		"unknown QUOTA\nunknown QUOTAROOT\n"),
	ROW("none, and no list",
		"* FLAGS ()\r\n* FLAGS\r\n* FLAGS \\Seen\r\n"
		"* FLAGS ((\\Seen))\r\n",
		"flags\nbroken FLAGS\nbroken FLAGS\nbroken FLAGS\n"),
};

static void test_flags_are_kept_as_sent(void **state)
{
	(void)state;
	check_rows(FLAGS_ROWS, ARRAY_LENGTH(FLAGS_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_mailboxes_are_listed_by_their_whole_names),
		cmocka_unit_test(test_status_tells_only_what_the_server_said),
		cmocka_unit_test(test_namespaces_are_read),
		cmocka_unit_test(test_flags_are_kept_as_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
