#include "tests/sim/sim_transport.h"

#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/transport.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_server.h"

/* Of a piece, when the line gives no more at once. */
#define PIECE_SIZE 64

struct transport {
	struct transport *next;
	struct loop *loop;
	struct sim_connection *connection;
	void (*ready)(void *data);
	void *ready_data;
	bool is_told; /* the callback was called since the last AGAIN */
	bool is_waited_on;
	uint64_t bytes_in, bytes_out;
};

static struct transport *transports;

/* ---- Opening and closing ---- */

struct transport *transport_open(struct loop *loop,
	const struct transport_options *options, struct error *error)
{
	struct transport *transport;

	if (options->tls != TRANSPORT_TLS_OFF) {
		error_set(error, ERROR_CONFIG, "no TLS in this world");
		return NULL;
	}
	transport = alloc(1, sizeof(*transport));
	transport->loop = loop;
	transport->next = transports;
	transports = transport;
	return transport;
}

void transport_close(struct transport *transport)
{
	struct transport **link = &transports;

	if (transport == NULL)
		return;
	while (*link != transport)
		link = &(*link)->next;
	*link = transport->next;
	sim_connection_close(transport->connection);
	free(transport);
}

void sim_transport_kill(void)
{
	transports = NULL;
}

bool transport_connect(struct transport *transport, struct error *error)
{
	if (seam_before(SEAM_WIRE, "connect", true) == 0)
		transport->connection = sim_connection_open();
	seam_after(SEAM_WIRE, "connect");
	return transport->connection != NULL ||
		error_set(error, ERROR_UNREACHABLE, "nobody listens");
}

/* ---- Octets ---- */

static enum transport_result broken(
	struct transport *transport, const char *what, struct error *error)
{
	sim_connection_close(transport->connection);
	error_set(error, ERROR_DISCONNECTED, "cannot %s: the line broke", what);
	return TRANSPORT_ERROR;
}

/* All, but now and then only a piece. */
static size_t piece(size_t size)
{
	if (size < 2 || seam_choose(8) != 7)
		return size;
	return 1 + seam_choose(size < PIECE_SIZE ? (uint32_t)size : PIECE_SIZE);
}

enum transport_result transport_read(struct transport *transport, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	struct sim_connection *connection = transport->connection;
	bool is_closed = sim_connection_is_closed(connection);
	size_t got;

	if (!sim_connection_has_output(connection)) {
		transport->is_told = false;
		if (!is_closed)
			return TRANSPORT_AGAIN;
		return sim_connection_is_cut(connection)
			? broken(transport, "read from server", error)
			: TRANSPORT_CLOSED;
	}
	if (seam_before(SEAM_WIRE, "receive", true) != 0)
		return broken(transport, "read from server", error);
	got = sim_connection_receive(connection, data, piece(size));
	seam_after(SEAM_WIRE, "receive");
	/* Somebody may have cut it just now. */
	if (got == 0)
		return TRANSPORT_AGAIN;
	transport->bytes_in += got;
	*got_out = got;
	return TRANSPORT_DATA;
}

enum transport_result transport_write(struct transport *transport,
	const void *data, size_t size, size_t *written_out, struct error *error)
{
	/* To a server that hung up one can write, in vain. */
	if (sim_connection_is_cut(transport->connection) ||
		seam_before(SEAM_WIRE, "send", true) != 0)
		return broken(transport, "write to server", error);
	size = piece(size);
	sim_connection_send(transport->connection, data, size);
	seam_after(SEAM_WIRE, "send");
	transport->bytes_out += size;
	*written_out = size;
	return TRANSPORT_DATA;
}

/* ---- Waiting ---- */

static bool is_readable(const struct transport *transport)
{
	return sim_connection_has_output(transport->connection) ||
		sim_connection_is_closed(transport->connection);
}

static enum transport_ready wait_for(
	struct transport *transport, uint64_t deadline_ms, struct error *error)
{
	while (!is_readable(transport)) {
		uint64_t now_ms = clock_now_ms();

		if (sim_connection_run(transport->connection))
			continue;
		if (loop_is_stopping(transport->loop)) {
			error_set(error, ERROR_STOPPED, "asked to stop");
			return TRANSPORT_STOPPED;
		}
		if (now_ms >= deadline_ms) {
			error_set(error, ERROR_DISCONNECTED,
				"the server does not answer");
			return TRANSPORT_TIMEOUT;
		}
		(void)loop_run_once(transport->loop, deadline_ms - now_ms);
		sim_connection_notify(transport->connection);
	}
	return TRANSPORT_READY;
}

enum transport_ready transport_wait(struct transport *transport,
	unsigned wanted, uint64_t timeout_ms, struct error *error)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t deadline_ms = timeout_ms > UINT64_MAX - now_ms
		? UINT64_MAX
		: now_ms + timeout_ms;
	enum transport_ready ready;

	if ((wanted & TRANSPORT_WRITE) != 0)
		return TRANSPORT_READY;
	transport->is_waited_on = true;
	ready = wait_for(transport, deadline_ms, error);
	transport->is_waited_on = false;
	return ready;
}

void transport_set_ready_callback(
	struct transport *transport, void (*callback)(void *data), void *data)
{
	transport->ready = callback;
	transport->ready_data = data;
	transport->is_told = false;
}

static bool serve(struct transport *transport)
{
	while (sim_connection_run(transport->connection))
		;
	sim_connection_notify(transport->connection);
	return transport->ready != NULL && !transport->is_told &&
		is_readable(transport);
}

/* A callback may close any transport: begins anew after each. */
bool sim_transport_poll(void)
{
	struct transport *transport = transports;
	bool has_called = false;

	while (transport != NULL) {
		if (transport->connection == NULL || transport->is_waited_on ||
			!serve(transport)) {
			transport = transport->next;
			continue;
		}
		transport->is_told = true;
		transport->ready(transport->ready_data);
		has_called = true;
		transport = transports;
	}
	return has_called;
}

/* ---- Not here ---- */

bool transport_start_tls(struct transport *transport, struct error *error)
{
	(void)transport;
	return error_set(error, ERROR_UNREACHABLE, "no TLS in this world");
}

void transport_start_deflate(
	struct transport *transport, const void *pending, size_t pending_size)
{
	(void)transport;
	(void)pending;
	(void)pending_size;
	abort(); /* COMPRESS is never offered */
}

/* ---- Facts ---- */

uint64_t transport_bytes_in(const struct transport *transport)
{
	return transport->bytes_in;
}

uint64_t transport_bytes_out(const struct transport *transport)
{
	return transport->bytes_out;
}

bool transport_is_encrypted(const struct transport *transport)
{
	(void)transport;
	return false;
}

bool transport_is_local(const struct transport *transport)
{
	(void)transport;
	return true;
}

const char *transport_security(const struct transport *transport)
{
	(void)transport;
	return "plaintext";
}

const char *transport_peer(const struct transport *transport)
{
	(void)transport;
	return "sim";
}
