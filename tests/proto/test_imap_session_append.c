/* Literals and APPEND. Each dialogue runs with the server's bytes whole and
   piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "tests/proto/dialogue.h"

static void append_octets(struct dialogue *d, const char *text)
{
	(void)imap_session_append_data(
		d->session, (const uint8_t *)text, strlen(text));
}

static void submit_literal(struct dialogue *d)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "CREATE");

	imap_command_add_string(command, "a\nb", 3);
	imap_command_add_words(command, "END");
	dialogue_send(d, command);
}

static void test_nothing_passes_a_literal_that_waits(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	submit_literal(&d);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 CREATE {3}\r\n");
	dialogue_expect_output(&d, "");
	dialogue_serve(&d, "* 5 EXISTS\r\n+ go\r\n");
	dialogue_expect_events(&d, "RESPONSE EXISTS");
	dialogue_expect_output(&d, "a\nb END\r\nt2 NOOP\r\n");
	dialogue_close(&d);
}

static void test_a_refused_literal_is_never_written(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	submit_literal(&d);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 CREATE {3}\r\n");
	dialogue_serve(&d, "t1 NO [CANNOT] never\r\n+ too late\r\n");
	dialogue_expect_events(&d, "DONE 1 NO");
	dialogue_expect_output(&d, "t2 NOOP\r\n");
	dialogue_close(&d);
}

static void test_a_plus_after_a_refusal_releases_nothing(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	const uint8_t *data;

	dialogue_open_greeted(&d, NULL);
	submit_literal(&d);
	assert_int_equal(imap_session_output(d.session, &data), 15);
	imap_session_sent(d.session, 14);
	dialogue_serve(&d, "t1 BAD no\r\n");
	dialogue_expect_events(&d, "");
	imap_session_sent(d.session, 1);
	imap_session_receive(d.session, (const uint8_t *)"+ go\r\n", 6);
	dialogue_run(&d);
	dialogue_expect_events(&d, "DONE 1 BAD");
	dialogue_expect_output(&d, "");
	dialogue_close(&d);
}

static void test_an_ok_in_place_of_a_plus_is_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	submit_literal(&d);
	dialogue_expect_output(&d, "t1 CREATE {3}\r\n");
	dialogue_serve(&d, "t1 OK created\r\n");
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);
}

static void test_a_plus_before_its_literal_is_ignored(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	const uint8_t *data;

	dialogue_open_greeted(&d, NULL);
	submit_literal(&d);
	assert_int_equal(imap_session_output(d.session, &data), 15);
	imap_session_sent(d.session, 14);
	dialogue_serve(&d, "+ early\r\n");
	imap_session_sent(d.session, 1);
	dialogue_expect_output(&d, "");
	dialogue_serve(&d, "+ now\r\n");
	dialogue_expect_output(&d, "a\nb END\r\n");
	dialogue_close(&d);
}

static void test_small_literals_do_not_wait_where_offered(void **state)
{
	static const struct {
		const char *capabilities;
		uint64_t size;
		const char *output;
	} CASES[] = {
		{ "LITERAL+", 65536, "t1 APPEND INBOX {65536+}\r\n" },
		{ "LITERAL+", 65537, "t1 APPEND INBOX {65537}\r\n" },
		{ "LITERAL-", 4096, "t1 APPEND INBOX {4096+}\r\n" },
		{ "LITERAL-", 4097, "t1 APPEND INBOX {4097}\r\n" },
		{ "IMAP4rev2", 4096, "t1 APPEND INBOX {4096+}\r\n" },
		/* Two revisions: only what is listed counts. */
		{ "IMAP4rev1 IMAP4rev2", 1, "t1 APPEND INBOX {1}\r\n" },
		{ "X", 1, "t1 APPEND INBOX {1}\r\n" },
		{ "X", 18446744073709551615U,
			"t1 APPEND INBOX {18446744073709551615}\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct dialogue d = { .piece = *(size_t *)*state };
		bool is_due = strchr(CASES[i].output, '+') != NULL;

		dialogue_open_greeted(&d, CASES[i].capabilities);
		dialogue_append(&d, CASES[i].size);
		dialogue_run(&d);
		dialogue_expect_events(&d, is_due ? "WANTED 1" : "");
		dialogue_expect_output(&d, CASES[i].output);
		dialogue_close(&d);
	}
}

