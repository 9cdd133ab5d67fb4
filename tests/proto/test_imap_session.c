/* Each dialogue runs with the server's bytes whole and octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "tests/proto/dialogue.h"

static void test_greetings(void **state)
{
	static const struct {
		const char *bytes;
		const char *events;
		enum imap_session_state state;
	} CASES[] = {
		{ "* OK ready\r\n", "GREETING OK",
			IMAP_SESSION_NOT_AUTHENTICATED },
		{ "* OK\r\n", "GREETING OK", IMAP_SESSION_NOT_AUTHENTICATED },
		{ "* PREAUTH welcome\r\n", "GREETING PREAUTH",
			IMAP_SESSION_AUTHENTICATED },
		{ "* BYE too busy\r\n", "GREETING BYE", IMAP_SESSION_LOGOUT },
		{ "* BAD\r\n", "ERROR protocol", IMAP_SESSION_GREETING },
		{ "* NO go away\r\n", "ERROR protocol", IMAP_SESSION_GREETING },
		{ "+OK POP3 ready\r\n", "ERROR protocol",
			IMAP_SESSION_GREETING },
		{ "+ ready\r\n", "ERROR protocol", IMAP_SESSION_GREETING },
		{ "220 smtp ready\r\n", "ERROR protocol",
			IMAP_SESSION_GREETING },
		{ "t1 OK ready\r\n", "ERROR protocol", IMAP_SESSION_GREETING },
		{ "* CAPABILITY IMAP4rev1\r\n", "ERROR protocol",
			IMAP_SESSION_GREETING },
		{ "* 1 EXISTS\r\n", "ERROR protocol", IMAP_SESSION_GREETING },
		{ "* 1 FETCH (BODY[] {3}\r\nabc)\r\n", "ERROR protocol",
			IMAP_SESSION_GREETING },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct imap_session_options options = { .is_secure = true };
		struct dialogue d = { .piece = *(size_t *)*state };

		dialogue_open(&d, &options);
		dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
		dialogue_expect_output(&d, "");
		dialogue_serve(&d, CASES[i].bytes);
		dialogue_expect_events(&d, CASES[i].events);
		assert_int_equal(imap_session_state(d.session), CASES[i].state);
		if (CASES[i].state == IMAP_SESSION_NOT_AUTHENTICATED)
			dialogue_expect_output(&d, "t1 NOOP\r\n");
		else if (CASES[i].state != IMAP_SESSION_AUTHENTICATED)
			dialogue_expect_output(&d, "");
		dialogue_close(&d);
	}
}

static void test_an_error_stays_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct imap_session_options options = { .is_secure = true };

	dialogue_open(&d, &options);
	dialogue_serve(&d, "* NO\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_run(&d);
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);
}

static void test_tags_match_their_commands(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	assert_int_equal(dialogue_submit(&d, IMAP_COMMAND_PLAIN, "A"), 1);
	assert_int_equal(dialogue_submit(&d, IMAP_COMMAND_PLAIN, "B"), 2);
	assert_int_equal(imap_session_pending_count(d.session), 2);
	dialogue_expect_output(&d, "t1 A\r\nt2 B\r\n");
	dialogue_serve(&d, "t2 NO no\r\n* 3 EXISTS\r\nt1 OK\r\n");
	dialogue_expect_events(&d, "DONE 2 NO; RESPONSE EXISTS; DONE 1 OK");
	assert_int_equal(imap_session_pending_count(d.session), 0);
	/* Unknown, doubled and guessed tags pop nothing. */
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "C");
	dialogue_expect_output(&d, "t3 C\r\n");
	dialogue_serve(&d, "t1 OK again\r\nx9 BAD\r\nt4 OK guessed\r\n");
	dialogue_expect_events(&d, "");
	dialogue_serve(&d, "t3 BAD what\r\n");
	dialogue_expect_events(&d, "DONE 3 BAD");
	dialogue_close(&d);
}

