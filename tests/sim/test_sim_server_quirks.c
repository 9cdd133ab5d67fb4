/* Each quirk is seen when its bit is set, and not otherwise; and the server
   stays whole when the product dies or hangs up at the worst moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/flags.h"
#include "tests/sim/dialogue.h"
#include "tests/sim/plain_seam.h"

static void deliver_some(const char *mailbox, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)sim_deliver(mailbox, "A: b\r\n\r\n", 8, 0, 1171011723);
}

/* Logged in, three messages in INBOX, which is selected; only then the server
   begins to do wrong, wherever it may. */
static struct sim_connection *begin(uint32_t quirks)
{
	struct sim_connection *connection;

	dialogue_begin(SIM_ABILITIES_ALL, 0);
	deliver_some("INBOX", 3);
	connection = dialogue_login();
	expect_answer(connection, "s SELECT INBOX", "s OK");
	plain_seam_set_eager(true);
	sim_server_set_quirks(quirks);
	return connection;
}

static const struct sim_message *message(const char *mailbox, size_t index)
{
	return &sim_mailbox(mailbox)->messages[index];
}

static void test_a_message_vanishes_and_comes_back(void **state)
{
	struct sim_connection *connection = begin(SIM_FALSE_VANISHED);
	uint64_t instance = message("INBOX", 2)->instance;

	(void)state;
	expect_answer(connection, "a NOOP", "* VANISHED 3\r\n* 3 EXISTS\r\n");
	assert_int_equal(message("INBOX", 2)->uid, 4);
	assert_int_equal(message("INBOX", 2)->instance, instance);
	dialogue_end();
}

static void test_earlier_names_what_is_there(void **state)
{
	struct sim_connection *connection = begin(SIM_VANISHED_TOO_MUCH);

	(void)state;
	expect_answer(connection, "a SELECT INBOX (QRESYNC (1000 4))",
		"* VANISHED (EARLIER) 3\r\n");
	assert_int_equal(message("INBOX", 2)->uid, 3);
	dialogue_end();
}

static void test_receipts_are_left_out(void **state)
{
	struct sim_connection *connection = begin(SIM_NO_APPENDUID);

	(void)state;
	expect_answer(connection, "a APPEND Work {1+}\r\nx", "a OK done");
	expect_answer(connection, "b UID COPY 1 Work", "b OK [COPYUID");
	dialogue_end();
	connection = begin(SIM_NO_COPYUID);
	expect_answer(connection, "a APPEND Work {1+}\r\nx", "a OK [APPENDUID");
	expect_answer(connection, "b UID COPY 1 Work", "b OK done");
	expect_no_part(dialogue(connection, "c UID MOVE 1 Work"), "COPYUID");
	dialogue_end();
}

static void test_a_uid_is_used_again(void **state)
{
	struct sim_connection *connection = begin(SIM_UID_REUSE);

	(void)state;
	assert_true(sim_expunge("INBOX", 3));
	assert_int_equal(sim_mailbox("INBOX")->uid_next, 3);
	deliver_some("INBOX", 1);
	assert_int_equal(message("INBOX", 2)->uid, 3);
	expect_answer(connection, "a NOOP", "* VANISHED 3\r\n* 3 EXISTS\r\n");
	/* What is there is not told gone, though that UID went once. */
	expect_no_part(
		dialogue(connection, "b SELECT INBOX (QRESYNC (1000 4))"),
		"VANISHED");
	dialogue_end();
}

static void test_some_mailboxes_have_no_modseq(void **state)
{
	struct sim_connection *connection = begin(SIM_NO_MODSEQ);
	const char *answer;

	(void)state;
	assert_true(sim_mailbox("INBOX")->has_no_modseq);
	answer = dialogue(connection, "a SELECT INBOX (QRESYNC (1000 1))");
	expect_part(answer, "[NOMODSEQ]");
	expect_no_part(answer, "HIGHESTMODSEQ");
	expect_no_part(answer, "FETCH");
	/* Legal for who could not know. */
	expect_answer(connection, "b UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 1)",
		"b BAD");
	expect_answer(connection,
		"c UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", "c BAD");
	expect_answer(connection, "d STATUS INBOX (HIGHESTMODSEQ)",
		"HIGHESTMODSEQ 0");
	dialogue_end();
}

