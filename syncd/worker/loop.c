#define _GNU_SOURCE
#include "syncd/worker/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"

#define BATCH_SIZE 32

struct loop_source {
	int fd;
	unsigned events;
	bool is_removed;
	void (*callback)(void *data, unsigned events);
	void *data;
	struct loop_source *next; /* among the removed */
};

struct loop_timer {
	bool is_set;
	uint64_t deadline_ms;
	uint64_t round; /* in which it was set */
	void (*callback)(void *data);
	void *data;
	struct loop_timer *next;
};

/* Waiting goes by a timerfd, because the timeout of epoll_wait() does not
   count the time a machine was suspended. It is left armed when it fires too
   early for the next wait: that costs one empty round, while re-arming would
   cost one system call per read. */
struct loop {
	int epoll_fd;
	int timer_fd;
	uint64_t armed_ms; /* when timer_fd fires; LOOP_FOREVER = never */
	struct loop_timer *timers;
	/* Sources removed while rounds are under way may still be named in a
	   batch of events: they are freed when the outermost round ends. */
	struct loop_source *removed;
	size_t source_count;
	unsigned depth;
	uint64_t round;
	bool is_stopping;
	uint64_t suspended_ms;
	void (*resumed)(void *data);
	void *resumed_data;
};

static bool open_descriptors(struct loop *loop, struct error *error)
{
	struct epoll_event event = { .events = EPOLLIN };

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd == -1)
		return error_set_errno(error, "cannot make an event loop");
	loop->timer_fd =
		timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd == -1)
		return error_set_errno(error, "cannot make a timer");
	/* data.ptr stays NULL: that is how its event is told apart. */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) ==
		-1)
		return error_set_errno(error, "cannot watch a timer");
	return true;
}

struct loop *loop_new(struct error *error)
{
	struct loop *loop = alloc(1, sizeof(*loop));

	loop->epoll_fd = -1;
	loop->timer_fd = -1;
	loop->armed_ms = LOOP_FOREVER;
	loop->suspended_ms = clock_suspended_ms();
	if (!open_descriptors(loop, error)) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

static void free_removed(struct loop *loop)
{
	while (loop->removed != NULL) {
		struct loop_source *source = loop->removed;

		loop->removed = source->next;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	assert(loop->source_count == 0 && loop->timers == NULL);
	free_removed(loop);
	if (loop->timer_fd != -1)
		close(loop->timer_fd);
	if (loop->epoll_fd != -1)
		close(loop->epoll_fd);
	free(loop);
}

/* ---- Sources ---- */

static uint32_t to_epoll(unsigned events)
{
	return ((events & LOOP_READ) != 0 ? EPOLLIN | EPOLLRDHUP : 0u) |
		((events & LOOP_WRITE) != 0 ? EPOLLOUT : 0u);
}

static unsigned from_epoll(uint32_t events)
{
	return ((events & (EPOLLIN | EPOLLRDHUP)) != 0 ? LOOP_READ : 0u) |
		((events & EPOLLOUT) != 0 ? LOOP_WRITE : 0u) |
		((events & (EPOLLHUP | EPOLLERR)) != 0 ? LOOP_HANGUP : 0u);
}

/* A source that watches for nothing leaves epoll, which reports a hang-up
   whether it was asked to or not: an idle dead connection would spin. */
static void control(struct loop *loop, struct loop_source *source, unsigned old)
{
	struct epoll_event event = {
		.events = to_epoll(source->events),
		.data.ptr = source,
	};
	int operation = EPOLL_CTL_MOD;

	if (old == source->events)
		return;
	if (old == 0)
		operation = EPOLL_CTL_ADD;
	else if (source->events == 0)
		operation = EPOLL_CTL_DEL;
	/* Fails only for lack of memory or a descriptor that is no such thing:
	   nothing a caller could go on without. */
	if (epoll_ctl(loop->epoll_fd, operation, source->fd, &event) == -1)
		abort();
}

struct loop_source *loop_add(struct loop *loop, int fd, unsigned events,
	void (*callback)(void *data, unsigned events), void *data)
{
	struct loop_source *source = alloc(1, sizeof(*source));

	source->fd = fd;
	source->events = events;
	source->callback = callback;
	source->data = data;
	control(loop, source, 0);
	loop->source_count++;
	return source;
}

void loop_modify(struct loop *loop, struct loop_source *source, unsigned events)
{
	unsigned old = source->events;

	source->events = events;
	control(loop, source, old);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source == NULL)
		return;
	loop_modify(loop, source, 0);
	loop->source_count--;
	source->is_removed = true;
	source->next = loop->removed;
	loop->removed = source;
	if (loop->depth == 0)
		free_removed(loop);
}

/* ---- Timers ---- */

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

/* `base` + `delay`, or LOOP_FOREVER. */
static uint64_t add_ms(uint64_t base, uint64_t delay)
{
	return delay > LOOP_FOREVER - base ? LOOP_FOREVER : base + delay;
}

void loop_timer_set(
	struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	timer->is_set = true;
	timer->deadline_ms = add_ms(clock_now_ms(), delay_ms);
	timer->round = loop->round;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	(void)loop; /* the verbs of one object take the same arguments */
	timer->is_set = false;
}

static uint64_t next_deadline(const struct loop *loop)
{
	uint64_t deadline = LOOP_FOREVER;

	for (const struct loop_timer *timer = loop->timers; timer != NULL;
		timer = timer->next)
		if (timer->is_set && timer->deadline_ms < deadline)
			deadline = timer->deadline_ms;
	return deadline;
}

/* The earliest that is due and was not set in this round. */
static struct loop_timer *find_due(const struct loop *loop, uint64_t now)
{
	struct loop_timer *due = NULL;

