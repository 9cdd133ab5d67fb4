#include "store/state_pack.h"

#include <string.h>

#include "base/number.h"

#define NUMBER_SIZE_MAX 10 /* of seven bits: 64 */
#define WORD_COUNT      (KEYWORD_COUNT_MAX / 64)
#define WORD_SHIFT      8

void pack_be16(struct buf *record, uint16_t number)
{
	buf_add_byte(record, (uint8_t)(number >> 8));
	buf_add_byte(record, (uint8_t)(number & 0xff));
}

void pack_be64(struct buf *record, uint64_t number)
{
	uint8_t bytes[8];

	number_write_be64(bytes, number);
	buf_add(record, bytes, sizeof(bytes));
}

void pack_number(struct buf *record, uint64_t number)
{
	uint8_t bytes[NUMBER_SIZE_MAX];
	size_t first = NUMBER_SIZE_MAX - 1;

	bytes[first] = number & 0x7f;
	while ((number >>= 7) != 0)
		bytes[--first] = (uint8_t)((number & 0x7f) | 0x80);
	buf_add(record, bytes + first, NUMBER_SIZE_MAX - first);
}

void pack_signed(struct buf *record, int64_t number)
{
	uint64_t sign = number < 0 ? UINT64_MAX : 0;

	pack_number(record, (uint64_t)number << 1 ^ sign);
}

void pack_text(struct buf *record, const char *text)
{
	size_t size = strlen(text);

	pack_number(record, size);
	buf_add(record, text, size);
}

void pack_text_cut(struct buf *record, const char *text, size_t size_max)
{
	size_t size = strnlen(text, size_max + 1);

	if (size > size_max) {
		size = size_max;
		while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
			size--;
	}
	pack_number(record, size);
	buf_add(record, text, size);
}

void pack_flags(struct buf *record, const struct flags *flags)
{
	uint32_t head = flags->system & FLAG_ALL_SYSTEM;

	for (unsigned i = 0; i < WORD_COUNT; i++)
		if (flags->keywords[i] != 0)
			head |= UINT32_C(1) << (WORD_SHIFT + i);
	pack_be16(record, (uint16_t)head);
	for (unsigned i = 0; i < WORD_COUNT; i++)
		if (flags->keywords[i] != 0)
			pack_be64(record, flags->keywords[i]);
}

static bool fail(struct unpacker *unpacker)
{
	unpacker->has_failed = true;
	unpacker->size = 0;
	return false;
}

/* The next `size` bytes, or NULL. */
static const uint8_t *take(struct unpacker *unpacker, size_t size)
{
	const uint8_t *data = unpacker->data;

	if (unpacker->has_failed || size > unpacker->size) {
		fail(unpacker);
		return NULL;
	}
	unpacker->data += size;
	unpacker->size -= size;
	return data;
}

uint8_t unpack_byte(struct unpacker *unpacker)
{
	const uint8_t *bytes = take(unpacker, 1);

	return bytes == NULL ? 0 : bytes[0];
}

uint16_t unpack_be16(struct unpacker *unpacker)
{
	const uint8_t *bytes = take(unpacker, 2);

	if (bytes == NULL)
		return 0;
	return (uint16_t)((unsigned)bytes[0] << 8 | bytes[1]);
}

uint64_t unpack_be64(struct unpacker *unpacker)
{
	const uint8_t *bytes = take(unpacker, 8);

	return bytes == NULL ? 0 : number_read_be64(bytes);
}

uint64_t unpack_number(struct unpacker *unpacker)
{
	uint64_t number = 0;
	uint8_t byte = unpack_byte(unpacker);

	/* One number, one spelling. */
	if (byte == 0x80)
		return fail(unpacker);
	for (;;) {
		number = number << 7 | (byte & 0x7f);
		if ((byte & 0x80) == 0)
			return number;
		if (number >> (64 - 7) != 0)
			return fail(unpacker);
		byte = unpack_byte(unpacker);
		if (unpacker->has_failed)
			return 0;
	}
}

uint32_t unpack_u32(struct unpacker *unpacker, uint32_t maximum)
{
	uint64_t number = unpack_number(unpacker);

	if (number > maximum)
		return fail(unpacker);
	return (uint32_t)number;
}

int64_t unpack_signed(struct unpacker *unpacker)
{
	uint64_t number = unpack_number(unpacker);
	uint64_t half = number >> 1;

	/* half is below 2^63: neither conversion can overflow. */
	return (number & 1) == 0 ? (int64_t)half : -(int64_t)half - 1;
}

void unpack_bytes(struct unpacker *unpacker, uint8_t *bytes, size_t size)
{
	const uint8_t *data = take(unpacker, size);

	if (data != NULL)
		memcpy(bytes, data, size);
}

const char *unpack_text(
	struct unpacker *unpacker, struct arena *arena, size_t size_max)
{
	uint64_t size = unpack_number(unpacker);
	const uint8_t *data;

	if (size > size_max) {
		fail(unpacker);
		return NULL;
	}
	data = take(unpacker, (size_t)size);
	if (data == NULL)
		return NULL;
	if (memchr(data, '\0', (size_t)size) != NULL) {
		fail(unpacker);
		return NULL;
	}
	return arena_text_sized(arena, (const char *)data, (size_t)size);
}

struct flags unpack_flags(struct unpacker *unpacker)
{
	uint32_t head = unpack_be16(unpacker);
	uint32_t words = head >> WORD_SHIFT;
	struct flags flags = { .system = head & FLAG_ALL_SYSTEM };

	if ((head & 0xff & ~(uint32_t)FLAG_ALL_SYSTEM) != 0 ||
		words >> WORD_COUNT != 0)
		fail(unpacker);
	for (unsigned i = 0; i < WORD_COUNT; i++) {
		if ((words >> i & 1) == 0)
			continue;
		flags.keywords[i] = unpack_be64(unpacker);
		if (flags.keywords[i] == 0)
			fail(unpacker);
	}
	return flags;
}

bool unpack_finish(const struct unpacker *unpacker)
{
	return !unpacker->has_failed && unpacker->size == 0;
}
