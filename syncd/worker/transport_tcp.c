#define _GNU_SOURCE
#include "syncd/worker/transport_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/pool.h"
#include "syncd/worker/transport.h"

/* ---- Names to addresses ---- */

struct resolve {
	char *host;
	char port[8];
	int flags;
	int result; /* of getaddrinfo() */
	struct addrinfo *list;
};

static void run_resolve(void *data)
{
	struct resolve *resolve = data;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | resolve->flags,
	};

	resolve->result = getaddrinfo(
		resolve->host, resolve->port, &hints, &resolve->list);
}

static struct resolve *resolve_new(const char *host, uint16_t port)
{
	struct resolve *resolve = alloc(1, sizeof(*resolve));

	resolve->host = alloc_text(host);
	(void)snprintf(
		resolve->port, sizeof(resolve->port), "%u", (unsigned)port);
	return resolve;
}

static void resolve_free(void *data)
{
	struct resolve *resolve = data;

	if (resolve->list != NULL)
		freeaddrinfo(resolve->list);
	free(resolve->host);
	free(resolve);
}

static bool fail_waiting(struct error *error, enum loop_result result,
	const char *what, const char *host)
{
	if (result == LOOP_STOPPED)
		return error_set(error, ERROR_STOPPED, "asked to stop");
	return error_set(error, ERROR_UNREACHABLE,
		"cannot %s '%s': no answer in time", what, host);
}

/* Asks the resolver in a thread. Frees `resolve` when false: then the thread
   may still be busy with it. */
static bool ask_resolver(struct loop *loop, struct resolve *resolve,
	uint64_t deadline_ms, struct error *error)
{
	struct pool *pool = pool_new(loop, error);
	struct pool_job *job;
	enum loop_result result;

	if (pool == NULL) {
		resolve_free(resolve);
		return false;
	}
	job = pool_submit(pool, run_resolve, resolve);
	result = pool_wait_until(pool, job, deadline_ms);
	if (result == LOOP_DONE) {
		pool_wait(pool, job);
	} else {
		(void)fail_waiting(error, result, "resolve", resolve->host);
		pool_abandon(pool, job, resolve_free);
	}
	pool_free(pool);
	return result == LOOP_DONE;
}

static size_t copy_addresses(
	const struct addrinfo *list, struct transport_tcp_address *addresses)
{
	size_t count = 0;

	for (; list != NULL; list = list->ai_next) {
		if (count == TRANSPORT_TCP_ADDRESS_MAX)
			break;
		if (list->ai_addrlen > sizeof(addresses[count].socket))
			continue;
		memcpy(&addresses[count].socket, list->ai_addr,
			list->ai_addrlen);
		addresses[count].size = list->ai_addrlen;
		count++;
	}
	return count;
}

/* Number of addresses; 0 = `error` is set. */
static size_t find_addresses(struct loop *loop, struct resolve *resolve,
	struct transport_tcp_address *addresses, uint64_t deadline_ms,
	struct error *error)
{
	size_t count = 0;

	/* A literal address needs no resolver, so no thread. */
	resolve->flags = AI_NUMERICHOST;
	run_resolve(resolve);
	if (resolve->result != 0) {
		resolve->flags = 0;
		if (!ask_resolver(loop, resolve, deadline_ms, error))
			return 0;
	}
	if (resolve->result == 0)
		count = copy_addresses(resolve->list, addresses);
	if (count == 0)
		(void)error_set(error, ERROR_UNREACHABLE,
			"cannot resolve '%s': %s", resolve->host,
			resolve->result == 0 ? "no usable address"
					     : gai_strerror(resolve->result));
	resolve_free(resolve);
	return count;
}

void transport_tcp_interleave(
	struct transport_tcp_address *addresses, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct transport_tcp_address moved;
		size_t other = i;

		while (other < count &&
			addresses[other].socket.ss_family ==
				addresses[i - 1].socket.ss_family)
			other++;
		if (other == count)
			return;
		moved = addresses[other];
		memmove(&addresses[i + 1], &addresses[i],
			(other - i) * sizeof(moved));
		addresses[i] = moved;
	}
}

/* ---- The race ---- */

struct attempt {
	struct race *race;
	int fd;
	struct loop_source *source; /* NULL = not under way */
};

struct race {
	struct loop *loop;
	const struct transport_tcp_address *addresses;
	size_t count;
	size_t started_count;
	size_t running_count;
	struct attempt attempts[TRANSPORT_TCP_ADDRESS_MAX];
	struct loop_timer *timer;
	int winner; /* descriptor, or -1 */
	int system_error;
	bool is_over;
};

static void start_next(void *data);

static void note_failure(struct race *race, int system_error)
{
	/* On a host without IPv6 the other family's reason says more. */
	if (race->system_error == 0 || system_error != ENETUNREACH)
		race->system_error = system_error;
}

