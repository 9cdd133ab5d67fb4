/* Short-lived trees (a response, a scan, a delta, a plan) whose parts die
   together: allocate freely, finish once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/compiler.h"

struct arena_block;

/* A zeroed arena is valid and empty. */
struct arena {
	struct arena_block *block; /* the newest, the others hang behind it */
	size_t used;               /* bytes handed out, over all blocks */
};

void arena_init(struct arena *arena);
void arena_finish(struct arena *arena);

/* Forgets everything, keeps one block for the next use. */
void arena_reset(struct arena *arena);

/* Zeroed and aligned for any object; lives until finish or reset. */
void *arena_alloc(struct arena *arena, size_t count, size_t size) MUST_CHECK;
char *arena_text(struct arena *arena, const char *text) MUST_CHECK;
char *arena_text_sized(
	struct arena *arena, const char *text, size_t size) MUST_CHECK;
void *arena_copy(struct arena *arena, const void *data, size_t size) MUST_CHECK;
char *arena_format(struct arena *arena, const char *format, ...) MUST_CHECK
	PRINTF_LIKE(2, 3);

/* Grows an array that lives in an arena: returns one more zeroed element behind
   `*items_pointer` (the address of your T *), already counted in `*count`, and
   raises `*capacity` as needed. Elements move when it does: a small array's
   old copy stays in the arena, a big one's is gone. So this is for arrays that
   are built once, and pointers into them are taken afterwards. */
void *arena_push(struct arena *arena, void *items_pointer, size_t *count,
	size_t *capacity, size_t size) MUST_CHECK;

#endif
