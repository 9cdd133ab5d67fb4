#include "proto/mailbox_name.h"

#include <string.h>

#include "base/text.h"

/* Base64 with ',' for '/' and without padding (RFC 3501, 5.1.3). */
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_direct(uint32_t character)
{
	return character >= 0x20 && character <= 0x7e;
}

/* The character at `*text`, which is valid UTF-8, and a step behind it. */
static uint32_t utf8_next(const uint8_t **text)
{
	const uint8_t *byte = *text;

	if (byte[0] < 0x80) {
		*text += 1;
		return byte[0];
	}
	if (byte[0] < 0xe0) {
		*text += 2;
		return (byte[0] & 0x1fU) << 6 | (byte[1] & 0x3fU);
	}
	if (byte[0] < 0xf0) {
		*text += 3;
		return (byte[0] & 0x0fU) << 12 | (byte[1] & 0x3fU) << 6 |
			(byte[2] & 0x3fU);
	}
	*text += 4;
	return (byte[0] & 0x07U) << 18 | (byte[1] & 0x3fU) << 12 |
		(byte[2] & 0x3fU) << 6 | (byte[3] & 0x3fU);
}

static void utf8_add(struct buf *name, uint32_t character)
{
	if (character < 0x80) {
		buf_add_byte(name, (uint8_t)character);
		return;
	}
	if (character < 0x800) {
		buf_add_byte(name, (uint8_t)(0xc0 | character >> 6));
		buf_add_byte(name, (uint8_t)(0x80 | (character & 0x3f)));
		return;
	}
	if (character < 0x10000) {
		buf_add_byte(name, (uint8_t)(0xe0 | character >> 12));
	} else {
		buf_add_byte(name, (uint8_t)(0xf0 | character >> 18));
		buf_add_byte(name, (uint8_t)(0x80 | (character >> 12 & 0x3f)));
	}
	buf_add_byte(name, (uint8_t)(0x80 | (character >> 6 & 0x3f)));
	buf_add_byte(name, (uint8_t)(0x80 | (character & 0x3f)));
}

/* Six bits at a time, out of and into octets of UTF-16. */
struct bits {
	uint32_t value;
	unsigned count;
};

static void encode_unit(struct bits *bits, uint32_t unit, struct buf *wire)
{
	bits->value = bits->value << 16 | unit;
	bits->count += 16;
	while (bits->count >= 6) {
		bits->count -= 6;
		buf_add_byte(wire,
			(uint8_t)ALPHABET[bits->value >> bits->count & 63]);
	}
}

static void encode_character(
	struct bits *bits, uint32_t character, struct buf *wire)
{
	if (character < 0x10000) {
		encode_unit(bits, character, wire);
		return;
	}
	encode_unit(bits, 0xd800 + ((character - 0x10000) >> 10), wire);
	encode_unit(bits, 0xdc00 + ((character - 0x10000) & 0x3ff), wire);
}

/* From the first character that needs it to the next that does not. */
static const uint8_t *encode_run(
	const uint8_t *text, const uint8_t *end, struct buf *wire)
{
	struct bits bits = { 0, 0 };

	buf_add_byte(wire, '&');
	while (text < end && !is_direct(*text))
		encode_character(&bits, utf8_next(&text), wire);

	if (bits.count > 0)
		buf_add_byte(wire,
			(uint8_t)ALPHABET[bits.value << (6 - bits.count) & 63]);
	buf_add_byte(wire, '-');
	return text;
}

bool mailbox_name_encode(const char *name, size_t size, struct buf *wire)
{
	const uint8_t *text = (const uint8_t *)name;
	const uint8_t *end = text + size;
	size_t old_size = wire->size;

	if (size == 0 || size > MAILBOX_NAME_SIZE_MAX)
		return false;
	if (!text_is_utf8(name, size))
		return false;

	while (text < end) {
		if (!is_direct(*text)) {
			text = encode_run(text, end, wire);
			continue;
		}
		buf_add_byte(wire, *text);
		if (*text == '&')
			buf_add_byte(wire, '-');
		text++;
	}
	if (wire->size - old_size > MAILBOX_NAME_SIZE_MAX) {
		buf_truncate(wire, old_size);
		return false;
	}
	return true;
}

/* Joins surrogates; false for a unit that can follow no other. */
static bool decode_unit(uint32_t *high, uint32_t unit, struct buf *name)
{
	bool is_high = unit >= 0xd800 && unit < 0xdc00;
	bool is_low = unit >= 0xdc00 && unit < 0xe000;

	if (unit == 0 || is_low != (*high != 0))
		return false;
	if (is_high) {
		*high = unit;
		return true;
	}
	if (is_low)
		unit = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
	*high = 0;
	utf8_add(name, unit);
	return true;
}

/* modified-base64 up to its '-'. NULL when it is not that. */
static const char *decode_run(
	const char *wire, const char *end, struct buf *name)
{
	struct bits bits = { 0, 0 };
	uint32_t high = 0;

	for (; wire < end && *wire != '-'; wire++) {
		const char *digit = memchr(ALPHABET, *wire, 64);

		if (digit == NULL)
			return NULL;
		bits.value = bits.value << 6 | (uint32_t)(digit - ALPHABET);
		bits.count += 6;
		if (bits.count < 16)
			continue;
		bits.count -= 16;
		if (!decode_unit(
			    &high, bits.value >> bits.count & 0xffff, name))
			return NULL;
	}
	if (wire == end || high != 0)
		return NULL;
	return wire + 1;
}

static bool decode(const char *wire, size_t size, struct buf *name)
{
	const char *end = wire + size;

	while (wire < end) {
		if (!is_direct((uint8_t)*wire))
			return false;
		if (*wire != '&') {
			buf_add_byte(name, (uint8_t)*wire++);
			continue;
		}
		if (end - wire > 1 && wire[1] == '-') {
			buf_add_byte(name, '&');
			wire += 2;
			continue;
		}
		wire = decode_run(wire + 1, end, name);
		if (wire == NULL)
			return false;
	}
	return true;
}

/* Two spellings of one name would become one directory, so a spelling that
   would not come back as sent is not decoded at all. */
static bool is_canonical(const char *wire, size_t size, const struct buf *name)
{
	struct buf again;
	bool is_same;

	buf_init(&again);
	is_same = mailbox_name_encode(buf_text(name), name->size, &again) &&
		again.size == size && memcmp(again.data, wire, size) == 0;
	buf_finish(&again);
	return is_same;
}

enum mailbox_name_outcome mailbox_name_decode(
	const char *wire, size_t size, struct buf *name)
{
	enum mailbox_name_outcome outcome = MAILBOX_NAME_INVALID;
	struct buf decoded;

	if (size == 0 || size > MAILBOX_NAME_SIZE_MAX)
		return MAILBOX_NAME_INVALID;

	buf_init(&decoded);
	if (decode(wire, size, &decoded) &&
		is_canonical(wire, size, &decoded)) {
		buf_add(name, decoded.data, decoded.size);
		outcome = MAILBOX_NAME_CANONICAL;
	} else if (text_is_utf8(wire, size) &&
		memchr(wire, '\r', size) == NULL &&
		memchr(wire, '\n', size) == NULL) {
		buf_add(name, wire, size);
		outcome = MAILBOX_NAME_RAW;
	}
	buf_finish(&decoded);
	return outcome;
}

bool mailbox_name_is_inbox(const char *name, size_t size)
{
	return text_equal_nocase_sized(name, size, "INBOX");
}

bool mailbox_name_equal(const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return true;
	return mailbox_name_is_inbox(a, strlen(a)) &&
		mailbox_name_is_inbox(b, strlen(b));
}
