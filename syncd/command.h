/* Shared by the commands (command_*.c). Each is a function of the table in
   commands.c and returns the exit code. */
#ifndef SYNCD_COMMAND_H
#define SYNCD_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "config/config.h"
#include "syncd/ipc.h"
#include "syncd/options.h"
#include "syncd/selection.h"

int command_daemon(const struct options *options);
int command_sync(const struct options *options);
int command_status(const struct options *options);
int command_check(const struct options *options);
int command_held(const struct options *options); /* approve and undo, too */
int command_version(const struct options *options);
int command_help(const struct options *options);

/* Reads the configuration and sets the log up by it. Problems go to standard
   error; then NULL, and `*code_out` is set. */
struct config *command_load(
	const struct options *options, int *code_out) MUST_CHECK;

/* Reads the configuration, finds in it what the arguments name, and returns
   what `run` returns; the code of the mistake when there is one. */
int command_on_selection(const struct options *options,
	int (*run)(const struct options *options, const struct config *config,
		const struct selection *selection));

/* What standard output and the log are told of the workers of one run. */
struct command_run {
	const struct options *options;
	const struct config *config;
	const struct selection *selection;
	const char *mode;
	/* Of every account; as in struct supervisor_setup. NULL is fine. */
	void (*message)(void *data, const char *account, const char *type,
		const json_t *message);
	void (*ended)(void *data, const char *account, int code);
	void *data;
	json_t *statuses;  /* gets the last status of each account by name */
	bool *was_stopped; /* set when TERM or INT came */
};

/* Runs one worker for each selected account until all are through. TERM and
   INT ask them to stop, the second time they are killed. */
int command_run_workers(const struct command_run *run);

/* [{"name", "mailboxes"}…] for the control socket. */
json_t *command_accounts(const struct selection *selection);

/* Standard output: CODE_IO when it cannot be written. */
int command_print(const struct buf *text);

/* "line" messages go to standard output; anything else is left alone. */
void command_print_line(const char *type, const json_t *message);

#endif
