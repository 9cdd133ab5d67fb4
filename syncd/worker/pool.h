/* A few threads for calls that block: fsync, name resolution. A thread blocks
   all signals and touches nothing but the data of its job; all functions here
   are for the loop's thread. */
#ifndef SYNCD_WORKER_POOL_H
#define SYNCD_WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

/* Started one by one, when there is a job and no idle thread. */
#define POOL_THREAD_COUNT 2

struct pool;
struct pool_job;

/* `loop` is borrowed until pool_free(). */
struct pool *pool_new(struct loop *loop, struct error *error) MUST_CHECK;

/* After every job was waited for or abandoned. Does not wait for abandoned
   jobs that still run. NULL is fine. */
void pool_free(struct pool *pool);

/* Has `function(data)` called in a thread, in the order of submission. The job
   ends with pool_wait() or pool_abandon(), until then `data` must live. When
   no thread can be had, the call happens here and now. */
struct pool_job *pool_submit(
	struct pool *pool, void (*function)(void *data), void *data) MUST_CHECK;

/* The function has returned, and what it wrote may be read. */
bool pool_is_done(const struct pool_job *job);

/* Pumps the loop until the job is done, the clock reaches `deadline_ms`, or
   the loop is stopped. The job goes on. */
enum loop_result pool_wait_until(struct pool *pool, struct pool_job *job,
	uint64_t deadline_ms) MUST_CHECK;

/* Pumps the loop until the job is done, then frees it. When the loop is
   stopped, waits without pumping: the job uses the caller's memory. */
void pool_wait(struct pool *pool, struct pool_job *job);

/* Nobody waits any more: `release(data)` is called once the function has
   returned or was never started, in any thread, maybe now. Frees the job. */
void pool_abandon(
	struct pool *pool, struct pool_job *job, void (*release)(void *data));

#endif
