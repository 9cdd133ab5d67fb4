#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/command.h"
#include "syncd/control_client.h"
#include "syncd/exit_code.h"
#include "syncd/log.h"
#include "syncd/status.h"
#include "syncd/worker/clock.h"

#define WATCH_MS 1000

struct look {
	const struct options *options;
	const struct config *config;
	const struct selection *selection;
	json_t *accounts; /* of this look, by name, in any order */
	bool was_stopped; /* by a signal, while looking */
};

/* ---- Asking ---- */

static void take_account(struct look *look, const json_t *message)
{
	json_t *account = json_object_get(message, "account");
	const char *name = ipc_text(account, "name");

	if (name != NULL)
		(void)json_object_set(look->accounts, name, account);
}

static void daemon_said(void *data, const char *type, const json_t *message)
{
	const char *text = ipc_text(message, "text");

	if (strcmp(type, "account") == 0)
		take_account(data, message);
	else if (strcmp(type, "error") == 0 && text != NULL)
		log_write(LOG_ERROR, "%s", text);
}

static int ask(struct look *look)
{
	struct ipc *daemon = control_connect(look->config->runtime_dir, NULL);
	int code;

	json_decref(look->accounts);
	look->accounts = json_object();
	if (daemon != NULL)
		code = control_ask(daemon, json_pack("{s:s}", "type", "status"),
			daemon_said, look);
	else
		code = command_run_workers(&(struct command_run){
			.options = look->options,
			.config = look->config,
			.selection = look->selection,
			.mode = "status",
			.statuses = look->accounts,
			.was_stopped = &look->was_stopped,
		});
	ipc_free(daemon);
	return code;
}

/* ---- Telling ---- */

static bool is_wanted(const struct selected *selected, const char *mailbox)
{
	const json_t *name;
	size_t i;

	if (selected->mailboxes == NULL)
		return true;
	json_array_foreach(selected->mailboxes, i, name)
		if (mailbox != NULL &&
			strcmp(json_string_value(name), mailbox) == 0)
			return true;
	return false;
}

static json_t *narrowed(const struct selected *selected, json_t *account)
{
	json_t *copy = json_copy(account);
	json_t *mailboxes = json_array();
	json_t *mailbox;
	size_t i;

	json_array_foreach(json_object_get(account, "mailboxes"), i, mailbox)
		if (is_wanted(selected, ipc_text(mailbox, "name")))
			(void)json_array_append(mailboxes, mailbox);
	(void)json_object_set_new(copy, "mailboxes", mailboxes);
	return copy;
}

static json_t *chosen(const struct look *look)
{
	json_t *accounts = json_array();

	for (size_t i = 0; i < look->selection->count; i++) {
		const struct selected *selected = &look->selection->items[i];
		json_t *account = json_object_get(
			look->accounts, selected->account->name);

		if (account != NULL)
			(void)json_array_append_new(
				accounts, narrowed(selected, account));
	}
	return accounts;
}

static void write_json(json_t *accounts, struct buf *text)
{
	json_t *status = json_pack("{s:s, s:O}", "version", MAILTWIN_VERSION,
		"accounts", accounts);
	char *dump = json_dumps(status, JSON_INDENT(2));

	if (dump != NULL)
		buf_add_format(text, "%s\n", dump);
	free(dump);
	json_decref(status);
}

static int write_look(struct look *look, struct buf *text)
{
	const struct status_style style = {
		.has_color = options_has_color(look->options, STDOUT_FILENO),
		.has_all = look->options->is_verbose ||
			look->options->name_count > 0,
		.now = clock_wall_seconds(),
	};
	int code = ask(look);
	json_t *accounts = chosen(look);

	if ((look->options->given & OPTION_JSON) != 0)
		write_json(accounts, text);
	else
		status_write(accounts, &style, text);
	if (status_code(accounts) > code)
		code = status_code(accounts);
	json_decref(accounts);
	return code;
}

/* ---- Again and again ---- */

static volatile sig_atomic_t is_interrupted;

static void interrupted(int number)
{
	(void)number;
	is_interrupted = 1;
}

/* Single keys, without echo. False when standard input is no terminal. */
static bool set_keys(struct termios *before)
{
	struct termios keys;

	if (tcgetattr(STDIN_FILENO, before) == -1)
		return false;
	keys = *before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	return tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

static bool is_asked_to_end(bool has_keys)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&input, has_keys ? 1 : 0, WATCH_MS) != 1)
		return is_interrupted != 0;
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

static int watch(struct look *look)
{
	bool is_terminal = isatty(STDOUT_FILENO) == 1;
	struct sigaction action = { .sa_handler = interrupted };
	struct termios before;
	bool has_keys = set_keys(&before);
	int code;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	do {
		struct buf text = { 0 };

		if (is_terminal)
			buf_add_text(&text, "\033[H\033[2J");
		code = write_look(look, &text);
		if (command_print(&text) != CODE_IN_SYNC)
			is_interrupted = 1;
		buf_finish(&text);
	} while (is_interrupted == 0 && !look->was_stopped &&
		!is_asked_to_end(has_keys));
	if (has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return code;
}

static int show(struct look *look)
{
	struct buf text = { 0 };
	int code = write_look(look, &text);
	int print_code = command_print(&text);

	buf_finish(&text);
	return print_code == CODE_IN_SYNC ? code : print_code;
}

static int run(const struct options *options, const struct config *config,
	const struct selection *selection)
{
	struct look look = {
		.options = options,
		.config = config,
		.selection = selection,
	};
	int code = (options->given & OPTION_WATCH) != 0 ? watch(&look)
							: show(&look);

	json_decref(look.accounts);
	return code;
}

int command_status(const struct options *options)
{
	return command_on_selection(options, run);
}
