/* A worker process, seen from the supervisor: started over a socket pair,
   listened to, and reaped. What it says is checked like any input. */
#ifndef SYNCD_PROCESS_H
#define SYNCD_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

#define PROCESS_SOCKET_FD 3 /* where a worker finds its socket */

struct process;

struct process_events {
	/* `message` is borrowed; `type` is its "type". */
	void (*message)(void *data, const char *type, const json_t *message);
	/* Reaped, after its last message; the exit code, 70 for a signal, which
	   `error` then names. Free it then, at the latest. */
	void (*ended)(void *data, int code, const struct error *error);
	void *data;
};

/* Runs `program` (NULL = this one) as "mailtwin worker NAME". Nothing of ours
   is inherited but the socket and standard error. NULL on failure. */
struct process *process_start(struct loop *loop, const char *program,
	const char *name, const struct process_events *events,
	struct error *error) MUST_CHECK;

/* Kills it when it still runs. No event comes afterwards. NULL is fine. May be
   called from within its events. */
void process_free(struct process *process);

/* Takes the reference to `message`. False when the worker is gone. */
bool process_send(struct process *process, json_t *message);
void process_kill(struct process *process);

/* clock_now_ms() of its last message, or of its start. */
uint64_t process_heard_ms(const struct process *process);

#endif
