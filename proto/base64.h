/* Base64 (RFC 4648, 4) as SASL exchanges use it. */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"

/* Octets that `size` octets take when encoded. */
size_t base64_encoded_size(size_t size);

/* Appends the encoded text, padded, without line ends. */
void base64_encode(const void *data, size_t size, struct buf *text);

/* Appends what `text` encodes. Strict: full quanta, padding only at the end,
   unused bits zero, no blanks. False, with `*data` as before, when not so. */
bool base64_decode(const char *text, size_t size, struct buf *data) MUST_CHECK;

#endif