	for (struct loop_timer *timer = loop->timers; timer != NULL;
		timer = timer->next) {
		if (!timer->is_set || timer->deadline_ms > now ||
			timer->round == loop->round)
			continue;
		if (due == NULL || timer->deadline_ms < due->deadline_ms)
			due = timer;
	}
	return due;
}

/* Looks anew after each call: a callback may free any timer. */
static bool run_timers(struct loop *loop)
{
	uint64_t now = clock_now_ms();
	bool has_run = false;
	struct loop_timer *timer;

	while ((timer = find_due(loop, now)) != NULL) {
		timer->is_set = false;
		timer->callback(timer->data);
		has_run = true;
	}
	return has_run;
}

/* ---- Rounds ---- */

static void arm(struct loop *loop, uint64_t now, uint64_t deadline)
{
	uint64_t delay = deadline - now;
	struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(delay / 1000),
		.it_value.tv_nsec = (long)(delay % 1000) * 1000000,
	};

	if (loop->armed_ms > now && loop->armed_ms <= deadline)
		return;
	if (timerfd_settime(loop->timer_fd, 0, &spec, NULL) == -1)
		abort();
	loop->armed_ms = deadline;
}

/* Events into `events`; 0 when the time is up or only our timer fired. */
static int wait_events(
	struct loop *loop, uint64_t deadline, struct epoll_event *events)
{
	uint64_t now = clock_now_ms();
	int timeout = -1;
	int count;

	if (deadline <= now)
		timeout = 0;
	else if (deadline != LOOP_FOREVER)
		arm(loop, now, deadline);
	count = epoll_wait(loop->epoll_fd, events, BATCH_SIZE, timeout);
	if (count == -1 && errno != EINTR)
		abort();
	return count == -1 ? 0 : count;
}

static void check_suspend(struct loop *loop)
{
	uint64_t suspended = clock_suspended_ms();
	bool has_slept = suspended > loop->suspended_ms + LOOP_SUSPEND_MS;

	loop->suspended_ms = suspended;
	if (has_slept && loop->resumed != NULL)
		loop->resumed(loop->resumed_data);
}

static void drain_timer(struct loop *loop)
{
	uint64_t count;

	/* EAGAIN when an inner round has read it already. */
	if (read(loop->timer_fd, &count, sizeof(count)) > 0)
		loop->armed_ms = LOOP_FOREVER;
}

static bool dispatch(
	struct loop *loop, const struct epoll_event *events, int count)
{
	bool has_run = false;

	for (int i = 0; i < count; i++) {
		struct loop_source *source = events[i].data.ptr;

		if (source == NULL) {
			drain_timer(loop);
			continue;
		}
		/* By a callback before it in this batch. */
		if (source->is_removed || source->events == 0)
			continue;
		source->callback(source->data, from_epoll(events[i].events));
		has_run = true;
	}
	return has_run;
}

static bool run_round(struct loop *loop, uint64_t deadline)
{
	struct epoll_event events[BATCH_SIZE];
	uint64_t timer_deadline = next_deadline(loop);
	int count;
	bool has_run;

	if (timer_deadline < deadline)
		deadline = timer_deadline;
	count = wait_events(loop, deadline, events);
	loop->round++;
	loop->depth++;
	check_suspend(loop);
	has_run = dispatch(loop, events, count);
	if (run_timers(loop))
		has_run = true;
	loop->depth--;
	if (loop->depth == 0)
		free_removed(loop);
	return has_run;
}

bool loop_run_once(struct loop *loop, uint64_t timeout_ms)
{
	uint64_t deadline = add_ms(clock_now_ms(), timeout_ms);

	do {
		if (run_round(loop, deadline))
			return true;
	} while (clock_now_ms() < deadline);
	return false;
}

enum loop_result loop_run_until(
	struct loop *loop, const bool *done, uint64_t deadline_ms)
{
	while (!*done) {
		if (loop->is_stopping)
			return LOOP_STOPPED;
		if (clock_now_ms() >= deadline_ms)
			return LOOP_TIMEOUT;
		(void)run_round(loop, deadline_ms);
	}
	return LOOP_DONE;
}

void loop_set_resume_callback(
	struct loop *loop, void (*callback)(void *data), void *data)
{
	loop->resumed = callback;
	loop->resumed_data = data;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

bool loop_is_stopping(const struct loop *loop)
{
	return loop->is_stopping;
}
