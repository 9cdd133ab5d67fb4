#define _GNU_SOURCE
#include "syncd/worker/transport_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"
#include "syncd/worker/transport.h"

static struct transport_tcp_address make_address(uint16_t port)
{
	struct transport_tcp_address address = { .size = sizeof(
							 struct sockaddr_in) };
	struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memcpy(&address.socket, &v4, sizeof(v4));
	return address;
}

/* Listens on a free port of 127.0.0.1. */
static int listen_at(struct transport_tcp_address *address, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = make_address(0);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address->socket, address->size),
		0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address->socket,
				 &address->size),
		0);
	return fd;
}

/* An address that answers nothing: its queue of connections is full. */
struct black_hole {
	struct transport_tcp_address address;
	int fds[4];
};

static void dig(struct black_hole *hole)
{
	hole->fds[0] = listen_at(&hole->address, 0);
	for (size_t i = 1; i < 4; i++) {
		hole->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(hole->fds[i],
			(struct sockaddr *)&hole->address.socket,
			hole->address.size);
	}
	usleep(10000);
}

static void fill_in(struct black_hole *hole)
{
	for (size_t i = 0; i < 4; i++)
		close(hole->fds[i]);
}

/* Nobody listens there. */
static struct transport_tcp_address refused_address(void)
{
	struct transport_tcp_address address;

	close(listen_at(&address, 1));
	return address;
}

static uint16_t peer_port(int fd)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);

	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &size), 0);
	return peer.sin_port;
}

static uint16_t port_of(const struct transport_tcp_address *address)
{
	struct sockaddr_in v4;

	memcpy(&v4, &address->socket, sizeof(v4));
	return v4.sin_port;
}

static int race(const struct transport_tcp_address *addresses, size_t count,
	uint64_t timeout_ms, struct error *error)
{
	struct loop *loop = loop_new(NULL);
	int fd = transport_tcp_race(loop, "host.example", addresses, count,
		clock_now_ms() + timeout_ms, error);

	loop_free(loop); /* asserts that nothing is left in it */
	return fd;
}

static void test_a_silent_address_costs_a_quarter_second(void **state)
{
	struct black_hole hole;
	struct transport_tcp_address addresses[2];
	uint64_t start;
	int good, fd;

	(void)state;
	dig(&hole);
	addresses[0] = hole.address;
	good = listen_at(&addresses[1], 5);
	start = clock_now_ms();
	fd = race(addresses, 2, 10000, NULL);
	assert_true(fd >= 0);
	assert_int_equal(peer_port(fd), port_of(&addresses[1]));
	assert_in_range(
		clock_now_ms() - start, TRANSPORT_TCP_STAGGER_MS - 1, 2000);
	close(fd);
	close(good);
	fill_in(&hole);
}

static void test_a_refused_address_costs_nothing(void **state)
{
	struct transport_tcp_address addresses[3];
	uint64_t start;
	int good, fd;

	(void)state;
	addresses[0] = refused_address();
	addresses[1] = refused_address();
	good = listen_at(&addresses[2], 5);
	start = clock_now_ms();
	fd = race(addresses, 3, 10000, NULL);
	assert_true(fd >= 0);
	assert_int_equal(peer_port(fd), port_of(&addresses[2]));
	assert_true(clock_now_ms() - start < 2 * TRANSPORT_TCP_STAGGER_MS);
	close(fd);
	close(good);
}

static void test_when_all_refuse_the_reason_is_told(void **state)
{
	struct transport_tcp_address addresses[2];
	struct error error = { 0 };

	(void)state;
	addresses[0] = refused_address();
	addresses[1] = refused_address();
	assert_int_equal(race(addresses, 2, 10000, &error), -1);
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_string_equal(error.message,
		"cannot connect to 'host.example': Connection refused");
}

static void test_silence_ends_at_the_deadline(void **state)
{
	struct black_hole hole;
	struct error error = { 0 };

	(void)state;
	dig(&hole);
	assert_int_equal(race(&hole.address, 1, 100, &error), -1);
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_string_equal(error.message,
		"cannot connect to 'host.example': no answer in time");
	fill_in(&hole);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void test_a_dead_peer_is_noticed_within_a_minute(void **state)
{
	struct transport_tcp_address address;
	int good = listen_at(&address, 5);
	int fd = race(&address, 1, 10000, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_true(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
			2 * option(fd, IPPROTO_TCP, TCP_KEEPINTVL) <=
		60);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
		TRANSPORT_DEAD_PEER_MS);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	close(fd);
	close(good);
}

static void test_families_take_turns(void **state)
{
	static const char *const ROWS[][2] = {
		{ "", "" },
		{ "6", "6" },
		{ "666444", "646464" },
		{ "4466", "4646" },
		{ "64444", "64444" },
		{ "44446", "46444" },
	};

	(void)state;
	for (size_t row = 0; row < sizeof(ROWS) / sizeof(*ROWS); row++) {
		struct transport_tcp_address list[8];
		size_t count = strlen(ROWS[row][0]);
		socklen_t last[2] = { 0, 0 };

		memset(list, 0, sizeof(list));
		for (size_t i = 0; i < count; i++) {
			list[i].socket.ss_family =
				ROWS[row][0][i] == '6' ? AF_INET6 : AF_INET;
			list[i].size = (socklen_t)i + 1;
		}
		transport_tcp_interleave(list, count);
		for (size_t i = 0; i < count; i++) {
			bool is_v6 = list[i].socket.ss_family == AF_INET6;

			assert_int_equal(ROWS[row][1][i], is_v6 ? '6' : '4');
			assert_true(list[i].size > last[is_v6]);
			last[is_v6] = list[i].size;
		}
	}
}

static void test_a_name_is_resolved_in_a_thread(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct transport_tcp_address address;
	int good = listen_at(&address, 5);
	int fd = transport_tcp_connect(loop, "localhost",
		ntohs(port_of(&address)), clock_now_ms() + 10000, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(peer_port(fd), port_of(&address));
	close(fd);
	close(good);
	loop_free(loop);
}

static void test_an_impossible_name_is_unreachable(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct error error = { 0 };

	(void)state;
	assert_int_equal(transport_tcp_connect(loop, "no such..name", 1,
				 clock_now_ms() + 10000, &error),
		-1);
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_non_null(
		strstr(error.message, "cannot resolve 'no such..name'"));
	loop_free(loop);
}

static void test_a_stopped_loop_does_not_connect(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct black_hole hole;
	struct error error = { 0 };

	(void)state;
	dig(&hole);
	loop_stop(loop);
	assert_int_equal(transport_tcp_race(loop, "x", &hole.address, 1,
				 LOOP_FOREVER, &error),
		-1);
	assert_int_equal(error.code, ERROR_STOPPED);
	fill_in(&hole);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_silent_address_costs_a_quarter_second),
		cmocka_unit_test(test_a_refused_address_costs_nothing),
		cmocka_unit_test(test_when_all_refuse_the_reason_is_told),
		cmocka_unit_test(test_silence_ends_at_the_deadline),
		cmocka_unit_test(test_a_dead_peer_is_noticed_within_a_minute),
		cmocka_unit_test(test_families_take_turns),
		cmocka_unit_test(test_a_name_is_resolved_in_a_thread),
		cmocka_unit_test(test_an_impossible_name_is_unreachable),
		cmocka_unit_test(test_a_stopped_loop_does_not_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
