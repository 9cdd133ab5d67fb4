/* A shell command whose stdin and stdout are one end of a socket pair. */
#ifndef SYNCD_WORKER_TRANSPORT_TUNNEL_H
#define SYNCD_WORKER_TRANSPORT_TUNNEL_H

#include "base/compiler.h"
#include "base/error.h"

/* SIGTERM gets this long before SIGKILL. */
#define TRANSPORT_TUNNEL_GRACE_MS 200

struct transport_tunnel;

/* `command` is the user's own and goes to /bin/sh -c. `*fd_out`, the other end,
   is non-blocking and close-on-exec, and the caller's. stderr is shared. */
struct transport_tunnel *transport_tunnel_open(
	const char *command, int *fd_out, struct error *error) MUST_CHECK;

/* After the descriptor is closed: ends and reaps the command. NULL is fine. */
void transport_tunnel_close(struct transport_tunnel *tunnel);

#endif
