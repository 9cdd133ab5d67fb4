#include "base/text.h"

#include <stdint.h>
#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_nocase(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

bool text_equal_nocase_sized(const char *a, size_t a_size, const char *b)
{
	if (strlen(b) != a_size)
		return false;
	for (size_t i = 0; i < a_size; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool text_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *text, const char *suffix)
{
	size_t size = strlen(text);
	size_t suffix_size = strlen(suffix);

	return size >= suffix_size &&
		strcmp(text + size - suffix_size, suffix) == 0;
}

/* Size by the first octet, and the smallest code point that may take it. */
static size_t sequence_size(uint8_t first, uint32_t *minimum_out)
{
	if (first >= 0xc2 && first <= 0xdf) {
		*minimum_out = 0x80;
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		*minimum_out = 0x800;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*minimum_out = 0x10000;
		return 4;
	}
	return 0;
}

/* Octets of the well-formed sequence at `bytes` (RFC 3629, 4), or 0. */
static size_t check_sequence(const uint8_t *bytes, size_t size)
{
	uint32_t minimum = 0;
	size_t length = sequence_size(bytes[0], &minimum);
	uint32_t code_point;

	if (length == 0 || length > size)
		return 0;
	code_point = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code_point = code_point << 6 | (bytes[i] & 0x3fu);
	}
	if (code_point < minimum || code_point > 0x10ffff ||
		(code_point >= 0xd800 && code_point <= 0xdfff))
		return 0;
	return length;
}

bool text_is_utf8(const char *text, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t position = 0;

	while (position < size) {
		size_t length = 1;

		if (bytes[position] == 0)
			return false;
		if (bytes[position] >= 0x80)
			length = check_sequence(
				bytes + position, size - position);
		if (length == 0)
			return false;
		position += length;
	}
	return true;
}

/* Octets of the printable character `text` starts with; 0 when it is a control
   character (C0, DEL, or C1, which some terminals obey) or no UTF-8. */
static size_t printable_size(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t size;

	if (bytes[0] < 0x80)
		return bytes[0] >= 0x20 && bytes[0] != 0x7f ? 1 : 0;
	if (bytes[0] == 0xc2 && bytes[1] < 0xa0)
		return 0;
	size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	if (strnlen(text, size) < size || !text_is_utf8(text, size))
		return 0;
	return size;
}

void text_make_printable(char *text)
{
	while (*text != '\0') {
		size_t size = printable_size(text);

		if (size == 0) {
			*text = '?';
			size = 1;
		}
		text += size;
	}
}
