#include "syncd/worker/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint32_t RANDOMS[] = { 0, 1, 1u << 31, UINT32_MAX };

static void test_every_delay_lies_between_the_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(RANDOMS) / sizeof(*RANDOMS); i++) {
		struct backoff backoff = { 0 };

		for (int attempt = 0; attempt < 1000; attempt++) {
			uint64_t delay = backoff_next_ms(&backoff, RANDOMS[i]);

			assert_in_range(delay, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
		}
	}
}

static void test_delays_grow_until_the_longest(void **state)
{
	struct backoff backoff = { 0 };
	uint64_t last = 0;

	(void)state;
	for (int attempt = 0; attempt < 7; attempt++) {
		uint64_t delay = backoff_next_ms(&backoff, 0);

		assert_true(delay > last);
		last = delay;
	}
	assert_int_equal(backoff_next_ms(&backoff, 0), BACKOFF_MAX_MS / 2);
	assert_true(
		backoff_next_ms(&backoff, UINT32_MAX) >= BACKOFF_MAX_MS - 1);
}

static void test_randomness_spreads_over_half_the_step(void **state)
{
	struct backoff low = { .failure_count = 2 };
	struct backoff high = { .failure_count = 2 };

	(void)state;
	assert_int_equal(backoff_next_ms(&low, 0), 20000);
	assert_in_range(backoff_next_ms(&high, UINT32_MAX), 39990, 40000);
}

static void test_success_starts_over(void **state)
{
	struct backoff backoff = { .failure_count = 9 };

	(void)state;
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, 0), BACKOFF_MIN_MS);
}

static void test_the_failure_count_does_not_wrap(void **state)
{
	struct backoff backoff = { .failure_count = UINT32_MAX };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, 0), BACKOFF_MAX_MS / 2);
	assert_int_equal(backoff_next_ms(&backoff, 0), BACKOFF_MAX_MS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_delay_lies_between_the_limits),
		cmocka_unit_test(test_delays_grow_until_the_longest),
		cmocka_unit_test(test_randomness_spreads_over_half_the_step),
		cmocka_unit_test(test_success_starts_over),
		cmocka_unit_test(test_the_failure_count_does_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
