/* Messages between our own processes: one JSON object per line over a socket,
   both ways, never blocking. What comes from the other side is checked like
   any input. */
#ifndef SYNCD_IPC_H
#define SYNCD_IPC_H

#include <jansson.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

#define IPC_LINE_MAX  (1024 * 1024)      /* octets of one message */
#define IPC_QUEUE_MAX (64 * 1024 * 1024) /* octets waiting to be written */

struct ipc;

enum ipc_result {
	IPC_MESSAGE, /* `*message_out` is the caller's (json_decref) */
	IPC_NONE,    /* nothing complete yet */
	IPC_CLOSED,  /* the other side is gone */
	IPC_ERROR,   /* `error` is set: garbage, or too long */
};

/* Owns `fd` from here; makes it non-blocking and close-on-exec. */
struct ipc *ipc_new(int fd);
void ipc_free(struct ipc *ipc); /* wipes its buffers; NULL is fine */
int ipc_fd(const struct ipc *ipc);

/* Takes the reference to `message`. Writes what the socket takes and keeps the
   rest for ipc_flush(). False when the other side is gone or does not read. */
bool ipc_send(struct ipc *ipc, json_t *message);
/* True when all is written. */
bool ipc_flush(struct ipc *ipc);
bool ipc_wants_write(const struct ipc *ipc);

/* Reads what is there, and gives one message. Call until IPC_NONE. */
enum ipc_result ipc_receive(
	struct ipc *ipc, json_t **message_out, struct error *error) MUST_CHECK;

/* Text member, or NULL when absent or no text. Borrowed. */
const char *ipc_text(const json_t *message, const char *key);

#endif
