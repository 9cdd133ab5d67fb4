/* Numbers, texts and flags as the bytes of a record, and back. Writing goes to
   a buf. Reading sticks: after the first byte that does not fit everything is
   zero, and unpack_finish() tells. */
#ifndef STORE_STATE_PACK_H
#define STORE_STATE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/flags.h"

void pack_be16(struct buf *record, uint16_t number);
void pack_be64(struct buf *record, uint64_t number);

/* One to ten bytes of seven bits, most significant first, without leading
   zeros: small numbers are most numbers. */
void pack_number(struct buf *record, uint64_t number);
/* Same, with the sign in the lowest bit. */
void pack_signed(struct buf *record, int64_t number);

/* Size as a number, then the bytes. */
void pack_text(struct buf *record, const char *text);
/* At most `size_max` bytes of it, whole UTF-8 characters: for words to people,
   where too long is no reason to fail. */
void pack_text_cut(struct buf *record, const char *text, size_t size_max);

/* Two bytes, and eight for each word of keywords that is not empty. */
void pack_flags(struct buf *record, const struct flags *flags);

struct unpacker {
	const uint8_t *data;
	size_t size; /* left */
	bool has_failed;
};

uint8_t unpack_byte(struct unpacker *unpacker);
uint16_t unpack_be16(struct unpacker *unpacker);
uint64_t unpack_be64(struct unpacker *unpacker);
uint64_t unpack_number(struct unpacker *unpacker);
/* Fails when it is more than `maximum`. */
uint32_t unpack_u32(struct unpacker *unpacker, uint32_t maximum);
int64_t unpack_signed(struct unpacker *unpacker);
void unpack_bytes(struct unpacker *unpacker, uint8_t *bytes, size_t size);
/* Into `arena`. Fails on a text above `size_max` bytes or with a NUL. */
const char *unpack_text(
	struct unpacker *unpacker, struct arena *arena, size_t size_max);
struct flags unpack_flags(struct unpacker *unpacker);

/* Nothing failed and nothing is left. */
bool unpack_finish(const struct unpacker *unpacker) MUST_CHECK;

#endif
