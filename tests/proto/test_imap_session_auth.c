/* Getting in: capabilities, LOGIN, AUTHENTICATE, ENABLE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "tests/proto/dialogue.h"

static void answer(struct dialogue *d, const char *text)
{
	imap_session_answer(d->session, (const uint8_t *)text, strlen(text));
}

static void test_capabilities_come_from_three_places(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	assert_false(imap_session_knows_capabilities(d.session));
	assert_string_equal(imap_session_capabilities(d.session), "");
	dialogue_close(&d);

	dialogue_open_greeted(&d,
		"imap4rev1 Idle auth=plain X-New APPENDLIMIT=9 "
		"MessageLimit=77 MESSAGELIMITS=5 MESSAGELIMIT=x");
	assert_true(imap_session_knows_capabilities(d.session));
	assert_true(imap_session_has(d.session, IMAP_CAP_IDLE));
	assert_true(imap_session_has(d.session, IMAP_CAP_APPENDLIMIT));
	assert_false(imap_session_has(d.session, IMAP_CAP_MOVE));
	assert_true(imap_session_has_auth(d.session, "PLAIN"));
	assert_false(imap_session_has_auth(d.session, "LOGIN"));
	assert_true(imap_session_append_limit(d.session) == 9);
	assert_true(imap_session_message_limit(d.session) == 77);
	assert_string_equal(imap_session_capabilities(d.session),
		"IMAP4REV1 IDLE AUTH=PLAIN X-NEW APPENDLIMIT=9 "
		"MESSAGELIMIT=77 MESSAGELIMITS=5 MESSAGELIMIT=X");

	dialogue_submit(&d, IMAP_COMMAND_CAPABILITY, "CAPABILITY");
	dialogue_expect_output(&d, "t1 CAPABILITY\r\n");
	dialogue_serve(&d, "* CAPABILITY IMAP4rev1 MOVE\r\nt1 OK\r\n");
	dialogue_expect_events(&d, "RESPONSE CAPABILITY; DONE 1 OK");
	assert_true(imap_session_has(d.session, IMAP_CAP_MOVE));
	assert_false(imap_session_has(d.session, IMAP_CAP_IDLE));
	assert_true(imap_session_append_limit(d.session) == 0);
	assert_true(imap_session_message_limit(d.session) == 0);

	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t2 NOOP\r\n");
	dialogue_serve(&d, "t2 OK [CAPABILITY IMAP4rev1 QRESYNC] done\r\n");
	assert_true(imap_session_has(d.session, IMAP_CAP_QRESYNC));
	assert_true(imap_session_has(d.session, IMAP_CAP_CONDSTORE));
	dialogue_close(&d);
}

static void test_login_voids_capabilities(void **state)
{
	static const struct {
		const char *answer;
		const char *capabilities;
	} CASES[] = {
		{ "t1 OK in\r\n", "" },
		{ "t1 NO wrong\r\n", "OLD" },
		{ "t1 OK [CAPABILITY NEW] in\r\n", "NEW" },
		{ "* CAPABILITY NEW\r\nt1 OK in\r\n", "NEW" },
		{ "* OK [CAPABILITY NEW] x\r\nt1 OK in\r\n", "NEW" },
		{ "* CAPABILITY NEW\r\nt1 OK [CAPABILITY NEWER] in\r\n",
			"NEWER" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct dialogue d = { .piece = *(size_t *)*state };

		dialogue_open_greeted(&d, "OLD");
		dialogue_serve(&d, "* CAPABILITY OLD\r\n");
		dialogue_submit(&d, IMAP_COMMAND_LOGIN, "LOGIN a b");
		dialogue_expect_output(&d, "t1 LOGIN a b\r\n");
		dialogue_serve(&d, CASES[i].answer);
		assert_string_equal(imap_session_capabilities(d.session),
			CASES[i].capabilities);
		assert_true(imap_session_knows_capabilities(d.session) ==
			(CASES[i].capabilities[0] != '\0'));
		dialogue_close(&d);
	}
}

static void test_disabled_words_are_as_if_absent(void **state)
{
	static const char *const DISABLE[] = { "condstore", "COMPRESS",
		"AUTH=PLAIN", "LITERAL+", "APPENDLIMIT" };
	struct imap_session_options options = {
		.is_secure = true,
		.disable = DISABLE,
		.disable_count = ARRAY_LENGTH(DISABLE),
	};
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open(&d, &options);
	dialogue_serve(&d,
		"* OK [CAPABILITY CONDSTORE QRESYNC COMPRESS=DEFLATE "
		"AUTH=PLAIN AUTH=LOGIN LITERAL+ IDLE ENABLE APPENDLIMIT=5] "
		"hi\r\n"
		"* ENABLED QRESYNC CONDSTORE\r\n");
	assert_string_equal(
		imap_session_capabilities(d.session), "AUTH=LOGIN IDLE ENABLE");
	assert_false(imap_session_has(d.session, IMAP_CAP_QRESYNC));
	assert_false(imap_session_has(d.session, IMAP_CAP_CONDSTORE));
	assert_false(imap_session_has(d.session, IMAP_CAP_COMPRESS_DEFLATE));
	assert_false(imap_session_has_auth(d.session, "PLAIN"));
	assert_true(imap_session_append_limit(d.session) == 0);
	assert_false(imap_session_is_enabled(d.session, IMAP_CAP_QRESYNC));
	dialogue_close(&d);
}

static void test_too_many_capabilities_are_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct buf line = { 0 };

	dialogue_open_greeted(&d, NULL);
	buf_add_text(&line, "* CAPABILITY");
	for (unsigned i = 0; i < 201; i++)
		buf_add_text(&line, " X");
	buf_add_text(&line, "\r\n");
	dialogue_serve(&d, buf_text(&line));
	dialogue_expect_events(&d, "ERROR limit");
	dialogue_close(&d);

	dialogue_open_greeted(&d, NULL);
	buf_clear(&line);
	buf_add_text(&line, "* CAPABILITY ");
	for (unsigned i = 0; i < 4096; i++)
		buf_add_byte(&line, 'X');
	buf_add_text(&line, "\r\n");
	dialogue_serve(&d, buf_text(&line));
	dialogue_expect_events(&d, "ERROR limit");
	dialogue_close(&d);
	buf_finish(&line);
}

static void test_login_goes_alone(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct imap_command *login =
		imap_command_new(IMAP_COMMAND_LOGIN, "LOGIN");

	imap_command_add_string(login, "me@x", 4);
	imap_command_add_secret(login, "p\"w\xc3\xa9", 5);
	dialogue_open_greeted(&d, NULL);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_send(&d, login);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 NOOP\r\n");
	dialogue_serve(&d, "t1 OK\r\n");
	dialogue_expect_output(&d, "t2 LOGIN me@x {5}\r\n");
	dialogue_serve(&d, "+\r\n");
	dialogue_expect_output(&d, "p\"w\xc3\xa9\r\n");
	dialogue_expect_output(&d, "");
	dialogue_serve(&d, "t2 OK\r\n");
	dialogue_expect_output(&d, "t3 NOOP\r\n");
	dialogue_close(&d);
}

static void send_authenticate(struct dialogue *d, const char *initial)
{
	struct imap_command *command = imap_command_new(
		IMAP_COMMAND_AUTHENTICATE, "AUTHENTICATE PLAIN");

	if (initial != NULL)
		imap_command_set_initial_response(
			command, initial, strlen(initial));
	dialogue_send(d, command);
}

static void test_authenticate_with_an_initial_response(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "SASL-IR");
	send_authenticate(&d, "secret");
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN c2VjcmV0\r\n");
	dialogue_serve(&d, "t1 OK [CAPABILITY X] in\r\n");
	dialogue_expect_events(&d, "DONE 1 OK");
	dialogue_expect_output(&d, "t2 NOOP\r\n");
	assert_int_equal(
		imap_session_state(d.session), IMAP_SESSION_AUTHENTICATED);
	dialogue_close(&d);

	/* An empty one is '=' on the line. */
	dialogue_open_greeted(&d, "SASL-IR");
	send_authenticate(&d, "");
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN =\r\n");
	dialogue_close(&d);

	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, "secret");
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+ \r\n");
	dialogue_expect_events(&d, "");
	dialogue_expect_output(&d, "c2VjcmV0\r\n");
	dialogue_serve(&d, "t1 OK in\r\n");
	dialogue_expect_events(&d, "DONE 1 OK");
	dialogue_close(&d);
}