/* CVE-2026-42246: a tag that was guessed is no success. */
static void test_an_ok_before_the_command_was_sent_is_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	const uint8_t *data;

	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	assert_int_equal(imap_session_output(d.session, &data), 9);
	imap_session_sent(d.session, 8);
	dialogue_serve(&d, "t1 OK\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);
}

static void test_a_refusal_before_the_end_is_told_at_the_end(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	const uint8_t *data;

	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	assert_int_equal(imap_session_output(d.session, &data), 9);
	imap_session_sent(d.session, 8);
	dialogue_serve(&d, "t1 BAD [LIMIT] too long\r\n* 1 EXISTS\r\n");
	dialogue_expect_events(&d, "RESPONSE EXISTS");
	imap_session_sent(d.session, 1);
	dialogue_run(&d);
	dialogue_expect_events(&d, "DONE 1 BAD");
	dialogue_close(&d);
}

static void test_the_pipeline_has_a_bound(void **state)
{
	struct imap_session_options options = { .is_secure = true,
		.pipeline_max = 2 };
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open(&d, &options);
	dialogue_serve(&d, "* OK\r\n");
	for (unsigned i = 0; i < 4; i++)
		dialogue_submit(&d, IMAP_COMMAND_PLAIN, "X");
	dialogue_expect_output(&d, "t1 X\r\nt2 X\r\n");
	dialogue_serve(&d, "t2 OK\r\n");
	dialogue_expect_output(&d, "t3 X\r\n");
	dialogue_serve(&d, "t1 OK\r\nt3 OK\r\n");
	dialogue_expect_output(&d, "t4 X\r\n");
	dialogue_close(&d);
}

static void test_a_stray_plus_is_ignored(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_serve(&d, "+ hello\r\n+\r\n");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 NOOP\r\n");
	dialogue_serve(&d, "+ hello\r\nt1 OK\r\n+ bye\r\n");
	dialogue_expect_events(&d, "DONE 1 OK");
	dialogue_close(&d);
}

static void test_idle_flows_until_done(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_submit(&d, IMAP_COMMAND_IDLE, "IDLE");
	dialogue_expect_output(&d, "t1 NOOP\r\nt2 IDLE\r\n");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "");
	/* Untagged data may come before the +. */
	dialogue_serve(&d,
		"t1 OK\r\n* 1 EXISTS\r\n"
		"+ IDLE accepted, awaiting DONE command.\r\n"
		"* 2 EXISTS\r\n+ stray\r\n* OK Still here\r\n");
	dialogue_expect_events(&d,
		"DONE 1 OK; RESPONSE EXISTS; IDLING 2; "
		"RESPONSE EXISTS; RESPONSE OK");
	dialogue_expect_output(&d, "");
	imap_session_idle_done(d.session);
	imap_session_idle_done(d.session);
	dialogue_expect_output(&d, "DONE\r\n");
	dialogue_serve(&d, "* 3 EXISTS\r\n+ stray\r\nt2 OK\r\n");
	dialogue_expect_events(&d, "RESPONSE EXISTS; DONE 2 OK");
	dialogue_expect_output(&d, "t3 NOOP\r\n");
	dialogue_close(&d);
}

static void test_idle_may_be_refused_or_ended_by_the_server(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_IDLE, "IDLE");
	dialogue_expect_output(&d, "t1 IDLE\r\n");
	imap_session_idle_done(d.session);
	dialogue_expect_output(&d, "");
	dialogue_serve(&d, "t1 NO not now\r\n+ late\r\n");
	dialogue_expect_events(&d, "DONE 1 NO");

	dialogue_submit(&d, IMAP_COMMAND_IDLE, "IDLE");
	dialogue_expect_output(&d, "t2 IDLE\r\n");
	dialogue_serve(&d, "+\r\nt2 OK enough\r\n");
	dialogue_expect_events(&d, "IDLING 2; DONE 2 OK");
	imap_session_idle_done(d.session);
	dialogue_expect_output(&d, "");
	dialogue_close(&d);
}

