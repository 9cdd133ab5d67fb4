#define _GNU_SOURCE /* explicit_bzero */

#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define CAPACITY_MIN 64

void buf_init(struct buf *buf)
{
	*buf = (struct buf){ 0 };
}

void buf_finish(struct buf *buf)
{
	free(buf->data);
	buf_init(buf);
}

void buf_finish_secret(struct buf *buf)
{
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->capacity);
	buf_finish(buf);
}

static void set_size(struct buf *buf, size_t size)
{
	buf->size = size;
	if (buf->data != NULL)
		buf->data[size] = '\0';
}

void buf_clear(struct buf *buf)
{
	set_size(buf, 0);
}

void buf_reserve(struct buf *buf, size_t size)
{
	size_t needed;
	size_t capacity = buf->capacity;

	if (size > SIZE_MAX - 1 - buf->size)
		abort();
	needed = buf->size + size + 1;
	if (needed <= capacity)
		return;

	capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	if (capacity < needed)
		capacity = needed;
	if (capacity < CAPACITY_MIN)
		capacity = CAPACITY_MIN;
	buf->data = alloc_resize(buf->data, capacity, 1);
	buf->capacity = capacity;
	buf->data[buf->size] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
	if (size == 0)
		return;
	buf_reserve(buf, size);
	memcpy(buf->data + buf->size, data, size);
	set_size(buf, buf->size + size);
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
	buf_add(buf, &byte, 1);
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0)
		abort();

	buf_reserve(buf, (size_t)size);
	va_start(arguments, format);
	(void)vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format,
		arguments);
	va_end(arguments);
	set_size(buf, buf->size + (size_t)size);
}

void buf_consume(struct buf *buf, size_t size)
{
	assert(size <= buf->size);
	if (size == 0)
		return;
	memmove(buf->data, buf->data + size, buf->size - size);
	set_size(buf, buf->size - size);
}

void buf_truncate(struct buf *buf, size_t size)
{
	assert(size <= buf->size);
	set_size(buf, size);
}

const char *buf_text(const struct buf *buf)
{
	return buf->data != NULL ? (const char *)buf->data : "";
}

char *buf_steal(struct buf *buf)
{
	char *text = (char *)buf->data;

	buf_init(buf);
	return text != NULL ? text : alloc_text("");
}
