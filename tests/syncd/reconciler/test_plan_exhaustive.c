/* Every state of one message over three folders, and of two messages of equal
   content, planned and carried out until there is nothing left to do: in any
   order, cut off in the middle, and with folders that cannot be looked at. What
   must become of them is told by fates.h.

   MAILTWIN_EXHAUSTIVE=N: all states, with N seeds each; else some of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/number.h"
#include "tests/syncd/reconciler/fates.h"
#include "tests/syncd/reconciler/scene.h"

#define BATCH_SIZE    256
#define VARIANT_COUNT 256 /* room for them */

/* Where a message is and how it looks, without its flags. */
static struct start variants[VARIANT_COUNT];
static size_t variant_count;

static unsigned seed_count; /* 0 = only some states */

struct trial {
	struct model model;
	struct start starts[BATCH_SIZE][FATES_STARTS_MAX];
	unsigned start_counts[BATCH_SIZE];
	struct scene *before;
	size_t used;
	/* How the batches run. */
	bool deletion_wins;
	enum model_order order;
	enum interruption interruption;
	unsigned hidden_local, hidden_remote; /* at first */
	void (*check)(const struct trial *trial, size_t index,
		const struct result *result);
	uint64_t seed;
	uint64_t state_count;
	/* One in so many of the states; and of a whole run's. */
	unsigned share, whole_share;
};

/* ---- Variants ---- */

static bool is_folder(uint32_t place)
{
	return place != NOWHERE && place != UNKNOWN;
}

static bool is_possible(const struct start *start)
{
	if (start->synced == NOWHERE)
		return !start->has_new_name && !start->has_new_uid &&
			(is_folder(start->local) || is_folder(start->remote));
	if (start->has_new_name && !is_folder(start->local))
		return false;
	if (!is_folder(start->remote))
		return !start->has_new_uid;
	/* UIDs belong to their mailbox. */
	return start->has_new_uid || start->remote == start->synced;
}

static int make_variants(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4 * 5 * 5 * 4; i++) {
		struct start start = {
			.synced = i % 4,
			.local = i / 4 % 5,
			.remote = i / 20 % 5,
			.has_new_name = (i / 100 & 1) != 0,
			.has_new_uid = (i / 100 & 2) != 0,
		};

		if (is_possible(&start))
			variants[variant_count++] = start;
	}
	return 0;
}

static bool is_unknown(const struct start *start)
{
	return start->local == UNKNOWN || start->remote == UNKNOWN;
}

static void put_flags(struct start *start, unsigned flags)
{
	start->local_flags = flags % CLASS_COUNT;
	start->remote_flags = flags / CLASS_COUNT % CLASS_COUNT;
	start->synced_flags = flags / CLASS_COUNT / CLASS_COUNT;
}

/* ---- Trials ---- */

static void print_start(const struct start *start)
{
	print_error("  start: synced %u %x, local %u %x%s, remote %u %x%s\n",
		start->synced, start->synced_flags, start->local,
		start->local_flags, start->has_new_name ? " (new name)" : "",
		start->remote, start->remote_flags,
		start->has_new_uid ? " (new UID)" : "");
}

static void fail_scene(
	const struct trial *trial, size_t index, const char *what)
{
	for (unsigned i = 0; i < trial->start_counts[index]; i++)
		print_start(&trial->starts[index][i]);
	scene_print(&trial->model.scenes[index]);
	fail_msg("%s: deletion_wins %d, order %d, interruption %d, hidden "
		 "%x %x, seed %llu",
		what, trial->deletion_wins, (int)trial->order,
		(int)trial->interruption, trial->hidden_local,
		trial->hidden_remote, (unsigned long long)trial->seed);
}

/* No body travels for a message that both sides have. */
static bool is_transfer_needed(const struct start *start)
{
	return !is_folder(start->local) || !is_folder(start->remote);
}

/* Nobody can tell what became of it: it stays as it was on the side that is
   known. A copy that came there is another one for all that is known. */
static void check_unknown(const struct trial *trial, size_t index)
{
	const struct start *start = &trial->starts[index][0];
	const struct scene *scene = &trial->model.scenes[index];

	if (scene->removal_count > 0)
		fail_scene(trial, index, "removed what is unknown");
	if (!start->has_new_name && !start->has_new_uid &&
		(is_folder(start->local) || is_folder(start->remote)) &&
		!scene_is_same(scene, &trial->before[index]))
		fail_scene(trial, index, "touched what is unknown");
}

static void check_exact(
	const struct trial *trial, size_t index, const struct result *result)
{
	const struct scene *scene = &trial->model.scenes[index];

	if (!fates_allow(trial->starts[index], trial->start_counts[index],
		    trial->deletion_wins, result->messages, result->count))
		fail_scene(trial, index, "not what the changes say");
	if (trial->start_counts[index] == 1 && scene->transfer_count > 0 &&
		!is_transfer_needed(&trial->starts[index][0]))
		fail_scene(trial, index, "sent what was there");
}