static void test_a_long_initial_response_leaves_the_line(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct buf token = { 0 };
	const uint8_t *data;

	for (unsigned i = 0; i < 6000; i++)
		buf_add_byte(&token, 'x');
	dialogue_open_greeted(&d, "SASL-IR");
	send_authenticate(&d, buf_text(&token));
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+\r\n");
	assert_int_equal(imap_session_output(d.session, &data), 8002);
	dialogue_close(&d);
	buf_finish(&token);
}

static void test_challenges_are_decoded_and_answered(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "SASL-IR");
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "* 1 EXISTS\r\n+ VXNlcm5hbWU6\r\n");
	dialogue_expect_events(&d, "RESPONSE EXISTS; CHALLENGE 1 'Username:'");
	answer(&d, "me");
	answer(&d, "twice");
	dialogue_expect_output(&d, "bWU=\r\n");
	/* The JSON of a refused token, answered with nothing. */
	dialogue_serve(&d, "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n");
	dialogue_expect_events(&d, "CHALLENGE 1 '{\"status\":\"401\"}'");
	answer(&d, "");
	dialogue_expect_output(&d, "\r\n");
	dialogue_serve(&d, "t1 NO [AUTHENTICATIONFAILED] no\r\n");
	dialogue_expect_events(&d, "DONE 1 NO");
	answer(&d, "late");
	imap_session_cancel_authentication(d.session);
	dialogue_expect_output(&d, "");
	assert_int_equal(
		imap_session_state(d.session), IMAP_SESSION_NOT_AUTHENTICATED);
	dialogue_close(&d);
}

