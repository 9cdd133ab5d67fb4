#include "syncd/worker/worker.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/confine.h"
#include "syncd/worker/digest.h"
#include "syncd/worker/local.h"
#include "syncd/worker/pass.h"
#include "syncd/worker/worker_internal.h"

#define START_TIMEOUT_MS  30000
#define SECRET_TIMEOUT_MS 90000
#define ALIVE_MS          10000
#define PROGRESS_MS       250
#define LEFT_LINE_MAX     20

/* ---- To the supervisor ---- */

static void send_log(void *data, int level, const char *text)
{
	struct worker *worker = data;

	(void)ipc_send(worker->ipc,
		json_pack("{s:s, s:i, s:s}", "type", "log", "level", level,
			"text", text));
}

void worker_log(struct worker *worker, enum account_log_level level,
	const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	send_log(worker, (int)level, text);
}

static void send_progress(void *data, const struct account *account)
{
	struct worker *worker = data;
	const struct account_counters *counters = &account->counters;
	uint64_t now = clock_now_ms();

	if (now - worker->progress_at_ms < PROGRESS_MS &&
		counters->folder_path != NULL)
		return;
	worker->progress_at_ms = now;
	(void)ipc_send(worker->ipc,
		json_pack("{s:s, s:s?, s:I, s:I, s:I, s:I}", "type", "progress",
			"mailbox", counters->folder_path, "done_messages",
			(json_int_t)counters->done_messages, "all_messages",
			(json_int_t)counters->all_messages, "done_bytes",
			(json_int_t)counters->done_bytes, "all_bytes",
			(json_int_t)counters->all_bytes));
}

static void send_line(void *data, const char *line)
{
	struct worker *worker = data;

	(void)ipc_send(worker->ipc,
		json_pack("{s:s, s:s}", "type", "line", "text", line));
}

void worker_line(struct worker *worker, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_make_printable(text);
	send_line(worker, text);
}

static char *get_secret(void *data, bool is_retry, struct error *error)
{
	struct worker *worker = data;
	char *secret;

	worker->has_secret = false;
	free_secret(worker->secret);
	free(worker->secret_error);
	worker->secret = NULL;
	worker->secret_error = NULL;
	(void)ipc_send(worker->ipc,
		json_pack("{s:s, s:b}", "type", "secret-request", "retry",
			is_retry));
	switch (loop_run_until(worker->loop, &worker->has_secret,
		clock_now_ms() + SECRET_TIMEOUT_MS)) {
	case LOOP_DONE:
		break;
	case LOOP_TIMEOUT:
		error_set(error, ERROR_UNREACHABLE,
			"no password came within %d s",
			SECRET_TIMEOUT_MS / 1000);
		return NULL;
	case LOOP_STOPPED:
		error_set(error, ERROR_STOPPED, "stopping");
		return NULL;
	}
	if (worker->secret == NULL) {
		error_set(error, ERROR_AUTH, "%s",
			worker->secret_error == NULL ? "no password"
						     : worker->secret_error);
		return NULL;
	}
	secret = worker->secret;
	worker->secret = NULL;
	return secret;
}

static void send_alive(void *data)
{
	struct worker *worker = data;

	(void)ipc_send(worker->ipc, json_pack("{s:s}", "type", "alive"));
	loop_timer_set(worker->loop, worker->alive_timer, ALIVE_MS);
}

/* ---- From the supervisor ---- */

static void take_secret(struct worker *worker, const json_t *message)
{
	const char *text = ipc_text(message, "text");
	const char *failure = ipc_text(message, "error");

	free_secret(worker->secret);
	free(worker->secret_error);
	worker->secret = text == NULL ? NULL : alloc_text(text);
	worker->secret_error = failure == NULL ? NULL : alloc_text(failure);
	worker->has_secret = true;
}

static void stop(struct worker *worker)
{
	/* The first time the message at hand is finished, the second not. */
	if (worker->account == NULL || worker->account->is_stopping)
		loop_stop(worker->loop);
	else
		worker->account->is_stopping = true;
	worker->is_woken = true;
}

