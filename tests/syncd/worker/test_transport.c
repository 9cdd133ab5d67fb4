#define _GNU_SOURCE
#include "syncd/worker/transport.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"
#include "tests/syncd/worker/peer.h"

struct fixture {
	struct loop *loop;
	struct peer peer;
	struct transport *transport;
	unsigned call_count;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ .loop = loop_new(NULL) };
	assert_non_null(fixture.loop);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	transport_close(fixture->transport);
	if (fixture->peer.serve != NULL)
		peer_finish(&fixture->peer);
	loop_free(fixture->loop);
	return 0;
}

static void connect_to(struct fixture *fixture,
	void (*serve)(int fd, void *data), const char *words)
{
	static char text[100];
	struct transport_options options = {
		.host = "127.0.0.1",
		.tls = TRANSPORT_TLS_OFF,
	};

	(void)strncpy(text, words, sizeof(text) - 1);
	peer_init(&fixture->peer, serve, text);
	options.port = fixture->peer.port;
	fixture->transport = transport_open(fixture->loop, &options, NULL);
	assert_non_null(fixture->transport);
	assert_true(transport_connect(fixture->transport, NULL));
}

static void run_tunnel(struct fixture *fixture, const char *command)
{
	struct transport_options options = {
		.tunnel = command,
		.tls = TRANSPORT_TLS_OFF,
	};

	fixture->transport = transport_open(fixture->loop, &options, NULL);
	assert_non_null(fixture->transport);
	assert_true(transport_connect(fixture->transport, NULL));
}

/* Reads, waiting as needed, until `size` bytes came or something else. */
static enum transport_result read_until(struct transport *transport,
	uint8_t *data, size_t size, struct error *error)
{
	while (size > 0) {
		size_t got;
		enum transport_result result =
			transport_read(transport, data, size, &got, error);

		if (result == TRANSPORT_AGAIN) {
			assert_int_equal(transport_wait(transport,
						 TRANSPORT_READ, 5000, NULL),
				TRANSPORT_READY);
			continue;
		}
		if (result != TRANSPORT_DATA)
			return result;
		data += got;
		size -= got;
	}
	return TRANSPORT_DATA;
}

static void expect(struct transport *transport, const char *text)
{
	uint8_t data[100] = { 0 };

	assert_int_equal(read_until(transport, data, strlen(text), NULL),
		TRANSPORT_DATA);
	assert_string_equal((char *)data, text);
}

/* Sends and receives at once, as an echo needs it. */
static void exchange(struct transport *transport, const uint8_t *data,
	size_t size, uint8_t *back)
{
	size_t sent = 0, received = 0;

	while (received < size) {
		size_t moved;
		unsigned wanted = TRANSPORT_READ;
		enum transport_result result;

		if (sent < size) {
			result = transport_write(transport, data + sent,
				size - sent, &moved, NULL);
			assert_in_range(
				result, TRANSPORT_DATA, TRANSPORT_AGAIN);
			if (result == TRANSPORT_DATA)
				sent += moved;
			wanted |= TRANSPORT_WRITE;
		}
		result = transport_read(transport, back + received,
			size - received, &moved, NULL);
		assert_in_range(result, TRANSPORT_DATA, TRANSPORT_AGAIN);
		if (result == TRANSPORT_DATA)
			received += moved;
		else
			assert_int_equal(
				transport_wait(transport, wanted, 5000, NULL),
				TRANSPORT_READY);
	}
}

static void exchange_much(struct transport *transport)
{
	size_t size = 3 << 20;
	uint8_t *data = malloc(size);
	uint8_t *back = malloc(size);

	assert_true(data != NULL && back != NULL);
	srand(5);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(rand() % 50);
	exchange(transport, data, size, back);
	assert_memory_equal(data, back, size);
	free(data);
	free(back);
}

/* ---- TCP ---- */

