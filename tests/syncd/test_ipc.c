#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/ipc.h"

struct ends {
	struct ipc *ipc;
	int fd; /* the other end, raw */
};

static struct ends open_ends(void)
{
	struct ends ends;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ends.ipc = ipc_new(pair[0]);
	ends.fd = pair[1];
	return ends;
}

static void close_ends(struct ends *ends)
{
	ipc_free(ends->ipc);
	if (ends->fd != -1)
		close(ends->fd);
}

static void put(const struct ends *ends, const char *text, size_t size)
{
	assert_int_equal(write(ends->fd, text, size), size);
}

static void expect_number(struct ends *ends, int number)
{
	struct error error = { 0 };
	json_t *message = NULL;

	assert_int_equal(ipc_receive(ends->ipc, &message, &error), IPC_MESSAGE);
	assert_int_equal(
		json_integer_value(json_object_get(message, "n")), number);
	json_decref(message);
}

static void expect_result(struct ends *ends, enum ipc_result expected)
{
	struct error error = { 0 };
	json_t *message = NULL;

	assert_int_equal(ipc_receive(ends->ipc, &message, &error), expected);
	assert_null(message);
	assert_int_equal(error.code != ERROR_NONE, expected == IPC_ERROR);
}

static void test_messages_arrive_whole_however_they_are_split(void **state)
{
	static const char TEXT[] = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n";
	size_t size = sizeof(TEXT) - 1;

	(void)state;
	for (size_t split = 0; split <= size; split++) {
		struct ends ends = open_ends();
		int next = 1;

		if (split > 0)
			put(&ends, TEXT, split);
		for (; next <= (int)(split / 8); next++)
			expect_number(&ends, next);
		expect_result(&ends, IPC_NONE);
		if (split < size)
			put(&ends, TEXT + split, size - split);
		for (; next <= 3; next++)
			expect_number(&ends, next);
		expect_result(&ends, IPC_NONE);
		close_ends(&ends);
	}
}

static void test_the_end_comes_behind_the_last_message(void **state)
{
	struct ends ends = open_ends();

	(void)state;
	put(&ends, "{\"n\":7}\n{\"n\"", 12);
	close(ends.fd);
	ends.fd = -1;
	expect_number(&ends, 7);
	expect_result(&ends, IPC_CLOSED);
	close_ends(&ends);
}

static void test_garbage_is_an_error(void **state)
{
	static const char *const LINES[] = { "garbage\n", "\n", "[1]\n", "7\n",
		"{\"n\":1} x\n", "{\"n\":1,\"n\":2}\n", "{\"n\":\"\xff\"}\n",
		"{\"n\":\"\\u0000\"}\n", "null\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(LINES); i++) {
		struct ends ends = open_ends();

		put(&ends, LINES[i], strlen(LINES[i]));
		expect_result(&ends, IPC_ERROR);
		close_ends(&ends);
	}
}

static void test_errors_quote_nothing(void **state)
{
	static const char LINE[] = "{\"text\": canary}\n";
	struct ends ends = open_ends();
	struct error error = { 0 };
	json_t *message = NULL;

	(void)state;
	put(&ends, LINE, sizeof(LINE) - 1);
	assert_int_equal(ipc_receive(ends.ipc, &message, &error), IPC_ERROR);
	assert_null(strstr(error.message, "canary"));
	close_ends(&ends);
}

/* The other side is read while it is written to: neither can wait. */
static enum ipc_result feed(struct ends *ends, size_t size)
{
	struct error error = { 0 };
	enum ipc_result result = IPC_NONE;
	char piece[4096];
	json_t *message;

	memset(piece, 'x', sizeof(piece));
	while (size > 0 && result == IPC_NONE) {
		size_t now = size < sizeof(piece) ? size : sizeof(piece);

		put(ends, piece, now);
		size -= now;
		result = ipc_receive(ends->ipc, &message, &error);
	}
	if (result == IPC_ERROR)
		assert_int_equal(error.code, ERROR_LIMIT);
	return result;
}

static void test_a_line_without_end_is_refused(void **state)
{
	struct ends ends = open_ends();

	(void)state;
	assert_int_equal(feed(&ends, IPC_LINE_MAX + 65536), IPC_ERROR);
	close_ends(&ends);
}

