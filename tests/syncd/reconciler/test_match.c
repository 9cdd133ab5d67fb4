#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "syncd/reconciler/match.h"

#define ITEM_COUNT_MAX  24
#define CALL_COUNT_MAX  40
#define SEED_COUNT      20000
#define CONTENT_COUNT   7
#define OCTETS_PER_FILE 10         /* more with CRLF line ends than on disk */
#define DATE            1700000000 /* and as many seconds as the truth */

/* What the messages really are. 1 and 2 differ in size; 3 and 4 only in their
   bodies, and have no Message-ID; 5 has the size of 1, another header; 6 the
   size of 3. */
static const struct {
	uint64_t size, header, message_id;
} CONTENTS[CONTENT_COUNT] = {
	[1] = { 1000, 11, 101 },
	[2] = { 2000, 12, 102 },
	[3] = { 3000, 13, 0 },
	[4] = { 3000, 13, 0 },
	[5] = { 1000, 15, 105 },
	[6] = { 3000, 16, 106 },
};

struct world {
	struct arena arena;
	struct match_item items[ITEM_COUNT_MAX];
	struct pair pairs[ITEM_COUNT_MAX];
	unsigned truth[ITEM_COUNT_MAX];
	bool is_bound[ITEM_COUNT_MAX];
	size_t count;
	size_t need_count[MATCH_NEED_REMOTE_HASH + 1];
	uint64_t seed;
	unsigned refusal; /* one in so many needs is given up; 0 = none */
	bool lies;        /* the server tells sizes that are not true */
};

static uint32_t random_below(struct world *world, uint32_t limit)
{
	world->seed = world->seed * UINT64_C(6364136223846793005) +
		1442695040888963407u;
	return (uint32_t)(world->seed >> 33) % limit;
}

static void learn_header(struct pair *pair, unsigned truth)
{
	pair->content.header_hash = CONTENTS[truth].header;
	pair->content.message_id = CONTENTS[truth].message_id;
}

static void learn_all(struct pair *pair, unsigned truth)
{
	learn_header(pair, truth);
	pair->content.size = CONTENTS[truth].size;
	pair->content.has_hash = true;
	memset(pair->content.hash, (int)truth, sizeof(pair->content.hash));
}

/* Arrivals come as they are first seen, suspects as they were recorded. */
static struct pair *add_item(struct world *world, enum match_role role,
	uint32_t folder_id, unsigned truth)
{
	size_t index = world->count++;
	struct pair *pair = &world->pairs[index];

	*pair = (struct pair){ .mid = index + 1 };
	world->truth[index] = truth;
	world->is_bound[index] = false;
	world->items[index] =
		(struct match_item){ role, pair, folder_id, false };
	pair->local.size = CONTENTS[truth].size - OCTETS_PER_FILE;
	pair->content.internal_date = DATE + truth;
	switch (role) {
	case MATCH_LOCAL_ARRIVAL:
		pair->local.presence = PRESENCE_PRESENT;
		pair->local.mtime = DATE + truth;
		pair->content.internal_date = 0;
		break;
	case MATCH_LOCAL_SUSPECT:
		pair->local.presence = PRESENCE_ABSENT;
		pair->remote.presence = PRESENCE_PRESENT;
		learn_all(pair, truth);
		break;
	case MATCH_REMOTE_ARRIVAL:
		pair->remote.presence = PRESENCE_PRESENT;
		pair->content.size = CONTENTS[truth].size;
		if (world->lies)
			pair->content.size -= OCTETS_PER_FILE;
		pair->local.size = 0;
		break;
	case MATCH_REMOTE_SUSPECT:
	case MATCH_REMOTE_LOST:
		pair->remote.presence = PRESENCE_ABSENT;
		pair->local.presence = role == MATCH_REMOTE_LOST
			? PRESENCE_ABSENT
			: PRESENCE_PRESENT;
		learn_all(pair, truth);
		break;
	}
	return pair;
}

static size_t index_of(const struct pair *pair)
{
	return (size_t)(pair->mid - 1);
}