static void test_an_echo_comes_back_whole(void **state)
{
	struct fixture *fixture = *state;

	connect_to(fixture, peer_echo, "");
	exchange_much(fixture->transport);
	assert_int_equal(transport_bytes_in(fixture->transport), 3 << 20);
	assert_int_equal(transport_bytes_out(fixture->transport), 3 << 20);
	assert_false(transport_is_encrypted(fixture->transport));
	assert_true(transport_is_local(fixture->transport));
	assert_string_equal(
		transport_security(fixture->transport), "plaintext");
	assert_non_null(
		strstr(transport_peer(fixture->transport), "127.0.0.1:"));
}

static void test_a_half_closed_peer_is_closed_after_its_last_words(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	connect_to(fixture, peer_say_and_end, "* BYE\r\n");
	expect(fixture->transport, "* BYE\r\n");
	assert_int_equal(read_until(fixture->transport, &byte, 1, NULL),
		TRANSPORT_CLOSED);
}

static void test_a_reset_is_an_error_that_stays(void **state)
{
	struct fixture *fixture = *state;
	struct error error = { 0 };
	size_t moved;
	uint8_t byte;

	connect_to(fixture, peer_reset, "");
	assert_int_equal(
		transport_write(fixture->transport, "x", 1, &moved, NULL),
		TRANSPORT_DATA);
	assert_int_equal(read_until(fixture->transport, &byte, 1, &error),
		TRANSPORT_ERROR);
	assert_int_equal(error.code, ERROR_DISCONNECTED);
	error_clear(&error);
	assert_int_equal(transport_wait(fixture->transport,
				 TRANSPORT_READ | TRANSPORT_WRITE, 5000, NULL),
		TRANSPORT_READY);
	assert_int_equal(
		transport_write(fixture->transport, "x", 1, &moved, &error),
		TRANSPORT_ERROR);
	assert_int_equal(error.code, ERROR_DISCONNECTED);
}

static void test_writing_to_a_closed_peer_raises_no_signal(void **state)
{
	struct fixture *fixture = *state;
	enum transport_result result = TRANSPORT_DATA;
	size_t moved;

	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	connect_to(fixture, peer_reset, "");
	for (int i = 0; i < 1000 && result != TRANSPORT_ERROR; i++) {
		result = transport_write(
			fixture->transport, "x", 1, &moved, NULL);
		usleep(100);
	}
	assert_int_equal(result, TRANSPORT_ERROR);
}

static void test_silence_is_a_timeout(void **state)
{
	struct fixture *fixture = *state;
	struct error error = { 0 };
	uint64_t start = clock_now_ms();

	connect_to(fixture, peer_say, "");
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 30, &error),
		TRANSPORT_TIMEOUT);
	assert_in_range(clock_now_ms() - start, 30, 2000);
	assert_int_equal(error.code, ERROR_DISCONNECTED);
}

static void test_a_stop_ends_the_wait(void **state)
{
	struct fixture *fixture = *state;
	struct error error = { 0 };

	connect_to(fixture, peer_say, "");
	loop_stop(fixture->loop);
	assert_int_equal(transport_wait(fixture->transport, TRANSPORT_READ,
				 LOOP_FOREVER, &error),
		TRANSPORT_STOPPED);
	assert_int_equal(error.code, ERROR_STOPPED);
}

static void record(void *data)
{
	struct fixture *fixture = data;

	fixture->call_count++;
}

static void test_an_idle_connection_calls_once_until_it_is_read(void **state)
{
	struct fixture *fixture = *state;
	uint8_t data[10];
	size_t got;

	connect_to(fixture, peer_echo, "");
	transport_set_ready_callback(fixture->transport, record, fixture);
	assert_false(loop_run_once(fixture->loop, 10));
	for (unsigned round = 1; round < 4; round++) {
		assert_int_equal(transport_write(fixture->transport, "ab", 2,
					 &got, NULL),
			TRANSPORT_DATA);
		while (fixture->call_count < round)
			assert_true(loop_run_once(fixture->loop, 5000));
		/* Unread, but no reason to turn in circles. */
		assert_false(loop_run_once(fixture->loop, 10));
		assert_int_equal(read_until(fixture->transport, data, 2, NULL),
			TRANSPORT_DATA);
		assert_int_equal(transport_read(fixture->transport, data,
					 sizeof(data), &got, NULL),
			TRANSPORT_AGAIN);
		assert_int_equal(fixture->call_count, round);
	}
}

