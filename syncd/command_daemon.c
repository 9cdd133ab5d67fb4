#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/command.h"
#include "syncd/control.h"
#include "syncd/exit_code.h"
#include "syncd/lock.h"
#include "syncd/log.h"
#include "syncd/notify.h"
#include "syncd/signals.h"
#include "syncd/supervisor.h"
#include "syncd/worker/loop.h"

#define STATUS_MS 1000 /* the status line of systemd lags at most so much */

struct daemon {
	const struct options *options;
	struct config *config;
	struct loop *loop;
	struct supervisor *supervisor;
	struct control *control;
	struct signals *signals;
	struct loop_timer *watchdog_timer;
	struct loop_timer *status_timer;
	bool has_news; /* for the status line; its timer runs */
	bool is_stopping;
	int state_lock, runtime_lock; /* -1 = not held */
};

/* ---- The status line ---- */

static size_t count_state(const struct daemon *daemon, const char *wanted)
{
	size_t count = 0;
	const char *name;

	for (size_t i = 0;
		(name = supervisor_name(daemon->supervisor, i)) != NULL; i++) {
		json_t *status = supervisor_status(daemon->supervisor, name);
		const char *state = ipc_text(status, "state");

		if (state != NULL && strcmp(state, wanted) == 0)
			count++;
		json_decref(status);
	}
	return count;
}

static void write_states(const struct daemon *daemon, struct buf *text)
{
	static const char *const STATES[] = { "starting", "syncing", "watching",
		"offline", "auth", "held", "stopped" };

	for (size_t i = 0; i < ARRAY_LENGTH(STATES); i++) {
		size_t count = count_state(daemon, STATES[i]);

		if (count > 0)
			buf_add_format(text, "%s%zu %s",
				text->size == 0 ? "" : ", ", count, STATES[i]);
	}
}

static void tell_status(void *data)
{
	struct daemon *daemon = data;
	struct buf text = { 0 };

	daemon->has_news = false;
	write_states(daemon, &text);
	notify_send("STATUS=%s", buf_text(&text));
	buf_finish(&text);
}

static void note_news(struct daemon *daemon)
{
	if (daemon->has_news || daemon->is_stopping)
		return;
	daemon->has_news = true;
	loop_timer_set(daemon->loop, daemon->status_timer, STATUS_MS);
}

/* ---- Events ---- */

static void message_came(void *data, const char *account, const char *type,
	const json_t *message)
{
	struct daemon *daemon = data;

	if (daemon->control != NULL)
		control_message(daemon->control, account, type, message);
	if (strcmp(type, "status") == 0)
		note_news(daemon);
}

static void ended(void *data, const char *account, int code)
{
	struct daemon *daemon = data;

	if (daemon->control != NULL)
		control_ended(daemon->control, account, code);
	note_news(daemon);
}

static void stop(void *data)
{
	struct daemon *daemon = data;

	log_write(LOG_INFO,
		daemon->is_stopping ? "stopping at once" : "stopping");
	if (!daemon->is_stopping)
		notify_send("STOPPING=1\nSTATUS=stopping");
	daemon->is_stopping = true;
	supervisor_stop(daemon->supervisor);
}

/* The directories are held and the socket is open: they cannot move. */
static bool is_reloadable(
	const struct config *before, const struct config *after)
{
	return strcmp(before->state_dir, after->state_dir) == 0 &&
		strcmp(before->runtime_dir, after->runtime_dir) == 0;
}

static void reload(struct daemon *daemon)
{
	int code;
	struct config *config = command_load(daemon->options, &code);

	if (config == NULL) {
		log_write(LOG_ERROR,
			"the configuration has mistakes: the old one stays");
		return;
	}
	if (!is_reloadable(daemon->config, config)) {
		log_write(LOG_ERROR,
			"state_dir and runtime_dir change only with a new "
			"start: the old configuration stays");
		config_free(config);
		return;
	}
	supervisor_reload(daemon->supervisor, config);
	config_free(daemon->config);
	daemon->config = config;
	log_write(LOG_INFO, "the configuration is reloaded");
	note_news(daemon);
}

static void signalled(void *data, int number)
{
	struct daemon *daemon = data;
	json_t *message;

	if (number == SIGTERM || number == SIGINT) {
		stop(daemon);
	} else if (number == SIGHUP && !daemon->is_stopping) {
		notify_send("RELOADING=1\nMONOTONIC_USEC=%llu",
			(unsigned long long)notify_monotonic_us());
		reload(daemon);
		notify_send("READY=1");
	} else if (number == SIGUSR1) {
		message = json_pack("{s:s, s:i}", "type", "sync", "id", 0);
		supervisor_send_all(daemon->supervisor, message);
		json_decref(message);
	}
}

