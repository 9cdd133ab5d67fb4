#include "store/watch_queue.h"

#include <stdlib.h>

#include "base/alloc.h"

#define CAPACITY_MIN 256

void watch_queue_finish(struct watch_queue *queue)
{
	watch_queue_clear(queue);
	free(queue->events);
	*queue = (struct watch_queue){ .count = 0 };
}

uint64_t watch_queue_next(const struct watch_queue *queue)
{
	return queue->first + queue->count;
}

/* A number's place in the ring follows from the number alone. */
static struct queued_event *place(
	const struct watch_queue *queue, uint64_t sequence)
{
	return &queue->events[sequence & (queue->capacity - 1)];
}

static void grow(struct watch_queue *queue)
{
	struct watch_queue larger = *queue;

	larger.capacity =
		queue->capacity == 0 ? CAPACITY_MIN : 2 * queue->capacity;
	larger.events = alloc(larger.capacity, sizeof(*larger.events));
	for (uint64_t i = queue->first; i < watch_queue_next(queue); i++)
		*place(&larger, i) = *place(queue, i);
	free(queue->events);
	*queue = larger;
}

void watch_queue_add(struct watch_queue *queue, enum watch_kind kind,
	uint64_t cookie, uint32_t move_cookie, const char *name)
{
	if (queue->count == queue->capacity)
		grow(queue);
	*place(queue, watch_queue_next(queue)) = (struct queued_event){
		.kind = kind,
		.cookie = cookie,
		.move_cookie = move_cookie,
		.name = name == NULL ? NULL : alloc_text(name),
	};
	queue->count++;
}

struct queued_event *watch_queue_at(
	const struct watch_queue *queue, uint64_t sequence)
{
	if (sequence < queue->first || sequence >= watch_queue_next(queue))
		return NULL;
	return place(queue, sequence);
}

struct queued_event watch_queue_take(struct watch_queue *queue)
{
	struct queued_event event = *place(queue, queue->first);

	queue->first++;
	queue->count--;
	return event;
}

void watch_queue_clear(struct watch_queue *queue)
{
	while (queue->count > 0) {
		struct queued_event event = watch_queue_take(queue);

		free(event.name);
	}
}

void watch_queue_drop_cookie(struct watch_queue *queue, uint64_t cookie)
{
	for (uint64_t i = queue->first; i < watch_queue_next(queue); i++) {
		struct queued_event *event = place(queue, i);

		if (event->cookie == cookie && event->kind != WATCH_LOST)
			event->is_dropped = true;
	}
}
