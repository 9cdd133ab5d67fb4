#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/number.h"

static void test_decimal_numbers_are_strict(void **state)
{
	static const struct {
		const char *text;
		bool is_u32;
		bool is_u64;
		uint64_t number;
	} CASES[] = {
		{ "0", true, true, 0 },
		{ "00000000000000000000000000000042", true, true, 42 },
		{ "4294967295", true, true, UINT32_MAX },
		{ "4294967296", false, true, UINT64_C(4294967296) },
		{ "18446744073709551615", false, true, UINT64_MAX },
		{ "18446744073709551616", false, false, 0 },
		{ "18446744073709551620", false, false, 0 },
		{ "99999999999999999999999", false, false, 0 },
		{ "", false, false, 0 },
		{ "-1", false, false, 0 },
		{ "+1", false, false, 0 },
		{ " 1", false, false, 0 },
		{ "1 ", false, false, 0 },
		{ "0x1", false, false, 0 },
		{ "1.0", false, false, 0 },
		{ "/", false, false, 0 },
		{ ":", false, false, 0 },
		{ "\xd9\xa1", false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		const char *text = CASES[i].text;
		uint32_t u32 = 77;
		uint64_t u64 = 77;

		assert_int_equal(number_parse_u32(text, strlen(text), &u32),
			CASES[i].is_u32);
		assert_int_equal(number_parse_u64(text, strlen(text), &u64),
			CASES[i].is_u64);
		assert_true(u32 == (CASES[i].is_u32 ? CASES[i].number : 77));
		assert_true(u64 == (CASES[i].is_u64 ? CASES[i].number : 77));
	}
}

static void test_a_nul_is_no_digit(void **state)
{
	uint64_t number;

	(void)state;
	assert_false(number_parse_u64("1\0002", 3, &number));
	assert_true(number_parse_u64("123", 2, &number));
	assert_true(number == 12);
}

static void test_hex_is_sixteen_lower_case_digits(void **state)
{
	static const char *const BAD[] = { "", "0", "0123456789ABCDEF",
		"0123456789abcde", "0123456789abcdef0", "0123456789abcdeg",
		"0x23456789abcdef", "0123456789abcde " };
	uint64_t number = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++)
		assert_false(
			number_parse_hex64(BAD[i], strlen(BAD[i]), &number));
	assert_true(number == 77);
	assert_true(number_parse_hex64("0123456789abcdef", 16, &number));
	assert_true(number == UINT64_C(0x0123456789abcdef));
	assert_true(number_parse_hex64("ffffffffffffffff", 16, &number));
	assert_true(number == UINT64_MAX);
}

static void test_big_endian_sorts_as_numbers_do(void **state)
{
	static const uint64_t NUMBERS[] = { 0, 1, 255, 256, 65536, UINT32_MAX,
		UINT64_C(0x0102030405060708), UINT64_MAX };
	uint8_t bytes[8];
	uint8_t previous[8] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(NUMBERS); i++) {
		number_write_be64(bytes, NUMBERS[i]);
		assert_true(number_read_be64(bytes) == NUMBERS[i]);
		assert_true(i == 0 || memcmp(previous, bytes, 8) < 0);
		memcpy(previous, bytes, 8);
		number_write_be32(bytes, (uint32_t)NUMBERS[i]);
		assert_int_equal(number_read_be32(bytes), (uint32_t)NUMBERS[i]);
	}
	number_write_be32(bytes, 0x01020304);
	assert_memory_equal(bytes, "\1\2\3\4", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimal_numbers_are_strict),
		cmocka_unit_test(test_a_nul_is_no_digit),
		cmocka_unit_test(test_hex_is_sixteen_lower_case_digits),
		cmocka_unit_test(test_big_endian_sorts_as_numbers_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