static void answer(struct world *world, const struct match_need *need)
{
	size_t index = index_of(need->pair);
	struct pair *pair = &world->pairs[index];

	world->need_count[need->kind]++;
	assert_false(world->items[index].is_given_up);
	assert_false(pair->content.has_hash);
	if (world->refusal != 0 && random_below(world, world->refusal) == 0) {
		world->items[index].is_given_up = true;
		return;
	}
	switch (need->kind) {
	case MATCH_NEED_LOCAL_HASH:
		assert_int_equal(pair->local.presence, PRESENCE_PRESENT);
		learn_all(pair, world->truth[index]);
		break;
	case MATCH_NEED_REMOTE_HEADER:
		assert_int_equal(pair->content.header_hash, 0);
		assert_int_equal(pair->remote.presence, PRESENCE_PRESENT);
		learn_header(pair, world->truth[index]);
		break;
	case MATCH_NEED_REMOTE_HASH:
		assert_int_equal(pair->remote.presence, PRESENCE_PRESENT);
		learn_all(pair, world->truth[index]);
		break;
	}
}

static bool roles_fit(enum match_role arrival, enum match_role partner)
{
	return (arrival == MATCH_LOCAL_ARRIVAL &&
		       partner == MATCH_LOCAL_SUSPECT) ||
		(arrival == MATCH_REMOTE_ARRIVAL &&
			(partner == MATCH_REMOTE_SUSPECT ||
				partner == MATCH_REMOTE_LOST)) ||
		(arrival == MATCH_LOCAL_ARRIVAL &&
			partner == MATCH_REMOTE_ARRIVAL);
}

static void apply_binding(
	struct world *world, const struct match_binding *binding)
{
	size_t arrival = index_of(binding->arrival);
	size_t partner = index_of(binding->partner);

	assert_true(roles_fit(
		world->items[arrival].role, world->items[partner].role));
	assert_false(world->is_bound[arrival] || world->is_bound[partner]);
	assert_false(world->items[arrival].is_given_up ||
		world->items[partner].is_given_up);
	if (world->truth[arrival] != world->truth[partner])
		fail_msg("%zu is not %zu", arrival, partner);
	world->is_bound[arrival] = true;
	world->is_bound[partner] = true;
}

/* As a worker does: bound items leave, the rest comes back with what was
   learned. */
static void run(struct world *world)
{
	for (unsigned call = 0; call < CALL_COUNT_MAX; call++) {
		struct match_item items[ITEM_COUNT_MAX];
		struct match match;
		size_t count = 0;

		for (size_t i = 0; i < world->count; i++)
			if (!world->is_bound[i])
				items[count++] = world->items[i];
		arena_reset(&world->arena);
		match = match_make(&world->arena, items, count);
		for (size_t i = 0; i < match.binding_count; i++)
			apply_binding(world, &match.bindings[i]);
		for (size_t i = 0; i < match.need_count; i++)
			answer(world, &match.needs[i]);
		if (match.need_count == 0)
			return;
	}
	fail_msg("no end");
}

static void reset(struct world *world)
{
	world->count = 0;
	memset(world->need_count, 0, sizeof(world->need_count));
}

static size_t needs_of(const struct world *world)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(world->need_count); i++)
		count += world->need_count[i];
	return count;
}

static int set_up(void **state)
{
	static struct world world;

	world = (struct world){ .seed = 7 };
	arena_init(&world.arena);
	*state = &world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	arena_finish(&world->arena);
	return 0;
}

static void test_equal_email_ids_need_no_bytes(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_REMOTE_SUSPECT, 1, 1)->content.email_id = 5;
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 1)->content.email_id = 5;
	run(world);
	assert_true(world->is_bound[0] && world->is_bound[1]);
	assert_int_equal(needs_of(world), 0);
}

static void test_a_moved_file_is_read_once(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_SUSPECT, 1, 1);
	add_item(world, MATCH_LOCAL_ARRIVAL, 2, 1);
	add_item(world, MATCH_LOCAL_ARRIVAL, 2, 2);
	run(world);
	assert_true(world->is_bound[0] && world->is_bound[1]);
	assert_int_equal(world->need_count[MATCH_NEED_LOCAL_HASH], 1);
	assert_int_equal(needs_of(world), 1);
}

static void test_new_mail_alone_is_not_looked_into(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 3);
	run(world);
	assert_int_equal(needs_of(world), 0);
	reset(world);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	run(world);
	assert_int_equal(needs_of(world), 0);
	reset(world);
	/* Nothing of like size. */
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 3);
	add_item(world, MATCH_REMOTE_SUSPECT, 1, 2);
	run(world);
	assert_int_equal(needs_of(world), 0);
}

static void test_one_of_each_with_a_message_id_needs_no_body(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	run(world);
	assert_true(world->is_bound[0]);
	assert_int_equal(world->need_count[MATCH_NEED_LOCAL_HASH], 1);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HEADER], 1);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 0);
}

