#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define BLOCK_SIZE_MIN ((size_t)4096)
#define BLOCK_SIZE_MAX ((size_t)256 * 1024)

/* What is not handed out yet is always zero, so that a fresh block costs
   nothing beyond calloc. */
struct arena_block {
	struct arena_block *previous;
	size_t capacity;
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ 0 };
}

static void free_chain(struct arena_block *block)
{
	while (block != NULL) {
		struct arena_block *previous = block->previous;

		free(block);
		block = previous;
	}
}

void arena_finish(struct arena *arena)
{
	free_chain(arena->block);
	arena_init(arena);
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->block;

	arena->used = 0;
	if (block == NULL)
		return;
	free_chain(block->previous);
	block->previous = NULL;
	/* One huge object must not stay for the life of the arena. */
	if (block->capacity > BLOCK_SIZE_MAX) {
		free(block);
		arena->block = NULL;
		return;
	}
	memset(block->data, 0, block->used);
	block->used = 0;
}

static void add_block(struct arena *arena, size_t size)
{
	size_t capacity = BLOCK_SIZE_MIN;
	struct arena_block *block;

	if (arena->block != NULL)
		capacity = arena->block->capacity * 2;
	if (capacity > BLOCK_SIZE_MAX)
		capacity = BLOCK_SIZE_MAX;
	if (capacity < size)
		capacity = size;
	if (capacity > SIZE_MAX - sizeof(*block))
		abort();

	block = alloc(1, sizeof(*block) + capacity);
	block->capacity = capacity;
	block->previous = arena->block;
	arena->block = block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
	size_t alignment = alignof(max_align_t);
	size_t total;
	void *memory;

	if (__builtin_mul_overflow(count, size, &total) ||
		total > SIZE_MAX - alignment)
		abort();
	if (total == 0)
		total = 1;
	total = (total + alignment - 1) / alignment * alignment;

	if (arena->block == NULL ||
		arena->block->capacity - arena->block->used < total)
		add_block(arena, total);
	memory = arena->block->data + arena->block->used;
	arena->block->used += total;
	arena->used += total;
	return memory;
}

char *arena_text(struct arena *arena, const char *text)
{
	return arena_text_sized(arena, text, strlen(text));
}

char *arena_text_sized(struct arena *arena, const char *text, size_t size)
{
	char *copy = arena_alloc(arena, size + 1, 1);

	if (size > 0)
		memcpy(copy, text, size);
	return copy;
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
	void *copy = arena_alloc(arena, size, 1);

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0)
		abort();

	text = arena_alloc(arena, (size_t)size + 1, 1);
	va_start(arguments, format);
	(void)vsnprintf(text, (size_t)size + 1, format, arguments);
	va_end(arguments);
	return text;
}

/* A big array that has a block for itself grows in place, or moves without
   leaving its old copy behind. NULL when it has none. */
static void *grow_block(
	struct arena *arena, const void *items, size_t old_size, size_t size)
{
	struct arena_block *block = arena->block;

	if (block == NULL || block->data != items || block->used < old_size ||
		block->capacity <= BLOCK_SIZE_MAX)
		return NULL;
	if (size > SIZE_MAX - sizeof(*block))
		abort();
	block = alloc_resize(block, 1, sizeof(*block) + size);
	memset(block->data + old_size, 0, size - old_size);
	arena->used += size - block->used;
	block->capacity = size;
	block->used = size;
	arena->block = block;
	return block->data;
}

static void *grow_items(struct arena *arena, const void *items, size_t count,
	size_t grown_count, size_t size)
{
	void *grown = NULL;

	if (grown_count > SIZE_MAX / size)
		abort();
	if (count > 0)
		grown = grow_block(
			arena, items, count * size, grown_count * size);
	if (grown != NULL)
		return grown;
	grown = arena_alloc(arena, grown_count, size);
	if (count > 0)
		memcpy(grown, items, count * size);
	return grown;
}

void *arena_push(struct arena *arena, void *items_pointer, size_t *count,
	size_t *capacity, size_t size)
{
	unsigned char *items;

	/* The caller's pointer is a T **, of a T we do not know: copying its
	   bytes is the only well-defined way to read and set it. */
	memcpy(&items, items_pointer, sizeof(items));
	if (*count == *capacity) {
		/* Big ones by half: what is not used yet is memory too. */
		size_t grown_count = *capacity < 4096 ? *capacity * 2 + 8
						      : *capacity * 3 / 2;

		items = grow_items(arena, items, *count, grown_count, size);
		memcpy(items_pointer, &items, sizeof(items));
		*capacity = grown_count;
	}
	return items + (*count)++ * size;
}