static void take_message(struct worker *worker, json_t *message)
{
	const char *type = ipc_text(message, "type");

	if (type == NULL)
		return;
	if (strcmp(type, "start") == 0 && worker->start == NULL) {
		worker->start = json_incref(message);
		worker->is_woken = true;
	} else if (strcmp(type, "secret") == 0) {
		take_secret(worker, message);
	} else if (strcmp(type, "stop") == 0) {
		stop(worker);
	} else if (strcmp(type, "sync") == 0) {
		(void)json_array_append(
			worker->sync_ids, json_object_get(message, "id"));
		if (worker->account != NULL)
			worker->account->wants_sweep = true;
		worker->is_woken = true;
		worker->is_asked = true;
	} else if (strcmp(type, "status-request") == 0) {
		worker_send_status(worker, json_object_get(message, "id"));
	} else if (strcmp(type, "command") == 0 &&
		worker->request_count < REQUEST_COUNT_MAX) {
		worker->requests[worker->request_count++] =
			json_incref(message);
		worker->is_woken = true;
		worker->is_asked = true;
	}
}

static void ipc_ready(void *data, unsigned events)
{
	struct worker *worker = data;
	struct error error = { 0 };
	json_t *message;

	(void)events;
	(void)ipc_flush(worker->ipc);
	for (;;) {
		switch (ipc_receive(worker->ipc, &message, &error)) {
		case IPC_MESSAGE:
			take_message(worker, message);
			json_decref(message);
			continue;
		case IPC_NONE:
			loop_modify(worker->loop, worker->ipc_source,
				ipc_wants_write(worker->ipc)
					? LOOP_READ | LOOP_WRITE
					: LOOP_READ);
			return;
		case IPC_CLOSED:
		case IPC_ERROR:
			/* Without a supervisor there is nothing to do. */
			loop_modify(worker->loop, worker->ipc_source, 0);
			stop(worker);
			loop_stop(worker->loop);
			return;
		}
	}
}

/* ---- Passes ---- */

/* In words, and not more than somebody reads. */
static json_t *left_over(struct worker *worker, const json_t *ids, int code)
{
	json_t *lines = json_array();
	size_t count;

	if (code != EXIT_LEFT_OVER || json_array_size(ids) == 0)
		return lines;
	worker_list_left(worker->account, lines);
	count = json_array_size(lines);
	if (count <= LEFT_LINE_MAX)
		return lines;
	for (size_t i = count; i > LEFT_LINE_MAX; i--)
		(void)json_array_remove(lines, i - 1);
	(void)json_array_append_new(lines,
		json_sprintf("%s: and %zu more: see mailtwin held",
			worker->account_config->name, count - LEFT_LINE_MAX));
	return lines;
}

static void send_synced(struct worker *worker, const json_t *ids, int code,
	const struct account_counters *before, uint64_t started_ms)
{
	const struct account_counters *now = &worker->account->counters;
	double seconds = (double)(clock_now_ms() - started_ms) / 1000;
	json_t *left = left_over(worker, ids, code);
	size_t i;
	json_t *id;

	json_array_foreach(ids, i, id)
		(void)ipc_send(worker->ipc,
			json_pack("{s:s, s:O, s:i, s:s, s:O, s:{s:I, s:I, s:I, "
				  "s:I, s:I, s:I, s:I, s:f}}",
				"type", "synced", "id", id, "code", code,
				"error", worker->error.message, "left", left,
				"summary", "downloaded",
				(json_int_t)(now->downloaded -
					before->downloaded),
				"uploaded",
				(json_int_t)(now->uploaded - before->uploaded),
				"moved",
				(json_int_t)(now->moved_local +
					now->moved_remote -
					before->moved_local -
					before->moved_remote),
				"flagged",
				(json_int_t)(now->flagged_local +
					now->flagged_remote -
					before->flagged_local -
					before->flagged_remote),
				"deleted",
				(json_int_t)(now->deleted_local +
					now->deleted_remote -
					before->deleted_local -
					before->deleted_remote),
				"failed", (json_int_t)now->failed, "held",
				(json_int_t)worker->account->held_count,
				"seconds", seconds));
	json_decref(left);
}

