#define _GNU_SOURCE
#include "syncd/worker/transport_stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "syncd/worker/clock.h"
#include "syncd/worker/transport_tcp.h"

#define PIECE_SIZE 16384 /* octets compressed or decompressed at a time */

/* ---- The layer below compression ---- */

static enum transport_result fail_socket(
	const struct transport *transport, struct error *error)
{
	if (errno == EAGAIN || errno == EINTR)
		return TRANSPORT_AGAIN;
	(void)error_set_errno(
		error, "connection to '%s' is broken", transport->name);
	if (error != NULL)
		error->code = ERROR_DISCONNECTED;
	return TRANSPORT_ERROR;
}

static enum transport_result read_plain(struct transport *transport, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	ssize_t got = recv(transport->fd, data, size, 0);

	if (got < 0)
		return fail_socket(transport, error);
	if (got == 0)
		return TRANSPORT_CLOSED;
	*got_out = (size_t)got;
	return TRANSPORT_DATA;
}

static enum transport_result write_plain(struct transport *transport,
	const void *data, size_t size, size_t *written_out, struct error *error)
{
	ssize_t written = send(transport->fd, data, size, MSG_NOSIGNAL);

	if (written < 0)
		return fail_socket(transport, error);
	*written_out = (size_t)written;
	return TRANSPORT_DATA;
}

/* What a call that ended with `result` has to wait for. */
static unsigned blocked_event(const struct transport *transport,
	enum transport_result result, unsigned usual)
{
	if (result != TRANSPORT_AGAIN)
		return usual;
	return transport_tls_wants_write(transport->tls) ? LOOP_WRITE
							 : LOOP_READ;
}

static enum transport_result read_below(struct transport *transport, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	enum transport_result result;

	if (!transport->is_encrypted) {
		result = read_plain(transport, data, size, got_out, error);
	} else {
		result = transport_tls_read(
			transport->tls, data, size, got_out, error);
		transport->read_event =
			blocked_event(transport, result, LOOP_READ);
	}
	if (result == TRANSPORT_DATA)
		transport->bytes_in += *got_out;
	return result;
}

static enum transport_result write_below(struct transport *transport,
	const void *data, size_t size, size_t *written_out, struct error *error)
{
	enum transport_result result;

	if (!transport->is_encrypted) {
		result = write_plain(transport, data, size, written_out, error);
	} else {
		result = transport_tls_write(
			transport->tls, data, size, written_out, error);
		transport->write_event =
			blocked_event(transport, result, LOOP_WRITE);
	}
	if (result == TRANSPORT_DATA)
		transport->bytes_out += *written_out;
	return result;
}

/* Writes compressed octets until none are left or the socket is full. */
static void flush(struct transport *transport)
{
	struct error error = { 0 };

	while (transport->packed.size > 0 &&
		transport->failure.code == ERROR_NONE) {
		size_t written = 0;
		enum transport_result result =
			write_below(transport, transport->packed.data,
				transport->packed.size, &written, &error);

		if (result == TRANSPORT_AGAIN)
			return;
		if (result == TRANSPORT_DATA)
			buf_consume(&transport->packed, written);
		else
			transport->failure = error;
	}
}

/* ---- In the loop ---- */

static void update_events(struct transport *transport)
{
	unsigned events = transport->waited_events;

	if (transport->source == NULL)
		return;
	if (transport->failure.code != ERROR_NONE) {
		loop_modify(transport->loop, transport->source, 0);
		return;
	}
	if (transport->packed.size > 0)
		events |= transport->write_event;
	/* Not while somebody waits to write: what is readable then would be
	   reported again and again. */
	if (transport->is_armed && transport->waited_events == 0)
		events |= transport->read_event;
	loop_modify(transport->loop, transport->source, events);
}

static bool has_more(const struct transport *transport)
{
	if (transport->failure.code != ERROR_NONE)
		return true;
	if (transport->is_read_blocked || transport->fd == -1)
		return false;
	if (transport->deflate != NULL &&
		transport_deflate_has_more(transport->deflate))
		return true;
	return transport->is_encrypted &&
		transport_tls_has_more(transport->tls);
}

static void call_back(struct transport *transport)
{
	transport->is_armed = false;
	transport->callback(transport->callback_data);
}

/* An interest that nobody has any more is dropped here, not where it ended:
   most often the same one comes back before the loop looks. */
void transport_stream_handle(void *data, unsigned events)
{
	struct transport *transport = data;
	bool is_broken = (events & LOOP_HANGUP) != 0;

	flush(transport);
	if (transport->failure.code != ERROR_NONE)
		is_broken = true;
	if ((events & transport->read_event) != 0 || is_broken)
		transport->is_read_blocked = false;
	if (transport->waited_events != 0) {
		if ((events & transport->waited_events) != 0 || is_broken)
			transport->is_ready = true;
	} else if (transport->is_armed && !transport->is_read_blocked) {
		call_back(transport);
	}
	update_events(transport);
}