static void test_without_a_message_id_the_body_decides(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 4);
	run(world);
	assert_false(world->is_bound[0]);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 1);
	reset(world);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 3);
	run(world);
	assert_true(world->is_bound[0]);
}

static void test_a_second_candidate_makes_the_bodies_be_read(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	run(world);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 1);
	reset(world);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 1);
	add_item(world, MATCH_REMOTE_SUSPECT, 3, 1);
	run(world);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 2);
	assert_true(world->is_bound[0]);
	assert_false(world->is_bound[1]);
}

static void test_a_later_rule_waits_for_an_earlier_one(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	add_item(world, MATCH_REMOTE_SUSPECT, 2, 1);
	run(world);
	/* Moved there, and copied here: the copies stay. */
	assert_true(world->is_bound[2] && world->is_bound[3]);
	assert_false(world->is_bound[0] || world->is_bound[1]);
}

static void test_halves_meet_in_their_folder_first(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_LOCAL_ARRIVAL, 2, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 3);
	run(world);
	assert_false(world->is_bound[0]);
	assert_true(world->is_bound[1]);
	reset(world);
	/* Else anywhere. */
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 3);
	run(world);
	assert_true(world->is_bound[0]);
}

/* Else the file of the one would go, as the other is removed there. */
static void test_one_whose_file_is_here_is_found_first(void **state)
{
	struct world *world = *state;

	(void)add_item(world, MATCH_REMOTE_LOST, 1, 1);
	(void)add_item(world, MATCH_REMOTE_SUSPECT, 2, 1);
	(void)add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
	run(world);
	assert_false(world->is_bound[0]);
	assert_true(world->is_bound[1]);
	assert_true(world->is_bound[2]);
}

static void test_a_move_here_comes_before_a_meeting(void **state)
{
	struct world *world = *state;

	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_LOCAL_SUSPECT, 2, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 3);
	run(world);
	assert_true(world->is_bound[0] && world->is_bound[1]);
	assert_false(world->is_bound[2]);
}

static void test_one_that_was_given_up_makes_the_others_be_read(void **state)
{
	struct world *world = *state;

	for (unsigned has_header = 0; has_header < 2; has_header++) {
		reset(world);
		add_item(world, MATCH_LOCAL_ARRIVAL, 1, 1);
		add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
		add_item(world, MATCH_REMOTE_ARRIVAL, 1, 1);
		world->items[2].is_given_up = true;
		if (has_header == 1)
			learn_header(&world->pairs[2], 1);
		run(world);
		assert_true(world->is_bound[1]);
		assert_false(world->is_bound[2]);
		assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 1);
	}
}

static void test_a_suspect_without_a_hash_is_asked_for_elsewhere(void **state)
{
	struct world *world = *state;
	struct pair *pair = add_item(world, MATCH_LOCAL_SUSPECT, 1, 1);

	pair->content.has_hash = false;
	add_item(world, MATCH_LOCAL_ARRIVAL, 2, 1);
	run(world);
	assert_true(world->is_bound[0]);
	assert_int_equal(world->need_count[MATCH_NEED_REMOTE_HASH], 1);

	reset(world);
	pair = add_item(world, MATCH_REMOTE_SUSPECT, 1, 3);
	pair->content.has_hash = false;
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 3);
	run(world);
	assert_true(world->is_bound[0]);
	assert_int_equal(world->need_count[MATCH_NEED_LOCAL_HASH], 1);
}

/* Moved there; delivered before a crash, with the date of its message. */
static void test_a_size_that_is_not_true_parts_nobody(void **state)
{
	struct world *world = *state;
	struct pair *pair;

	world->lies = true;
	add_item(world, MATCH_REMOTE_SUSPECT, 1, 1);
	add_item(world, MATCH_REMOTE_ARRIVAL, 2, 1);
	run(world);
	assert_true(world->is_bound[0]);
	reset(world);
	add_item(world, MATCH_LOCAL_ARRIVAL, 1, 3);
	add_item(world, MATCH_REMOTE_ARRIVAL, 1, 3);
	run(world);
	assert_true(world->is_bound[0]);
	/* Its date is new, too: but the file has that size. */
	reset(world);
	add_item(world, MATCH_REMOTE_SUSPECT, 1, 1);
	pair = add_item(world, MATCH_REMOTE_ARRIVAL, 2, 1);
	pair->content.internal_date = 1;
	run(world);
	assert_true(world->is_bound[0]);
	/* Else nothing tells which bytes to read. */
	reset(world);
	add_item(world, MATCH_REMOTE_SUSPECT, 1, 1);
	pair = add_item(world, MATCH_REMOTE_ARRIVAL, 2, 1);
	pair->content.internal_date = 1;
	pair->content.size--;
	run(world);
	assert_int_equal(needs_of(world), 0);
}

