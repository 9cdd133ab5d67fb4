/* When the daemon looks again. */
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/worker_internal.h"

#define AGAIN_MS      50
#define FRUITLESS_MAX 7 /* doublings: 6.4 s */

/* Changes come in bursts, and servers tell of them late (Dovecot gathers what
   it announces for half a second). So for a while after a change the server is
   asked, as often as costs it next to nothing: a look at everything may take
   one twentieth of the time. */
#define LIVELY_MS     15000
#define LIVELY_MIN_MS 40
#define LIVELY_SHARE  20

void worker_note_pace(struct worker *worker, uint64_t started_ms)
{
	const struct account *account = worker->account;
	uint64_t now = clock_now_ms();

	if (!account->wants_again || account->change_count > 0)
		worker->fruitless_count = 0;
	else if (worker->fruitless_count < FRUITLESS_MAX)
		worker->fruitless_count++;
	if (account->change_count > 0)
		worker->lively_until_ms = now + LIVELY_MS;
	else if (account->remote_is_complete)
		worker->quiet_pass_ms = now - started_ms;
}

/* The next message that may be tried again. */
static uint64_t retry_delay_ms(struct account *account)
{
	struct state_cursor cursor = { 0 };
	int64_t now = account_now();
	int64_t next = INT64_MAX;
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	while (state_next_unsettled(account->state, &cursor, &arena, &pair)) {
		if (pair_is_waiting(&pair, now) && pair.retry_at < next)
			next = pair.retry_at;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return next == INT64_MAX ? LOOP_FOREVER : (uint64_t)(next - now) * 1000;
}

static uint64_t lively_delay_ms(const struct worker *worker)
{
	uint64_t delay = worker->quiet_pass_ms * LIVELY_SHARE;

	return delay > LIVELY_MIN_MS ? delay : LIVELY_MIN_MS;
}

/* Soon, but what is refused pass after pass is not asked for ever so often. */
static uint64_t again_delay_ms(const struct worker *worker)
{
	return (uint64_t)AGAIN_MS << worker->fruitless_count;
}

uint64_t worker_next_delay_ms(struct worker *worker, int code)
{
	struct account *account = worker->account;
	uint64_t delay = (uint64_t)worker->account_config->poll_s * 1000;
	uint64_t retry, settle_ms;
	uint32_t random;

	random_bytes(&random, sizeof(random));
	if (code != EXIT_IN_SYNC && code != EXIT_LEFT_OVER)
		return backoff_next_ms(&worker->backoff, random);
	backoff_reset(&worker->backoff);
	if (account->wants_again && again_delay_ms(worker) < delay)
		delay = again_delay_ms(worker);
	retry = retry_delay_ms(account);
	if (worker->account_config->idle &&
		clock_now_ms() < worker->lively_until_ms &&
		lively_delay_ms(worker) < delay)
		delay = lively_delay_ms(worker);
	settle_ms = local_settle_left_ms(account);
	if (!account->local_is_complete && settle_ms > 0 && settle_ms < delay)
		delay = settle_ms + 1;
	return retry < delay ? retry : delay;
}