static void test_list_leaves_one_out(void **state)
{
	struct sim_connection *connection = begin(SIM_PARTIAL_LIST);
	const char *answer;

	(void)state;
	answer = dialogue(connection, "a LIST \"\" *");
	expect_part(answer, "\"INBOX\"");
	expect_no_part(answer, "\"Work\"");
	expect_part(answer, "a OK");
	dialogue_end();
}

static void test_an_expunge_is_told_one_round_later(void **state)
{
	struct sim_connection *connection = begin(SIM_LATE_VANISHED);

	(void)state;
	assert_true(sim_expunge("INBOX", 2));
	expect_no_part(dialogue(connection, "a NOOP"), "VANISHED");
	expect_part(dialogue(connection, "b NOOP"), "* VANISHED 2");
	dialogue_end();
}

static void test_modified_comes_without_a_reason(void **state)
{
	struct sim_connection *connection = begin(SIM_SPURIOUS_MODIFIED);

	(void)state;
	expect_answer(connection,
		"a UID STORE 1 (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\Seen)",
		"a OK [MODIFIED 1]");
	assert_int_equal(message("INBOX", 0)->system_flags, 0);
	expect_answer(connection, "b UID STORE 1 +FLAGS (\\Seen)", "(\\Seen)");
	dialogue_end();
}

static void test_anything_is_refused(void **state)
{
	struct sim_connection *connection = begin(SIM_REFUSES);

	(void)state;
	expect_answer(connection, "a NOOP", "a NO [SERVERBUG]");
	expect_answer(connection, "b UID MOVE 1 Work", "b NO");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 3);
	expect_answer(connection, "c APPEND Work {4}", "c NO");
	/* Leaves nothing selected; what comes behind it is no fault. */
	expect_answer(
		connection, "d SELECT Work\r\ne UID FETCH 1 (FLAGS)", "e BAD");
	expect_answer(connection, "f LOGOUT", "f OK");
	connection = dialogue_connect();
	expect_answer(connection, "g LOGIN me x", "g NO [UNAVAILABLE]");
	dialogue_end();
}

static void test_the_line_breaks_with_and_without_a_bye(void **state)
{
	unsigned bye_count = 0, cut_count = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct sim_connection *connection = begin(SIM_BYE);
		const char *answer;

		plain_seam_init(i + 1);
		answer = dialogue(connection, "a NOOP");
		bye_count += strcmp(answer, "* BYE try again later\r\n") == 0;
		cut_count += strlen(answer) < strlen("a OK done\r\n");
		assert_int_equal(sim_connection_is_closed(connection),
			strcmp(answer, "a OK done\r\n") != 0 ||
				sim_connection_is_closed(connection));
		dialogue_end();
	}
	assert_in_range(bye_count, 1, 100);
	assert_in_range(cut_count, 1, 150);
}

static void test_bye_is_the_greeting(void **state)
{
	char text[100] = "";
	struct sim_connection *connection;

	(void)state;
	(void)begin(SIM_BYE);
	connection = sim_connection_open();
	assert_int_equal(
		sim_connection_receive(connection, text, sizeof(text) - 1), 23);
	assert_string_equal(text, "* BYE too many of you\r\n");
	assert_true(sim_connection_is_closed(connection));
	dialogue_end();
}

static void test_earlier_ends_with_the_highest_uid_left(void **state)
{
	struct sim_connection *connection = begin(SIM_VISIBLE_STAR);

	(void)state;
	assert_true(sim_expunge("INBOX", 1));
	assert_true(sim_expunge("INBOX", 3));
	expect_answer(connection, "a SELECT INBOX (QRESYNC (1000 4))",
		"* VANISHED (EARLIER) 1\r\n");
	assert_true(sim_expunge("INBOX", 2));
	expect_no_part(
		dialogue(connection, "b SELECT INBOX (QRESYNC (1000 4))"),
		"VANISHED");
	dialogue_end();
}

static void test_a_second_one_is_thrown_away(void **state)
{
	struct sim_connection *connection = begin(SIM_DEDUPES);

	(void)state;
	expect_answer(connection, "a APPEND Work {1+}\r\nx",
		"a OK [APPENDUID 1001 1]");
	expect_answer(connection, "b APPEND Work {1+}\r\nx",
		"b OK [APPENDUID 1001 2]");
	expect_answer(connection, "c APPEND Work {1+}\r\ny",
		"c OK [APPENDUID 1001 3]");
	assert_int_equal(sim_mailbox("Work")->message_count, 2);
	assert_int_equal(message("Work", 0)->uid, 1);
	assert_int_equal(message("Work", 1)->uid, 3);
	dialogue_end();
}

