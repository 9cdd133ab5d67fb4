#include "tests/sim/sim_daemon.h"

#include <string.h>

#include "syncd/worker/worker_internal.h"
#include "tests/sim/seam.h"

/* One in so many passes has somebody waiting for its end. */
#define WAITED_FOR_ONE_IN 4

/* The one process of a world; what a dead one held is forgotten with it. */
static struct worker daemon_worker;
static unsigned passes_left;

int worker_run_pass(struct worker *worker)
{
	int code = worker_pass(worker, seam_choose(WAITED_FOR_ONE_IN) == 0);

	if (code != EXIT_IN_SYNC && code != EXIT_LEFT_OVER)
		seam_log("pass ends: %s", worker->error.message);
	if (--passes_left == 0)
		worker->account->is_stopping = true;
	return code;
}

/* Nobody asks. */
void worker_answer_requests(struct worker *worker)
{
	(void)worker;
}

/* Nothing is confined. */
bool worker_must_start_anew(struct worker *worker)
{
	(void)worker;
	return false;
}

bool sim_daemon_run(struct world *world, unsigned pass_count)
{
	struct worker *worker = &daemon_worker;

	memset(worker, 0, sizeof(*worker));
	worker->loop = world->loop;
	worker->config = world->config;
	worker->account_config = &world->config->accounts[0];
	worker->account = world->account;
	passes_left = pass_count;
	seam_log("a daemon, for %u passes", pass_count);
	worker_watch_maildir(worker);
	(void)worker_daemon(worker);
	loop_remove(worker->loop, worker->watch_source);
	return worker->error.code == ERROR_NONE;
}