static void watchdog_due(void *data)
{
	struct daemon *daemon = data;

	if (supervisor_is_alive(daemon->supervisor))
		notify_send("WATCHDOG=1");
	loop_timer_set(
		daemon->loop, daemon->watchdog_timer, notify_watchdog_ms());
}

/* ---- Start ---- */

static int refuse_start(const struct error *error)
{
	if (error->code == ERROR_STOPPED)
		log_write(LOG_ERROR, "another daemon is running: %s",
			error->message);
	else
		log_write(LOG_ERROR, "%s", error->message);
	return error->code == ERROR_STOPPED ? CODE_TEMPORARY
					    : CODE_CANNOT_CREATE;
}

/* One daemon per state and per socket; the locks go with the process. */
static int take_locks(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct error error = { 0 };

	if (!lock_make_directory(config->state_dir, &error) ||
		!lock_make_directory(config->runtime_dir, &error))
		return refuse_start(&error);
	daemon->state_lock =
		lock_take(config->state_dir, ".daemon.lock", &error);
	if (daemon->state_lock == -1)
		return refuse_start(&error);
	daemon->runtime_lock =
		lock_take(config->runtime_dir, "daemon.lock", &error);
	return daemon->runtime_lock == -1 ? refuse_start(&error) : CODE_IN_SYNC;
}

static bool open_parts(struct daemon *daemon, struct error *error)
{
	struct supervisor_setup setup = {
		.mode = "daemon",
		.is_verbose = daemon->options->is_verbose,
		.is_lasting = true,
		.message = message_came,
		.ended = ended,
		.data = daemon,
	};

	daemon->loop = loop_new(error);
	if (daemon->loop == NULL)
		return false;
	daemon->watchdog_timer =
		loop_timer_new(daemon->loop, watchdog_due, daemon);
	daemon->status_timer =
		loop_timer_new(daemon->loop, tell_status, daemon);
	setup.loop = daemon->loop;
	daemon->supervisor = supervisor_new(&setup);
	/* Before any worker exists: it is told to stop, not left behind. */
	daemon->signals = signals_new(daemon->loop, signalled, daemon, error);
	if (daemon->signals == NULL)
		return false;
	daemon->control = control_new(daemon->loop, daemon->supervisor,
		daemon->config->runtime_dir, stop, daemon, error);
	return daemon->control != NULL;
}

static void remove_socket(const struct config *config)
{
	char *path = alloc_format("%s/" CONTROL_NAME, config->runtime_dir);

	/* Left behind it would only be refused. */
	(void)unlink(path);
	free(path);
}

static void close_parts(struct daemon *daemon)
{
	if (daemon->control != NULL)
		remove_socket(daemon->config);
	control_free(daemon->control);
	signals_free(daemon->signals);
	supervisor_free(daemon->supervisor);
	if (daemon->loop != NULL) {
		loop_timer_free(daemon->loop, daemon->watchdog_timer);
		loop_timer_free(daemon->loop, daemon->status_timer);
	}
	loop_free(daemon->loop);
}

static void drive(struct daemon *daemon)
{
	const struct config *config = daemon->config;

	log_write(LOG_INFO, "mailtwin " MAILTWIN_VERSION " starts, %zu %s",
		config->account_count,
		config->account_count == 1 ? "account" : "accounts");
	for (size_t i = 0; i < config->account_count; i++)
		supervisor_add(
			daemon->supervisor, config, &config->accounts[i], NULL);
	notify_send("READY=1");
	note_news(daemon);
	if (notify_watchdog_ms() > 0)
		loop_timer_set(daemon->loop, daemon->watchdog_timer, 0);
	while (!supervisor_is_done(daemon->supervisor))
		(void)loop_run_once(daemon->loop, LOOP_FOREVER);
	log_write(LOG_INFO, "stopped");
}

static int run(struct daemon *daemon)
{
	struct error error = { 0 };
	int code = take_locks(daemon);

	if (code != CODE_IN_SYNC)
		return code;
	if (open_parts(daemon, &error))
		drive(daemon);
	else
		code = refuse_start(&error);
	close_parts(daemon);
	return code;
}

int command_daemon(const struct options *options)
{
	struct daemon daemon = {
		.options = options,
		.state_lock = -1,
		.runtime_lock = -1,
	};
	int code;

	log_open(true, LOG_INFO);
	daemon.config = command_load(options, &code);
	if (daemon.config == NULL)
		return code;
	code = run(&daemon);
	if (daemon.state_lock != -1)
		close(daemon.state_lock);
	if (daemon.runtime_lock != -1)
		close(daemon.runtime_lock);
	config_free(daemon.config);
	return code;
}
