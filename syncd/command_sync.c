#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syncd/command.h"
#include "syncd/control_client.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"
#include "syncd/progress.h"
#include "syncd/worker/clock.h"

struct sync {
	const struct options *options;
	struct progress *progress; /* NULL = not wanted */
	bool is_daemon;            /* the daemon's log has the errors */
};

static void print_summary(
	struct sync *sync, const char *account, const json_t *message)
{
	const json_t *summary = json_object_get(message, "summary");
	struct buf text = { 0 };

	if (sync->options->is_quiet || !json_is_object(summary))
		return;
	if (sync->progress != NULL)
		progress_hide(sync->progress);
	buf_add_format(&text, "%s: ", account);
	progress_write_summary(summary, &text);
	buf_add_byte(&text, '\n');
	(void)command_print(&text);
	buf_finish(&text);
}

static void print_left(const json_t *message)
{
	size_t i;
	json_t *line;

	json_array_foreach(json_object_get(message, "left"), i, line)
		log_write(LOG_WARNING, "%s", json_string_value(line));
}

static void synced(
	struct sync *sync, const char *account, const json_t *message)
{
	json_int_t code = json_integer_value(json_object_get(message, "code"));
	const char *error = ipc_text(message, "error");

	if (sync->progress != NULL)
		progress_end(sync->progress, account);
	if (code == CODE_IN_SYNC || code == CODE_LEFT_OVER)
		print_summary(sync, account, message);
	if (code == CODE_LEFT_OVER)
		print_left(message);
	if (code > CODE_LEFT_OVER && sync->is_daemon && error != NULL &&
		*error != '\0')
		log_account(LOG_ERROR, account, error);
}

static void message_came(void *data, const char *account, const char *type,
	const json_t *message)
{
	struct sync *sync = data;

	if (strcmp(type, "synced") == 0)
		synced(sync, account, message);
	else if (strcmp(type, "progress") == 0 && sync->progress != NULL)
		progress_take(sync->progress, account, message, clock_now_ms());
	else
		command_print_line(type, message);
}

static void ended(void *data, const char *account, int code)
{
	struct sync *sync = data;

	(void)code;
	if (sync->progress != NULL)
		progress_end(sync->progress, account);
}

static void daemon_said(void *data, const char *type, const json_t *message)
{
	const char *account = ipc_text(message, "account");
	const char *text = ipc_text(message, "text");

	if (strcmp(type, "error") == 0 && text != NULL)
		log_write(LOG_ERROR, "%s", text);
	else if (account == NULL)
		return;
	else if (strcmp(type, "log") == 0 && text != NULL)
		log_account(LOG_ERROR, account, text);
	else
		message_came(data, account, type, message);
}

static bool is_terminal(const struct options *options)
{
	const char *terminal = getenv("TERM");

	(void)options;
	return isatty(STDERR_FILENO) == 1 && terminal != NULL &&
		strcmp(terminal, "dumb") != 0;
}

static int run(const struct options *options, const struct config *config,
	const struct selection *selection)
{
	bool is_dry_run = (options->given & OPTION_DRY_RUN) != 0;
	struct sync sync = { .options = options };
	struct ipc *daemon = NULL;
	int code;

	if (!options->is_quiet && !is_dry_run) {
		sync.progress =
			progress_new(STDERR_FILENO, is_terminal(options));
		log_set_hook(progress_hide, sync.progress);
	}
	if (!is_dry_run)
		daemon = control_connect(config->runtime_dir, NULL);
	sync.is_daemon = daemon != NULL;
	if (daemon != NULL)
		code = control_ask(daemon,
			json_pack("{s:s, s:o}", "type", "sync", "accounts",
				command_accounts(selection)),
			daemon_said, &sync);
	else
		code = command_run_workers(&(struct command_run){
			.options = options,
			.config = config,
			.selection = selection,
			.mode = is_dry_run ? "dry-run" : "sync",
			.message = message_came,
			.ended = ended,
			.data = &sync,
		});
	ipc_free(daemon);
	log_set_hook(NULL, NULL);
	progress_free(sync.progress);
	return fflush(stdout) == 0 ? code : CODE_IO;
}

int command_sync(const struct options *options)
{
	return command_on_selection(options, run);
}