static void test_the_quota_is_used_up(void **state)
{
	struct sim_connection *connection = begin(SIM_OVER_QUOTA);

	(void)state;
	expect_answer(
		connection, "a APPEND Work {1+}\r\nx", "a NO [OVERQUOTA]");
	expect_answer(connection, "b UID COPY 1 Work", "b NO [OVERQUOTA]");
	expect_answer(connection, "c UID MOVE 1 Work", "c NO [OVERQUOTA]");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 3);
	assert_int_equal(sim_mailbox("Work")->message_count, 0);
	expect_answer(connection, "d NOOP", "d OK");
	dialogue_end();
}

static void test_numbers_fall(void **state)
{
	struct sim_connection *connection = begin(SIM_FALLING_NUMBERS);
	uint64_t modseq = message("INBOX", 1)->modseq;
	char wanted[40];
	const char *answer;

	(void)state;
	assert_true(sim_expunge("INBOX", 3));
	assert_true(sim_mailbox("INBOX")->highest_modseq > modseq);
	(void)snprintf(
		wanted, sizeof(wanted), "[HIGHESTMODSEQ %u]", (unsigned)modseq);
	answer = dialogue(connection, "a SELECT INBOX");
	expect_part(answer, "[UIDNEXT 3]");
	expect_part(answer, wanted);
	deliver_some("INBOX", 1);
	assert_int_equal(message("INBOX", 2)->uid, 4);
	dialogue_end();
}

static void test_earlier_expunges_are_forgotten(void **state)
{
	struct sim_connection *connection = begin(SIM_SHORT_MEMORY);
	uint64_t modseq = sim_mailbox("INBOX")->highest_modseq;
	char line[60];

	(void)state;
	deliver_some("INBOX", 3);
	assert_true(sim_expunge("INBOX", 1));
	(void)snprintf(line, sizeof(line), "a SELECT INBOX (QRESYNC (1000 %u))",
		(unsigned)sim_mailbox("INBOX")->highest_modseq);
	assert_true(sim_expunge("INBOX", 2));
	assert_true(sim_expunge("INBOX", 6));
	expect_answer(connection, line, "* VANISHED (EARLIER) 2,6\r\n");
	(void)snprintf(line, sizeof(line), "b SELECT INBOX (QRESYNC (1000 %u))",
		(unsigned)modseq);
	expect_answer(connection, line, "* VANISHED (EARLIER) 1:2,6\r\n");
	assert_true(sim_expunge("INBOX", 4));
	assert_true(sim_expunge("INBOX", 5));
	/* UID 1 went before what is asked for. */
	(void)snprintf(line, sizeof(line), "c SELECT INBOX (QRESYNC (1000 %u))",
		(unsigned)sim_mailbox("INBOX")->gone[0].modseq);
	expect_answer(connection, line, "* VANISHED (EARLIER) 1:2,4:6\r\n");
	dialogue_end();
}

static void test_what_is_appended_is_rewritten(void **state)
{
	struct sim_connection *connection = begin(SIM_REWRITES);

	(void)state;
	expect_answer(connection, "a APPEND Work {1+}\r\nx", "a OK");
	assert_int_equal(message("Work", 0)->size, 20 + 1);
	assert_memory_equal(message("Work", 0)->body, "X-Server: ", 10);
	dialogue_end();
}

static void test_sizes_count_line_ends_as_one(void **state)
{
	struct sim_connection *connection = begin(SIM_WRONG_SIZE);

	(void)state;
	expect_answer(connection, "a UID FETCH 1 (RFC822.SIZE BODY.PEEK[])",
		"RFC822.SIZE 6 BODY[] {8}");
	dialogue_end();
}

static void test_copies_get_a_date_of_their_own(void **state)
{
	struct sim_connection *connection = begin(SIM_NO_DATE_ON_COPY);

	(void)state;
	expect_answer(connection, "a UID COPY 1 Work", "a OK");
	assert_true(message("Work", 0)->internal_date > 1171011723);
	dialogue_end();
}

static void test_fetch_leaves_one_out(void **state)
{
	struct sim_connection *connection = begin(SIM_FETCH_OMITS);
	const char *answer = dialogue(connection, "a UID FETCH 1:9 (FLAGS)");

	(void)state;
	expect_part(answer, "UID 2");
	expect_no_part(answer, "UID 3");
	/* Where it would be lost for good it is told. */
	expect_answer(connection, "b UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 1)",
		"UID 3");
	dialogue_end();
}

