#include <stdio.h>

#include "syncd/command.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"

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

int command_check(const struct options *options)
{
	struct selection selection = { 0 };
	struct error error = { 0 };
	int code;
	struct config *config = command_load(options, &code);

	if (config == NULL)
		return code;
	if (!selection_make(&selection, config, options->names,
		    options->name_count, &error)) {
		log_write(LOG_ERROR, "%s", error.message);
		code = CODE_USAGE;
	} else if ((options->given & OPTION_OFFLINE) != 0) {
		code = options->is_quiet ? CODE_IN_SYNC
					 : report_offline(config);
	} else {
		code = command_run_workers(&(struct command_run){
			.options = options,
			.config = config,
			.selection = &selection,
			.mode = "check",
			.message = message_came,
		});
	}
	selection_finish(&selection);
	config_free(config);
	return code;
}
