/* Numbers from text, strictly: digits only, no sign, no blanks, no overflow.
   The only number readers of the project. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* The whole of `text` is one number; false otherwise, and `*number_out` is
   untouched. Leading zeros are fine. */
bool number_parse_u32(
	const char *text, size_t size, uint32_t *number_out) MUST_CHECK;
bool number_parse_u64(
	const char *text, size_t size, uint64_t *number_out) MUST_CHECK;

/* Sixteen lower-case hex digits. */
bool number_parse_hex64(
	const char *text, size_t size, uint64_t *number_out) MUST_CHECK;

/* Big-endian, as in keys and records. */
void number_write_be32(uint8_t *bytes, uint32_t number);
void number_write_be64(uint8_t *bytes, uint64_t number);
uint32_t number_read_be32(const uint8_t *bytes);
uint64_t number_read_be64(const uint8_t *bytes);

#endif
