/* syncd/worker/loop.h, clock.h and pool.h over a clock that only moves when
   somebody waits: a wait is a step of time in which others act. Who waits for a
   connection asks for it by itself (sim_transport.c). Only where somebody wants
   to know that the machine slept, the daemon, the loop tells more: that, events
   of the one watch, and what came on connections nobody waits for. Jobs of the
   pool run at once. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/loop.h"
#include "syncd/worker/pool.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_inotify.h"
#include "tests/sim/sim_time.h"
#include "tests/sim/sim_transport.h"

/* No wait is longer without others getting a chance to act. */
#define STEP_MS 250

struct loop_source {
	void (*callback)(void *data, unsigned events);
	void *data;
};

struct loop_timer {
	struct loop_timer *next;
	void (*callback)(void *data);
	void *data;
	uint64_t due_ms; /* 0 = not running */
};

struct loop {
	struct loop_timer *timers;
	struct loop_source *watch; /* the only source there is; NULL = none */
	void (*resumed)(void *data);
	void *data;
	uint64_t suspended_ms; /* already told */
	bool is_stopping;
};

struct pool {
	struct loop *loop;
};

struct pool_job {
	void *data;
};

/* ---- Time ---- */

/* How long a machine takes from the power cut to the first process. */
#define START_MS 20000

static uint64_t now_ms; /* since the machine was started */
static uint64_t before_start_ms;
static int64_t wall_offset_ms;
static uint64_t suspended_ms;
static unsigned look_count;
static uint64_t random_state;

void sim_time_init(uint64_t seed)
{
	now_ms = 1000000;
	before_start_ms = 0;
	/* 2023-11-14 22:13:20, but for the million milliseconds. */
	wall_offset_ms = INT64_C(1700000000000) - 1000000;
	suspended_ms = 0;
	look_count = 0;
	random_state = seed;
}

void sim_time_pass(uint64_t duration_ms)
{
	now_ms += duration_ms;
}

void sim_time_jump(int64_t seconds)
{
	wall_offset_ms += seconds * 1000;
}

void sim_time_suspend(uint64_t duration_ms)
{
	now_ms += duration_ms;
	suspended_ms += duration_ms;
}

void sim_time_start(void)
{
	before_start_ms += now_ms;
	now_ms = START_MS;
	suspended_ms = 0;
}

void seam_sleep(uint64_t duration_ms)
{
	now_ms += duration_ms;
}

uint64_t seam_monotonic_ms(void)
{
	return before_start_ms + now_ms;
}

uint64_t seam_up_ms(void)
{
	return now_ms;
}

int64_t seam_wall_ns(void)
{
	return ((int64_t)seam_monotonic_ms() + wall_offset_ms) * 1000000;
}

/* Who looks at the clock again and again sees it move. */
uint64_t clock_now_ms(void)
{
	if (++look_count % 4 == 0)
		now_ms++;
	return now_ms;
}

uint64_t clock_suspended_ms(void)
{
	return suspended_ms;
}

int64_t clock_wall_seconds(void)
{
	return seam_wall_ns() / 1000000000;
}

void random_bytes(void *data, size_t size)
{
	uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		random_state = random_state * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
		bytes[i] = (uint8_t)(random_state >> 56);
	}
}

/* ---- Loop ---- */

struct loop *loop_new(struct error *error)
{
	(void)error;
	return alloc(1, sizeof(struct loop));
}

void loop_free(struct loop *loop)
{
	free(loop);
}

struct loop_source *loop_add(struct loop *loop, int fd, unsigned events,
	void (*callback)(void *data, unsigned events), void *data)
{
	struct loop_source *source = alloc(1, sizeof(*source));

	(void)fd;
	(void)events;
	source->callback = callback;
	source->data = data;
	loop->watch = source;
	return source;
}

void loop_modify(struct loop *loop, struct loop_source *source, unsigned events)
{
	(void)loop;
	(void)source;
	(void)events;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (loop->watch == source)
		loop->watch = NULL;
	free(source);
}

struct loop_timer *loop_timer_new(
	struct loop *loop, void (*callback)(void *data), void *data)
{
	struct loop_timer *timer = alloc(1, sizeof(*timer));

