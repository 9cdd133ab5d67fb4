#include "base/number.h"

#define HEX64_SIZE 16

bool number_parse_u64(const char *text, size_t size, uint64_t *number_out)
{
	uint64_t number = 0;

	if (size == 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, digit, &number))
			return false;
	}
	*number_out = number;
	return true;
}

bool number_parse_u32(const char *text, size_t size, uint32_t *number_out)
{
	uint64_t number;

	if (!number_parse_u64(text, size, &number) || number > UINT32_MAX)
		return false;
	*number_out = (uint32_t)number;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool number_parse_hex64(const char *text, size_t size, uint64_t *number_out)
{
	uint64_t number = 0;

	if (size != HEX64_SIZE)
		return false;
	for (size_t i = 0; i < size; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		number = number << 4 | (unsigned)digit;
	}
	*number_out = number;
	return true;
}

void number_write_be32(uint8_t *bytes, uint32_t number)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

void number_write_be64(uint8_t *bytes, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

uint32_t number_read_be32(const uint8_t *bytes)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < 4; i++)
		number = number << 8 | bytes[i];
	return number;
}

uint64_t number_read_be64(const uint8_t *bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}