static void test_select_changes_the_state(void **state)
{
	static const struct {
		enum imap_command_kind kind;
		const char *answer;
		enum imap_session_state state;
	} STEPS[] = {
		{ IMAP_COMMAND_LOGIN, "NO", IMAP_SESSION_NOT_AUTHENTICATED },
		{ IMAP_COMMAND_LOGIN, "OK", IMAP_SESSION_AUTHENTICATED },
		{ IMAP_COMMAND_SELECT, "OK", IMAP_SESSION_SELECTED },
		{ IMAP_COMMAND_SELECT, "BAD", IMAP_SESSION_SELECTED },
		{ IMAP_COMMAND_SELECT, "NO", IMAP_SESSION_AUTHENTICATED },
		{ IMAP_COMMAND_SELECT, "OK", IMAP_SESSION_SELECTED },
		{ IMAP_COMMAND_UNSELECT, "NO", IMAP_SESSION_SELECTED },
		{ IMAP_COMMAND_UNSELECT, "OK", IMAP_SESSION_AUTHENTICATED },
		{ IMAP_COMMAND_PLAIN, "OK", IMAP_SESSION_AUTHENTICATED },
		{ IMAP_COMMAND_LOGOUT, "OK", IMAP_SESSION_LOGOUT },
	};
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(STEPS); i++) {
		char text[32];

		dialogue_submit(&d, STEPS[i].kind, "X");
		(void)snprintf(text, sizeof(text), "t%zu X\r\n", i + 1);
		dialogue_expect_output(&d, text);
		(void)snprintf(text, sizeof(text), "t%zu %s\r\n", i + 1,
			STEPS[i].answer);
		dialogue_serve(&d, text);
		assert_int_equal(imap_session_state(d.session), STEPS[i].state);
	}
	dialogue_close(&d);
}

static void test_after_bye_nothing_is_written(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_LOGIN, "LOGIN a b");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 LOGIN a b\r\n");
	dialogue_serve(&d, "* BYE wrong\r\nt1 OK but\r\n* BYE\r\n");
	dialogue_expect_events(&d, "RESPONSE BYE; DONE 1 OK; RESPONSE BYE");
	assert_int_equal(imap_session_state(d.session), IMAP_SESSION_LOGOUT);
	dialogue_expect_output(&d, "");
	dialogue_close(&d);
}

static void test_literals_of_bodies_are_handed_out(void **state)
{
	struct dialogue d = { .piece = 0 };

	(void)state;
	dialogue_open_greeted(&d, NULL);
	dialogue_serve(&d, "* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n* BLAH\r\n");
	dialogue_expect_events(&d, "LITERAL 3; RESPONSE FETCH");
	dialogue_close(&d);
}

static size_t WHOLE = 0;
static size_t SINGLE = 1;
static size_t THREES = 3;

#define EACH_PIECE(test)                                                       \
	cmocka_unit_test_prestate(test, &WHOLE),                               \
		cmocka_unit_test_prestate(test, &SINGLE),                      \
		cmocka_unit_test_prestate(test, &THREES)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_PIECE(test_greetings),
		EACH_PIECE(test_an_error_stays_an_error),
		EACH_PIECE(test_tags_match_their_commands),
		EACH_PIECE(test_an_ok_before_the_command_was_sent_is_an_error),
		EACH_PIECE(test_a_refusal_before_the_end_is_told_at_the_end),
		EACH_PIECE(test_the_pipeline_has_a_bound),
		EACH_PIECE(test_a_stray_plus_is_ignored),
		EACH_PIECE(test_idle_flows_until_done),
		EACH_PIECE(test_idle_may_be_refused_or_ended_by_the_server),
		EACH_PIECE(test_select_changes_the_state),
		EACH_PIECE(test_after_bye_nothing_is_written),
		EACH_PIECE(test_literals_of_bodies_are_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
