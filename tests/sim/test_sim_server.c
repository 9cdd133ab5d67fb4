/* One dialogue for each command, each ability on and off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/flags.h"
#include "tests/sim/dialogue.h"
#include "tests/sim/plain_seam.h"

#define MAIL                                                                   \
	"Subject: hello\r\nX-Long: a\r\n b\r\n\r\nbody\r\n" /* 38 octets       \
							     */

static uint32_t deliver(const char *mailbox, uint32_t flags)
{
	return sim_deliver(mailbox, MAIL, strlen(MAIL), flags, 1171011723);
}

/* Logged in, three messages in INBOX, which is selected. */
static struct sim_connection *begin_selected(uint32_t abilities)
{
	struct sim_connection *connection;

	dialogue_begin(abilities, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(deliver("INBOX", 0), i + 1);
	connection = dialogue_login();
	expect_answer(connection, "s SELECT INBOX", "s OK [READ-WRITE]");
	return connection;
}

/* ---- Login ---- */

static void test_login_and_authenticate_let_in(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_SASL_IR, 0);
	connection = dialogue_connect();
	expect_answer(
		connection, "a LOGIN me wrong", "a NO [AUTHENTICATIONFAILED]");
	expect_answer(connection, "b LOGIN \"m\\\"e\" {4}", "+ go on\r\n");
	expect_answer(connection, "pass", "b OK [CAPABILITY IMAP4rev1");

	connection = dialogue_connect();
	expect_answer(connection, "c AUTHENTICATE PLAIN AG1lAHBhc3M=",
		"c OK [CAPABILITY IMAP4rev1");
	expect_bad(connection, "d LOGIN me pass");

	connection = dialogue_connect();
	expect_answer(connection, "e AUTHENTICATE PLAIN", "+ \r\n");
	expect_answer(connection, "*", "e BAD");
	expect_answer(connection, "f AUTHENTICATE PLAIN", "+ \r\n");
	expect_answer(connection, "AG1lAHdyb25n", "f NO [AUTH");
	expect_answer(connection, "g AUTHENTICATE PLAIN", "+ \r\n");
	expect_bad(connection, "AG1l");
	dialogue_end();
}

static void test_an_initial_response_needs_sasl_ir(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(0, 0);
	connection = dialogue_connect();
	expect_bad(connection, "a AUTHENTICATE PLAIN AG1lAHBhc3M=");
	dialogue_end();
}