static void test_append_streams_its_literal(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_append(&d, 6);
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_expect_output(&d, "t1 APPEND INBOX {6}\r\n");
	assert_false(imap_session_wants_data(d.session));
	dialogue_serve(&d, "* 1 EXISTS\r\n+ go on\r\n");
	dialogue_expect_events(&d, "RESPONSE EXISTS; WANTED 1");
	assert_true(imap_session_wants_data(d.session));

	append_octets(&d, "abc");
	dialogue_run(&d);
	dialogue_expect_events(&d, "");
	dialogue_expect_output(&d, "abc");
	assert_true(imap_session_wants_data(d.session));
	assert_int_equal(imap_session_append_data(
				 d.session, (const uint8_t *)"d\r\n", 3),
		3 + 2 + 9);
	assert_false(imap_session_wants_data(d.session));
	dialogue_expect_output(&d, "d\r\n\r\nt2 NOOP\r\n");
	dialogue_serve(&d, "t1 OK [APPENDUID 1 2]\r\nt2 OK\r\n");
	dialogue_expect_events(&d, "DONE 1 OK; DONE 2 OK");
	dialogue_close(&d);
}

static void test_an_empty_literal_asks_for_nothing(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, NULL);
	dialogue_append(&d, 0);
	dialogue_expect_output(&d, "t1 APPEND INBOX {0}\r\n");
	dialogue_serve(&d, "+\r\n");
	dialogue_expect_output(&d, "\r\n");
	dialogue_serve(&d, "t1 OK\r\n");
	dialogue_expect_events(&d, "DONE 1 OK");
	dialogue_close(&d);
}

static struct imap_command *two_messages(void)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "APPEND");

	imap_command_add_string(command, "INBOX", 5);
	imap_command_add_words(command, "(\\Seen)");
	imap_command_add_stream(command, 3);
	imap_command_add_words(command, "(\\Draft)");
	imap_command_add_stream(command, 2);
	return command;
}

static void test_multiappend_asks_for_each_message(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "LITERAL+ MULTIAPPEND");
	dialogue_send(&d, two_messages());
	dialogue_run(&d);
	dialogue_expect_events(&d, "WANTED 1");
	append_octets(&d, "abc");
	dialogue_run(&d);
	dialogue_expect_events(&d, "WANTED 1");
	append_octets(&d, "de");
	dialogue_expect_output(&d,
		"t1 APPEND INBOX (\\Seen) {3+}\r\nabc "
		"(\\Draft) {2+}\r\nde\r\n");
	dialogue_serve(&d, "t1 OK\r\n");
	dialogue_expect_events(&d, "DONE 1 OK");
	dialogue_close(&d);
}

/* The literal under way is sent to its end, what follows it is not. */
static void test_a_refusal_within_a_literal_ends_the_command(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "LITERAL+ MULTIAPPEND");
	dialogue_send(&d, two_messages());
	dialogue_submit(&d, IMAP_COMMAND_PLAIN, "NOOP");
	dialogue_run(&d);
	dialogue_expect_events(&d, "WANTED 1");
	append_octets(&d, "a");
	dialogue_expect_output(&d, "t1 APPEND INBOX (\\Seen) {3+}\r\na");
	dialogue_serve(&d, "t1 NO [OVERQUOTA] full\r\n");
	dialogue_expect_events(&d, "");
	assert_true(imap_session_wants_data(d.session));
	append_octets(&d, "bc");
	assert_false(imap_session_wants_data(d.session));
	dialogue_expect_output(&d, "bc\r\nt2 NOOP\r\n");
	dialogue_run(&d);
	dialogue_expect_events(&d, "DONE 1 NO");
	dialogue_close(&d);
}

