#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/number.h"
#include "state_sample.h"
#include "store/state_file.h"
#include "store/state_internal.h"

struct fresh {
	char *path;
	struct state *state;
	struct arena arena;
};

static int set_up(void **fixture)
{
	struct fresh *fresh = alloc(1, sizeof(*fresh));

	fresh->path = sample_path();
	fresh->state = sample_open(fresh->path);
	*fixture = fresh;
	return 0;
}

static int tear_down(void **fixture)
{
	struct fresh *fresh = *fixture;

	if (fresh->state != NULL)
		sample_check(fresh->state);
	state_close(fresh->state);
	sample_remove(fresh->path);
	arena_finish(&fresh->arena);
	free(fresh);
	return 0;
}

static void reopen(struct fresh *fresh)
{
	state_close(fresh->state);
	fresh->state = sample_open(fresh->path);
}

static void test_the_secret_is_made_once(void **fixture)
{
	struct fresh *fresh = *fixture;
	static const uint8_t ZERO[HASH_KEY_SIZE];
	uint8_t secret[HASH_KEY_SIZE];
	struct stat status;

	memcpy(secret, state_secret(fresh->state), sizeof(secret));
	assert_memory_not_equal(secret, ZERO, sizeof(secret));
	reopen(fresh);
	assert_memory_equal(secret, state_secret(fresh->state), sizeof(secret));
	assert_int_equal(stat(fresh->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_a_second_open_is_refused_and_harmless(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct error error = { 0 };

	assert_null(state_open(fresh->path, &error));
	assert_int_equal(error.code, ERROR_SYSTEM);
	assert_non_null(strstr(error.message, "in use"));
	sample_begin(fresh->state);
	sample_commit(fresh->state);
	reopen(fresh);
}

static void test_a_directory_that_is_not_there_is_an_error(void **fixture)
{
	struct error error = { 0 };

	(void)fixture;
	assert_null(state_open("/nonexistent/state.mdb", &error));
	assert_int_equal(error.code, ERROR_SYSTEM);
	assert_non_null(strstr(error.message, "/nonexistent/state.mdb"));
}

static void test_a_file_that_is_no_state_is_refused_and_kept(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct error error = { 0 };
	char text[9000];
	int fd;

	state_close(fresh->state);
	fresh->state = NULL;
	memset(text, 'x', sizeof(text));
	fd = open(fresh->path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_null(state_open(fresh->path, &error));
	assert_int_equal(error.code, ERROR_CORRUPT);
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(text));
	close(fd);
}

static void put_schema(struct state *state, uint32_t version)
{
	struct state_key key = state_key_text("schema");
	uint8_t data[4];

	number_write_be32(data, version);
	sample_begin(state);
	state_db_put(state->db, TABLE_INTERNAL, &key,
		(struct record_bytes){ data, sizeof(data) });
	sample_commit(state);
}

static void test_another_schema_is_refused(void **fixture)
{
	static const struct {
		uint32_t version;
		const char *words;
	} CASES[] = {
		{ STATE_SCHEMA_VERSION + 1, "newer" },
		{ UINT32_MAX, "newer" },
		{ 0, "too old" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct fresh *fresh = *fixture;
		struct error error = { 0 };

		put_schema(fresh->state, CASES[i].version);
		state_close(fresh->state);
		assert_null(state_open(fresh->path, &error));
		assert_int_equal(error.code, ERROR_CONFIG);
		assert_non_null(strstr(error.message, CASES[i].words));
		assert_non_null(strstr(error.message, fresh->path));
		sample_remove(fresh->path);
		fresh->path = sample_path();
		fresh->state = sample_open(fresh->path);
	}
}

static void test_a_state_without_its_schema_is_damaged(void **fixture)
{
	struct fresh *fresh = *fixture;
	static const char *const NAMES[] = { "schema", "secret", "ids" };

	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
		struct state_key key = state_key_text(NAMES[i]);
		struct error error = { 0 };

		sample_begin(fresh->state);
		state_db_delete(fresh->state->db, TABLE_INTERNAL, &key);
		sample_commit(fresh->state);
		state_close(fresh->state);
		assert_null(state_open(fresh->path, &error));
		assert_int_equal(error.code, ERROR_CORRUPT);
		sample_remove(fresh->path);
		fresh->path = sample_path();
		fresh->state = sample_open(fresh->path);
	}
}

static void test_descriptors_are_not_inherited(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct stat file, status;
	unsigned count = 0;

	assert_int_equal(stat(fresh->path, &file), 0);
	for (int fd = 3; fd < 1024; fd++) {
		if (fstat(fd, &status) == -1 || status.st_ino != file.st_ino ||
			status.st_dev != file.st_dev)
			continue;
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		count++;
	}
	assert_in_range(count, 2, 4);
}

static void test_remote_file_systems_are_known(void **fixture)
{
	static const struct {
		unsigned long type;
		const char *name; /* NULL: fine */
	} CASES[] = {
		{ 0x6969, "nfs" }, { 0xff534d42, "cifs" },
		{ (unsigned long)(int)0xff534d42, "cifs" }, /* sign-extended */
		{ 0xfe534d42, "smb2" }, { 0x65735546, "fuse" },
		{ 0xef53, NULL },     /* ext4 */
		{ 0x58465342, NULL }, /* xfs */
		{ 0x9123683e, NULL }, /* btrfs */
		{ 0x01021994, NULL }, /* tmpfs */
	};

	(void)fixture;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		const char *name = state_file_remote_system(CASES[i].type);

		if (CASES[i].name == NULL)
			assert_null(name);
		else
			assert_string_equal(name, CASES[i].name);
	}
}

static void test_folders_come_back_in_order(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct sample_random random = { 11 };
	struct folder folders[20];
	struct folder read;
	struct state_cursor cursor = { 0 };

	sample_begin(fresh->state);
	for (size_t i = 0; i < 20; i++) {
		folders[i] = sample_folder(&random, &fresh->arena,
			state_folder_new_id(fresh->state));
		assert_int_equal(folders[i].folder_id, i + 1);
		state_folder_put(fresh->state, &folders[i]);
	}
	sample_commit(fresh->state);
	reopen(fresh);
	for (size_t i = 0; i < 20; i++) {
		assert_true(state_next_folder(
			fresh->state, &cursor, &fresh->arena, &read));
		assert_true(sample_folders_equal(&read, &folders[i]));
		uid_set_finish(&read.frontier);
		assert_true(state_folder_get(fresh->state, folders[i].folder_id,
			&fresh->arena, &read));
		assert_true(sample_folders_equal(&read, &folders[i]));
		uid_set_finish(&read.frontier);
		uid_set_finish(&folders[i].frontier);
	}
	assert_false(
		state_next_folder(fresh->state, &cursor, &fresh->arena, &read));

	sample_begin(fresh->state);
	state_folder_delete(fresh->state, 20);
	sample_commit(fresh->state);
	reopen(fresh);
	assert_false(state_folder_get(fresh->state, 20, &fresh->arena, &read));
	assert_int_equal(state_folder_new_id(fresh->state), 21);
}

static void test_a_frontier_in_many_pieces_comes_back(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct folder folder = { .folder_id = 1, .path = "INBOX" };
	struct folder read;

	for (uint32_t uid = 1; uid < 200000; uid += 2)
		uid_set_add(&folder.frontier, uid);
	sample_begin(fresh->state);
	state_folder_put(fresh->state, &folder);
	sample_commit(fresh->state);
	reopen(fresh);
	assert_true(state_folder_get(fresh->state, 1, &fresh->arena, &read));
	assert_true(uid_set_equal(&read.frontier, &folder.frontier));
	uid_set_finish(&read.frontier);
	uid_set_finish(&folder.frontier);
}

static void test_intents_are_found_by_their_message(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct sample_random random = { 12 };
	struct intent intent = sample_intent(&random, 0);
	struct intent read;
	struct state_cursor cursor = { 0 };
	uint64_t first, second;

	sample_begin(fresh->state);
	intent.mid = 5;
	first = state_intent_put(fresh->state, &intent);
	intent.mid = 6;
	second = state_intent_put(fresh->state, &intent);
	sample_commit(fresh->state);
	reopen(fresh);
	assert_int_equal(second, first + 1);
	assert_true(state_intent_of_mid(fresh->state, 6, &read));
	intent.intent_id = second;
	assert_true(sample_intents_equal(&intent, &read));

	/* The same one, for another message and in another phase. */
	intent.mid = 7;
	intent.phase = INTENT_UNBOUND;
	sample_begin(fresh->state);
	assert_int_equal(state_intent_put(fresh->state, &intent), second);
	sample_commit(fresh->state);
	assert_false(state_intent_of_mid(fresh->state, 6, &read));
	assert_true(state_intent_of_mid(fresh->state, 7, &read));
	assert_int_equal(read.phase, INTENT_UNBOUND);

	sample_begin(fresh->state);
	state_intent_delete(fresh->state, first);
	state_intent_delete(fresh->state, 999);
	sample_commit(fresh->state);
	assert_true(state_next_intent(fresh->state, &cursor, &read));
	assert_int_equal(read.intent_id, second);
	assert_false(state_next_intent(fresh->state, &cursor, &read));
	assert_false(state_intent_of_mid(fresh->state, 5, &read));
}

static void test_old_tombs_are_purged(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct sample_random random = { 13 };
	struct state_cursor cursor = { 0 };
	struct tomb read;

	sample_begin(fresh->state);
	for (uint64_t mid = 1; mid <= 20; mid++) {
		struct tomb tomb = sample_tomb(&random, &fresh->arena, mid);

		tomb.time = (int64_t)(mid * 7 % 20);
		state_tomb_put(fresh->state, &tomb);
	}
	state_tomb_purge(fresh->state, 15);
	sample_commit(fresh->state);
	for (uint64_t mid = 1; mid <= 20; mid++) {
		if (mid * 7 % 20 < 15)
			continue;
		assert_true(state_next_tomb(
			fresh->state, &cursor, &fresh->arena, &read));
		assert_int_equal(read.mid, mid);
	}
	assert_false(
		state_next_tomb(fresh->state, &cursor, &fresh->arena, &read));
}

static uint64_t append(struct state *state, enum journal_side side,
	uint64_t mid, int64_t time, const char *outcome)
{
	struct journal_entry entry = {
		.time = time,
		.side = side,
		.change = "flags",
		.mid = mid,
		.folder_id = 1,
		.outcome = outcome,
	};

	return state_journal_append(state, &entry);
}

static void test_the_journal_counts_what_has_no_outcome(void **fixture)
{
	static const char *const OUTCOMES[] = { "sent", "settled", "settled",
		"quiet", "quiet", "done" };
	struct fresh *fresh = *fixture;
	struct state *state = fresh->state;
	struct state_cursor cursor = { 0 };
	struct journal_entry read;
	uint64_t sequence;

	sample_begin(state);
	sequence = append(state, JOURNAL_LOCAL, 1, 10, NULL);
	append(state, JOURNAL_LOCAL, 1, 11, NULL);
	append(state, JOURNAL_REMOTE, 1, 12, NULL);
	append(state, JOURNAL_LOCAL, 2, 13, NULL);
	append(state, JOURNAL_REMOTE, 0, 14, NULL);
	append(state, JOURNAL_REMOTE, 3, 15, "done");
	assert_int_equal(state_journal_pending(state, JOURNAL_LOCAL), 3);
	sample_commit(state);
	assert_int_equal(state_journal_pending(state, JOURNAL_LOCAL), 3);
	assert_int_equal(state_journal_pending(state, JOURNAL_REMOTE), 2);

	sample_begin(state);
	state_journal_set_outcome(state, sequence, "sent");
	state_journal_set_outcome(state, 999, "nothing");
	sample_commit(state);
	assert_int_equal(state_journal_pending(state, JOURNAL_LOCAL), 2);
	sample_begin(state);
	state_journal_settle(state, 1, "settled");
	sample_commit(state);
	assert_int_equal(state_journal_pending(state, JOURNAL_LOCAL), 1);
	assert_int_equal(state_journal_pending(state, JOURNAL_REMOTE), 1);
	sample_check(state);
	sample_begin(state);
	state_journal_settle(state, 0, "quiet");
	sample_commit(state);
	assert_int_equal(state_journal_pending(state, JOURNAL_LOCAL), 0);
	assert_int_equal(state_journal_pending(state, JOURNAL_REMOTE), 0);

	for (size_t i = 0; i < ARRAY_LENGTH(OUTCOMES); i++) {
		assert_true(state_next_journal(
			state, &cursor, &fresh->arena, &read));
		assert_int_equal(read.sequence, sequence + i);
		assert_int_equal(read.time, 10 + i);
		assert_string_equal(read.outcome, OUTCOMES[i]);
	}
	assert_false(state_next_journal(state, &cursor, &fresh->arena, &read));
}

static void test_the_journal_forgets_what_is_old_and_finished(void **fixture)
{
	struct fresh *fresh = *fixture;
	const int64_t day = 24 * 60 * 60;
	struct state_cursor cursor = { 0 };
	struct journal_entry read;

	sample_begin(fresh->state);
	append(fresh->state, JOURNAL_LOCAL, 1, 0, NULL);
	append(fresh->state, JOURNAL_LOCAL, 2, 0, "done");
	append(fresh->state, JOURNAL_LOCAL, 3, 2 * day, "done");
	state_journal_purge(fresh->state, 31 * day);
	sample_commit(fresh->state);
	assert_true(state_next_journal(
		fresh->state, &cursor, &fresh->arena, &read));
	assert_int_equal(read.mid, 1);
	assert_true(state_next_journal(
		fresh->state, &cursor, &fresh->arena, &read));
	assert_int_equal(read.mid, 3);
	assert_false(state_next_journal(
		fresh->state, &cursor, &fresh->arena, &read));
}

static void test_the_journal_is_bounded(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct state_cursor cursor = { 0 };
	struct journal_entry read;

	sample_begin(fresh->state);
	append(fresh->state, JOURNAL_LOCAL, 1, 0, NULL);
	for (uint64_t i = 0; i < 100010; i++)
		append(fresh->state, JOURNAL_REMOTE, 2, 0, "done");
	state_journal_purge(fresh->state, 0);
	sample_commit(fresh->state);
	assert_true(state_next_journal(
		fresh->state, &cursor, &fresh->arena, &read));
	assert_int_equal(read.sequence, 1);
	assert_true(state_next_journal(
		fresh->state, &cursor, &fresh->arena, &read));
	assert_int_equal(read.sequence, 12);
}

static void test_small_things_are_kept_by_name(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct keyword_table table = { 0 };
	const uint8_t *data;
	size_t size;

	assert_false(
		state_meta_get(fresh->state, "x", &fresh->arena, &data, &size));
	state_keywords_get(fresh->state, &table);
	assert_int_equal(table.count, KEYWORD_FIXED_COUNT);
	assert_int_equal(
		keyword_table_intern(&table, "Work"), KEYWORD_FIXED_COUNT);

	sample_begin(fresh->state);
	state_meta_put(fresh->state, "x", "one", 3);
	state_meta_put(fresh->state, "empty", NULL, 0);
	state_meta_put(fresh->state, "x", "other", 5);
	/* Not the program's own record of that name. */
	state_meta_put(fresh->state, "schema", "zzzz", 4);
	state_keywords_put(fresh->state, &table);
	sample_commit(fresh->state);
	reopen(fresh);
	assert_true(
		state_meta_get(fresh->state, "x", &fresh->arena, &data, &size));
	assert_int_equal(size, 5);
	assert_memory_equal(data, "other", 5);
	assert_true(state_meta_get(
		fresh->state, "empty", &fresh->arena, &data, &size));
	assert_int_equal(size, 0);
	keyword_table_finish(&table);
	state_keywords_get(fresh->state, &table);
	assert_int_equal(
		keyword_table_find(&table, "work"), KEYWORD_FIXED_COUNT);
	keyword_table_finish(&table);
}

static void test_small_things_are_small(void **fixture)
{
	struct fresh *fresh = *fixture;
	uint8_t *large = alloc(STATE_META_SIZE_MAX + 1, 1);
	const uint8_t *data;
	struct error error = { 0 };
	size_t size;

	sample_begin(fresh->state);
	state_meta_put(fresh->state, "x", large, STATE_META_SIZE_MAX);
	sample_commit(fresh->state);
	sample_begin(fresh->state);
	state_meta_put(fresh->state, "x", large, STATE_META_SIZE_MAX + 1);
	assert_false(state_commit(fresh->state, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	reopen(fresh);
	assert_true(
		state_meta_get(fresh->state, "x", &fresh->arena, &data, &size));
	assert_int_equal(size, STATE_META_SIZE_MAX);
	free(large);
}

/* Each way an index can be wrong. */
static void test_the_check_finds_a_wrong_index(void **fixture)
{
	struct fresh *fresh = *fixture;
	struct pair pair = sample_settled(&fresh->arena, 1);
	struct state_key uid_key = state_key_uid(1, 1);
	struct state_key name_key = state_key_unique(1, pair.local.name);
	struct state_key inode_key =
		state_key_inode(pair.local.device, pair.local.inode, 1);
	struct state_key mid_key = state_key_u64(1);
	struct state_key folder_key = state_key_u32(1);
	const struct {
		enum state_table table;
		const struct state_key *key;
		bool is_added;
	} CASES[] = {
		{ TABLE_BY_UID, &uid_key, false },
		{ TABLE_BY_UNIQUE, &name_key, false },
		{ TABLE_BY_INODE, &inode_key, false },
		{ TABLE_UNSETTLED, &mid_key, true },
		{ TABLE_PENDING_LOCAL, &inode_key, true },
		{ TABLE_INTENT_BY_MID, &inode_key, true },
		{ TABLE_PAIR, &mid_key, false },
		{ TABLE_COUNT_OF, &folder_key, true },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct error error = { 0 };

		sample_begin(fresh->state);
		state_pair_put(fresh->state, &pair);
		sample_commit(fresh->state);
		sample_check(fresh->state);
		sample_begin(fresh->state);
		if (CASES[i].is_added)
			state_db_put(fresh->state->db, CASES[i].table,
				CASES[i].key, RECORD_NOTHING);
		else
			state_db_delete(
				fresh->state->db, CASES[i].table, CASES[i].key);
		sample_commit(fresh->state);
		state_close(fresh->state);
		fresh->state = state_open(fresh->path, &error);
		if (fresh->state != NULL)
			assert_false(state_check(fresh->state, &error));
		assert_int_equal(error.code, ERROR_CORRUPT);
		state_close(fresh->state);
		sample_remove(fresh->path);
		fresh->path = sample_path();
		fresh->state = sample_open(fresh->path);
	}
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(test_the_secret_is_made_once),
		FRESH(test_a_second_open_is_refused_and_harmless),
		cmocka_unit_test(
			test_a_directory_that_is_not_there_is_an_error),
		FRESH(test_a_file_that_is_no_state_is_refused_and_kept),
		FRESH(test_another_schema_is_refused),
		FRESH(test_a_state_without_its_schema_is_damaged),
		FRESH(test_descriptors_are_not_inherited),
		cmocka_unit_test(test_remote_file_systems_are_known),
		FRESH(test_folders_come_back_in_order),
		FRESH(test_a_frontier_in_many_pieces_comes_back),
		FRESH(test_intents_are_found_by_their_message),
		FRESH(test_old_tombs_are_purged),
		FRESH(test_the_journal_counts_what_has_no_outcome),
		FRESH(test_the_journal_forgets_what_is_old_and_finished),
		FRESH(test_the_journal_is_bounded),
		FRESH(test_small_things_are_kept_by_name),
		FRESH(test_small_things_are_small),
		FRESH(test_the_check_finds_a_wrong_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
