#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"

static void check_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], 0);
}

/* Sizes around and far beyond those of a block, filled with 0xff, so that any
   overlap or memory that is used again dirty shows as a byte that is not 0. */
static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t SIZES[] = { 0, 1, 7, 16, 100, 4000, 4096, 4097,
		100000, 262144, 1000000 };
	struct arena arena = { 0 };

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(SIZES) * 4; i++) {
			size_t size = SIZES[i * 7 % ARRAY_LENGTH(SIZES)];
			unsigned char *bytes = arena_alloc(&arena, size, 1);

			assert_int_equal(
				(uintptr_t)bytes % alignof(max_align_t), 0);
			check_zero(bytes, size);
			memset(bytes, 0xff, size);
		}
		assert_true(arena.used >= 1000000);
		arena_reset(&arena);
		assert_int_equal(arena.used, 0);
	}
	arena_finish(&arena);
	assert_null(arena.block);
}

static void test_reset_keeps_a_block_but_no_huge_one(void **state)
{
	struct arena arena;
	void *first;

	(void)state;
	arena_init(&arena);
	first = arena_alloc(&arena, 1, 10);
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 1, 10), first);
	assert_non_null(arena_alloc(&arena, 1, 10000000));
	arena_reset(&arena);
	assert_null(arena.block);
	arena_finish(&arena);
}

static void test_text_and_bytes_are_copied(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	assert_string_equal(arena_text(&arena, "INBOX"), "INBOX");
	assert_string_equal(arena_text_sized(&arena, "INBOX", 2), "IN");
	assert_string_equal(arena_text_sized(&arena, NULL, 0), "");
	assert_string_equal(arena_format(&arena, "%05u", 42u), "00042");
	assert_memory_equal(arena_copy(&arena, "a\0b", 3), "a\0b", 3);
	arena_finish(&arena);
}

static void test_pushing_grows_an_array(void **state)
{
	struct arena arena = { 0 };
	uint32_t *numbers = NULL;
	size_t count = 0;
	size_t capacity = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t *number = arena_push(
			&arena, &numbers, &count, &capacity, sizeof(*numbers));

		assert_int_equal(*number, 0);
		*number = i * i;
	}
	assert_int_equal(count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i * i);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(test_reset_keeps_a_block_but_no_huge_one),
		cmocka_unit_test(test_text_and_bytes_are_copied),
		cmocka_unit_test(test_pushing_grows_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