static void test_capabilities_are_the_bits(void **state)
{
	static const struct {
		uint32_t ability;
		const char *words;
	} ABILITIES[] = {
		{ SIM_UIDPLUS, " UIDPLUS" },
		{ SIM_MOVE, " MOVE" },
		{ SIM_CONDSTORE, " CONDSTORE ENABLE" },
		{ SIM_QRESYNC, " QRESYNC" },
		{ SIM_OBJECTID, " OBJECTID" },
		{ SIM_LITERAL_PLUS, " LITERAL+" },
		{ SIM_MULTIAPPEND, " MULTIAPPEND" },
		{ SIM_ESEARCH, " ESEARCH" },
		{ SIM_LIST_STATUS, " LIST-EXTENDED LIST-STATUS SPECIAL-USE" },
		{ SIM_IDLE, " IDLE" },
		{ SIM_UNSELECT, " UNSELECT" },
		{ SIM_APPENDLIMIT, " APPENDLIMIT=100000" },
		{ SIM_SASL_IR, " SASL-IR" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(ABILITIES); i++) {
		dialogue_begin(ABILITIES[i].ability, 0);
		expect_answer(
			dialogue_login(), "a CAPABILITY", ABILITIES[i].words);
		dialogue_end();
		dialogue_begin(SIM_ABILITIES_ALL & ~ABILITIES[i].ability &
				~(ABILITIES[i].ability == SIM_CONDSTORE
						? (uint32_t)SIM_QRESYNC
						: 0),
			0);
		expect_no_part(dialogue(dialogue_login(), "a CAPABILITY"),
			ABILITIES[i].words);
		dialogue_end();
	}
}

static void test_commands_need_their_state(void **state)
{
	static const char *const INSIDE[] = { "a LIST \"\" *", "a IDLE",
		"a STATUS INBOX (MESSAGES)", "a SELECT INBOX", "a NAMESPACE",
		"a ENABLE QRESYNC", "a CREATE x", "a DELETE x",
		"a RENAME x y" };
	static const char *const SELECTED[] = { "a UID FETCH 1 (FLAGS)",
		"a UID STORE 1 +FLAGS (\\Seen)", "a UID SEARCH ALL",
		"a UID COPY 1 Work", "a UID MOVE 1 Work", "a UID EXPUNGE 1",
		"a UNSELECT" };
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	connection = dialogue_connect();
	for (size_t i = 0; i < ARRAY_LENGTH(INSIDE); i++)
		expect_bad(connection, INSIDE[i]);
	connection = dialogue_login();
	for (size_t i = 0; i < ARRAY_LENGTH(SELECTED); i++)
		expect_bad(connection, SELECTED[i]);
	expect_answer(connection, "s SELECT INBOX", "s OK");
	expect_bad(connection, "a ENABLE QRESYNC");
	expect_bad(connection, "a LOGIN me pass");
	expect_bad(connection, "a CLOSE");
	dialogue_end();
}

static void test_the_grammar_is_strict(void **state)
{
	static const char *const LINES[] = { "a  NOOP", "a NOOP ", "NOOP",
		"a XYZZY", "+a NOOP", "a STARTTLS", "a COMPRESS DEFLATE",
		"a SELECT", "a SELECT \"INBOX", "a SELECT IN(BOX",
		"a STATUS INBOX ()", "a STATUS INBOX (SIZE)",
		"a STATUS INBOX (MESSAGES  UIDNEXT)", "a LIST \"\"",
		"a SELECT INBOX (XYZZY)", "a UID NOOP",
		"a SELECT INBOX (QRESYNC (1 0))", "a ID (\"name\"" };
	static const char *const SELECTED[] = { "a UID FETCH 0 (FLAGS)",
		"a UID FETCH 1,,2 (FLAGS)", "a UID FETCH 1: (FLAGS)",
		"a UID FETCH 4294967296 (FLAGS)", "a UID FETCH 1 ()",
		"a UID FETCH 1 (BODY[])", "a UID FETCH 1 (XYZZY)",
		"a UID FETCH 1 (FLAGS", "a UID FETCH 1 (FLAGS) ",
		"a UID STORE 1 FLAGS", "a UID STORE 1 +FLAGS (\\Recent)",
		"a UID STORE 1 +FLAGS (a(b)", "a UID COPY 1", "a UID SEARCH",
		"a UID SEARCH XYZZY", "a UID EXPUNGE",
		"a FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)" };
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	for (size_t i = 0; i < ARRAY_LENGTH(SELECTED); i++)
		expect_bad(connection, SELECTED[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++)
		expect_bad(connection, LINES[i]);
	expect_part(dialogue_raw(connection, "a NOOP\n"), "* BYE");
	assert_true(sim_connection_is_closed(connection));
	dialogue_end();
}

static void test_extensions_need_their_ability(void **state)
{
	static const char *const LINES[] = { "a UNSELECT", "a IDLE",
		"a UID MOVE 1 Work", "a UID EXPUNGE 1",
		"a UID SEARCH RETURN (ALL) ALL", "a UID FETCH 1 (MODSEQ)",
		"a UID FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
		"a UID FETCH 1 (EMAILID)",
		"a UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)",
		"a SELECT INBOX (CONDSTORE)", "a STATUS INBOX (HIGHESTMODSEQ)",
		"a STATUS INBOX (MAILBOXID)",
		"a LIST \"\" * RETURN (STATUS (MESSAGES))",
		"a SELECT {5+}\r\nINBOX" };
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(0);
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++)
		expect_bad(connection, LINES[i]);
	expect_answer(connection, "a UID FETCH 1 (FLAGS)", "a OK");
	dialogue_end();
}

/* ---- Mailboxes ---- */

static void test_list_tells_mailboxes_and_their_levels(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	assert_true(sim_mailbox_create("Trash", "\\Trash"));
	assert_true(sim_mailbox_create("a/b/c", NULL));
	(void)deliver("Work", FLAG_SEEN);
	(void)deliver("Work", 0);
	connection = dialogue_login();
	answer = dialogue(connection, "a LIST \"\" \"*\"");
	expect_part(answer, "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n");
	expect_part(answer,
		"* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n"
		"* LIST (\\HasNoChildren) \"/\" \"Work\"\r\n"
		"* LIST (\\Noselect \\HasChildren) \"/\" \"a\"\r\n"
		"* LIST (\\Noselect \\HasChildren) \"/\" \"a/b\"\r\n"
		"* LIST (\\HasNoChildren) \"/\" \"a/b/c\"\r\na OK");
	answer = dialogue(connection,
		"b LIST \"\" \"*\" RETURN (SPECIAL-USE STATUS (MESSAGES UIDNEXT"
		" UIDVALIDITY UNSEEN HIGHESTMODSEQ MAILBOXID))");
	expect_part(answer,
		"* LIST () \"/\" \"Work\"\r\n* STATUS \"Work\" (MESSAGES 2 "
		"UIDNEXT 3 UIDVALIDITY 1001 UNSEEN 1 HIGHESTMODSEQ 3 MAILBOXID "
		"(F2))\r\n");
	expect_part(answer, "(\\Trash)");
	expect_no_part(answer, "Children");
	expect_no_part(answer, "STATUS \"a\"");
	answer = dialogue(connection, "c LIST \"\" \"%\"");
	expect_part(answer, "\"a\"");
	expect_no_part(answer, "\"a/b\"");
	expect_answer(connection, "d LIST \"\" \"\"",
		"* LIST (\\Noselect) \"/\" \"\"\r\n");
	dialogue_end();
}

static void test_mailboxes_are_made_renamed_and_deleted(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	connection = dialogue_login();
	expect_answer(connection, "a CREATE x/y", "a OK");
	expect_answer(connection, "a CREATE x/y", "a NO [ALREADYEXISTS]");
	expect_answer(connection, "a CREATE x", "a OK");
	expect_answer(connection, "a CREATE \"a*\"", "a NO [CANNOT]");
	expect_answer(connection, "b RENAME x z", "b OK");
	assert_non_null(sim_mailbox("z/y"));
	assert_null(sim_mailbox("x/y"));
	expect_answer(connection, "c RENAME x z", "c NO [NONEXISTENT]");
	expect_answer(connection, "c RENAME z Work", "c NO [ALREADYEXISTS]");
	expect_answer(connection, "c RENAME z z/a", "c NO [CANNOT]");
	/* w/a would get the name that v/a has. */
	expect_answer(connection, "d CREATE w", "d OK");
	expect_answer(connection, "d CREATE w/a", "d OK");
	expect_answer(connection, "d CREATE v/a", "d OK");
	expect_answer(connection, "d RENAME w v", "d NO");
	expect_answer(connection, "d DELETE z/y", "d OK");
	expect_answer(connection, "d DELETE z/y", "d NO [NONEXISTENT]");
	expect_answer(connection, "d DELETE inbox", "d NO [CANNOT]");
	expect_answer(connection, "e SUBSCRIBE z", "e OK");
	expect_answer(connection, "e UNSUBSCRIBE z", "e OK");
	expect_answer(connection, "f STATUS y (MESSAGES)", "f NO [NONEXIST");
	dialogue_end();
}

static void test_a_mailbox_made_anew_has_another_uidvalidity(void **state)
{
	uint32_t before;

	(void)state;
	dialogue_begin(0, 0);
	before = sim_mailbox("Work")->uid_validity;
	assert_true(sim_mailbox_delete("Work"));
	assert_true(sim_mailbox_create("Work", NULL));
	assert_true(sim_mailbox("Work")->uid_validity > before);
	dialogue_end();
}

/* ---- SELECT ---- */

static void test_select_tells_what_the_mailbox_is_like(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	(void)deliver("INBOX", 0);
	assert_true(sim_store("INBOX", 1, 0, 0, "cat", NULL));
	connection = dialogue_login();
	answer = dialogue(connection, "a SELECT INBOX");
	expect_part(answer,
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft "
		"cat)\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted "
		"\\Seen \\Draft cat \\*)] ");
	expect_part(answer, "* 1 EXISTS\r\n");
	expect_part(answer, "* OK [UIDVALIDITY 1000] ");
	expect_part(answer, "* OK [UIDNEXT 2] ");
	expect_part(answer, "* OK [HIGHESTMODSEQ 3] ");
	expect_part(answer, "* OK [MAILBOXID (F1)] ");
	expect_no_part(answer, "CLOSED");
	answer = dialogue(connection, "b EXAMINE Work");
	expect_part(answer, "* OK [CLOSED] ");
	expect_part(answer, "[PERMANENTFLAGS ()]");
	expect_part(answer, "b OK [READ-ONLY]");
	expect_answer(connection, "c UID STORE 1 +FLAGS (\\Seen)", "c NO");
	expect_answer(connection, "d SELECT none", "d NO [NONEXISTENT]");
	expect_bad(connection, "e UID FETCH 1 (FLAGS)");
	dialogue_end();
}

static void test_highest_modseq_is_told_to_who_asked_for_it(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_CONDSTORE, 0);
	connection = dialogue_connect();
	expect_answer(connection, "l LOGIN me x", "l OK");
	expect_no_part(dialogue(connection, "a SELECT INBOX"), "MODSEQ");
	expect_part(dialogue(connection, "b SELECT INBOX (CONDSTORE)"),
		"[HIGHESTMODSEQ 1]");
	expect_part(
		dialogue(connection, "c SELECT INBOX"), "[HIGHESTMODSEQ 1]");
	expect_bad(connection, "d SELECT INBOX (QRESYNC (1 1))");
	dialogue_end();
}

