/* Shared by the files of the worker process only. */
#ifndef SYNCD_WORKER_WORKER_INTERNAL_H
#define SYNCD_WORKER_WORKER_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "config/config.h"
#include "syncd/ipc.h"
#include "syncd/worker/account.h"
#include "syncd/worker/backoff.h"
#include "syncd/worker/loop.h"
#include "syncd/worker/remote.h"

#define WATCHER_COUNT_MAX 15
#define REQUEST_COUNT_MAX 64

/* Exit codes, as mailtwin(1) lists them. */
enum {
	EXIT_IN_SYNC = 0,
	EXIT_LEFT_OVER = 1,
	EXIT_UNREACHABLE = 69,
	EXIT_INTERNAL = 70,
	EXIT_CANNOT_CREATE = 73,
	EXIT_IO = 74,
	EXIT_TEMPORARY = 75,
	EXIT_PROTOCOL = 76,
	EXIT_AUTH = 77,
	EXIT_BAD_CONFIG = 78,
};

enum worker_state {
	WORKER_STARTING,
	WORKER_SYNCING,
	WORKER_WATCHING,
	WORKER_OFFLINE,
	WORKER_AUTH,
	WORKER_HELD,
	WORKER_STOPPED,
};

/* A connection that idles on one mailbox. */
struct watcher {
	struct remote *remote; /* NULL = not connected */
	uint32_t folder_id;
	uint64_t retry_at_ms;
};

struct worker {
	struct ipc *ipc;
	struct loop *loop;
	struct loop_source *ipc_source;
	struct loop_source *watch_source;
	struct loop_timer *alive_timer;
	struct config *config;
	const struct config_account *account_config;
	struct account *account; /* NULL until open */
	struct account_report report;
	struct confine *confine; /* NULL = not yet, or not at all */
	char *mode;
	json_t *mailboxes; /* names given on the command line, or NULL */
	json_t *start;     /* the first message */

	bool has_secret; /* the answer came: text or error */
	char *secret;
	char *secret_error;

	bool is_woken; /* a pass is wanted */
	bool is_asked; /* by a person: back-off is over */
	bool has_resumed;
	json_t *sync_ids; /* integers: who waits for the next pass */
	json_t *requests[REQUEST_COUNT_MAX]; /* commands, in order */
	size_t request_count;

	enum worker_state state;
	int64_t since; /* seconds: when the state began */
	struct error error;
	struct backoff backoff;
	uint64_t progress_at_ms;
	uint64_t lively_until_ms; /* changes are likely: look often */
	uint64_t quiet_pass_ms;   /* what a look costs */
	unsigned
		fruitless_count; /* passes that want another, and did nothing */
	struct watcher watchers[WATCHER_COUNT_MAX];
};

void worker_set_state(struct worker *worker, enum worker_state state);
int worker_exit_code(const struct error *error);
/* What a pass that went through leaves behind. */
int worker_pass_code(const struct account *account);
/* Adds to `lines`, in words, what the last pass left over and why. */
void worker_list_left(struct account *account, json_t *lines);

/* One pass, or (`to_end`) passes until nothing is left to wait for. Leaves the
   state and `worker->error`; the exit code. */
int worker_pass(struct worker *worker, bool to_end);

/* Passes until it is to stop, or a new process has to go on; the exit code. The
   Maildir is watched before. */
int worker_daemon(struct worker *worker);
void worker_watch_maildir(struct worker *worker);

/* What the daemon asks the process around it for: a pass of which everybody is
   told who waits for one; answers to what people asked; whether only another
   process can reach what this one was confined to. */
int worker_run_pass(struct worker *worker);
void worker_answer_requests(struct worker *worker);
bool worker_must_start_anew(struct worker *worker);

/* After a pass: how long a look at everything takes when there is nothing to
   do, and whether there is reason to look again soon. */
void worker_note_pace(struct worker *worker, uint64_t started_ms);
/* Until the next pass, after one that ended with `code`, when nothing wakes the
   worker before. */
uint64_t worker_next_delay_ms(struct worker *worker, int code);

/* Status as mailtwin(1) shows it, for one account. */
json_t *worker_status(struct worker *worker);
void worker_send_status(struct worker *worker, json_t *id);

/* A line for standard output. */
void worker_line(struct worker *worker, const char *format, ...)
	PRINTF_LIKE(2, 3);

/* held, approve, undo on an open account; appends lines to `lines`. */
int worker_command(struct worker *worker, const char *name,
	const json_t *mailboxes, json_t *lines);

/* For each of the removed files whether its folder has an equal message again,
   which is in no other file's stead. Reads all of them. */
const bool *worker_find_returned(struct account *account,
	const struct maildir_retained *files, size_t count,
	struct arena *arena) MUST_CHECK;

/* Gives up what the account does not need; `worker->account` is open, or NULL
   when no file is to be written. Directories only; NULL = none. */
void worker_confine(struct worker *worker, const char *state_directory,
	const char *removable);

void worker_log(struct worker *worker, enum account_log_level level,
	const char *format, ...) PRINTF_LIKE(3, 4);

/* Connects and tells what there is, without touching any state. */
int worker_check(struct worker *worker);

/* Sync as if, on a copy of the state. */
int worker_dry_run(struct worker *worker);

/* Connections that idle: opened, moved and closed after a pass. */
void worker_watch_mailboxes(struct worker *worker);
/* Marks the folders that were announced; true when there are any. */
bool worker_take_announced(struct worker *worker);
void worker_close_watchers(struct worker *worker);

#endif