static void test_more_messages_than_the_limit_are_done_in_part(void **state)
{
	struct sim_connection *connection;
	const char *answer;

	(void)state;
	dialogue_begin(SIM_ABILITIES_ALL, SIM_MESSAGE_LIMIT); /* 3 */
	deliver_some("INBOX", 5);
	connection = dialogue_login();
	expect_answer(connection, "a CAPABILITY", "MESSAGELIMIT=3");
	expect_answer(connection, "b SELECT INBOX", "b OK");
	answer = dialogue(connection, "c UID FETCH 1:9 (FLAGS)");
	expect_part(answer, "c OK [MESSAGELIMIT 3 3]");
	expect_part(answer, "UID 3");
	expect_no_part(answer, "UID 2");
	expect_part(
		dialogue(connection, "d UID FETCH 1:3 (FLAGS)"), "d OK done");
	expect_answer(connection, "e UID STORE 1:9 +FLAGS (\\Deleted)",
		"e OK [MESSAGELIMIT 3 3]");
	assert_int_equal(message("INBOX", 1)->system_flags, 0);
	expect_answer(
		connection, "f UID COPY 1:9 Work", "f NO [MESSAGELIMIT 3 3]");
	assert_int_equal(sim_mailbox("Work")->message_count, 0);
	expect_answer(
		connection, "g UID MOVE 1:9 Work", "g OK [MESSAGELIMIT 3 3]");
	assert_int_equal(sim_mailbox("Work")->message_count, 3);
	assert_int_equal(sim_mailbox("INBOX")->message_count, 2);
	dialogue_end();
}

static void test_status_of_the_selected_mailbox_is_old(void **state)
{
	struct sim_connection *connection = begin(SIM_STALE_STATUS);

	(void)state;
	deliver_some("INBOX", 1);
	expect_answer(connection, "a STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
		"(MESSAGES 3 UIDNEXT 4 UNSEEN 3)");
	expect_answer(connection, "b STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
		"(MESSAGES 4 UIDNEXT 5 UNSEEN 4)");
	dialogue_end();
}

static void test_some_are_moved_and_some_are_not(void **state)
{
	struct sim_connection *connection = begin(SIM_PARTIAL_MOVE);

	(void)state;
	expect_answer(connection, "a UID MOVE 1:3 Work",
		"* OK [COPYUID 1001 1:2 1:2] moved\r\n* VANISHED 1:2\r\na NO");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 1);
	assert_int_equal(sim_mailbox("Work")->message_count, 2);
	dialogue_end();
}

static void test_keywords_are_not_kept(void **state)
{
	struct sim_connection *connection = begin(SIM_NO_KEYWORDS);
	const char *answer;

	(void)state;
	assert_true(sim_store("INBOX", 1, 0, 0, "cat", NULL));
	answer = dialogue(connection, "a SELECT INBOX");
	expect_part(answer,
		"[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
		"\\Draft)]");
	expect_answer(connection, "b UID STORE 2 +FLAGS (dog \\Seen)",
		"FLAGS (\\Seen)");
	expect_answer(connection, "c APPEND Work (dog) {1+}\r\nx", "c OK");
	assert_null(message("Work", 0)->keywords[0]);
	dialogue_end();
}

/* 0 is the usual: a world that is cut down to nothing has no quirks but those
   that last. */
static void test_no_quirk_is_seen_when_all_choices_are_0(void **state)
{
	struct sim_connection *connection = begin(0);

	(void)state;
	plain_seam_set_eager(false);
	sim_server_set_quirks(SIM_QUIRKS_ALL);
	expect_answer(connection, "a SELECT INBOX (QRESYNC (1000 1))",
		"* 3 FETCH (UID 3");
	expect_no_part(dialogue(connection, "b NOOP"), "VANISHED");
	expect_answer(connection, "c APPEND Work {1+}\r\nx",
		"c OK [APPENDUID 1001 1]");
	assert_int_equal(message("Work", 0)->size, 1);
	expect_answer(
		connection, "d UID COPY 3 Work", "d OK [COPYUID 1001 3 2]");
	expect_answer(connection,
		"e UID STORE 1 (UNCHANGEDSINCE 4) +FLAGS (\\Seen)",
		"FLAGS (\\Seen)");
	expect_part(dialogue(connection, "f LIST \"\" *"), "\"Work\"");
	expect_answer(connection, "g UID MOVE 1:3 Work", "g OK");
	assert_int_equal(sim_mailbox("INBOX")->message_count, 0);
	dialogue_end();
}

