#define _GNU_SOURCE
#include "syncd/worker/pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_ENDED,
};

struct pool_job {
	void (*function)(void *data);
	void *data;
	enum job_state state;        /* under the lock */
	void (*release)(void *data); /* under the lock; set = abandoned */
	bool is_done;                /* the loop's thread only */
	struct pool_job *next;       /* in `queue` or `ended` */
};

/* What threads and pool share. The last one out frees it: a thread may hang in
   a resolver longer than the pool lives. */
struct shared {
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	pthread_cond_t has_ended;
	struct pool_job *queue; /* oldest first */
	struct pool_job *ended; /* not yet told to the loop */
	unsigned queued_count;
	unsigned idle_count;
	unsigned thread_count;
	unsigned reference_count;
	int event_fd; /* -1 once the pool is freed */
};

struct pool {
	struct loop *loop;
	struct loop_source *source;
	struct shared *shared;
};

/* ---- In any thread, under the lock ---- */

static void list_append(struct pool_job **list, struct pool_job *job)
{
	while (*list != NULL)
		list = &(*list)->next;
	job->next = NULL;
	*list = job;
}

static bool list_remove(struct pool_job **list, const struct pool_job *job)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list != job)
			continue;
		*list = job->next;
		return true;
	}
	return false;
}

/* Unlocks. */
static void drop_reference(struct shared *shared)
{
	bool is_last = --shared->reference_count == 0;

	pthread_mutex_unlock(&shared->lock);
	if (!is_last)
		return;
	pthread_cond_destroy(&shared->has_ended);
	pthread_cond_destroy(&shared->has_work);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

/* ---- In the threads ---- */

static void end_job(struct shared *shared, struct pool_job *job)
{
	uint64_t one = 1;

	if (job->release != NULL) {
		/* Not under the lock: it is foreign code. Nobody else knows
		   the job any more. */
		pthread_mutex_unlock(&shared->lock);
		job->release(job->data);
		free(job);
		pthread_mutex_lock(&shared->lock);
		return;
	}
	job->state = JOB_ENDED;
	list_append(&shared->ended, job);
	pthread_cond_broadcast(&shared->has_ended);
	/* Fails only when the counter is full: then it is readable anyway. */
	(void)!write(shared->event_fd, &one, sizeof(one));
}

static void run_next_job(struct shared *shared)
{
	struct pool_job *job = shared->queue;

	shared->queue = job->next;
	shared->queued_count--;
	job->state = JOB_RUNNING;
	pthread_mutex_unlock(&shared->lock);
	job->function(job->data);
	pthread_mutex_lock(&shared->lock);
	end_job(shared, job);
}

static void *run_thread(void *data)
{
	struct shared *shared = data;

	pthread_mutex_lock(&shared->lock);
	while (shared->event_fd != -1) {
		if (shared->queue != NULL) {
			run_next_job(shared);
			continue;
		}
		shared->idle_count++;
		pthread_cond_wait(&shared->has_work, &shared->lock);
		shared->idle_count--;
	}
	drop_reference(shared);
	return NULL;
}

/* ---- In the loop's thread ---- */

static bool start_thread(struct shared *shared)
{
	pthread_t thread;
	sigset_t all, old;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&thread, NULL, run_thread, shared);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result != 0)
		return false;
	pthread_detach(thread);
	shared->thread_count++;
	shared->reference_count++;
	return true;
}

static void tell_ended(void *data, unsigned events)
{
	struct shared *shared = data;
	uint64_t count;

	(void)events; /* only ever readable */
	(void)!read(shared->event_fd, &count, sizeof(count));
	pthread_mutex_lock(&shared->lock);
	for (; shared->ended != NULL; shared->ended = shared->ended->next)
		shared->ended->is_done = true;
	pthread_mutex_unlock(&shared->lock);
}

struct pool *pool_new(struct loop *loop, struct error *error)
{
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pool *pool;

	if (event_fd == -1) {
		(void)error_set_errno(error, "cannot make an event counter");
		return NULL;
	}
	pool = alloc(1, sizeof(*pool));
	pool->shared = alloc(1, sizeof(*pool->shared));
	pthread_mutex_init(&pool->shared->lock, NULL);
	pthread_cond_init(&pool->shared->has_work, NULL);
	pthread_cond_init(&pool->shared->has_ended, NULL);
	pool->shared->reference_count = 1;
	pool->shared->event_fd = event_fd;
	pool->loop = loop;
	pool->source =
		loop_add(loop, event_fd, LOOP_READ, tell_ended, pool->shared);
	return pool;
}

void pool_free(struct pool *pool)
{
	struct shared *shared;

	if (pool == NULL)
		return;
	shared = pool->shared;
	loop_remove(pool->loop, pool->source);
	pthread_mutex_lock(&shared->lock);
	assert(shared->queue == NULL && shared->ended == NULL);
	close(shared->event_fd);
	shared->event_fd = -1;
	pthread_cond_broadcast(&shared->has_work);
	drop_reference(shared);
	free(pool);
}

struct pool_job *pool_submit(
	struct pool *pool, void (*function)(void *data), void *data)
{
	struct shared *shared = pool->shared;
	struct pool_job *job = alloc(1, sizeof(*job));

	job->function = function;
	job->data = data;
	pthread_mutex_lock(&shared->lock);
	list_append(&shared->queue, job);
	shared->queued_count++;
	if (shared->queued_count > shared->idle_count &&
		shared->thread_count < POOL_THREAD_COUNT &&
		!start_thread(shared) && shared->thread_count == 0)
		run_next_job(shared);
	pthread_cond_signal(&shared->has_work);
	pthread_mutex_unlock(&shared->lock);
	return job;
}

bool pool_is_done(const struct pool_job *job)
{
	return job->is_done;
}

enum loop_result pool_wait_until(
	struct pool *pool, struct pool_job *job, uint64_t deadline_ms)
{
	return loop_run_until(pool->loop, &job->is_done, deadline_ms);
}

static void wait_blocked(struct shared *shared, struct pool_job *job)
{
	pthread_mutex_lock(&shared->lock);
	while (job->state != JOB_ENDED)
		pthread_cond_wait(&shared->has_ended, &shared->lock);
	(void)list_remove(&shared->ended, job);
	pthread_mutex_unlock(&shared->lock);
}

void pool_wait(struct pool *pool, struct pool_job *job)
{
	if (pool_wait_until(pool, job, LOOP_FOREVER) != LOOP_DONE)
		wait_blocked(pool->shared, job);
	free(job);
}

void pool_abandon(
	struct pool *pool, struct pool_job *job, void (*release)(void *data))
{
	struct shared *shared = pool->shared;
	bool is_running;

	pthread_mutex_lock(&shared->lock);
	is_running = job->state == JOB_RUNNING;
	if (is_running)
		job->release = release;
	else if (job->state == JOB_ENDED)
		(void)list_remove(&shared->ended, job);
	else if (list_remove(&shared->queue, job))
		shared->queued_count--;
	pthread_mutex_unlock(&shared->lock);
	if (is_running)
		return;
	release(job->data);
	free(job);
}
