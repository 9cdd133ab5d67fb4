/* Where the stream changes its form: STARTTLS and COMPRESS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "tests/proto/dialogue.h"

static void open_plain(struct dialogue *d)
{
	struct imap_session_options options = { .is_secure = false };

	dialogue_open(d, &options);
	dialogue_serve(d, "* OK [CAPABILITY STARTTLS EVIL] hi\r\n");
	dialogue_expect_events(d, "GREETING OK");
}

static void test_starttls_forgets_what_was_said_before(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	open_plain(&d);
	dialogue_submit(&d, IMAP_COMMAND_CAPABILITY, "CAPABILITY");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "ID NIL");
	dialogue_submit(&d, IMAP_COMMAND_STARTTLS, "STARTTLS");
	dialogue_expect_output(&d, "t1 CAPABILITY\r\nt2 ID NIL\r\n");
	dialogue_serve(&d,
		"* CAPABILITY STARTTLS EVIL\r\n* ID NIL\r\n"
		"t1 OK\r\nt2 OK\r\n");
	dialogue_expect_events(&d, "RESPONSE CAPABILITY; DONE 1 OK; DONE 2 OK");
	dialogue_expect_output(&d, "t3 STARTTLS\r\n");
	dialogue_serve(&d, "* ENABLED QRESYNC\r\nt3 OK [CAPABILITY X] go\r\n");
	dialogue_expect_events(&d, "DONE 3 OK");

	assert_true(imap_session_tls_started(d.session, &d.error));
	assert_false(imap_session_knows_capabilities(d.session));
	assert_string_equal(imap_session_capabilities(d.session), "");
	assert_false(imap_session_is_enabled(d.session, IMAP_CAP_QRESYNC));
	dialogue_submit(&d, IMAP_COMMAND_LOGIN, "LOGIN a b");
	dialogue_expect_output(&d, "t4 LOGIN a b\r\n");
	dialogue_serve(&d, "t4 OK\r\n");
	dialogue_expect_events(&d, "DONE 4 OK");
	dialogue_close(&d);
}

static void test_before_tls_only_status_lines_are_heard(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	open_plain(&d);
	dialogue_serve(&d,
		"* LIST () \"/\" x\r\n* 1 EXISTS\r\n* FLAGS (a)\r\n"
		"* SEARCH 1\r\n* ENABLED QRESYNC\r\n"
		"* 1 FETCH (UID 1 BODY[] {2}\r\nab)\r\n"
		"* PREAUTH now\r\n* VANISHED 1\r\n"
		"* STATUS x (MESSAGES 1)\r\n* OK still\r\n"
		"* NO hm\r\n* BAD hm\r\n");
	dialogue_expect_events(&d, "RESPONSE OK; RESPONSE NO; RESPONSE BAD");
	assert_int_equal(
		imap_session_state(d.session), IMAP_SESSION_NOT_AUTHENTICATED);
	dialogue_close(&d);
}

static void test_before_tls_nothing_else_is_said(void **state)
{
	static const struct {
		enum imap_command_kind kind;
		const char *words;
	} CASES[] = {
		{ IMAP_COMMAND_LOGIN, "LOGIN a b" },
		{ IMAP_COMMAND_AUTHENTICATE, "AUTHENTICATE PLAIN" },
		{ IMAP_COMMAND_PLAIN, "LIST \"\" *" },
		{ IMAP_COMMAND_PLAIN, "IDENTIFY" },
		{ IMAP_COMMAND_SELECT, "SELECT INBOX" },
		{ IMAP_COMMAND_COMPRESS, "COMPRESS DEFLATE" },
		{ IMAP_COMMAND_ENABLE, "ENABLE X" },
		{ IMAP_COMMAND_IDLE, "IDLE" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct dialogue d = { .piece = *(size_t *)*state };

		open_plain(&d);
		dialogue_submit(&d, CASES[i].kind, CASES[i].words);
		dialogue_expect_output(&d, "");
		dialogue_run(&d);
		dialogue_expect_events(&d, "ERROR protocol");
		dialogue_expect_output(&d, "");
		dialogue_close(&d);
	}
}

static void test_preauth_before_tls_is_an_error(void **state)
{
	struct imap_session_options options = { .is_secure = false };
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open(&d, &options);
	dialogue_serve(&d, "* PREAUTH welcome\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);
}

/* CVE-2021-22947 and its like: what follows the OK in plaintext would be taken
   for the server's word under TLS. */
