#include "proto/base64.h"

#include <string.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encoded_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

static void encode_quantum(const uint8_t *data, size_t size, struct buf *text)
{
	uint32_t bits = (uint32_t)data[0] << 16;

	if (size > 1)
		bits |= (uint32_t)data[1] << 8;
	if (size > 2)
		bits |= data[2];

	buf_add_byte(text, (uint8_t)ALPHABET[bits >> 18]);
	buf_add_byte(text, (uint8_t)ALPHABET[bits >> 12 & 63]);
	buf_add_byte(
		text, (uint8_t)(size > 1 ? ALPHABET[bits >> 6 & 63] : '='));
	buf_add_byte(text, (uint8_t)(size > 2 ? ALPHABET[bits & 63] : '='));
}

void base64_encode(const void *data, size_t size, struct buf *text)
{
	const uint8_t *octets = data;

	for (size_t i = 0; i < size; i += 3)
		encode_quantum(octets + i, size - i < 3 ? size - i : 3, text);
}

static int digit_value(char digit)
{
	const char *found = memchr(ALPHABET, digit, 64);

	return found == NULL ? -1 : (int)(found - ALPHABET);
}

/* Four digits, of which the last `padding` are '='. */
static bool decode_quantum(const char *text, size_t padding, struct buf *data)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4 - padding; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return false;
		bits |= (uint32_t)value << (18 - 6 * i);
	}
	/* Bits behind the last octet must be zero (RFC 4648, 3.5). */
	if (padding > 0 && (bits & (padding == 1 ? 0xff : 0xffff)) != 0)
		return false;

	buf_add_byte(data, (uint8_t)(bits >> 16));
	if (padding < 2)
		buf_add_byte(data, (uint8_t)(bits >> 8 & 0xff));
	if (padding < 1)
		buf_add_byte(data, (uint8_t)(bits & 0xff));
	return true;
}

static size_t padding_of(const char *text, size_t size)
{
	if (size == 0 || text[size - 1] != '=')
		return 0;
	return text[size - 2] == '=' ? 2 : 1;
}

bool base64_decode(const char *text, size_t size, struct buf *data)
{
	size_t old_size = data->size;
	size_t padding;

	if (size % 4 != 0)
		return false;

	padding = padding_of(text, size);
	for (size_t i = 0; i < size; i += 4) {
		size_t here = i + 4 == size ? padding : 0;

		if (!decode_quantum(text + i, here, data)) {
			buf_truncate(data, old_size);
			return false;
		}
	}
	return true;
}
