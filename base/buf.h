/* A byte string that grows. Bytes are NUL-terminated for convenience, the
   terminator is not counted. A zeroed buf is valid and empty. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct buf {
	uint8_t *data; /* NULL while empty and never grown */
	size_t size;
	size_t capacity;
};

void buf_init(struct buf *buf);
void buf_finish(struct buf *buf);

/* Same, and overwrites what it held: for passwords and tokens. Growing may
   leave a copy behind, so reserve enough first. */
void buf_finish_secret(struct buf *buf);

void buf_clear(struct buf *buf);
/* Room for `size` more bytes (and the terminator) behind data[size]:
   who writes there then raises `size` itself. */
void buf_reserve(struct buf *buf, size_t size);
void buf_add(struct buf *buf, const void *data, size_t size);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_format(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops the first `size` bytes. */
void buf_consume(struct buf *buf, size_t size);
void buf_truncate(struct buf *buf, size_t size);

/* Borrowed until the next change; "" when empty. */
const char *buf_text(const struct buf *buf);

/* The text is the caller's (free()); the buf is empty afterwards. */
char *buf_steal(struct buf *buf) MUST_CHECK;

#endif