static void check_number(
	const struct trial *trial, size_t index, const struct result *result)
{
	if (!fates_allow_count(trial->starts[index], trial->start_counts[index],
		    trial->deletion_wins, result->count))
		fail_scene(trial, index, "lost or doubled");
}

/* What came may be a message whose own folder could not be looked at, or one
   that is missed on both sides at once; that it is shows too late. Then there
   is one more, never one less. */
static bool may_be_doubled(const struct trial *trial, const struct start *start)
{
	if ((trial->hidden_local | trial->hidden_remote) >> 1 == 0)
		return false;
	if (start->synced == NOWHERE ||
		(start->has_new_name && start->has_new_uid))
		return true;
	return (start->has_new_name &&
		       (trial->hidden_local >> start->synced & 1) != 0) ||
		(start->has_new_uid &&
			(trial->hidden_remote >> start->synced & 1) != 0);
}

/* Of one message. Seen on one side after the other, more is known of what was
   moved on both than at one look. */
static void check_late(
	const struct trial *trial, size_t index, const struct result *result)
{
	const struct start *start = &trial->starts[index][0];
	struct start known = *start;
	struct fate fate;
	size_t count;

	if (is_unknown(start) ||
		fates_allow(start, 1, trial->deletion_wins, result->messages,
			result->count))
		return;
	known.has_new_name = known.has_new_uid = false;
	fate = fate_of(&known, trial->deletion_wins);
	count = fate.is_kept ? 1 : 0;
	if (may_be_doubled(trial, start) && result->count <= 2 &&
		result->count >= count)
		return;
	if (result->count != count ||
		(fate.is_kept &&
			result->messages[0] !=
				scene_encode(fate.folder_id, fate.flags)))
		fail_scene(trial, index, "not what the changes say");
}

static void check_scene(struct trial *trial, size_t index)
{
	struct result result;

	if (!scene_result(&trial->model.scenes[index], &result))
		fail_scene(trial, index, "the sides differ");
	trial->check(trial, index, &result);
	if (trial->start_counts[index] == 1 &&
		is_unknown(&trial->starts[index][0]))
		check_unknown(trial, index);
}

static void run_batch(struct trial *trial)
{
	struct model *model = &trial->model;

	model->scene_count = trial->used;
	memcpy(trial->before, model->scenes,
		trial->used * sizeof(struct scene));
	model_reset(model, trial->deletion_wins, trial->order, trial->seed);
	model->interruption = trial->interruption;
	if (trial->interruption != INTERRUPTION_NONE)
		model->interrupted_rounds = 1 + (unsigned)(trial->seed / 2 % 3);
	model_hide(model, trial->hidden_local, trial->hidden_remote);
	model_run(model);
	if ((trial->hidden_local | trial->hidden_remote) != 0) {
		model_hide(model, 0, 0);
		model_run(model);
	}
	for (size_t i = 0; i < trial->used; i++)
		check_scene(trial, i);
	trial->state_count += trial->used;
	trial->used = 0;
	trial->seed++;
}

static void add_scene(
	struct trial *trial, const struct start *starts, unsigned count)
{
	struct scene *scene = &trial->model.scenes[trial->used];

	scene_reset(scene);
	for (unsigned i = 0; i < count; i++) {
		scene_add(&trial->model, scene, &starts[i]);
		trial->starts[trial->used][i] = starts[i];
	}
	trial->start_counts[trial->used] = count;
	if (++trial->used == BATCH_SIZE)
		run_batch(trial);
}

/* Of a share, which ones differs from seed to seed. */
static bool is_chosen(const struct trial *trial, uint64_t number)
{
	uint64_t mixed =
		(number + trial->seed * 7919) * UINT64_C(0x9e3779b97f4a7c15);

	unsigned share = seed_count > 0 ? trial->whole_share : trial->share;

	return (mixed >> 32) % share == 0;
}

static void trial_start(struct trial *trial)
{
	memset(trial, 0, sizeof(*trial));
	model_init(&trial->model, BATCH_SIZE);
	trial->before = alloc(BATCH_SIZE, sizeof(*trial->before));
	trial->check = check_exact;
	trial->share = trial->whole_share = 1;
}

static void trial_end(struct trial *trial)
{
	print_message("%llu states, %llu rounds, %llu operations\n",
		(unsigned long long)trial->state_count,
		(unsigned long long)trial->model.round_count,
		(unsigned long long)trial->model.operation_count);
	assert_true(trial->state_count > 0);
	model_finish(&trial->model);
	free(trial->before);
}

static void end_batch(struct trial *trial)
{
	if (trial->used > 0)
		run_batch(trial);
}

/* With both policies, in both orders, as often as there are seeds. */
static void for_each_setting(
	struct trial *trial, void (*run)(struct trial *trial))
{
	unsigned count = seed_count > 0 ? seed_count : 1;

