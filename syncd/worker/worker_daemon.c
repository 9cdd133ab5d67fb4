/* The daemon: passes without end, and what wakes it in between. */
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/worker_internal.h"

/* ---- What is told while it waits ---- */

/* Taken in at once, so that the descriptor does not stay readable while a long
   download runs. */
static void watch_ready(void *data, unsigned events)
{
	struct worker *worker = data;

	(void)events;
	(void)watch_position(worker->account->watch);
	worker->is_woken = true;
}

static void resumed(void *data)
{
	struct worker *worker = data;

	worker->has_resumed = true;
	worker->is_woken = true;
}

void worker_watch_maildir(struct worker *worker)
{
	struct error error = { 0 };

	/* Before any socket: the library behind it uses select(). */
	if (!local_watch(worker->account, &error)) {
		account_log(worker->account, ACCOUNT_LOG_WARNING,
			"%s: the Maildir is scanned at every pass",
			error.message);
		return;
	}
	worker->watch_source =
		loop_add(worker->loop, watch_fd(worker->account->watch),
			LOOP_READ, watch_ready, worker);
}

/* ---- Between two passes ---- */

static void after_resume(struct worker *worker)
{
	struct account *account = worker->account;

	worker->has_resumed = false;
	account_log(account, ACCOUNT_LOG_INFO,
		"the machine slept: connecting anew");
	worker_close_watchers(worker);
	remote_close(account->remote);
	account->remote = NULL;
	account->settle_ms = SETTLE_START_MS;
	for (size_t i = 0; i < account->folder_count; i++)
		account->folders[i]->needs_scan = true;
	account->wants_sweep = true;
}

static void wait_for_work(struct worker *worker, uint64_t delay_ms, bool is_up)
{
	uint64_t deadline = clock_now_ms() + delay_ms;
	struct watch_event event;

	/* Taken in during the pass: the descriptor does not tell any more. */
	if (worker->account->watch != NULL &&
		watch_peek(worker->account->watch, 0, &event))
		return;
	worker->is_asked = false;
	while (!worker->account->is_stopping) {
		enum loop_result result = loop_run_until(
			worker->loop, &worker->is_woken, deadline);

		if (result != LOOP_DONE)
			return;
		worker->is_woken = false;
		if (worker->has_resumed) {
			after_resume(worker);
			return;
		}
		(void)worker_take_announced(worker);
		/* While offline only a person cuts the back-off short. */
		if (is_up || worker->is_asked)
			return;
	}
}

/* After a failed write LMDB refuses everything until it is opened anew: that is
   what the supervisor starts us again for. */
static bool is_state_usable(struct worker *worker)
{
	struct error error = { 0 };

	if (!state_begin(worker->account->state, &error))
		return false;
	state_abort(worker->account->state);
	return true;
}

/* ---- Its life ---- */

static bool is_final(int code)
{
	return code == EXIT_AUTH || code == EXIT_BAD_CONFIG ||
		code == EXIT_INTERNAL;
}

static bool is_connected(const struct account *account)
{
	return account->remote != NULL && !remote_is_dead(account->remote);
}

int worker_daemon(struct worker *worker)
{
	struct account *account = worker->account;
	int code = EXIT_IN_SYNC;

	loop_set_resume_callback(worker->loop, resumed, worker);
	account->wants_sweep = true;
	while (!account->is_stopping && !loop_is_stopping(worker->loop)) {
		bool is_up;

		worker->is_woken = false;
		if (!is_connected(account) && worker_must_start_anew(worker))
			return EXIT_TEMPORARY;
		if (account->watch == NULL)
			for (size_t i = 0; i < account->folder_count; i++)
				account->folders[i]->needs_scan = true;
		code = worker_run_pass(worker);
		worker_answer_requests(worker);
		is_up = code == EXIT_IN_SYNC || code == EXIT_LEFT_OVER;
		/* It may have failed because of that. */
		if (!is_up && !account->is_stopping &&
			worker_must_start_anew(worker))
			return EXIT_TEMPORARY;
		if (is_final(code) || account->is_stopping ||
			!is_state_usable(worker))
			break;
		if (is_up) {
			worker_watch_mailboxes(worker);
		} else {
			worker_close_watchers(worker);
			remote_close(account->remote);
			account->remote = NULL;
			account_log(account, ACCOUNT_LOG_WARNING, "%s",
				worker->error.message);
		}
		if (!worker->is_woken)
			wait_for_work(worker,
				worker_next_delay_ms(worker, code), is_up);
	}
	worker_answer_requests(worker);
	worker_close_watchers(worker);
	if (account->is_stopping) {
		worker_set_state(worker, WORKER_STOPPED);
		return EXIT_IN_SYNC;
	}
	return code;
}
