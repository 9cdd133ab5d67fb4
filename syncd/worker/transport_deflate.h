/* COMPRESS=DEFLATE (RFC 4978): raw deflate both ways, without I/O. */
#ifndef SYNCD_WORKER_TRANSPORT_DEFLATE_H
#define SYNCD_WORKER_TRANSPORT_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

struct transport_deflate;

struct transport_deflate *transport_deflate_new(void) MUST_CHECK;
void transport_deflate_free(struct transport_deflate *deflate);

/* Appends the compressed form of `data` to `out`, flushed: the server can read
   all of it. */
void transport_deflate_pack(struct transport_deflate *deflate, const void *data,
	size_t size, struct buf *out);

/* Compressed octets from the server; copied. Feed what was read at once, and
   only when unpacking gave nothing. */
void transport_deflate_feed(
	struct transport_deflate *deflate, const void *data, size_t size);

/* Writes at most `size` octets; `*got_out` 0 = feed more. ERROR_PROTOCOL for
   what is no deflate stream or ends, ERROR_LIMIT for a bomb. */
bool transport_deflate_unpack(struct transport_deflate *deflate, void *data,
	size_t size, size_t *got_out, struct error *error) MUST_CHECK;

/* Unpacking may give something without being fed. */
bool transport_deflate_has_more(const struct transport_deflate *deflate);

#endif