static void test_qresync_tells_what_changed_since(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL); /* 1 to 3: 2 to 4 */
	assert_true(sim_expunge("INBOX", 1));           /* 5 */
	assert_true(sim_store("INBOX", 3, FLAG_SEEN, 0, NULL, NULL)); /* 6 */
	(void)deliver("INBOX", 0);                                    /* 7 */
	expect_answer(connection, "a UNSELECT", "a OK");
	answer = dialogue(connection, "b SELECT INBOX (QRESYNC (1000 4))");
	expect_part(answer,
		"* VANISHED (EARLIER) 1\r\n"
		"* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (6))\r\n"
		"* 3 FETCH (UID 4 FLAGS () MODSEQ (7))\r\nb OK");
	answer = dialogue(connection, "c SELECT INBOX (QRESYNC (1000 4 3:9))");
	expect_no_part(answer, "VANISHED");
	expect_part(answer, "UID 3 ");
	answer = dialogue(connection, "d SELECT INBOX (QRESYNC (1000 5))");
	expect_no_part(answer, "VANISHED");
	expect_part(answer, "UID 3 ");
	answer = dialogue(connection, "e SELECT INBOX (QRESYNC (1001 4))");
	expect_no_part(answer, "VANISHED");
	expect_no_part(answer, "FETCH");
	dialogue_end();
}

