#define _GNU_SOURCE /* explicit_bzero */

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *require(void *memory)
{
	if (memory != NULL)
		return memory;
	(void)fputs("mailtwin: out of memory\n", stderr);
	abort();
}

void *alloc(size_t count, size_t size)
{
	/* calloc(0) may return NULL, which would look like a failure. */
	if (count == 0 || size == 0)
		return require(calloc(1, 1));
	return require(calloc(count, size));
}

void *alloc_resize(void *memory, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return require(NULL);
	return require(realloc(memory, total > 0 ? total : 1));
}

char *alloc_text(const char *text)
{
	return alloc_text_sized(text, strlen(text));
}

char *alloc_text_sized(const char *text, size_t size)
{
	char *copy = alloc(size + 1, 1);

	memcpy(copy, text, size);
	return copy;
}

char *alloc_format(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	return require(size >= 0 ? text : NULL);
}

void free_secret(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}