	for (unsigned i = 0; i < count * 4; i++) {
		trial->deletion_wins = (i & 1) != 0;
		trial->order = (enum model_order)(i >> 1 & 1);
		run(trial);
		end_batch(trial);
	}
}

/* ---- One message ---- */

static void add_singles(struct trial *trial)
{
	for (size_t i = 0; i < variant_count; i++) {
		struct start start = variants[i];
		unsigned flags_count = CLASS_COUNT * CLASS_COUNT;

		if (start.synced != NOWHERE)
			flags_count *= CLASS_COUNT;
		for (unsigned flags = 0; flags < flags_count; flags++) {
			if (!is_chosen(trial, i * 4096 + flags))
				continue;
			put_flags(&start, flags);
			add_scene(trial, &start, 1);
		}
	}
}

static void test_one_message_ends_as_the_changes_say(void **state)
{
	struct trial trial;

	(void)state;
	trial_start(&trial);
	trial.share = 8;
	for_each_setting(&trial, add_singles);
	trial_end(&trial);
}

static void test_a_batch_that_was_cut_off_goes_on_to_the_same_end(void **state)
{
	struct trial trial;

	(void)state;
	trial_start(&trial);
	trial.share = 32;
	trial.interruption = INTERRUPTION_SOME;
	for_each_setting(&trial, add_singles);
	trial.interruption = INTERRUPTION_CUT;
	for_each_setting(&trial, add_singles);
	trial_end(&trial);
}

/* Every set of folders on either side; bit 0: what is new there. */
static void test_what_cannot_be_seen_is_never_removed(void **state)
{
	struct trial trial;

	(void)state;
	trial_start(&trial);
	trial.share = 4096;
	trial.whole_share = 32;
	trial.check = check_late;
	for (unsigned i = 1; i < 256; i++) {
		trial.hidden_local = i % 16;
		trial.hidden_remote = i / 16;
		for_each_setting(&trial, add_singles);
	}
	trial_end(&trial);
}

/* ---- Two messages of equal content ---- */

/* One flag that protects and one that does not, set, kept or taken away. */
static const struct flag_set {
	unsigned synced, local, remote;
} FLAG_SETS[] = {
	{ 0, 0, 0 },
	{ 0, CLASS_SEEN, 0 },
	{ 0, 0, CLASS_SEEN },
	{ 0, CLASS_FLAGGED, 0 },
	{ 0, 0, CLASS_FLAGGED },
	{ CLASS_SEEN, 0, CLASS_SEEN },
	{ CLASS_DELETED, CLASS_DELETED, CLASS_SEEN },
	{ CLASS_FLAGGED, CLASS_KEYWORD, CLASS_FLAGGED },
};

#define FLAG_SET_COUNT ARRAY_LENGTH(FLAG_SETS)

static struct start with_flags(size_t variant, size_t flags)
{
	struct start start = variants[variant];

	start.synced_flags = FLAG_SETS[flags].synced;
	start.local_flags = FLAG_SETS[flags].local;
	start.remote_flags = FLAG_SETS[flags].remote;
	return start;
}

static void add_twins(struct trial *trial)
{
	size_t one_count = variant_count * FLAG_SET_COUNT;

	for (size_t i = 0; i < one_count; i++)
		for (size_t k = 0; k < one_count; k++) {
			struct start starts[FATES_STARTS_MAX];

			if (!is_chosen(trial, i * one_count + k))
				continue;
			starts[0] = with_flags(
				i / FLAG_SET_COUNT, i % FLAG_SET_COUNT);
			starts[1] = with_flags(
				k / FLAG_SET_COUNT, k % FLAG_SET_COUNT);
			add_scene(trial, starts, 2);
		}
}

static void test_twins_end_as_the_changes_say(void **state)
{
	struct trial trial;

	(void)state;
	trial_start(&trial);
	trial.share = 128;
	for_each_setting(&trial, add_twins);
	trial_end(&trial);
}

static void test_twins_stay_twins_when_a_batch_was_cut_off(void **state)
{
	struct trial trial;

	(void)state;
	trial_start(&trial);
	trial.share = 256;
	trial.check = check_number;
	trial.interruption = INTERRUPTION_SOME;
	for_each_setting(&trial, add_twins);
	trial.interruption = INTERRUPTION_CUT;
	for_each_setting(&trial, add_twins);
	trial_end(&trial);
}

static void read_seed_count(void)
{
	const char *text = getenv("MAILTWIN_EXHAUSTIVE");

	if (text != NULL)
		seed_count = (unsigned)strtoul(text, NULL, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_message_ends_as_the_changes_say),
		cmocka_unit_test(
			test_a_batch_that_was_cut_off_goes_on_to_the_same_end),
		cmocka_unit_test(test_what_cannot_be_seen_is_never_removed),
		cmocka_unit_test(test_twins_end_as_the_changes_say),
		cmocka_unit_test(
			test_twins_stay_twins_when_a_batch_was_cut_off),
	};

	read_seed_count();
	return cmocka_run_group_tests(tests, make_variants, NULL);
}