static void test_an_idle_connection_tells_that_it_broke(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;
	size_t got;

	connect_to(fixture, peer_say_and_end, "");
	transport_set_ready_callback(fixture->transport, record, fixture);
	while (fixture->call_count == 0)
		assert_true(loop_run_once(fixture->loop, 5000));
	assert_int_equal(
		transport_read(fixture->transport, &byte, 1, &got, NULL),
		TRANSPORT_CLOSED);
	assert_false(loop_run_once(fixture->loop, 10));
}

static void test_an_armed_callback_does_not_spin_a_wait_to_write(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t data[1 << 16];
	size_t moved;
	enum transport_result result;
	uint64_t start;

	connect_to(fixture, peer_echo, "");
	transport_set_ready_callback(fixture->transport, record, fixture);
	/* Until the echo, which nobody reads, blocks both directions. */
	do {
		result = transport_write(
			fixture->transport, data, sizeof(data), &moved, NULL);
		if (result == TRANSPORT_AGAIN &&
			transport_wait(fixture->transport, TRANSPORT_WRITE, 50,
				NULL) == TRANSPORT_TIMEOUT)
			break;
	} while (result != TRANSPORT_ERROR);
	assert_int_equal(result, TRANSPORT_AGAIN);
	start = (uint64_t)clock();
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_WRITE, 200, NULL),
		TRANSPORT_TIMEOUT);
	assert_true((uint64_t)clock() - start < CLOCKS_PER_SEC / 20);
	assert_int_equal(fixture->call_count, 0);
}

static void test_options_without_an_address_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct transport_options options = { .tls = TRANSPORT_TLS_OFF };
	struct error error = { 0 };

	assert_null(transport_open(fixture->loop, &options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	error_clear(&error);
	options.tunnel = "cat";
	options.tls = TRANSPORT_TLS_IMPLICIT;
	assert_null(transport_open(fixture->loop, &options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	transport_close(NULL);
}

/* ---- Tunnel ---- */

static void test_a_tunnel_is_a_connection(void **state)
{
	struct fixture *fixture = *state;

	run_tunnel(fixture, "cat");
	exchange_much(fixture->transport);
	assert_true(transport_is_local(fixture->transport));
	assert_string_equal(transport_peer(fixture->transport), "tunnel");
}

static void test_a_tunnel_that_ends_is_closed(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	run_tunnel(fixture, "echo hello; exit 3");
	expect(fixture->transport, "hello\n");
	assert_int_equal(read_until(fixture->transport, &byte, 1, NULL),
		TRANSPORT_CLOSED);
}

static void test_a_closed_tunnel_leaves_no_process(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start;

	run_tunnel(fixture, "trap '' TERM; echo up; while :; do sleep 1; done");
	expect(fixture->transport, "up\n");
	start = clock_now_ms();
	transport_close(fixture->transport);
	fixture->transport = NULL;
	assert_true(clock_now_ms() - start < 1000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_a_tunnel_gets_default_signals(void **state)
{
	struct fixture *fixture = *state;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	run_tunnel(fixture, "kill -TERM $$; echo alive");
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(
		read_until(fixture->transport, (uint8_t[1]){ 0 }, 1, NULL),
		TRANSPORT_CLOSED);
}

/* ---- Compression: an echo sends valid compressed data back ---- */

static void test_a_compressed_echo_comes_back_whole(void **state)
{
	struct fixture *fixture = *state;

	connect_to(fixture, peer_echo, "");
	transport_start_deflate(fixture->transport, NULL, 0);
	exchange_much(fixture->transport);
	assert_true(transport_bytes_in(fixture->transport) < 3 << 20);
	assert_int_equal(transport_bytes_in(fixture->transport),
		transport_bytes_out(fixture->transport));
}

static void test_pending_compressed_octets_come_first(void **state)
{
	/* "hi" as one stored block. */
	static const uint8_t PENDING[] = { 0, 2, 0, 0xfd, 0xff, 'h', 'i' };
	struct fixture *fixture = *state;
	uint8_t byte;
	size_t got;

	connect_to(fixture, peer_say, "");
	transport_start_deflate(fixture->transport, PENDING, sizeof(PENDING));
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 5000, NULL),
		TRANSPORT_READY);
	expect(fixture->transport, "hi");
	assert_int_equal(
		transport_read(fixture->transport, &byte, 1, &got, NULL),
		TRANSPORT_AGAIN);
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 20, NULL),
		TRANSPORT_TIMEOUT);
}

static void test_unread_decompressed_octets_make_it_ready(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;
	size_t moved;

	connect_to(fixture, peer_echo, "");
	transport_start_deflate(fixture->transport, NULL, 0);
	assert_int_equal(
		transport_write(fixture->transport, "abc", 3, &moved, NULL),
		TRANSPORT_DATA);
	assert_int_equal(
		read_until(fixture->transport, &byte, 1, NULL), TRANSPORT_DATA);
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 0, NULL),
		TRANSPORT_READY);
	transport_set_ready_callback(fixture->transport, record, fixture);
	assert_int_equal(fixture->call_count, 1);
	expect(fixture->transport, "bc");
}