/* ---- FETCH and SEARCH ---- */

static void test_fetch_tells_what_is_asked_for(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	expect_answer(connection,
		"a UID FETCH 2 (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE "
		"EMAILID)",
		"* 2 FETCH (UID 2 FLAGS () MODSEQ (3) INTERNALDATE "
		"\" 9-Feb-2007 09:02:03 +0000\" RFC822.SIZE 39 EMAILID "
		"(M2))\r\na OK");
	answer = dialogue(connection, "b UID FETCH 3:* (UID BODY.PEEK[])");
	expect_part(
		answer, "* 3 FETCH (UID 3 BODY[] {39}\r\n" MAIL ")\r\nb OK");
	expect_no_part(answer, "UID 2");
	expect_answer(connection, "c UID FETCH 1 (BODY.PEEK[HEADER])",
		"BODY[HEADER] {33}\r\nSubject: hello\r\nX-Long: a\r\n b\r\n"
		"\r\n)\r\n");
	expect_answer(connection,
		"d UID FETCH 1 (BODY.PEEK[HEADER.FIELDS (x-long none)])",
		"BODY[HEADER.FIELDS (x-long none)] {17}\r\nX-Long: a\r\n b\r\n"
		"\r\n)\r\n");
	/* The last message is the one "*" names, but no bound reaches it. */
	expect_part(dialogue(connection, "e UID FETCH 9:* (FLAGS)"), "UID 3");
	expect_no_part(dialogue(connection, "f UID FETCH 9:4294967295 (FLAGS)"),
		"FETCH (");
	expect_part(dialogue(connection, "g FETCH 2 FLAGS"), "* 2 FETCH");
	dialogue_end();
}

static void test_fetch_tells_what_changed_since(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	assert_true(sim_store("INBOX", 2, FLAG_SEEN, 0, NULL, NULL)); /* 5 */
	assert_true(sim_expunge("INBOX", 1));                         /* 6 */
	answer = dialogue(connection,
		"a UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 4 VANISHED)");
	expect_part(answer, "* VANISHED (EARLIER) 1\r\n");
	expect_part(answer, "UID 2 FLAGS (\\Seen) MODSEQ (5)");
	expect_no_part(answer, "UID 3");
	dialogue_end();
}