/* Those who waited when the pass began; who came later waits for the next. */
int worker_run_pass(struct worker *worker)
{
	struct account_counters before = worker->account->counters;
	json_t *waiting = json_copy(worker->sync_ids);
	uint64_t started = clock_now_ms();
	int code;

	(void)json_array_clear(worker->sync_ids);
	code = worker_pass(worker, json_array_size(waiting) > 0);
	send_synced(worker, waiting, code, &before, started);
	json_decref(waiting);
	worker_send_status(worker, NULL);
	return code;
}

static bool open_account(struct worker *worker)
{
	char *directory;

	if (worker->account_config->tls == CONFIG_TLS_OFF)
		digest_init_without_tls();
	worker->account = account_open(worker->config, worker->account_config,
		&worker->report, worker->loop, &worker->error);
	if (worker->account == NULL)
		return false;
	worker_watch_maildir(worker);
	directory = alloc_format("%s/%s", worker->config->state_dir,
		worker->account_config->name);
	worker_confine(worker, directory, NULL);
	free(directory);
	return true;
}

static int run_sync(struct worker *worker)
{
	int code;

	(void)json_array_append_new(worker->sync_ids, json_integer(0));
	code = worker_run_pass(worker);
	if (worker->account->remote != NULL && code <= EXIT_LEFT_OVER)
		remote_logout(worker->account->remote);
	return code;
}

static void shut_account(struct worker *worker)
{
	worker_close_watchers(worker);
	loop_remove(worker->loop, worker->watch_source);
	account_close(worker->account);
	worker->watch_source = NULL;
	worker->account = NULL;
}

/* A damaged state is made anew where it is opened. */
static int sync_or_reopen(struct worker *worker)
{
	int code = run_sync(worker);

	if (worker->error.code != ERROR_CORRUPT)
		return code;
	account_log(worker->account, ACCOUNT_LOG_WARNING, "%s",
		worker->error.message);
	shut_account(worker);
	error_clear(&worker->error);
	if (!open_account(worker))
		return worker_exit_code(&worker->error);
	worker->account->wants_sweep = true;
	return run_sync(worker);
}

/* ---- For the daemon ---- */

void worker_answer_requests(struct worker *worker)
{
	for (size_t i = 0; i < worker->request_count; i++) {
		json_t *request = worker->requests[i];
		json_t *lines = json_array();
		const char *name = ipc_text(request, "name");
		int code = worker_command(worker, name == NULL ? "" : name,
			json_object_get(request, "mailboxes"), lines);

		(void)ipc_send(worker->ipc,
			json_pack("{s:s, s:O?, s:o, s:i}", "type", "answer",
				"id", json_object_get(request, "id"), "lines",
				lines, "code", code));
		json_decref(request);
	}
	worker->request_count = 0;
}

/* NetworkManager and its like replace resolv.conf, others certificates, and the
   Maildir's disk may be mounted again; the new file can be reached by a new
   process only. */
bool worker_must_start_anew(struct worker *worker)
{
	const char *path = confine_replaced(worker->confine);

	if (path != NULL)
		worker_log(worker, ACCOUNT_LOG_INFO,
			"'%s' was replaced: starting anew", path);
	return path != NULL;
}

/* ---- Start and end ---- */

static int run_command(struct worker *worker)
{
	json_t *lines = json_array();
	int code =
		worker_command(worker, worker->mode, worker->mailboxes, lines);
	size_t i;
	json_t *line;

	json_array_foreach(lines, i, line)
		send_line(worker, json_string_value(line));
	json_decref(lines);
	if (strcmp(worker->mode, "held") != 0 && code == EXIT_IN_SYNC)
		code = run_sync(worker);
	return code;
}

static int run_mode(struct worker *worker)
{
	if (strcmp(worker->mode, "check") == 0)
		return worker_check(worker);
	if (strcmp(worker->mode, "dry-run") == 0)
		return worker_dry_run(worker);
	if (!open_account(worker))
		return worker_exit_code(&worker->error);
	worker->account->wants_sweep = true;
	if (strcmp(worker->mode, "daemon") == 0)
		return worker_daemon(worker);
	if (strcmp(worker->mode, "sync") == 0)
		return sync_or_reopen(worker);
	if (strcmp(worker->mode, "status") == 0) {
		worker_set_state(worker, WORKER_STOPPED);
		worker_send_status(worker, NULL);
		return EXIT_IN_SYNC;
	}
	return run_command(worker);
}

