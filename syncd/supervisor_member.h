/* One account of the supervisor: its process, or why there is none. Inside the
   supervisor only. */
#ifndef SYNCD_SUPERVISOR_MEMBER_H
#define SYNCD_SUPERVISOR_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"
#include "syncd/process.h"
#include "syncd/secret.h"
#include "syncd/supervisor.h"
#include "syncd/worker/backoff.h"

enum member_state {
	MEMBER_RUNNING,
	MEMBER_WAITING, /* to be started again */
	MEMBER_OVER,    /* ended, and stays so */
};

struct member {
	struct supervisor *supervisor;
	struct loop *loop;
	char *name;
	const struct config_account *account; /* NULL = to be removed */
	json_t *mailboxes;                    /* NULL = all */
	enum member_state state;
	struct process *process; /* NULL unless running */
	struct secret *secret;   /* being fetched, or NULL */
	struct loop_timer *timer;
	struct backoff backoff;
	bool is_stale;  /* stopping, to be started with another config */
	json_t *status; /* the last it sent, or NULL */
	int64_t since;  /* seconds: start or end of the process */
	uint64_t started_ms;
	int code;                       /* of the last process */
	char error[ERROR_MESSAGE_SIZE]; /* of the last process, or "" */
};

/* Frees the process and notes the end. */
void member_end(struct member *member, int code);
void member_free(struct member *member);

void member_set_error(struct member *member, const char *text);

/* What the worker last said; or, when it does not run, what is known. */
json_t *member_status(const struct member *member);

#endif
