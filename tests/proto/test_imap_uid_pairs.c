#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "proto/imap_uid_pairs.h"

struct pairing {
	const char *label;
	struct uid_range source[4];
	struct uid_range destination[4];
	size_t pair_count;
	uint32_t pairs[6][2];
};

static size_t range_count(const struct uid_range ranges[4])
{
	size_t count = 0;

	while (count < 4 && ranges[count].last != 0)
		count++;
	return count;
}

static void test_uids_pair_by_position(void **state)
{
	static const struct pairing CASES[] = {
		{ "both ascend", { { 1, 3 } }, { { 11, 13 } }, 3,
			{ { 1, 11 }, { 2, 12 }, { 3, 13 } } },
		{ "Gmail: destination one by one, descending", { { 1, 3 } },
			{ { 12, 12 }, { 11, 11 }, { 10, 10 } }, 3,
			{ { 1, 12 }, { 2, 11 }, { 3, 10 } } },
		{ "a range that counts down", { { 5, 4 } }, { { 8, 9 } }, 2,
			{ { 5, 8 }, { 4, 9 } } },
		{ "cuts at different places", { { 1, 1 }, { 7, 9 } },
			{ { 20, 22 }, { 30, 30 } }, 4,
			{ { 1, 20 }, { 7, 21 }, { 8, 22 }, { 9, 30 } } },
		{ "the largest UID", { { 4294967295U, 4294967295U } },
			{ { 1, 1 } }, 1, { { 4294967295U, 1 } } },
		{ "nothing moved", { { 0, 0 } }, { { 0, 0 } }, 0,
			{ { 0, 0 } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		const struct pairing *c = &CASES[i];
		struct imap_uid_list source = { c->source,
			range_count(c->source) };
		struct imap_uid_list destination = { c->destination,
			range_count(c->destination) };
		struct imap_uid_pairs pairs;
		uint32_t from;
		uint32_t to;

		assert_true(
			imap_uid_pairs_start(&pairs, &source, &destination));
		for (size_t n = 0; n < c->pair_count; n++) {
			assert_true(imap_uid_pairs_next(&pairs, &from, &to));
			assert_int_equal(from, c->pairs[n][0]);
			assert_int_equal(to, c->pairs[n][1]);
		}
		assert_false(imap_uid_pairs_next(&pairs, &from, &to));
	}
}

static void test_lists_that_do_not_match_give_no_mapping(void **state)
{
	static const struct {
		struct uid_range source;
		struct uid_range destination;
	} CASES[] = {
		{ { 1, 3 }, { 11, 12 } },
		{ { 1, 1 }, { 11, 12 } },
		/* No mailbox holds as many as a hostile server can name. */
		{ { 1, 4294967295U }, { 4294967295U, 1 } },
		{ { 0, 1 }, { 5, 6 } },
		{ { 5, 6 }, { 1, 0 } },
	};
	struct imap_uid_list none = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct imap_uid_list source = { &CASES[i].source, 1 };
		struct imap_uid_list destination = { &CASES[i].destination, 1 };
		struct imap_uid_pairs pairs;

		assert_false(
			imap_uid_pairs_start(&pairs, &source, &destination));
		assert_false(imap_uid_pairs_start(&pairs, &source, &none));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uids_pair_by_position),
		cmocka_unit_test(test_lists_that_do_not_match_give_no_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
