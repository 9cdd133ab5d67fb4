/* The workers, one process per account: starts them, hands them secrets, keeps
   what they last said of themselves, starts dead ones again, and ends them. It
   reads nothing that comes from a mail server. */
#ifndef SYNCD_SUPERVISOR_H
#define SYNCD_SUPERVISOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "config/config.h"
#include "syncd/worker/loop.h"

#define SUPERVISOR_STOP_MS 10000 /* asked to stop; then killed */

/* A worker of the daemon that says nothing for so long is killed; long enough
   for a slow disk with millions of files. */
#define SUPERVISOR_SILENCE_MS (5 * 60 * 1000)

struct supervisor;

struct supervisor_setup {
	struct loop *loop;
	const char *program; /* of the workers; NULL = this one */
	const char *mode;    /* of "start": daemon, sync, check, … */
	bool is_verbose;
	bool is_lasting; /* dead workers are started again */

	/* Anything but logs and secrets, as sent. Borrowed. NULL is fine. */
	void (*message)(void *data, const char *account, const char *type,
		const json_t *message);
	/* A process ended. NULL is fine. */
	void (*ended)(void *data, const char *account, int code);
	void *data;
};

/* `setup` is copied, what it points to is borrowed. */
struct supervisor *supervisor_new(const struct supervisor_setup *setup);
/* Kills what still runs. NULL is fine. */
void supervisor_free(struct supervisor *supervisor);

/* Starts a worker for the account. `config` and `account` are borrowed until
   the supervisor is freed or reloaded; `mailboxes` (NULL = all) is shared. */
void supervisor_add(struct supervisor *supervisor, const struct config *config,
	const struct config_account *account, json_t *mailboxes);

/* Another configuration, from now on: workers of accounts that are the same in
   both stay, those that gave up are tried again. */
void supervisor_reload(
	struct supervisor *supervisor, const struct config *config);

/* To one worker, which is started when it is not running. Takes the reference.
   False when there is no such account or it cannot be started. */
bool supervisor_send(
	struct supervisor *supervisor, const char *account, json_t *message);
/* To every worker; the reference stays yours. */
void supervisor_send_all(struct supervisor *supervisor, json_t *message);

/* The first call asks every worker to stop, the second one kills. */
void supervisor_stop(struct supervisor *supervisor);

/* No worker runs, and none will. */
bool supervisor_is_done(const struct supervisor *supervisor);
/* No worker hangs. */
bool supervisor_is_alive(const struct supervisor *supervisor);
/* The highest exit code so far. */
int supervisor_code(const struct supervisor *supervisor);

/* Accounts, in the order they were added. The name is borrowed; NULL behind
   the last. */
const char *supervisor_name(const struct supervisor *supervisor, size_t index);
bool supervisor_is_running(
	const struct supervisor *supervisor, const char *account);
/* What is known of it, as mailtwin(1) shows it; the reference is yours. NULL
   when there is no such account. */
json_t *supervisor_status(
	const struct supervisor *supervisor, const char *account);

#endif