static void test_a_message_too_long_is_not_sent(void **state)
{
	struct ends ends = open_ends();
	char *text = alloc(IPC_LINE_MAX + 1, 1);

	(void)state;
	memset(text, 'x', IPC_LINE_MAX);
	assert_false(ipc_send(
		ends.ipc, json_pack("{s:s}", "text", (const char *)text)));
	assert_true(ipc_send(ends.ipc, json_pack("{s:i}", "n", 1)));
	free(text);
	close_ends(&ends);
}

static void test_what_the_socket_does_not_take_waits(void **state)
{
	struct ends ends = open_ends();
	struct ipc *other = ipc_new(ends.fd);
	struct error error = { 0 };
	int sent = 0, received = 0;
	json_t *message;

	(void)state;
	ends.fd = -1;
	while (!ipc_wants_write(ends.ipc))
		assert_true(
			ipc_send(ends.ipc, json_pack("{s:i}", "n", sent++)));
	while (received < sent) {
		(void)ipc_flush(ends.ipc);
		while (ipc_receive(other, &message, &error) == IPC_MESSAGE) {
			assert_int_equal(json_integer_value(
						 json_object_get(message, "n")),
				received++);
			json_decref(message);
		}
	}
	assert_true(ipc_flush(ends.ipc));
	assert_false(ipc_wants_write(ends.ipc));
	ipc_free(other);
	close_ends(&ends);
}

/* {"t":"…"} and the end of the line: so many octets. */
static bool send_sized(struct ipc *ipc, size_t size)
{
	const size_t around = strlen("{\"t\":\"\"}\n");
	char *text = alloc(size - around + 1, 1);
	bool is_sent;

	memset(text, 'x', size - around);
	is_sent = ipc_send(ipc, json_pack("{s:s}", "t", text));
	free(text);
	return is_sent;
}

static void test_so_much_waits_and_no_more(void **state)
{
	struct ends ends = open_ends();
	const size_t piece = IPC_LINE_MAX / 2;
	size_t left = IPC_QUEUE_MAX;
	int taken = 0;

	(void)state;
	assert_true(send_sized(ends.ipc, piece));
	assert_int_equal(ioctl(ends.fd, FIONREAD, &taken), 0);
	left -= piece - (size_t)taken;
	for (; left > 2 * piece; left -= piece)
		assert_true(send_sized(ends.ipc, piece));
	assert_true(send_sized(ends.ipc, left / 2));
	assert_true(send_sized(ends.ipc, left - left / 2));
	assert_true(ipc_wants_write(ends.ipc));
	assert_false(send_sized(ends.ipc, 16));
	/* Who does not read so much is gone. */
	assert_false(ipc_send(ends.ipc, json_pack("{s:i}", "n", 1)));
	close_ends(&ends);
}

static void test_sending_to_nobody_fails_without_a_signal(void **state)
{
	struct ends ends = open_ends();

	(void)state;
	close(ends.fd);
	ends.fd = -1;
	assert_false(ipc_send(ends.ipc, json_pack("{s:i}", "n", 1)));
	assert_false(ipc_wants_write(ends.ipc));
	close_ends(&ends);
}

static void test_text_is_text_or_nothing(void **state)
{
	json_t *message = json_pack("{s:s, s:i}", "a", "word", "b", 1);

	(void)state;
	assert_string_equal(ipc_text(message, "a"), "word");
	assert_null(ipc_text(message, "b"));
	assert_null(ipc_text(message, "c"));
	assert_null(ipc_text(NULL, "a"));
	json_decref(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_messages_arrive_whole_however_they_are_split),
		cmocka_unit_test(test_the_end_comes_behind_the_last_message),
		cmocka_unit_test(test_garbage_is_an_error),
		cmocka_unit_test(test_errors_quote_nothing),
		cmocka_unit_test(test_a_line_without_end_is_refused),
		cmocka_unit_test(test_a_message_too_long_is_not_sent),
		cmocka_unit_test(test_what_the_socket_does_not_take_waits),
		cmocka_unit_test(test_so_much_waits_and_no_more),
		cmocka_unit_test(test_sending_to_nobody_fails_without_a_signal),
		cmocka_unit_test(test_text_is_text_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
