/* Both sides make, rename and remove folders at random; the plan is carried
   out on a model, now and then only in part, until nothing is left to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "syncd/reconciler/folders.h"

#define SIDE_COUNT_MAX  40
#define PATH_SIZE       200
#define ROUND_COUNT_MAX 50
#define SEED_COUNT      4000u
#define CHANGE_COUNT    5 /* on each side */

static const char *const NAMES[] = { "a", "b", "c", "a/a", "a/b", "b/a", "b/c",
	"c/a", "a/a/b", "b/a/c", "INBOX/a" };

/* A mailbox or directory; `identity` is its own for ever. */
struct place {
	char path[PATH_SIZE];
	char id[16];
	uint32_t identity;
};

struct side {
	struct place places[SIDE_COUNT_MAX];
	size_t count;
};

struct record {
	struct folder_record record;
	char path[PATH_SIZE];
	char id[16];
	bool is_held; /* the last plan said so */
};

struct model {
	struct arena arena;
	struct side remote, local;
	struct record records[SIDE_COUNT_MAX];
	size_t record_count;
	uint32_t next_identity, next_folder_id;
	uint64_t seed;
	bool has_ids;
	size_t hold_count;
};

static uint32_t random_below(struct model *model, uint32_t limit)
{
	model->seed = model->seed * UINT64_C(6364136223846793005) +
		1442695040888963407u;
	return (uint32_t)(model->seed >> 33) % limit;
}

static void set_path(char *path, const char *text)
{
	assert_true(strlen(text) < PATH_SIZE);
	memmove(path, text, strlen(text) + 1);
}

static bool is_below(const char *path, const char *parent)
{
	size_t size = strlen(parent);

	return strncmp(path, parent, size) == 0 && path[size] == '/';
}

static struct place *find_path(struct side *side, const char *path)
{
	for (size_t i = 0; i < side->count; i++)
		if (strcmp(side->places[i].path, path) == 0)
			return &side->places[i];
	return NULL;
}

static struct place *find_identity(struct side *side, uint32_t identity)
{
	for (size_t i = 0; i < side->count; i++)
		if (side->places[i].identity == identity)
			return &side->places[i];
	return NULL;
}

static struct place *add_place(
	struct model *model, struct side *side, const char *path)
{
	struct place *place = &side->places[side->count];

	assert_null(find_path(side, path));
	assert_true(++side->count < SIDE_COUNT_MAX);
	set_path(place->path, path);
	place->identity = ++model->next_identity;
	(void)snprintf(place->id, sizeof(place->id), "m%u", place->identity);
	return place;
}

static void remove_place(struct side *side, const char *path)
{
	struct place *place = find_path(side, path);

	assert_string_not_equal(path, "INBOX");
	if (place == NULL)
		fail_msg("no %s", path);
	else
		*place = side->places[--side->count];
}

static bool moves_along(const char *path, const char *from)
{
	return strcmp(path, from) == 0 || is_below(path, from);
}

static void renamed_path(
	char *out, const char *path, const char *from, const char *to)
{
	int size = snprintf(out, PATH_SIZE, "%s%s", to, path + strlen(from));

	assert_true(size > 0 && size < PATH_SIZE);
}

static bool can_rename(struct side *side, const char *from, const char *to)
{
	if (strcmp(from, "INBOX") == 0 || strcmp(to, "INBOX") == 0 ||
		strcmp(from, to) == 0 || is_below(to, from) ||
		find_path(side, from) == NULL)
		return false;
	for (size_t i = 0; i < side->count; i++) {
		char after[PATH_SIZE];
		struct place *there;

		if (!moves_along(side->places[i].path, from))
			continue;
		renamed_path(after, side->places[i].path, from, to);
		there = find_path(side, after);
		if (there != NULL && !moves_along(there->path, from))
			return false;
	}
	return true;
}

static void rename_place(struct side *side, const char *from, const char *to)
{
	char from_copy[PATH_SIZE];

	set_path(from_copy, from);
	for (size_t i = 0; i < side->count; i++) {
		char after[PATH_SIZE];

		if (!moves_along(side->places[i].path, from_copy))
			continue;
		renamed_path(after, side->places[i].path, from_copy, to);
		set_path(side->places[i].path, after);
	}
}