static void test_search_finds(void **state)
{
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	assert_true(sim_store("INBOX", 2, FLAG_DELETED, 0, NULL, NULL));
	expect_answer(connection, "a UID SEARCH ALL", "* SEARCH 1 2 3\r\n");
	expect_answer(connection, "b UID SEARCH UID 2:9", "* SEARCH 2 3\r\n");
	expect_answer(connection, "c UID SEARCH DELETED", "* SEARCH 2\r\n");
	expect_answer(
		connection, "d UID SEARCH UNDELETED UID 1:2", "* SEARCH 1\r\n");
	expect_answer(connection, "e UID SEARCH RETURN (ALL COUNT) ALL",
		"* ESEARCH (TAG \"e\") UID COUNT 3 ALL 1:3\r\n");
	expect_answer(connection, "f UID SEARCH RETURN (ALL COUNT) UID 7:9",
		"* ESEARCH (TAG \"f\") UID COUNT 0\r\n");
	expect_answer(connection, "g SEARCH RETURN (MIN MAX) 2:3",
		"* ESEARCH (TAG \"g\") MIN 2 MAX 3\r\n");
	expect_answer(connection, "h UID SEARCH FLAGGED", "* SEARCH\r\n");
	dialogue_end();
}

/* ---- Changes ---- */

static void test_store_changes_flags(void **state)
{
	struct sim_connection *connection;
	struct sim_server_counts counts;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	expect_answer(connection, "a UID STORE 1,3 +FLAGS.SILENT (\\Seen cat)",
		"* 1 FETCH (UID 1 MODSEQ (5))\r\n"
		"* 3 FETCH (UID 3 MODSEQ (6))\r\na OK");
	expect_answer(connection, "b UID STORE 1 -FLAGS (\\Seen)",
		"* 1 FETCH (UID 1 FLAGS (cat) MODSEQ (7))\r\nb OK");
	/* No change, no MODSEQ; one keyword whatever its case. */
	expect_answer(connection, "c UID STORE 1 +FLAGS (CAT)",
		"* 1 FETCH (UID 1 FLAGS (cat) MODSEQ (7))\r\nc OK");
	expect_answer(connection, "d UID STORE 9 +FLAGS (\\Seen)", "d OK");
	sim_server_counts(&counts);
	assert_int_equal(counts.forbidden, 0);
	expect_answer(connection, "e UID STORE 3 FLAGS (\\Draft dog)",
		"FLAGS (\\Draft dog)");
	sim_server_counts(&counts);
	assert_int_equal(counts.forbidden, 1);
	dialogue_end();
}

static void test_store_spares_what_somebody_else_changed(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	assert_true(sim_store("INBOX", 2, FLAG_FLAGGED, 0, NULL, NULL));
	answer = dialogue(connection,
		"a UID STORE 1:2 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)");
	expect_part(answer, "* 1 FETCH (UID 1 MODSEQ (6))\r\n");
	expect_part(answer, "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (5))");
	expect_part(answer, "a OK [MODIFIED 2]");
	assert_int_equal(
		sim_mailbox("INBOX")->messages[1].system_flags, FLAG_FLAGGED);
	dialogue_end();
}

/* RFC 9051, 6.4.6: silent is only what this client did itself. */
static void test_a_silent_store_does_not_hide_what_others_did(void **state)
{
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(0);
	expect_no_part(
		dialogue(connection, "a UID STORE 1 +FLAGS.SILENT (\\Seen)"),
		"FETCH");
	assert_true(sim_store("INBOX", 1, FLAG_FLAGGED, 0, NULL, NULL));
	expect_part(
		dialogue(connection, "b UID STORE 1 +FLAGS.SILENT (\\Draft)"),
		"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Draft))");
	dialogue_end();
}

static void test_copy_and_move_tell_the_new_uids(void **state)
{
	struct sim_connection *connection;
	uint64_t instance;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	(void)deliver("Work", 0);
	instance = sim_mailbox("INBOX")->messages[2].instance;
	expect_answer(connection, "a UID COPY 1,3 Work",
		"a OK [COPYUID 1001 1,3 2:3]");
	expect_answer(connection, "b UID COPY 9 Work", "b OK done");
	expect_answer(connection, "c UID COPY 1 none", "c NO [TRYCREATE]");
	expect_answer(connection, "d UID MOVE 2:3 Work",
		"* OK [COPYUID 1001 2:3 4:5] moved\r\n* VANISHED 2:3\r\n"
		"d OK [HIGHESTMODSEQ 6]");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 1);
	assert_int_equal(sim_mailbox("INBOX")->gone_count, 2);
	assert_int_equal(sim_mailbox("Work")->message_count, 5);
	assert_int_equal(sim_mailbox("Work")->messages[4].instance, instance);
	assert_int_not_equal(
		sim_mailbox("Work")->messages[2].instance, instance);
	assert_int_equal(sim_mailbox("Work")->messages[2].email_id,
		sim_mailbox("Work")->messages[4].email_id);
	assert_int_equal(
		sim_mailbox("Work")->messages[2].internal_date, 1171011723);
	dialogue_end();
}