/* LOOP_… `events` of the socket. */
enum loop_result transport_stream_wait(
	struct transport *transport, unsigned events, uint64_t deadline_ms)
{
	enum loop_result result;

	assert(transport->waited_events == 0);
	transport->waited_events = events;
	transport->is_ready = false;
	update_events(transport);
	result = loop_run_until(
		transport->loop, &transport->is_ready, deadline_ms);
	transport->waited_events = 0;
	return result;
}

uint64_t transport_stream_deadline(uint64_t timeout_ms)
{
	uint64_t now = clock_now_ms();

	return timeout_ms > LOOP_FOREVER - now ? LOOP_FOREVER
					       : now + timeout_ms;
}

enum transport_ready transport_wait(struct transport *transport,
	unsigned wanted, uint64_t timeout_ms, struct error *error)
{
	unsigned events = 0;
	enum loop_result result;

	if (transport->failure.code != ERROR_NONE)
		return TRANSPORT_READY;
	if ((wanted & TRANSPORT_READ) != 0) {
		if (has_more(transport))
			return TRANSPORT_READY;
		events |= transport->read_event;
		transport_tcp_hurry(transport->fd);
	}
	if ((wanted & TRANSPORT_WRITE) != 0)
		events |= transport->write_event;
	result = transport_stream_wait(
		transport, events, transport_stream_deadline(timeout_ms));
	if (result == LOOP_DONE)
		return TRANSPORT_READY;
	if (result == LOOP_STOPPED) {
		(void)error_set(error, ERROR_STOPPED, "asked to stop");
		return TRANSPORT_STOPPED;
	}
	(void)error_set(error, ERROR_DISCONNECTED,
		"no answer from '%s' for %llu s", transport->name,
		(unsigned long long)timeout_ms / 1000);
	return TRANSPORT_TIMEOUT;
}

void transport_set_ready_callback(
	struct transport *transport, void (*callback)(void *data), void *data)
{
	transport->callback = callback;
	transport->callback_data = data;
	transport->is_armed = callback != NULL;
	if (callback != NULL && has_more(transport))
		call_back(transport);
	update_events(transport);
}

/* ---- Reading and writing ---- */

static enum transport_result read_deflated(struct transport *transport,
	void *data, size_t size, size_t *got_out, struct error *error)
{
	uint8_t packed[PIECE_SIZE];

	for (;;) {
		enum transport_result result;
		size_t got;

		if (!transport_deflate_unpack(
			    transport->deflate, data, size, &got, error))
			return TRANSPORT_ERROR;
		if (got > 0) {
			*got_out = got;
			return TRANSPORT_DATA;
		}
		result = read_below(
			transport, packed, sizeof(packed), &got, error);
		if (result != TRANSPORT_DATA)
			return result;
		transport_deflate_feed(transport->deflate, packed, got);
	}
}

static enum transport_result fail(
	struct transport *transport, struct error *error)
{
	if (error != NULL)
		*error = transport->failure;
	return TRANSPORT_ERROR;
}

/* What every read and write ends with. */
static enum transport_result conclude(struct transport *transport,
	enum transport_result result, const struct error *failure,
	struct error *error)
{
	if (result != TRANSPORT_ERROR)
		return result;
	transport->failure = *failure;
	update_events(transport);
	return fail(transport, error);
}

enum transport_result transport_read(struct transport *transport, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	struct error failure = { 0 };
	enum transport_result result;

	flush(transport);
	if (transport->failure.code != ERROR_NONE)
		return fail(transport, error);
	if (transport->deflate != NULL)
		result =
			read_deflated(transport, data, size, got_out, &failure);
	else
		result = read_below(transport, data, size, got_out, &failure);
	transport->is_read_blocked = result == TRANSPORT_AGAIN;
	if (result == TRANSPORT_AGAIN && transport->callback != NULL) {
		transport->is_armed = true;
		update_events(transport);
	}
	return conclude(transport, result, &failure, error);
}

static enum transport_result write_deflated(struct transport *transport,
	const void *data, size_t size, size_t *written_out)
{
	if (size > PIECE_SIZE)
		size = PIECE_SIZE;
	if (transport->packed.size > 0)
		return TRANSPORT_AGAIN;
	transport_deflate_pack(
		transport->deflate, data, size, &transport->packed);
	flush(transport);
	update_events(transport);
	*written_out = size;
	return TRANSPORT_DATA;
}

enum transport_result transport_write(struct transport *transport,
	const void *data, size_t size, size_t *written_out, struct error *error)
{
	struct error failure = { 0 };
	enum transport_result result;

	flush(transport);
	if (transport->failure.code != ERROR_NONE)
		return fail(transport, error);
	if (transport->deflate != NULL)
		return write_deflated(transport, data, size, written_out);
	result = write_below(transport, data, size, written_out, &failure);
	return conclude(transport, result, &failure, error);
}
