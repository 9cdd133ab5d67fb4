#include "syncd/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"
#include "syncd/signals.h"
#include "syncd/supervisor.h"
#include "syncd/worker/loop.h"

static enum log_level wanted_level(
	const struct options *options, const struct config *config)
{
	static const enum log_level LEVELS[] = {
		[CONFIG_LOG_ERROR] = LOG_ERROR,
		[CONFIG_LOG_WARNING] = LOG_WARNING,
		[CONFIG_LOG_INFO] = LOG_INFO,
		[CONFIG_LOG_DEBUG] = LOG_DEBUG,
	};

	if (options->is_verbose)
		return LOG_DEBUG;
	if (options->is_quiet)
		return LOG_ERROR;
	return LEVELS[config->log_level];
}

static void write_problems(const struct config_problems *problems)
{
	struct buf text = { 0 };

	config_problems_write(problems, &text);
	(void)fputs(buf_text(&text), stderr);
	buf_finish(&text);
}

struct config *command_load(const struct options *options, int *code_out)
{
	char *path = options->config_path == NULL
		? config_default_path()
		: alloc_text(options->config_path);
	struct config_problems problems = { 0 };
	struct config *config = NULL;

	*code_out = CODE_CONFIG;
	if (path == NULL) {
		log_write(LOG_ERROR,
			"no home directory is known: --config FILE names the "
			"configuration");
		return NULL;
	}
	if (config_load(path, &config, &problems))
		log_set_level(wanted_level(options, config));
	else
		write_problems(&problems);
	config_problems_finish(&problems);
	free(path);
	return config;
}

int command_on_selection(const struct options *options,
	int (*run)(const struct options *options, const struct config *config,
		const struct selection *selection))
{
	struct selection selection = { 0 };
	struct error error = { 0 };
	int code;
	struct config *config = command_load(options, &code);

	if (config == NULL)
		return code;
	if (selection_make(&selection, config, options->names,
		    options->name_count, &error)) {
		code = run(options, config, &selection);
	} else {
		log_write(LOG_ERROR, "%s", error.message);
		code = CODE_USAGE;
	}
	selection_finish(&selection);
	config_free(config);
	return code;
}

int command_print(const struct buf *text)
{
	if (fwrite(buf_text(text), 1, text->size, stdout) == text->size &&
		fflush(stdout) == 0)
		return CODE_IN_SYNC;
	log_write(LOG_ERROR, "cannot write to standard output");
	return CODE_IO;
}

void command_print_line(const char *type, const json_t *message)
{
	const char *text = ipc_text(message, "text");
	char *copy;

	if (strcmp(type, "line") != 0 || text == NULL)
		return;
	copy = alloc_text(text);
	text_make_printable(copy);
	(void)puts(copy);
	free(copy);
}

json_t *command_accounts(const struct selection *selection)
{
	json_t *accounts = json_array();

	for (size_t i = 0; i < selection->count; i++)
		(void)json_array_append_new(accounts,
			json_pack("{s:s, s:O*}", "name",
				selection->items[i].account->name, "mailboxes",
				selection->items[i].mailboxes));
	return accounts;
}

/* ---- A run ---- */

struct driver {
	const struct command_run *run;
	struct supervisor *supervisor;
};

static void signalled(void *data, int number)
{
	struct driver *driver = data;

	if (number != SIGTERM && number != SIGINT)
		return;
	if (driver->run->was_stopped != NULL)
		*driver->run->was_stopped = true;
	supervisor_stop(driver->supervisor);
}

static void keep_statuses(const struct supervisor *supervisor, json_t *statuses)
{
	const char *name;

	for (size_t i = 0; (name = supervisor_name(supervisor, i)) != NULL; i++)
		(void)json_object_set_new(
			statuses, name, supervisor_status(supervisor, name));
}

static int drive(const struct command_run *run, struct loop *loop,
	struct supervisor *supervisor)
{
	struct driver driver = { .run = run, .supervisor = supervisor };
	struct error error = { 0 };
	struct signals *signals = signals_new(loop, signalled, &driver, &error);
	int code;

	if (signals == NULL) {
		log_write(LOG_ERROR, "%s", error.message);
		return CODE_IO;
	}
	for (size_t i = 0; i < run->selection->count; i++)
		supervisor_add(supervisor, run->config,
			run->selection->items[i].account,
			run->selection->items[i].mailboxes);
	while (!supervisor_is_done(supervisor))
		(void)loop_run_once(loop, LOOP_FOREVER);
	code = supervisor_code(supervisor);
	if (run->statuses != NULL)
		keep_statuses(supervisor, run->statuses);
	signals_free(signals);
	return code;
}

int command_run_workers(const struct command_run *run)
{
	struct supervisor_setup setup = {
		.mode = run->mode,
		.is_verbose = run->options->is_verbose,
		.message = run->message,
		.ended = run->ended,
		.data = run->data,
	};
	struct supervisor *supervisor;
	struct error error = { 0 };
	int code;

	setup.loop = loop_new(&error);
	if (setup.loop == NULL) {
		log_write(LOG_ERROR, "%s", error.message);
		return CODE_IO;
	}
	supervisor = supervisor_new(&setup);
	code = drive(run, setup.loop, supervisor);
	supervisor_free(supervisor);
	loop_free(setup.loop);
	return code;
}