static void change_side(struct model *model, struct side *side)
{
	const char *name = NAMES[random_below(model, ARRAY_LENGTH(NAMES))];
	const char *other = NAMES[random_below(model, ARRAY_LENGTH(NAMES))];

	switch (random_below(model, 5)) {
	case 0:
		if (find_path(side, name) == NULL)
			(void)add_place(model, side, name);
		break;
	case 1:
		if (find_path(side, name) != NULL)
			remove_place(side, name);
		break;
	default:
		if (can_rename(side, name, other))
			rename_place(side, name, other);
		break;
	}
}

static struct record *find_record(struct model *model, uint32_t folder_id)
{
	for (size_t i = 0; i < model->record_count; i++)
		if (model->records[i].record.folder_id == folder_id)
			return &model->records[i];
	return NULL;
}

static struct record *record_of(
	struct model *model, const struct folder_operation *operation)
{
	struct record *record;

	if (operation->folder_id != 0) {
		record = find_record(model, operation->folder_id);
		assert_non_null(record);
		return record;
	}
	record = &model->records[model->record_count++];
	assert_true(model->record_count < SIDE_COUNT_MAX);
	*record = (struct record){ 0 };
	record->record.folder_id = ++model->next_folder_id;
	record->record.is_removable_local = random_below(model, 2) == 0;
	record->record.is_removable_remote = random_below(model, 2) == 0;
	return record;
}

/* Both have it under this path: agreed. */
static void agree(struct model *model, struct record *record, const char *path)
{
	struct place *remote = find_path(&model->remote, path);
	struct place *local = find_path(&model->local, path);

	if (remote == NULL || local == NULL) {
		fail_msg("%s is not on both sides", path);
		return;
	}
	set_path(record->path, path);
	memcpy(record->id, remote->id, sizeof(record->id));
	record->record.uid_validity = remote->identity;
	record->record.inode = local->identity;
	record->record.had_remote = true;
	record->record.had_local = true;
}

/* What a worker does after every rename: who is now in the same place on both
   sides has agreed on it. */
static void agree_on_renames(struct model *model)
{
	for (size_t i = 0; i < model->record_count; i++) {
		struct record *record = &model->records[i];
		struct place *remote = find_identity(
			&model->remote, record->record.uid_validity);
		struct place *local = find_identity(
			&model->local, (uint32_t)record->record.inode);

		if (remote != NULL && local != NULL &&
			strcmp(remote->path, local->path) == 0)
			set_path(record->path, remote->path);
	}
}

static void carry_out_rename(struct model *model, struct side *side,
	const struct folder_operation *operation)
{
	if (!can_rename(side, operation->path, operation->new_path))
		fail_msg("cannot rename %s to %s", operation->path,
			operation->new_path);
	rename_place(side, operation->path, operation->new_path);
	agree_on_renames(model);
}

/* Another folder of that name has its mailbox now. */
static bool was_taken_over(
	const struct model *model, const struct record *record)
{
	for (size_t i = 0; i < model->record_count; i++)
		if (model->records[i].record.folder_id !=
				record->record.folder_id &&
			model->records[i].record.uid_validity ==
				record->record.uid_validity)
			return true;
	return false;
}

static void carry_out_removal(
	struct model *model, const struct folder_operation *operation)
{
	struct record *record = record_of(model, operation);

	if (operation->kind == FOLDER_EMPTY_LOCAL) {
		assert_true(record->record.is_removable_local);
		if (model->has_ids)
			assert_true(was_taken_over(model, record) ||
				find_identity(&model->remote,
					record->record.uid_validity) == NULL);
		remove_place(&model->local, operation->path);
		record->record.had_local = false;
	} else if (operation->kind == FOLDER_EMPTY_REMOTE) {
		assert_true(record->record.is_removable_remote);
		assert_null(find_identity(
			&model->local, (uint32_t)record->record.inode));
		remove_place(&model->remote, operation->path);
		record->record.had_remote = false;
	} else {
		*record = model->records[--model->record_count];
	}
}