/* ---- Late APPENDs, deaths and cuts ---- */

static size_t work_count(void)
{
	return sim_mailbox("Work")->message_count;
}

static void test_an_append_of_the_dead_comes_late(void **state)
{
	struct sim_connection *connection = begin(SIM_LATE_APPEND);

	(void)state;
	expect_answer(connection, "a APPEND Work (\\Seen) {4}", "+ go on");
	(void)dialogue_raw(connection, "mail");
	sim_connection_close(connection);
	connection = dialogue_login();
	for (unsigned i = 0; i < 9; i++)
		expect_answer(connection, "b NOOP", "b OK");
	assert_int_equal(work_count(), 0);
	expect_answer(connection, "c NOOP", "c OK");
	assert_int_equal(work_count(), 1);
	assert_int_equal(message("Work", 0)->system_flags, FLAG_SEEN);
	assert_memory_equal(message("Work", 0)->body, "mail", 4);
	dialogue_end();
}

static void test_what_was_not_sent_whole_never_comes(void **state)
{
	struct sim_connection *connection = begin(SIM_LATE_APPEND);

	(void)state;
	(void)dialogue_raw(connection, "a APPEND Work {2+}\r\nhi {4+}\r\nmai");
	sim_connection_close(connection);
	assert_int_equal(work_count(), 0);
	sim_server_settle();
	assert_int_equal(work_count(), 1);
	assert_memory_equal(message("Work", 0)->body, "hi", 2);
	dialogue_end();
	/* Without the quirk nothing comes at all. */
	connection = begin(0);
	(void)dialogue_raw(connection, "a APPEND Work {2+}\r\nhi {4+}\r\nmai");
	sim_connection_close(connection);
	sim_server_settle();
	assert_int_equal(work_count(), 0);
	dialogue_end();
}

static struct sim_connection *victim;
static jmp_buf death;
static const char *fatal_call;
static bool is_fatal_after, is_killed;

static void strike(const char *call, bool is_after)
{
	if (strcmp(call, fatal_call) != 0 || is_after != is_fatal_after)
		return;
	if (is_killed)
		longjmp(death, 1);
	sim_connection_close(victim);
}

/* Cut off or killed at the APPEND; what is stored at once, and in the end. */
static void strike_at_append(uint32_t quirks, bool is_after, bool kills,
	size_t at_once, size_t at_end)
{
	victim = begin(quirks);
	fatal_call = "APPEND";
	is_fatal_after = is_after;
	is_killed = kills;
	plain_seam_set_hook(strike);
	if (setjmp(death) == 0)
		assert_string_equal(
			dialogue(victim, "a APPEND Work {1+}\r\nx"), "");
	else
		sim_server_drop_connections();
	plain_seam_set_hook(NULL);
	assert_true(sim_connection_is_closed(victim));
	assert_false(sim_connection_run(victim));
	sim_connection_send(victim, "b NOOP\r\n", 8);
	assert_false(sim_connection_has_output(victim));
	assert_int_equal(work_count(), at_once);
	sim_server_settle();
	assert_int_equal(work_count(), at_end);
	expect_answer(dialogue_login(), "c NOOP", "c OK");
	dialogue_end();
}

static void test_a_command_happens_wholly_or_not_at_all(void **state)
{
	(void)state;
	for (unsigned kills = 0; kills < 2; kills++) {
		strike_at_append(0, false, kills, 0, 0);
		strike_at_append(0, true, kills, 1, 1);
		strike_at_append(SIM_LATE_APPEND, false, kills, 0, 1);
		strike_at_append(SIM_LATE_APPEND, true, kills, 1, 1);
	}
}

static void flee(const char *change, const char *mailbox,
	const struct sim_message *changed)
{
	(void)change;
	(void)mailbox;
	(void)changed;
	longjmp(death, 1);
}

static void flee_from(const char *line)
{
	struct sim_connection *connection = begin(0);

	sim_server_set_change_hook(flee);
	if (setjmp(death) == 0) {
		(void)dialogue(connection, line);
		fail_msg("no hook: %s", line);
	}
	assert_int_equal(work_count(), 0);
	assert_int_equal(sim_mailbox("INBOX")->message_count, 3);
	dialogue_end();
}

static void test_hooks_may_leave(void **state)
{
	static const char *const LINES[] = { "a APPEND Work {1+}\r\nx",
		"a UID STORE 1 +FLAGS (\\Seen cat)", "a UID MOVE 1:2 Work",
		"a UID COPY 1:2 Work" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++)
		flee_from(LINES[i]);
}

