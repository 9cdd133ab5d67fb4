#include <stdio.h>

#include "syncd/command.h"
#include "syncd/exit_code.h"

static void message_came(void *data, const char *account, const char *type,
	const json_t *message)
{
	(void)data;
	(void)account;
	command_print_line(type, message);
}

static int report_offline(const struct config *config)
{
	struct buf text = { 0 };
	int code;

	buf_add_format(&text, "%s: no mistakes, %zu account%s\n", config->path,
		config->account_count, config->account_count == 1 ? "" : "s");
	code = command_print(&text);
	buf_finish(&text);
	return code;
}

static int run(const struct options *options, const struct config *config,
	const struct selection *selection)
{
	if ((options->given & OPTION_OFFLINE) != 0)
		return options->is_quiet ? CODE_IN_SYNC
					 : report_offline(config);
	return command_run_workers(&(struct command_run){
		.options = options,
		.config = config,
		.selection = selection,
		.mode = "check",
		.message = message_came,
	});
}

int command_check(const struct options *options)
{
	return command_on_selection(options, run);
}