static void carry_out(
	struct model *model, const struct folder_operation *operation)
{
	switch (operation->kind) {
	case FOLDER_ADOPT:
		agree(model, record_of(model, operation), operation->path);
		break;
	case FOLDER_CREATE_LOCAL:
		(void)add_place(model, &model->local, operation->path);
		agree(model, record_of(model, operation), operation->path);
		break;
	case FOLDER_CREATE_REMOTE:
		assert_string_not_equal(operation->path, "INBOX");
		(void)add_place(model, &model->remote, operation->path);
		agree(model, record_of(model, operation), operation->path);
		break;
	case FOLDER_RENAME_LOCAL:
		carry_out_rename(model, &model->local, operation);
		break;
	case FOLDER_RENAME_REMOTE:
		carry_out_rename(model, &model->remote, operation);
		break;
	case FOLDER_RECORD_RENAME:
		set_path(
			record_of(model, operation)->path, operation->new_path);
		break;
	case FOLDER_EMPTY_LOCAL:
	case FOLDER_EMPTY_REMOTE:
	case FOLDER_FORGET:
		carry_out_removal(model, operation);
		break;
	case FOLDER_HOLD:
		assert_non_null(operation->reason);
		model->hold_count++;
		if (operation->folder_id != 0)
			record_of(model, operation)->is_held = true;
		break;
	}
}

static void observe(struct model *model, const struct side *side,
	struct folder_remote *remote, struct folder_local *local)
{
	for (size_t i = 0; i < side->count; i++) {
		const struct place *place = &side->places[i];
		/* The plan borrows the names, and the model changes them. */
		const char *path = arena_text(&model->arena, place->path);
		const char *id = arena_text(&model->arena, place->id);

		if (remote != NULL)
			remote[i] = (struct folder_remote){ path,
				model->has_ids ? id : NULL, place->identity,
				true };
		else
			local[i] = (struct folder_local){ path, 1,
				place->identity };
	}
}

static struct folders_plan make_plan(struct model *model)
{
	static struct folder_remote remote[SIDE_COUNT_MAX];
	static struct folder_local local[SIDE_COUNT_MAX];
	static struct folder_record records[SIDE_COUNT_MAX];
	struct folders_input input = { remote, model->remote.count, local,
		model->local.count, records, model->record_count, true, true };

	arena_reset(&model->arena);
	observe(model, &model->remote, remote, NULL);
	observe(model, &model->local, NULL, local);
	for (size_t i = 0; i < model->record_count; i++) {
		struct record *record = &model->records[i];

		record->is_held = false;
		records[i] = record->record;
		records[i].device = 1;
		records[i].path = arena_text(&model->arena, record->path);
		records[i].mailbox_id = model->has_ids
			? arena_text(&model->arena, record->id)
			: NULL;
	}
	model->hold_count = 0;
	return folders_plan_make(&model->arena, &input);
}

/* Without ids a mailbox is its path: the worker notes what is there now. */
static void note_validities(struct model *model)
{
	for (size_t i = 0; i < model->record_count && !model->has_ids; i++) {
		struct record *record = &model->records[i];
		struct place *place = find_path(&model->remote, record->path);

		if (place != NULL)
			record->record.uid_validity = place->identity;
	}
}

static bool run_round(struct model *model, bool is_interrupted)
{
	struct folders_plan plan = make_plan(model);
	size_t count = plan.operation_count;
	bool is_quiet = true;

	if (is_interrupted && count > 0)
		count = random_below(model, (uint32_t)count);
	for (size_t i = 0; i < plan.operation_count; i++) {
		if (plan.operations[i].kind != FOLDER_HOLD)
			is_quiet = false;
		if (i < count || plan.operations[i].kind == FOLDER_HOLD)
			carry_out(model, &plan.operations[i]);
	}
	return is_quiet;
}

static void run_until_quiet(struct model *model)
{
	for (unsigned round = 0; round < ROUND_COUNT_MAX; round++) {
		bool is_interrupted = round < 10 && random_below(model, 4) == 0;

		note_validities(model);
		if (run_round(model, is_interrupted))
			return;
	}
	fail_msg("no end");
}