static void test_a_late_refusal_keeps_its_words(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };
	struct imap_event event;
	struct error error = { 0 };

	dialogue_open_greeted(&d, "LITERAL+");
	dialogue_append(&d, 2);
	dialogue_run(&d);
	dialogue_expect_output(&d, "t1 APPEND INBOX {2+}\r\n");
	dialogue_serve(&d, "t1 NO [OVERQUOTA] full up\r\n* 9 EXISTS\r\n");
	append_octets(&d, "ab");
	dialogue_expect_output(&d, "ab\r\n");
	assert_int_equal(
		imap_session_next(d.session, &event, &error), IMAP_EVENT_DONE);
	assert_int_equal(event.response->status.code.kind, IMAP_CODE_OVERQUOTA);
	assert_string_equal(event.response->status.code.name, "OVERQUOTA");
	assert_string_equal(event.response->status.text, "full up");
	assert_string_equal(event.response->tag, "t1");
	dialogue_close(&d);
}

static void test_more_octets_than_announced_are_an_error(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "LITERAL+");
	dialogue_append(&d, 2);
	dialogue_run(&d);
	dialogue_expect_events(&d, "WANTED 1");
	append_octets(&d, "abc");
	dialogue_expect_output(&d, "");
	dialogue_run(&d);
	dialogue_expect_events(&d, "ERROR protocol");
	dialogue_close(&d);
}

/* NO and then BYE: the reason must not be lost with the connection. */
static void test_a_refusal_is_told_when_the_connection_ends(void **state)
{
	struct dialogue d = { .piece = *(size_t *)*state };

	dialogue_open_greeted(&d, "LITERAL+");
	dialogue_append(&d, 2);
	dialogue_run(&d);
	dialogue_expect_output(&d, "t1 APPEND INBOX {2+}\r\n");
	dialogue_serve(&d, "t1 NO [TOOBIG] no\r\n* BYE\r\n");
	dialogue_expect_events(&d, "WANTED 1; RESPONSE BYE; DONE 1 NO");
	assert_false(imap_session_wants_data(d.session));
	append_octets(&d, "ab");
	dialogue_expect_output(&d, "");
	dialogue_close(&d);

	dialogue_open_greeted(&d, "LITERAL+");
	dialogue_append(&d, 2);
	dialogue_run(&d);
	dialogue_expect_output(&d, "t1 APPEND INBOX {2+}\r\n");
	dialogue_serve(&d, "t1 NO [TOOBIG] no\r\n");
	imap_session_closed(d.session);
	dialogue_run(&d);
	dialogue_expect_events(&d, "WANTED 1; DONE 1 NO");
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
		EACH_PIECE(test_nothing_passes_a_literal_that_waits),
		EACH_PIECE(test_a_refused_literal_is_never_written),
		EACH_PIECE(test_a_plus_after_a_refusal_releases_nothing),
		EACH_PIECE(test_an_ok_in_place_of_a_plus_is_an_error),
		EACH_PIECE(test_a_plus_before_its_literal_is_ignored),
		EACH_PIECE(test_small_literals_do_not_wait_where_offered),
		EACH_PIECE(test_append_streams_its_literal),
		EACH_PIECE(test_an_empty_literal_asks_for_nothing),
		EACH_PIECE(test_multiappend_asks_for_each_message),
		EACH_PIECE(test_a_refusal_within_a_literal_ends_the_command),
		EACH_PIECE(test_a_late_refusal_keeps_its_words),
		EACH_PIECE(test_more_octets_than_announced_are_an_error),
		EACH_PIECE(test_a_refusal_is_told_when_the_connection_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