	timer->callback = callback;
	timer->data = data;
	timer->next = loop->timers;
	loop->timers = timer;
	return timer;
}

void loop_timer_free(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **link = &loop->timers;

	if (timer == NULL)
		return;
	while (*link != timer)
		link = &(*link)->next;
	*link = timer->next;
	free(timer);
}

void loop_timer_set(
	struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	(void)loop;
	timer->due_ms = now_ms + delay_ms + 1;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	timer->due_ms = 0;
}

void loop_set_resume_callback(
	struct loop *loop, void (*callback)(void *data), void *data)
{
	loop->resumed = callback;
	loop->data = data;
	loop->suspended_ms = suspended_ms;
}

static uint64_t first_due(const struct loop *loop, uint64_t limit)
{
	const struct loop_timer *timer;

	for (timer = loop->timers; timer != NULL; timer = timer->next)
		if (timer->due_ms != 0 && timer->due_ms < limit)
			limit = timer->due_ms;
	return limit;
}

/* A callback may free any timer: begins anew after each. */
static bool fire(struct loop *loop)
{
	struct loop_timer *timer = loop->timers;
	bool has_fired = false;

	while (timer != NULL) {
		if (timer->due_ms == 0 || timer->due_ms > now_ms) {
			timer = timer->next;
			continue;
		}
		timer->due_ms = 0;
		timer->callback(timer->data);
		has_fired = true;
		timer = loop->timers;
	}
	return has_fired;
}

static void tell_sleep(struct loop *loop)
{
	bool has_slept = suspended_ms > loop->suspended_ms + LOOP_SUSPEND_MS;

	loop->suspended_ms = suspended_ms;
	if (has_slept)
		loop->resumed(loop->data);
}

static bool attend(struct loop *loop)
{
	if (loop->resumed == NULL)
		return false;
	tell_sleep(loop);
	if (loop->watch != NULL && sim_inotify_pending() > 0)
		loop->watch->callback(loop->watch->data, LOOP_READ);
	return sim_transport_poll();
}

bool loop_run_once(struct loop *loop, uint64_t timeout_ms)
{
	bool has_told;

	uint64_t step = timeout_ms < STEP_MS ? timeout_ms : STEP_MS;
	uint64_t until = first_due(loop, now_ms + step);

	(void)seam_before(SEAM_CLOCK, "wait", false);
	if (until > now_ms) {
		now_ms = until;
		sim_watch_settle();
	}
	seam_after(SEAM_CLOCK, "wait");
	has_told = attend(loop);
	return fire(loop) || has_told;
}

enum loop_result loop_run_until(
	struct loop *loop, const bool *done, uint64_t deadline_ms)
{
	for (;;) {
		if (*done)
			return LOOP_DONE;
		if (loop->is_stopping)
			return LOOP_STOPPED;
		if (now_ms >= deadline_ms)
			return LOOP_TIMEOUT;
		(void)loop_run_once(loop, deadline_ms - now_ms);
	}
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

bool loop_is_stopping(const struct loop *loop)
{
	return loop->is_stopping;
}

/* ---- Pool ---- */

struct pool *pool_new(struct loop *loop, struct error *error)
{
	struct pool *pool = alloc(1, sizeof(*pool));

	(void)error;
	pool->loop = loop;
	return pool;
}

void pool_free(struct pool *pool)
{
	free(pool);
}

struct pool_job *pool_submit(
	struct pool *pool, void (*function)(void *data), void *data)
{
	struct pool_job *job = alloc(1, sizeof(*job));

	(void)pool;
	job->data = data;
	function(data);
	return job;
}

bool pool_is_done(const struct pool_job *job)
{
	(void)job;
	return true;
}

enum loop_result pool_wait_until(
	struct pool *pool, struct pool_job *job, uint64_t deadline_ms)
{
	(void)pool;
	(void)job;
	(void)deadline_ms;
	return LOOP_DONE;
}

void pool_wait(struct pool *pool, struct pool_job *job)
{
	(void)pool;
	free(job);
}

void pool_abandon(
	struct pool *pool, struct pool_job *job, void (*release)(void *data))
{
	(void)pool;
	release(job->data);
	free(job);
}