static bool load_start(struct worker *worker)
{
	const char *path = ipc_text(worker->start, "config");
	const char *name = ipc_text(worker->start, "account");
	const char *mode = ipc_text(worker->start, "mode");
	struct config_problems problems = { 0 };
	bool is_loaded;

	if (path == NULL || name == NULL || mode == NULL)
		return error_set(&worker->error, ERROR_CORRUPT,
			"the supervisor's first message makes no sense");
	worker->mode = alloc_text(mode);
	worker->mailboxes = json_object_get(worker->start, "mailboxes");
	is_loaded = config_load(path, &worker->config, &problems);
	config_problems_finish(&problems);
	if (!is_loaded)
		return error_set(&worker->error, ERROR_CONFIG,
			"'%s' changed and has errors now", path);
	/* Of all accounts; its own is asked for when it is needed. */
	config_wipe_secrets(worker->config);
	worker->account_config = config_find_account(worker->config, name);
	if (worker->account_config == NULL)
		return error_set(&worker->error, ERROR_CONFIG,
			"'%s' has no account '%s' any more", path, name);
	return true;
}

static int run(struct worker *worker)
{
	int code;

	if (loop_run_until(worker->loop, &worker->is_woken,
		    clock_now_ms() + START_TIMEOUT_MS) != LOOP_DONE ||
		worker->start == NULL)
		return EXIT_TEMPORARY;
	worker->is_woken = false;
	if (load_start(worker))
		code = run_mode(worker);
	else
		code = worker_exit_code(&worker->error);
	if (code > EXIT_LEFT_OVER && worker->error.message[0] != '\0')
		send_log(worker, ACCOUNT_LOG_ERROR, worker->error.message);
	return code;
}

/* What is queued for the supervisor still goes out. */
static void drain_ipc(struct worker *worker)
{
	uint64_t deadline = clock_now_ms() + 2000;

	while (ipc_wants_write(worker->ipc) && clock_now_ms() < deadline) {
		loop_modify(worker->loop, worker->ipc_source, LOOP_WRITE);
		(void)loop_run_once(worker->loop, 100);
		(void)ipc_flush(worker->ipc);
	}
}

static void close_worker(struct worker *worker)
{
	shut_account(worker);
	confine_end(worker->confine);
	drain_ipc(worker);
	loop_timer_free(worker->loop, worker->alive_timer);
	loop_remove(worker->loop, worker->ipc_source);
	ipc_free(worker->ipc);
	loop_free(worker->loop);
	config_free(worker->config);
	json_decref(worker->start);
	json_decref(worker->sync_ids);
	free_secret(worker->secret);
	free(worker->secret_error);
	free(worker->mode);
}

int worker_give_up(int socket_fd, const struct error *error)
{
	struct worker worker = { .ipc = ipc_new(socket_fd) };

	/* A line goes into an empty socket. */
	send_log(&worker, ACCOUNT_LOG_ERROR, error->message);
	ipc_free(worker.ipc);
	return worker_exit_code(error);
}

int worker_main(int socket_fd)
{
	struct worker worker = { .since = account_now() };
	struct error error = { 0 };
	int code;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	worker.loop = loop_new(&error);
	if (worker.loop == NULL)
		return worker_give_up(socket_fd, &error);
	worker.ipc = ipc_new(socket_fd);
	worker.sync_ids = json_array();
	worker.ipc_source = loop_add(
		worker.loop, ipc_fd(worker.ipc), LOOP_READ, ipc_ready, &worker);
	worker.alive_timer = loop_timer_new(worker.loop, send_alive, &worker);
	loop_timer_set(worker.loop, worker.alive_timer, ALIVE_MS);
	worker.report = (struct account_report){
		.log = send_log,
		.progress = send_progress,
		.planned = send_line,
		.get_secret = get_secret,
		.data = &worker,
	};
	code = run(&worker);
	close_worker(&worker);
	return code;
}
