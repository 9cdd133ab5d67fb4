/* The event loop of a worker: descriptors and timers over one epoll, in one
   thread. Also a pump: code that needs one thing to happen runs the loop until
   it did, while every other source is served by its callback. So a callback
   only records what happened, or does a bounded bit of I/O of its own; it may
   add, change and remove any source or timer, its own included. */
#ifndef SYNCD_WORKER_LOOP_H
#define SYNCD_WORKER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* A pause longer than this between two looks at the clocks, that one of them
   did not count, was a suspended machine. */
#define LOOP_SUSPEND_MS 5000

/* "No limit" for timeouts and deadlines. */
#define LOOP_FOREVER UINT64_MAX

struct loop;
struct loop_source;
struct loop_timer;

enum {
	LOOP_READ = 1 << 0,
	LOOP_WRITE = 1 << 1,
	LOOP_HANGUP = 1 << 2, /* reported only: peer gone or error */
};

enum loop_result {
	LOOP_DONE,
	LOOP_TIMEOUT,
	LOOP_STOPPED, /* loop_stop() was called */
};

struct loop *loop_new(struct error *error) MUST_CHECK;

/* After everything that was added to it is removed. NULL is fine. */
void loop_free(struct loop *loop);

/* Watches `fd` (borrowed) for LOOP_READ and LOOP_WRITE, level-triggered.
   `events` may be 0. The source is the loop's until loop_remove(). A
   descriptor may be watched by one source at a time. A callback may, rarely,
   be called for an event that is no longer there. */
struct loop_source *loop_add(struct loop *loop, int fd, unsigned events,
	void (*callback)(void *data, unsigned events), void *data) MUST_CHECK;
void loop_modify(
	struct loop *loop, struct loop_source *source, unsigned events);

/* Before `fd` is closed. NULL is fine. No callback comes afterwards. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* A timer that is not running yet. Time a machine was suspended counts. */
struct loop_timer *loop_timer_new(
	struct loop *loop, void (*callback)(void *data), void *data) MUST_CHECK;
void loop_timer_free(struct loop *loop, struct loop_timer *timer);

/* Fires once, `delay_ms` from now; replaces the time set before. A delay of 0
   fires in the next round, never in this one. */
void loop_timer_set(
	struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Called after the machine slept (LOOP_SUSPEND_MS): connections are likely
   dead, names may resolve differently. One callback per loop. */
void loop_set_resume_callback(
	struct loop *loop, void (*callback)(void *data), void *data);

/* One round: waits at most `timeout_ms` for the first event or timer and
   calls all callbacks that are due. False when nothing was. */
bool loop_run_once(struct loop *loop, uint64_t timeout_ms);

/* Rounds until `*done`, until clock_now_ms() reaches `deadline_ms`, or until
   stopped. `*done` is looked at first: no round runs when it is set. */
enum loop_result loop_run_until(
	struct loop *loop, const bool *done, uint64_t deadline_ms) MUST_CHECK;

/* Every loop_run_until() from now on, running ones included, returns
   LOOP_STOPPED unless it is done. For the second SIGTERM, or the end of the
   time the first one granted; there is no way back. */
void loop_stop(struct loop *loop);
bool loop_is_stopping(const struct loop *loop);

#endif
