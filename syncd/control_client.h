/* The other end of the control socket: asks a running daemon, and waits. */
#ifndef SYNCD_CONTROL_CLIENT_H
#define SYNCD_CONTROL_CLIENT_H

#include <jansson.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/ipc.h"

/* NULL when no daemon listens there (ERROR_UNREACHABLE), or for another
   reason. Close it with ipc_free(). */
struct ipc *control_connect(
	const char *runtime_dir, struct error *error) MUST_CHECK;

/* Sends `request` (takes the reference) and gives every answer but the last to
   `callback`, borrowed. Blocks until the daemon is done. Returns the exit code
   of the request. */
int control_ask(struct ipc *daemon, json_t *request,
	void (*callback)(void *data, const char *type, const json_t *message),
	void *data);

#endif
