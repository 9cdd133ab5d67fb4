/* One TCP connection, whichever address answers first (RFC 8305). */
#ifndef SYNCD_WORKER_TRANSPORT_TCP_H
#define SYNCD_WORKER_TRANSPORT_TCP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

#define TRANSPORT_TCP_ADDRESS_MAX 16  /* of one name; the rest is ignored */
#define TRANSPORT_TCP_STAGGER_MS  250 /* RFC 8305, 5 */

struct transport_tcp_address {
	struct sockaddr_storage socket;
	socklen_t size;
};

/* Resolves `host` and connects, pumping the loop. The non-blocking, close-on-
   exec socket is the caller's; -1 with ERROR_UNREACHABLE or ERROR_STOPPED. */
int transport_tcp_connect(struct loop *loop, const char *host, uint16_t port,
	uint64_t deadline_ms, struct error *error) MUST_CHECK;

/* The second half: starts with the first address, adds the next one whenever
   one fails or TRANSPORT_TCP_STAGGER_MS have passed; the first connection
   wins, the others are dropped. `host` is for messages. */
int transport_tcp_race(struct loop *loop, const char *host,
	const struct transport_tcp_address *addresses, size_t count,
	uint64_t deadline_ms, struct error *error) MUST_CHECK;

/* Orders so that families alternate, beginning with the first one's, each in
   the order it had (RFC 8305, 4). */
void transport_tcp_interleave(
	struct transport_tcp_address *addresses, size_t count);

/* What comes next is acknowledged at once: a server that holds back the rest of
   its answer until then (Nagle, as Cyrus does) costs 40 ms otherwise. Not
   lasting; called before each wait. */
void transport_tcp_hurry(int fd);

#endif