static char hooked[400];

static void note_command(const struct sim_command *command)
{
	(void)snprintf(hooked + strlen(hooked), sizeof(hooked) - strlen(hooked),
		"%s|%s|%s|%s|%.*s\n", command->name, command->line,
		command->mailbox == NULL ? "-" : command->mailbox,
		command->destination == NULL ? "-" : command->destination,
		(int)command->body_size,
		command->body == NULL ? "" : (const char *)command->body);
}

static void note_change(const char *change, const char *mailbox,
	const struct sim_message *changed)
{
	(void)snprintf(hooked + strlen(hooked), sizeof(hooked) - strlen(hooked),
		"%s %s %u\n", change, mailbox, (unsigned)changed->uid);
}

static void test_hooks_are_told_what_is_about_to_happen(void **state)
{
	struct sim_connection *connection = begin(0);
	struct sim_server_counts counts;

	(void)state;
	hooked[0] = '\0';
	sim_server_set_command_hook(note_command);
	sim_server_set_change_hook(note_change);
	(void)dialogue(connection, "a APPEND Work {1+}\r\nx {2+}\r\nyz");
	(void)dialogue(connection, "b UID MOVE 2,9 Work");
	(void)dialogue(connection, "c UID STORE 1 +FLAGS (\\Deleted)");
	(void)dialogue(connection, "d UID EXPUNGE 1:3");
	(void)dialogue(connection, "e XYZZY");
	assert_string_equal(hooked,
		"APPEND|APPEND Work {1+} {2+}|INBOX|Work|x\n"
		"append Work 1\n"
		"APPEND|APPEND Work {1+} {2+}|INBOX|Work|yz\n"
		"append Work 1\n"
		"UID MOVE|UID MOVE 2,9 Work|INBOX|Work|\n"
		"move INBOX 2\n"
		"UID STORE|UID STORE 1 +FLAGS (\\Deleted)|INBOX|-|\n"
		"store INBOX 1\n"
		"UID EXPUNGE|UID EXPUNGE 1:3|INBOX|-|\n"
		"expunge INBOX 1\n");
	sim_server_counts(&counts);
	assert_int_equal(counts.changes, 5);
	assert_int_equal(counts.bodies_in, 2);
	assert_int_equal(counts.bads, 1);
	dialogue_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_vanishes_and_comes_back),
		cmocka_unit_test(test_earlier_names_what_is_there),
		cmocka_unit_test(test_receipts_are_left_out),
		cmocka_unit_test(test_a_uid_is_used_again),
		cmocka_unit_test(test_some_mailboxes_have_no_modseq),
		cmocka_unit_test(test_list_leaves_one_out),
		cmocka_unit_test(test_an_expunge_is_told_one_round_later),
		cmocka_unit_test(test_modified_comes_without_a_reason),
		cmocka_unit_test(test_anything_is_refused),
		cmocka_unit_test(test_the_line_breaks_with_and_without_a_bye),
		cmocka_unit_test(test_bye_is_the_greeting),
		cmocka_unit_test(test_earlier_ends_with_the_highest_uid_left),
		cmocka_unit_test(test_a_second_one_is_thrown_away),
		cmocka_unit_test(test_the_quota_is_used_up),
		cmocka_unit_test(test_numbers_fall),
		cmocka_unit_test(test_earlier_expunges_are_forgotten),
		cmocka_unit_test(test_what_is_appended_is_rewritten),
		cmocka_unit_test(test_sizes_count_line_ends_as_one),
		cmocka_unit_test(test_copies_get_a_date_of_their_own),
		cmocka_unit_test(test_fetch_leaves_one_out),
		cmocka_unit_test(
			test_more_messages_than_the_limit_are_done_in_part),
		cmocka_unit_test(test_status_of_the_selected_mailbox_is_old),
		cmocka_unit_test(test_some_are_moved_and_some_are_not),
		cmocka_unit_test(test_keywords_are_not_kept),
		cmocka_unit_test(test_no_quirk_is_seen_when_all_choices_are_0),
		cmocka_unit_test(test_an_append_of_the_dead_comes_late),
		cmocka_unit_test(test_what_was_not_sent_whole_never_comes),
		cmocka_unit_test(test_a_command_happens_wholly_or_not_at_all),
		cmocka_unit_test(test_hooks_may_leave),
		cmocka_unit_test(test_hooks_are_told_what_is_about_to_happen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
