/* One pass over the account, and what came of it. */
#include "syncd/worker/pass.h"

#include "syncd/worker/clock.h"
#include "syncd/worker/worker_internal.h"

void worker_set_state(struct worker *worker, enum worker_state state)
{
	if (worker->state == state)
		return;
	worker->state = state;
	worker->since = account_now();
}

int worker_exit_code(const struct error *error)
{
	switch (error->code) {
	case ERROR_NONE:
		return EXIT_IN_SYNC;
	case ERROR_REFUSED:
		return EXIT_LEFT_OVER;
	case ERROR_SYSTEM:
		return EXIT_IO;
	case ERROR_DISCONNECTED:
	case ERROR_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case ERROR_PROTOCOL:
	case ERROR_LIMIT:
		return EXIT_PROTOCOL;
	case ERROR_AUTH:
		return EXIT_AUTH;
	case ERROR_CORRUPT:
		return EXIT_INTERNAL;
	case ERROR_CONFIG:
		return EXIT_BAD_CONFIG;
	case ERROR_STOPPED:
		return EXIT_TEMPORARY;
	}
	return EXIT_INTERNAL;
}

int worker_pass_code(const struct account *account)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct pair pair;
	bool has_held = account->held_count > 0 || account->skipped_count > 0 ||
		!account->local_is_complete || !account->remote_is_complete;

	arena_init(&arena);
	while (!has_held &&
		state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		has_held = pair.hold != HOLD_NONE;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return has_held || account->counters.failed > 0 ? EXIT_LEFT_OVER
							: EXIT_IN_SYNC;
}

/* Somebody who waits for a sync waits for its end; the daemon comes back by
   itself, and must not let new mail wait for an absence to settle. */
static bool run(struct worker *worker, bool to_end)
{
	if (to_end)
		return pass_run_to_end(worker->account, &worker->error);
	return pass_run(worker->account, &worker->error);
}

int worker_pass(struct worker *worker, bool to_end)
{
	uint64_t started = clock_now_ms();
	int code;

	worker_set_state(worker, WORKER_SYNCING);
	error_clear(&worker->error);
	if (run(worker, to_end))
		code = worker_pass_code(worker->account);
	else
		code = worker_exit_code(&worker->error);
	worker->account->is_state_doubtful |=
		worker->error.code == ERROR_CORRUPT;
	worker_note_pace(worker, started);
	if (code == EXIT_IN_SYNC || code == EXIT_LEFT_OVER)
		worker_set_state(worker,
			worker->account->held_count > 0 ? WORKER_HELD
							: WORKER_WATCHING);
	else
		worker_set_state(worker,
			code == EXIT_AUTH ? WORKER_AUTH : WORKER_OFFLINE);
	return code;
}