static void test_data_behind_the_starttls_ok_is_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	open_plain(&d);
	dialogue_submit(&d, IMAP_COMMAND_STARTTLS, "STARTTLS");
	dialogue_expect_output(&d, "t1 STARTTLS\r\n");
	dialogue_serve(&d, "t1 OK go\r\n* PREAUTH x\r\n");
	dialogue_expect_events(&d,
		d.piece == 0 ? "ERROR protocol" : "DONE 1 OK; ERROR protocol");
	assert_false(imap_session_tls_started(d.session, &d.error));
	assert_int_equal(d.error.code, ERROR_PROTOCOL);
	dialogue_close(&d);
}

static void test_a_refused_starttls_changes_nothing(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	open_plain(&d);
	dialogue_submit(&d, IMAP_COMMAND_STARTTLS, "STARTTLS");
	dialogue_expect_output(&d, "t1 STARTTLS\r\n");
	dialogue_serve(&d, "t1 NO never\r\n");
	dialogue_expect_events(&d, "DONE 1 NO");
	assert_false(imap_session_tls_started(d.session, &d.error));
	dialogue_close(&d);
}

static void test_compress_hands_over_what_follows(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	const uint8_t *data;
	static const char ANSWER[] = "t2 OK deflating\r\n\x01\x02\x03";
	struct imap_event event;
	struct error error = { 0 };

	dialogue_open_greeted(&d, "COMPRESS=DEFLATE");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_submit(&d, IMAP_COMMAND_COMPRESS, "COMPRESS DEFLATE");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 NOOP\r\nt2 COMPRESS DEFLATE\r\n");
	dialogue_serve(&d, "t1 OK\r\n");
	imap_session_receive(
		d.session, (const uint8_t *)ANSWER, sizeof(ANSWER) - 1);
	assert_int_equal(
		imap_session_next(d.session, &event, &error), IMAP_EVENT_DONE);
	assert_int_equal(
		imap_session_next(d.session, &event, &error), IMAP_EVENT_NONE);
	dialogue_expect_output(&d, "");
	assert_int_equal(imap_session_take_pending(d.session, &data), 3);
	assert_memory_equal(data, "\x01\x02\x03", 3);
	assert_int_equal(imap_session_take_pending(d.session, &data), 0);
	assert_true(imap_session_has(d.session, IMAP_CAP_COMPRESS_DEFLATE));
	dialogue_expect_output(&d, "t3 NOOP\r\n");
	dialogue_serve(&d, "t3 OK\r\n");
	dialogue_expect_events(&d, "DONE 1 OK; DONE 3 OK");
	dialogue_close(&d);
}

static size_t WHOLE = 0;
static size_t SINGLE = 1;

#define EACH_PIECE(test)                                                       \
	cmocka_unit_test_prestate(test, &WHOLE),                               \
		cmocka_unit_test_prestate(test, &SINGLE)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH_PIECE(test_starttls_forgets_what_was_said_before),
		EACH_PIECE(test_before_tls_only_status_lines_are_heard),
		EACH_PIECE(test_before_tls_nothing_else_is_said),
		EACH_PIECE(test_preauth_before_tls_is_an_error),
		EACH_PIECE(test_data_behind_the_starttls_ok_is_an_error),
		EACH_PIECE(test_a_refused_starttls_changes_nothing),
		EACH_PIECE(test_compress_hands_over_what_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
