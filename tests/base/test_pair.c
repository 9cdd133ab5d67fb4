#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/pair.h"

static struct pair settled_pair(void)
{
	struct pair pair = { .mid = 1 };

	pair.synced.is_set = true;
	pair.synced.folder_id = 3;
	pair.synced.flags.system = FLAG_SEEN;
	flags_set_keyword(&pair.synced.flags, 70);
	pair.remote.presence = PRESENCE_PRESENT;
	pair.remote.folder_id = 3;
	pair.remote.flags = pair.synced.flags;
	pair.local.presence = PRESENCE_PRESENT;
	pair.local.folder_id = 3;
	pair.local.flags = pair.synced.flags;
	return pair;
}

static void test_any_difference_unsettles_a_pair(void **state)
{
	struct pair pair = settled_pair();

	(void)state;
	assert_true(pair_is_settled(&pair));
	pair.synced.is_set = false;
	assert_false(pair_is_settled(&pair));
	pair = settled_pair();
	pair.remote.folder_id = 4;
	assert_false(pair_is_settled(&pair));
	pair = settled_pair();
	pair.local.folder_id = 4;
	assert_false(pair_is_settled(&pair));
	pair = settled_pair();
	pair.remote.flags.system = 0;
	assert_false(pair_is_settled(&pair));
	pair = settled_pair();
	flags_set_keyword(&pair.local.flags, 255);
	assert_false(pair_is_settled(&pair));
	pair = settled_pair();
	pair.hold = HOLD_REFUSED;
	assert_false(pair_is_settled(&pair));
}

static void test_only_presence_on_both_sides_settles(void **state)
{
	(void)state;
	for (unsigned remote = 0; remote <= PRESENCE_UNKNOWN; remote++) {
		for (unsigned local = 0; local <= PRESENCE_UNKNOWN; local++) {
			struct pair pair = settled_pair();

			pair.remote.presence = (enum presence)remote;
			pair.local.presence = (enum presence)local;
			assert_int_equal(pair_is_settled(&pair),
				remote == PRESENCE_PRESENT &&
					local == PRESENCE_PRESENT);
		}
	}
}

static void test_the_unique_part_ends_at_the_first_colon(void **state)
{
	(void)state;
	assert_int_equal(pair_unique_size("1.a.host:2,S"), 8);
	assert_int_equal(pair_unique_size("1.a.host"), 8);
	assert_int_equal(pair_unique_size("1.a:1,x:2,S"), 3);
	assert_int_equal(pair_unique_size(":2,"), 0);
	assert_int_equal(pair_unique_size(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_difference_unsettles_a_pair),
		cmocka_unit_test(test_only_presence_on_both_sides_settles),
		cmocka_unit_test(test_the_unique_part_ends_at_the_first_colon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
