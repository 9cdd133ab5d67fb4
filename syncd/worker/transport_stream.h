/* The inside of a transport: for transport.c, which makes connections, and
   transport_stream.c, which moves bytes over them. */
#ifndef SYNCD_WORKER_TRANSPORT_STREAM_H
#define SYNCD_WORKER_TRANSPORT_STREAM_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"
#include "syncd/worker/transport.h"
#include "syncd/worker/transport_deflate.h"
#include "syncd/worker/transport_tls.h"
#include "syncd/worker/transport_tunnel.h"

struct transport {
	struct loop *loop;
	struct transport_options options;
	const char *name; /* for messages */
	struct transport_tunnel *tunnel;
	int fd; /* -1 = not connected */
	struct loop_source *source;
	struct transport_tls *tls; /* NULL = never */
	bool is_encrypted;
	struct transport_deflate *deflate; /* NULL = not compressed */
	struct buf packed;                 /* compressed, not yet written */
	/* What reading and writing wait for after TRANSPORT_AGAIN: with TLS,
	   either may need the other direction of the socket. */
	unsigned read_event;
	unsigned write_event;
	/* The last read gave AGAIN: what is buffered below is no whole
	   record, only the socket can help. */
	bool is_read_blocked;
	unsigned waited_events; /* of transport_wait(); 0 = nobody waits */
	bool is_ready;
	void (*callback)(void *data);
	void *callback_data;
	bool is_armed;        /* the callback is due when there is something */
	struct error failure; /* code ERROR_NONE = none; then for ever */
	uint64_t bytes_in;
	uint64_t bytes_out;
	bool is_loopback;
	char peer[NI_MAXHOST + 8];
};

/* The callback of `source`; `data` is the transport. */
void transport_stream_handle(void *data, unsigned events);

/* Pumps the loop until the socket reports one of the LOOP_… `events` or is
   broken. One at a time. */
enum loop_result transport_stream_wait(struct transport *transport,
	unsigned events, uint64_t deadline_ms) MUST_CHECK;

/* Now plus `timeout_ms`, or LOOP_FOREVER. */
uint64_t transport_stream_deadline(uint64_t timeout_ms) MUST_CHECK;

#endif