static size_t count_free(
	const struct world *world, enum match_role role, unsigned truth)
{
	size_t count = 0;

	for (size_t i = 0; i < world->count; i++)
		if (!world->is_bound[i] && world->items[i].role == role &&
			world->truth[i] == truth &&
			!world->items[i].is_given_up)
			count++;
	return count;
}

/* Of k here and n there the smaller number pairs up: nobody is left on both
   sides. */
static void check_complete(const struct world *world)
{
	static const enum match_role roles[][2] = {
		{ MATCH_LOCAL_ARRIVAL, MATCH_LOCAL_SUSPECT },
		{ MATCH_LOCAL_ARRIVAL, MATCH_REMOTE_ARRIVAL },
		{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_SUSPECT },
		{ MATCH_REMOTE_ARRIVAL, MATCH_REMOTE_LOST },
	};

	for (unsigned truth = 1; truth < CONTENT_COUNT; truth++)
		for (size_t i = 0; i < ARRAY_LENGTH(roles); i++)
			assert_true(
				count_free(world, roles[i][0], truth) == 0 ||
				count_free(world, roles[i][1], truth) == 0);
}

/* Up to two twins in every role, in each of two folders. */
static void test_twins_stay_twins(void **state)
{
	struct world *world = *state;

	for (unsigned number = 0; number < 9 * 9 * 9 * 9 * 3; number++) {
		static const enum match_role roles[] = { MATCH_LOCAL_ARRIVAL,
			MATCH_LOCAL_SUSPECT, MATCH_REMOTE_ARRIVAL,
			MATCH_REMOTE_SUSPECT, MATCH_REMOTE_LOST };
		unsigned rest = number;

		reset(world);
		for (size_t i = 0; i < ARRAY_LENGTH(roles); i++, rest /= 9) {
			for (unsigned k = 0; k < rest % 3; k++)
				add_item(world, roles[i], 1, 1);
			for (unsigned k = 0; k < rest / 3 % 3; k++)
				add_item(world, roles[i], 2, 1);
		}
		run(world);
		check_complete(world);
	}
}

static void add_random(struct world *world)
{
	enum match_role role =
		(enum match_role)random_below(world, MATCH_ROLE_COUNT);
	unsigned truth = 1 + random_below(world, CONTENT_COUNT - 1);
	struct pair *pair =
		add_item(world, role, 1 + random_below(world, 3), truth);

	/* EMAILID is the content's, where the server says it. */
	if (role != MATCH_LOCAL_ARRIVAL && random_below(world, 3) == 0)
		pair->content.email_id = truth;
}

static void test_only_equal_content_is_bound_and_all_of_it(void **state)
{
	struct world *world = *state;

	for (unsigned seed = 0; seed < SEED_COUNT; seed++) {
		uint32_t count = random_below(world, ITEM_COUNT_MAX);

		reset(world);
		world->refusal = seed % 2 == 0 ? 0 : 4;
		world->lies = seed % 3 == 0;
		for (uint32_t i = 0; i < count; i++)
			add_random(world);
		run(world);
		if (world->refusal == 0)
			check_complete(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_equal_email_ids_need_no_bytes),
		TEST(test_a_moved_file_is_read_once),
		TEST(test_new_mail_alone_is_not_looked_into),
		TEST(test_one_of_each_with_a_message_id_needs_no_body),
		TEST(test_without_a_message_id_the_body_decides),
		TEST(test_a_second_candidate_makes_the_bodies_be_read),
		TEST(test_a_later_rule_waits_for_an_earlier_one),
		TEST(test_halves_meet_in_their_folder_first),
		TEST(test_one_whose_file_is_here_is_found_first),
		TEST(test_a_move_here_comes_before_a_meeting),
		TEST(test_one_that_was_given_up_makes_the_others_be_read),
		TEST(test_a_suspect_without_a_hash_is_asked_for_elsewhere),
		TEST(test_a_size_that_is_not_true_parts_nobody),
		TEST(test_twins_stay_twins),
		TEST(test_only_equal_content_is_bound_and_all_of_it),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