static void test_without_uidplus_there_are_no_codes(void **state)
{
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(SIM_MOVE | SIM_LITERAL_PLUS);
	expect_answer(connection, "a UID COPY 1 Work", "a OK done");
	expect_no_part(dialogue(connection, "b UID MOVE 1 Work"), "COPYUID");
	expect_answer(connection, "c APPEND Work {2+}\r\nhi", "c OK done");
	dialogue_end();
}

static void test_expunge_takes_what_is_named_and_marked(void **state)
{
	struct sim_connection *connection;
	struct sim_server_counts counts;

	(void)state;
	connection = begin_selected(SIM_UIDPLUS);
	expect_answer(
		connection, "a UID STORE 2:3 +FLAGS.SILENT (\\Deleted)", "OK");
	expect_answer(connection, "b UID EXPUNGE 1:2", "* 2 EXPUNGE\r\nb OK");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 2);
	sim_server_counts(&counts);
	assert_int_equal(counts.forbidden, 0);
	expect_answer(connection, "c EXPUNGE", "* 2 EXPUNGE\r\nc OK");
	sim_server_counts(&counts);
	assert_int_equal(counts.forbidden, 1);
	assert_int_equal(sim_mailbox("INBOX")->message_count, 1);
	dialogue_end();
}

/* RFC 7162, 3.2: without QRESYNC an expunge raises no HIGHESTMODSEQ. */
static void test_every_change_has_its_own_modseq(void **state)
{
	(void)state;
	for (unsigned has_qresync = 0; has_qresync < 2; has_qresync++) {
		dialogue_begin(has_qresync ? SIM_QRESYNC : SIM_CONDSTORE, 0);
		(void)deliver("INBOX", 0);
		(void)deliver("INBOX", 0);
		assert_true(sim_expunge("INBOX", 1));
		assert_int_equal(sim_mailbox("INBOX")->gone[0].modseq, 4);
		assert_int_equal(sim_mailbox("INBOX")->highest_modseq,
			has_qresync ? 4 : 3);
		assert_true(sim_store("INBOX", 2, FLAG_SEEN, 0, NULL, NULL));
		assert_int_equal(sim_mailbox("INBOX")->messages[0].modseq, 5);
		assert_int_equal(sim_mailbox("INBOX")->highest_modseq, 5);
		dialogue_end();
	}
}

/* ---- APPEND ---- */

static void test_append_stores(void **state)
{
	struct sim_connection *connection;
	const struct sim_message *message;

	(void)state;
	dialogue_begin(SIM_UIDPLUS | SIM_APPENDLIMIT, 0);
	connection = dialogue_login();
	expect_answer(connection,
		"a APPEND Work (\\Seen b a) \" 9-Feb-2007 09:02:03 +0000\" {4}",
		"+ go on\r\n");
	expect_answer(connection, "mail", "a OK [APPENDUID 1001 1]");
	message = &sim_mailbox("Work")->messages[0];
	assert_int_equal(message->system_flags, FLAG_SEEN);
	assert_string_equal(message->keywords[0], "a");
	assert_string_equal(message->keywords[1], "b");
	assert_null(message->keywords[2]);
	assert_int_equal(message->internal_date, 1171011723);
	assert_int_equal(message->size, 4);
	assert_memory_equal(message->body, "mail", 4);
	expect_answer(connection, "b APPEND none {4}", "b NO [TRYCREATE]");
	expect_answer(connection, "c APPEND Work {100001}", "c NO [TOOBIG]");
	expect_answer(connection, "d APPEND Work {4}", "+ go on\r\n");
	expect_bad(connection, "mail (\\Seen");
	expect_answer(connection, "e APPEND Work {1}", "+ go on\r\n");
	expect_answer(connection, "x {1}", "+ go on\r\n");
	expect_bad(connection, "y");
	assert_int_equal(sim_mailbox("Work")->message_count, 1);
	dialogue_end();
}

static void test_multiappend_stores_all_or_none(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	connection = dialogue_login();
	expect_answer(connection, "a APPEND Work (\\Seen) {1+}\r\nx {1+}\r\ny",
		"a OK [APPENDUID 1001 1:2]");
	expect_answer(connection, "b APPEND Work {1+}\r\nx {0+}\r\n", "b NO");
	assert_int_equal(sim_mailbox("Work")->message_count, 2);
	dialogue_end();
}

