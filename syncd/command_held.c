#include "syncd/command.h"
#include "syncd/control_client.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"

#include <stdio.h>
#include <string.h>

static void worker_said(void *data, const char *account, const char *type,
	const json_t *message)
{
	(void)data;
	(void)account;
	command_print_line(type, message);
}

static void daemon_said(void *data, const char *type, const json_t *message)
{
	const char *text = ipc_text(message, "text");
	const char *account = ipc_text(message, "account");

	(void)data;
	command_print_line(type, message);
	if (text == NULL)
		return;
	if (strcmp(type, "error") == 0)
		log_write(LOG_ERROR, "%s", text);
	else if (strcmp(type, "log") == 0 && account != NULL)
		log_account(LOG_ERROR, account, text);
}

static int ask_daemon(
	struct ipc *daemon, const char *name, const struct selection *selection)
{
	return control_ask(daemon,
		json_pack("{s:s, s:s, s:o}", "type", "command", "name", name,
			"accounts", command_accounts(selection)),
		daemon_said, NULL);
}

static int run(const struct options *options, const struct config *config,
	const struct selection *selection)
{
	struct ipc *daemon = control_connect(config->runtime_dir, NULL);
	int code;

	if (daemon != NULL)
		code = ask_daemon(daemon, options->command->name, selection);
	else
		code = command_run_workers(&(struct command_run){
			.options = options,
			.config = config,
			.selection = selection,
			.mode = options->command->name,
			.message = worker_said,
		});
	ipc_free(daemon);
	return fflush(stdout) == 0 ? code : CODE_IO;
}

int command_held(const struct options *options)
{
	return command_on_selection(options, run);
}