static void test_an_exchange_can_be_given_up(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+ \r\n");
	dialogue_expect_events(&d, "CHALLENGE 1 ''");
	imap_session_cancel_authentication(d.session);
	dialogue_expect_output(&d, "*\r\n");
	dialogue_serve(&d, "t1 BAD cancelled\r\n");
	dialogue_expect_events(&d, "DONE 1 BAD");
	dialogue_close(&d);
}

static void test_bad_challenges_are_errors(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct buf line = { 0 };

	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+ not base64!\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);

	buf_add_text(&line, "+ ");
	for (unsigned i = 0; i < 4097; i++)
		buf_add_text(&line, "AAAA");
	buf_add_text(&line, "\r\n");
	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, buf_text(&line));
	dialogue_expect_events(&d, "ERROR limit");
	dialogue_close(&d);
	buf_finish(&line);
}

/* A server that says OK without having been told anything knows nothing. */
static void test_an_ok_in_place_of_our_answer_is_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, "secret");
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "t1 OK in\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);

	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+ \r\nt1 OK in\r\n");
	dialogue_expect_events(&d, "CHALLENGE 1 ''; ERROR protocol");
	dialogue_close(&d);

	/* Answered, but not yet sent. */
	dialogue_open_greeted(&d, NULL);
	send_authenticate(&d, NULL);
	dialogue_expect_output(&d, "t1 AUTHENTICATE PLAIN\r\n");
	dialogue_serve(&d, "+ \r\n");
	answer(&d, "secret");
	dialogue_serve(&d, "t1 OK in\r\n");
	dialogue_expect_events(&d, "CHALLENGE 1 ''; ERROR protocol");
	dialogue_close(&d);
}

static void test_only_what_was_enabled_is_enabled(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "ENABLE QRESYNC CONDSTORE");
	dialogue_submit(&d, IMAP_COMMAND_ENABLE, "ENABLE QRESYNC");
	dialogue_expect_output(&d, "t1 ENABLE QRESYNC\r\n");
	/* iCloud: OK and no ENABLED. */
	dialogue_serve(&d, "t1 OK\r\n");
	assert_false(imap_session_is_enabled(d.session, IMAP_CAP_QRESYNC));
	dialogue_serve(&d, "* ENABLED\r\n");
	assert_false(imap_session_is_enabled(d.session, IMAP_CAP_QRESYNC));
	dialogue_serve(&d, "* ENABLED qresync X\r\n");
	assert_true(imap_session_is_enabled(d.session, IMAP_CAP_QRESYNC));
	assert_true(imap_session_is_enabled(d.session, IMAP_CAP_CONDSTORE));
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
		EACH_PIECE(test_capabilities_come_from_three_places),
		EACH_PIECE(test_login_voids_capabilities),
		EACH_PIECE(test_disabled_words_are_as_if_absent),
		EACH_PIECE(test_too_many_capabilities_are_an_error),
		EACH_PIECE(test_login_goes_alone),
		EACH_PIECE(test_authenticate_with_an_initial_response),
		EACH_PIECE(test_a_long_initial_response_leaves_the_line),
		EACH_PIECE(test_challenges_are_decoded_and_answered),
		EACH_PIECE(test_an_exchange_can_be_given_up),
		EACH_PIECE(test_bad_challenges_are_errors),
		EACH_PIECE(test_an_ok_in_place_of_our_answer_is_an_error),
		EACH_PIECE(test_only_what_was_enabled_is_enabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