static void check_inbox(struct model *model)
{
	assert_non_null(find_path(&model->remote, "INBOX"));
	assert_non_null(find_path(&model->local, "INBOX"));
	assert_ptr_equal(find_path(&model->remote, "INBOX"),
		find_identity(&model->remote, 1));
}

static void check_equal(struct model *model)
{
	check_inbox(model);
	for (size_t i = 0; i < model->record_count; i++) {
		const struct record *record = &model->records[i];
		struct place *remote = find_path(&model->remote, record->path);
		struct place *local = find_path(&model->local, record->path);

		if (record->is_held)
			continue;
		assert_non_null(remote);
		assert_non_null(local);
		assert_int_equal(local->identity, record->record.inode);
		assert_int_equal(remote->identity, record->record.uid_validity);
	}
	if (model->hold_count > 0)
		return;
	assert_int_equal(model->remote.count, model->record_count);
	assert_int_equal(model->local.count, model->record_count);
}

/* Removed by nobody: still one folder, of the same mailbox and directory,
   unless the mailbox went on with another that was here alone and had its name.
 */
static void check_survivors(struct model *model, const struct record *before,
	size_t count, const bool *is_alive)
{
	for (size_t i = 0; i < count; i++) {
		const struct folder_record *record = &before[i].record;
		struct record *after = find_record(model, record->folder_id);

		if (!is_alive[i])
			continue;
		assert_non_null(
			find_identity(&model->remote, record->uid_validity));
		if (was_taken_over(model, &before[i]))
			continue;
		if (after == NULL) {
			fail_msg("folder %u is gone", record->folder_id);
			return;
		}
		assert_int_equal(
			after->record.uid_validity, record->uid_validity);
		assert_int_equal(after->record.inode, record->inode);
		assert_non_null(
			find_identity(&model->local, (uint32_t)record->inode));
	}
}

static void start(struct model *model, uint64_t seed, bool has_ids)
{
	arena_reset(&model->arena);
	model->remote.count = 0;
	model->local.count = 0;
	model->record_count = 0;
	model->next_identity = 0;
	model->next_folder_id = 0;
	model->seed = seed * UINT64_C(0x9e3779b97f4a7c15);
	model->has_ids = has_ids;
	(void)add_place(model, &model->remote, "INBOX");
	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++)
		if (random_below(model, 2) == 0)
			(void)add_place(model, &model->remote, NAMES[i]);
	run_until_quiet(model);
	check_equal(model);
}

static bool run_seed(struct model *model, uint64_t seed, bool has_ids)
{
	struct record before[SIDE_COUNT_MAX];
	bool is_alive[SIDE_COUNT_MAX];
	size_t count;

	start(model, seed, has_ids);
	count = model->record_count;
	memcpy(before, model->records, sizeof(before));
	for (unsigned i = 0; i < CHANGE_COUNT; i++) {
		change_side(model, &model->remote);
		change_side(model, &model->local);
	}
	for (size_t i = 0; i < count; i++)
		is_alive[i] = find_identity(&model->remote,
				      before[i].record.uid_validity) != NULL &&
			find_identity(&model->local,
				(uint32_t)before[i].record.inode) != NULL;
	run_until_quiet(model);
	check_equal(model);
	if (has_ids)
		check_survivors(model, before, count, is_alive);
	return model->hold_count > 0;
}

static void run_seeds(bool has_ids)
{
	static struct model model;
	unsigned held_count = 0;

	arena_init(&model.arena);
	for (uint64_t seed = 1; seed <= SEED_COUNT; seed++)
		if (run_seed(&model, seed, has_ids))
			held_count++;
	arena_finish(&model.arena);
	print_message(
		"%u of %u ended with a held name\n", held_count, SEED_COUNT);
	assert_true(held_count < SEED_COUNT / 4);
}

static void test_both_sides_end_equal_and_nothing_is_overwritten(void **state)
{
	(void)state;
	run_seeds(true);
}

static void test_they_do_without_mailbox_ids_too(void **state)
{
	(void)state;
	run_seeds(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_both_sides_end_equal_and_nothing_is_overwritten),
		cmocka_unit_test(test_they_do_without_mailbox_ids_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