/* ---- Views ---- */

static void test_others_changes_are_told_at_the_end_of_a_command(void **state)
{
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(SIM_CONDSTORE);
	assert_true(sim_expunge("INBOX", 1));
	assert_true(sim_store("INBOX", 3, FLAG_SEEN, 0, NULL, NULL));
	(void)deliver("INBOX", 0);
	expect_answer(connection, "a NOOP",
		"* 1 EXPUNGE\r\n* 3 EXISTS\r\n"
		"* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (6))\r\na OK");
	expect_answer(connection, "b NOOP", "b OK");
	expect_no_part(dialogue(connection, "b NOOP"), "*");
	dialogue_end();
}

/* RFC 9051, 7.5.1: numbers stay what they are while they are used. */
static void test_expunges_wait_while_numbers_are_used(void **state)
{
	static const char *const LINES[] = { "a FETCH 2 FLAGS",
		"a STORE 2 +FLAGS.SILENT (\\Seen)", "a SEARCH ALL" };
	struct sim_connection *connection;

	(void)state;
	connection = begin_selected(0);
	assert_true(sim_expunge("INBOX", 1));
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++)
		expect_no_part(dialogue(connection, LINES[i]), "EXPUNGE\r\n");
	expect_answer(connection, "b FETCH 1 FLAGS", "b NO [EXPUNGEISSUED]");
	expect_answer(connection, "c UID FETCH 3 FLAGS", "* 3 FETCH (UID 3");
	expect_part(dialogue(connection, "d UID SEARCH ALL"), "* SEARCH 2 3");
	expect_answer(connection, "e FETCH 1 FLAGS", "* 1 FETCH (UID 2");
	dialogue_end();
}

static void test_what_has_not_been_told_is_not_there_yet(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	connection = begin_selected(0);
	(void)deliver("INBOX", 0);
	answer = dialogue(connection, "a UID FETCH 4 (FLAGS)");
	expect_no_part(answer, "FETCH (");
	expect_part(answer, "* 4 EXISTS\r\na OK");
	expect_answer(connection, "b UID FETCH 4 (FLAGS)", "* 4 FETCH");
	dialogue_end();
}

static void test_idle_tells_news(void **state)
{
	struct sim_connection *connection;
	char text[200] = { 0 };

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	expect_answer(connection, "a IDLE", "+ idling\r\n");
	sim_connection_notify(connection);
	assert_false(sim_connection_has_output(connection));
	assert_true(sim_expunge("INBOX", 2));
	(void)deliver("INBOX", 0);
	sim_connection_notify(connection);
	(void)sim_connection_receive(connection, text, sizeof(text) - 1);
	assert_string_equal(text, "* VANISHED 2\r\n* 3 EXISTS\r\n");
	expect_answer(connection, "DONE", "a OK");
	expect_answer(connection, "b IDLE", "+ idling\r\n");
	expect_bad(connection, "c NOOP");
	dialogue_end();
}

static void test_a_mailbox_that_ends_ends_its_sessions(void **state)
{
	struct sim_connection *connection;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		dialogue_begin(SIM_ABILITIES_ALL, 0);
		connection = dialogue_login();
		expect_answer(connection, "a SELECT Work", "a OK");
		assert_true(i == 0 ? sim_mailbox_delete("Work")
				   : sim_renumber("Work"));
		expect_answer(connection, "b NOOP", "* BYE");
		assert_true(sim_connection_is_closed(connection));
		dialogue_end();
	}
}

static void test_what_was_sent_behind_a_failing_select_is_no_fault(void **state)
{
	struct sim_connection *connection;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	connection = dialogue_login();
	expect_answer(connection,
		"a SELECT none\r\nb UID FETCH 1 (FLAGS)\r\nc UID SEARCH ALL",
		"c BAD");
	expect_bad(connection, "d UID SEARCH ALL");
	/* The same when it comes while the NO is on its way. */
	sim_connection_send(connection, "e SELECT none\r\n", 15);
	assert_true(sim_connection_run(connection));
	expect_answer(connection, "f UID FETCH 1 (FLAGS)", "f BAD");
	expect_bad(connection, "g UID FETCH 1 (FLAGS)");
	dialogue_end();
}

/* ---- Acts and copies ---- */

