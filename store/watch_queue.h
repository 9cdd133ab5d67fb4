/* Events between the kernel and whoever asks for them, numbered without a
   gap. */
#ifndef STORE_WATCH_QUEUE_H
#define STORE_WATCH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/watch.h"

struct queued_event {
	enum watch_kind kind;
	bool is_dropped;
	uint64_t cookie;
	uint32_t move_cookie;
	char *name; /* NULL = "" */
};

/* A zeroed queue is valid and empty; its first event is number 0. */
struct watch_queue {
	struct queued_event *events; /* a ring */
	size_t capacity;             /* a power of two, or 0 */
	size_t count;
	uint64_t first; /* sequence of the oldest event */
};

void watch_queue_finish(struct watch_queue *queue);

/* The sequence the next event gets. */
uint64_t watch_queue_next(const struct watch_queue *queue);

/* `name` is copied; NULL = none. */
void watch_queue_add(struct watch_queue *queue, enum watch_kind kind,
	uint64_t cookie, uint32_t move_cookie, const char *name);

/* The event of this number; NULL when it was taken or has not come. */
struct queued_event *watch_queue_at(
	const struct watch_queue *queue, uint64_t sequence);

/* The oldest event, whose name is now the caller's; the queue is not empty. */
struct queued_event watch_queue_take(struct watch_queue *queue);

/* Forgets all events, as if they had been taken. */
void watch_queue_clear(struct watch_queue *queue);

void watch_queue_drop_cookie(struct watch_queue *queue, uint64_t cookie);

#endif