/* Else it would compress, and the buffers between the two hold too much. */
static void fill_randomly(uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)rand();
}

static void test_what_compression_holds_back_is_written_by_the_loop(
	void **state)
{
	struct fixture *fixture = *state;
	static uint8_t data[16384], last[16384];
	size_t moved, total = 0;
	uint8_t *back;

	connect_to(fixture, peer_echo, "");
	transport_start_deflate(fixture->transport, NULL, 0);
	srand(9);
	fill_randomly(data, sizeof(data));
	for (;;) {
		enum transport_result result = transport_write(
			fixture->transport, data, sizeof(data), &moved, NULL);

		assert_in_range(result, TRANSPORT_DATA, TRANSPORT_AGAIN);
		if (result == TRANSPORT_DATA) {
			total += moved;
			memcpy(last, data, sizeof(last));
			fill_randomly(data, sizeof(data));
		} else if (transport_wait(fixture->transport, TRANSPORT_WRITE,
				   50, NULL) == TRANSPORT_TIMEOUT) {
			break;
		}
	}
	back = malloc(total);
	assert_non_null(back);
	assert_int_equal(read_until(fixture->transport, back, total, NULL),
		TRANSPORT_DATA);
	assert_memory_equal(back + total - sizeof(last), last, sizeof(last));
	free(back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_echo_comes_back_whole),
		TEST(test_a_half_closed_peer_is_closed_after_its_last_words),
		TEST(test_a_reset_is_an_error_that_stays),
		TEST(test_writing_to_a_closed_peer_raises_no_signal),
		TEST(test_silence_is_a_timeout),
		TEST(test_a_stop_ends_the_wait),
		TEST(test_an_idle_connection_calls_once_until_it_is_read),
		TEST(test_an_idle_connection_tells_that_it_broke),
		TEST(test_an_armed_callback_does_not_spin_a_wait_to_write),
		TEST(test_options_without_an_address_are_refused),
		TEST(test_a_tunnel_is_a_connection),
		TEST(test_a_tunnel_that_ends_is_closed),
		TEST(test_a_closed_tunnel_leaves_no_process),
		TEST(test_a_tunnel_gets_default_signals),
		TEST(test_a_compressed_echo_comes_back_whole),
		TEST(test_pending_compressed_octets_come_first),
		TEST(test_unread_decompressed_octets_make_it_ready),
		TEST(test_what_compression_holds_back_is_written_by_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#undef TEST