static void test_a_copy_brings_everything_back(void **state)
{
	struct sim_server_copy *copy;
	struct sim_connection *connection;
	const struct sim_mailbox *mailbox;

	(void)state;
	connection = begin_selected(SIM_ABILITIES_ALL);
	assert_true(sim_store("INBOX", 1, 0, 0, "cat", NULL));
	assert_true(sim_expunge("INBOX", 2));
	copy = sim_server_copy_take();
	assert_true(sim_expunge("INBOX", 1));
	assert_true(sim_move("INBOX", 3, "Work"));
	assert_true(sim_mailbox_create("New", NULL));
	(void)deliver("INBOX", 0);
	sim_server_copy_put(copy);
	sim_server_copy_free(copy);
	assert_true(sim_connection_is_closed(connection));
	mailbox = sim_mailbox("INBOX");
	assert_int_equal(sim_mailbox_count(), 2);
	assert_int_equal(mailbox->message_count, 2);
	assert_int_equal(mailbox->uid_next, 4);
	assert_int_equal(mailbox->highest_modseq, 6);
	assert_int_equal(mailbox->gone_count, 1);
	assert_string_equal(mailbox->messages[0].keywords[0], "cat");
	assert_int_equal(sim_mailbox("Work")->message_count, 0);
	assert_int_equal(deliver("INBOX", 0), 4);
	dialogue_end();
}

static void test_renumbering_gives_new_uids(void **state)
{
	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, 0);
	(void)deliver("INBOX", 0);
	(void)deliver("INBOX", 0);
	assert_true(sim_expunge("INBOX", 1));
	assert_true(sim_renumber("INBOX"));
	assert_int_equal(sim_mailbox("INBOX")->uid_validity, 1002);
	assert_int_equal(sim_mailbox("INBOX")->messages[0].uid, 1);
	assert_int_equal(sim_mailbox("INBOX")->uid_next, 2);
	assert_int_equal(sim_mailbox("INBOX")->gone_count, 0);
	dialogue_end();
}

static void test_a_server_that_is_down_takes_no_connections(void **state)
{
	(void)state;
	dialogue_begin(0, 0);
	sim_server_set_down(true);
	assert_null(sim_connection_open());
	sim_server_set_down(false);
	(void)dialogue_connect();
	dialogue_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_and_authenticate_let_in),
		cmocka_unit_test(test_an_initial_response_needs_sasl_ir),
		cmocka_unit_test(test_capabilities_are_the_bits),
		cmocka_unit_test(test_commands_need_their_state),
		cmocka_unit_test(test_the_grammar_is_strict),
		cmocka_unit_test(test_extensions_need_their_ability),
		cmocka_unit_test(test_list_tells_mailboxes_and_their_levels),
		cmocka_unit_test(test_mailboxes_are_made_renamed_and_deleted),
		cmocka_unit_test(
			test_a_mailbox_made_anew_has_another_uidvalidity),
		cmocka_unit_test(test_select_tells_what_the_mailbox_is_like),
		cmocka_unit_test(
			test_highest_modseq_is_told_to_who_asked_for_it),
		cmocka_unit_test(test_qresync_tells_what_changed_since),
		cmocka_unit_test(test_fetch_tells_what_is_asked_for),
		cmocka_unit_test(test_fetch_tells_what_changed_since),
		cmocka_unit_test(test_search_finds),
		cmocka_unit_test(test_store_changes_flags),
		cmocka_unit_test(test_store_spares_what_somebody_else_changed),
		cmocka_unit_test(
			test_a_silent_store_does_not_hide_what_others_did),
		cmocka_unit_test(test_copy_and_move_tell_the_new_uids),
		cmocka_unit_test(test_without_uidplus_there_are_no_codes),
		cmocka_unit_test(test_expunge_takes_what_is_named_and_marked),
		cmocka_unit_test(test_every_change_has_its_own_modseq),
		cmocka_unit_test(test_append_stores),
		cmocka_unit_test(test_multiappend_stores_all_or_none),
		cmocka_unit_test(
			test_others_changes_are_told_at_the_end_of_a_command),
		cmocka_unit_test(test_expunges_wait_while_numbers_are_used),
		cmocka_unit_test(test_what_has_not_been_told_is_not_there_yet),
		cmocka_unit_test(test_idle_tells_news),
		cmocka_unit_test(test_a_mailbox_that_ends_ends_its_sessions),
		cmocka_unit_test(
			test_what_was_sent_behind_a_failing_select_is_no_fault),
		cmocka_unit_test(test_a_copy_brings_everything_back),
		cmocka_unit_test(test_renumbering_gives_new_uids),
		cmocka_unit_test(
			test_a_server_that_is_down_takes_no_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
