/* Memory from the heap, or no return: out of memory aborts the process. So
   every size derived from input meets a named limit before it comes here. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

#include "base/banned.h"
#include "base/compiler.h"

/* Zeroed memory for `count` elements of `size` bytes. Never NULL, also for a
   size of zero. Aborts when the product overflows. Free with free(). */
void *alloc(size_t count, size_t size) MUST_CHECK;

/* Resizes to `count` elements of `size` bytes; what is new is not zeroed. */
void *alloc_resize(void *memory, size_t count, size_t size) MUST_CHECK;

/* A copy of `text`, or of its first `size` bytes plus a NUL. */
char *alloc_text(const char *text) MUST_CHECK;
char *alloc_text_sized(const char *text, size_t size) MUST_CHECK;

/* printf into fresh memory. */
char *alloc_format(const char *format, ...) MUST_CHECK PRINTF_LIKE(1, 2);

/* Overwrites, then frees. NULL is fine. */
void free_secret(char *text);

#endif