static void win(struct race *race, int fd)
{
	race->winner = fd;
	race->is_over = true;
}

static void end_attempt(struct attempt *attempt)
{
	loop_remove(attempt->race->loop, attempt->source);
	attempt->source = NULL;
	attempt->race->running_count--;
}

static void finish_attempt(void *data, unsigned events)
{
	struct attempt *attempt = data;
	struct race *race = attempt->race;
	struct sockaddr_storage peer;
	socklen_t size = sizeof(int);
	int system_error = 0;

	(void)events;
	if (race->is_over)
		return;
	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &system_error,
		    &size) == -1)
		system_error = errno;
	size = sizeof(peer);
	if (system_error == 0 &&
		getpeername(attempt->fd, (struct sockaddr *)&peer, &size) == -1)
		return; /* woken too early */
	end_attempt(attempt);
	if (system_error == 0) {
		win(race, attempt->fd);
		return;
	}
	close(attempt->fd);
	note_failure(race, system_error);
	start_next(race);
}

/* False: this address failed at once. */
static bool start_attempt(
	struct race *race, const struct transport_tcp_address *address)
{
	struct attempt *attempt = &race->attempts[race->started_count++];
	int fd = socket(address->socket.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1) {
		note_failure(race, errno);
		return false;
	}
	if (connect(fd, (const struct sockaddr *)&address->socket,
		    address->size) == 0) {
		win(race, fd);
		return true;
	}
	if (errno != EINPROGRESS) {
		note_failure(race, errno);
		close(fd);
		return false;
	}
	attempt->race = race;
	attempt->fd = fd;
	attempt->source =
		loop_add(race->loop, fd, LOOP_WRITE, finish_attempt, attempt);
	race->running_count++;
	return true;
}

/* Because one failed, or none answered for a while. */
static void start_next(void *data)
{
	struct race *race = data;

	if (race->is_over)
		return;
	while (race->started_count < race->count) {
		if (!start_attempt(race, &race->addresses[race->started_count]))
			continue;
		if (race->started_count < race->count)
			loop_timer_set(race->loop, race->timer,
				TRANSPORT_TCP_STAGGER_MS);
		return;
	}
	if (race->running_count == 0)
		race->is_over = true;
}

static void drop_attempts(struct race *race)
{
	for (size_t i = 0; i < race->started_count; i++) {
		if (race->attempts[i].source == NULL)
			continue;
		end_attempt(&race->attempts[i]);
		close(race->attempts[i].fd);
	}
}

/* Best effort: a connection without these works, only dead peers stay
   unnoticed for longer. */
static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} OPTIONS[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 10 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
		/* Overrides TCP_KEEPCNT, and covers unacknowledged data. */
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, TRANSPORT_DEAD_PEER_MS },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(OPTIONS); i++)
		(void)setsockopt(fd, OPTIONS[i].level, OPTIONS[i].name,
			&OPTIONS[i].value, sizeof(OPTIONS[i].value));
}

int transport_tcp_race(struct loop *loop, const char *host,
	const struct transport_tcp_address *addresses, size_t count,
	uint64_t deadline_ms, struct error *error)
{
	struct race race = {
		.loop = loop,
		.addresses = addresses,
		.count = count < TRANSPORT_TCP_ADDRESS_MAX
			? count
			: TRANSPORT_TCP_ADDRESS_MAX,
		.winner = -1,
	};
	enum loop_result result;

	race.timer = loop_timer_new(loop, start_next, &race);
	start_next(&race);
	result = loop_run_until(loop, &race.is_over, deadline_ms);
	drop_attempts(&race);
	loop_timer_free(loop, race.timer);
	if (race.winner != -1) {
		set_options(race.winner);
		return race.winner;
	}
	if (result != LOOP_DONE) {
		(void)fail_waiting(error, result, "connect to", host);
		return -1;
	}
	errno = race.system_error;
	(void)error_set_errno(error, "cannot connect to '%s'", host);
	if (error != NULL)
		error->code = ERROR_UNREACHABLE;
	return -1;
}

int transport_tcp_connect(struct loop *loop, const char *host, uint16_t port,
	uint64_t deadline_ms, struct error *error)
{
	struct transport_tcp_address addresses[TRANSPORT_TCP_ADDRESS_MAX];
	size_t count = find_addresses(
		loop, resolve_new(host, port), addresses, deadline_ms, error);

	if (count == 0)
		return -1;
	transport_tcp_interleave(addresses, count);
	return transport_tcp_race(
		loop, host, addresses, count, deadline_ms, error);
}

void transport_tcp_hurry(int fd)
{
	const int on = 1;

	/* A tunnel's socket has no such option. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}
