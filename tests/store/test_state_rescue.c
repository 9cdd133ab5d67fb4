/* A damaged state is told from a good one, kept, and followed by a new one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "state_sample.h"
#include "store/state_internal.h"
#include "store/state_rescue.h"

#define PAIR_COUNT 150
#define NOW        INT64_C(1700000000)

static char *make_state(uint8_t secret[HASH_KEY_SIZE])
{
	char *path = sample_path();
	struct state *state = sample_open(path);
	struct arena arena = { 0 };

	sample_begin(state);
	for (uint64_t mid = 1; mid <= PAIR_COUNT; mid++) {
		struct pair pair = sample_settled(&arena, mid);

		state_pair_put(state, &pair);
	}
	sample_commit(state);
	memcpy(secret, state_secret(state), HASH_KEY_SIZE);
	state_close(state);
	arena_finish(&arena);
	return path;
}

static off_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/* From `position` on there is rubbish. */
static void spoil(const char *path, off_t position)
{
	int fd = open(path, O_WRONLY);
	off_t size = size_of(path);

	while (position < size)
		position += pwrite(fd, "rubbish ", 8, position);
	close(fd);
}

static void assert_damaged(const char *path)
{
	struct error error = { 0 };

	assert_false(state_verify(path, &error));
	assert_int_equal(error.code, ERROR_CORRUPT);
	assert_true(strlen(error.message) > 0);
}

static void test_good_state_is_verified(void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	char *path = make_state(secret);
	struct error error = { 0 };

	(void)fixture;
	assert_true(state_verify(path, &error));
	assert_true(state_verify(path, NULL));
	sample_remove(path);
}

static void test_what_cannot_be_looked_at_is_not_called_damaged(void **fixture)
{
	struct error error = { 0 };

	(void)fixture;
	assert_false(state_verify("/nonexistent/state.mdb", &error));
	assert_int_equal(error.code, ERROR_SYSTEM);
}

/* Wherever it begins, but for the end, where pages may be free ones: LMDB
   crashes over some of these. */
static void test_rubbish_is_found_without_a_crash(void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	off_t page = (off_t)sysconf(_SC_PAGESIZE);
	off_t size;

	(void)fixture;
	size = 4 * page;
	for (off_t position = 0; position < size; position += page) {
		char *path = make_state(secret);

		size = size_of(path) / 2;
		spoil(path, position);
		assert_damaged(path);
		sample_remove(path);
	}
}

/* Every record that says where the table begins, in pages that were written
   over, too. In LMDB's struct MDB_db the number of that page is the last. */
static void lose_root(const char *path, const char *table)
{
	const off_t root = (off_t)strlen(table) + 40;
	const uint8_t nowhere[8] = { 0, 0, 0, 0x40 };
	off_t size = size_of(path);
	uint8_t *data = alloc(1, (size_t)size);
	int fd = open(path, O_RDWR);

	assert_int_equal(pread(fd, data, (size_t)size, 0), size);
	for (off_t i = 0; i + root + 8 <= size; i++)
		if (memcmp(data + i, table, strlen(table)) == 0)
			assert_int_equal(pwrite(fd, nowhere, 8, i + root), 8);
	close(fd);
	free(data);
}

/* LMDB finds it out where it tells nobody, and refuses all that follows. */
static void test_a_table_that_begins_nowhere_is_damage(void **fixture)
{
	static const char *const TABLES[] = { "by_unique", "unsettled",
		"tomb" };

	(void)fixture;
	for (size_t i = 0; i < ARRAY_LENGTH(TABLES); i++) {
		uint8_t secret[HASH_KEY_SIZE];
		char *path = make_state(secret);

		lose_root(path, TABLES[i]);
		assert_damaged(path);
		sample_remove(path);
	}
}

/* The first entry of each branch page leads to that page. From LMDB's struct
   MDB_page: two octets of flags at 10, where the entries are from 16 on. */
static unsigned turn_in_circles(const char *path)
{
	off_t page_size = (off_t)sysconf(_SC_PAGESIZE);
	unsigned count = 0;
	int fd = open(path, O_RDWR);
	uint16_t head[9];

	for (off_t page = 2; page * page_size < size_of(path); page++) {
		const uint16_t self[3] = { (uint16_t)page };

		assert_int_equal(pread(fd, head, 18, page * page_size), 18);
		if (head[5] != 1)
			continue;
		count++;
		assert_int_equal(
			pwrite(fd, self, 6, page * page_size + head[8]), 6);
	}
	close(fd);
	return count;
}

static void test_a_table_without_an_end_is_damage(void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	char *path = make_state(secret);

	(void)fixture;
	assert_true(turn_in_circles(path) > 0);
	assert_damaged(path);
	sample_remove(path);
}

static void assert_empty(const char *path, const uint8_t *secret)
{
	struct state *state = sample_open(path);

	assert_int_equal(state_folder_local_count(state, 1), 0);
	if (secret != NULL)
		assert_memory_equal(state_secret(state), secret, HASH_KEY_SIZE);
	sample_check(state);
	state_close(state);
}

static void test_new_state_has_the_secret_and_the_old_one_is_kept(
	void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	char *path = make_state(secret);
	off_t size = size_of(path);
	struct error error = { 0 };
	char *kept = NULL;

	(void)fixture;
	if (!state_replace(path, NOW, &kept, &error))
		fail_msg("%s", error.message);
	assert_int_equal(size_of(kept), size);
	assert_empty(path, secret);
	assert_true(state_verify(kept, NULL));
	assert_int_equal(unlink(kept), 0);
	free(kept);
	sample_remove(path);
}

static void test_without_a_readable_secret_there_is_a_new_one(void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	char *path = make_state(secret);
	char *kept = NULL;
	struct state *state;

	(void)fixture;
	spoil(path, 0);
	assert_true(state_replace(path, NOW, &kept, NULL));
	assert_empty(path, NULL);
	state = sample_open(path);
	assert_memory_not_equal(state_secret(state), secret, HASH_KEY_SIZE);
	state_close(state);
	assert_int_equal(unlink(kept), 0);
	free(kept);
	sample_remove(path);
}

/* In the same second, and what a crash left half made is no hindrance. */
static void test_many_are_kept_but_not_for_ever(void **fixture)
{
	uint8_t secret[HASH_KEY_SIZE];
	char *path = make_state(secret);
	char *half = alloc_format("%s.new", path);
	char *kept[STATE_DAMAGED_MAX];
	char *more = NULL;
	int64_t newest = 0;
	struct error error = { 0 };

	(void)fixture;
	for (size_t i = 0; i < STATE_DAMAGED_MAX; i++) {
		close(open(half, O_WRONLY | O_CREAT, 0600));
		spoil(path, 0);
		if (!state_replace(path, NOW, &kept[i], &error))
			fail_msg("%s", error.message);
		assert_int_equal(access(half, F_OK), -1);
	}
	spoil(path, 0);
	assert_int_equal(state_damaged_count(path, &newest), STATE_DAMAGED_MAX);
	assert_int_equal(newest, NOW + STATE_DAMAGED_MAX - 1);
	assert_false(state_replace(path, NOW, &more, &error));
	assert_int_equal(error.code, ERROR_CORRUPT);
	assert_null(more);
	for (size_t i = 0; i < STATE_DAMAGED_MAX; i++) {
		assert_int_equal(unlink(kept[i]), 0);
		free(kept[i]);
	}
	assert_int_equal(state_damaged_count(path, &newest), 0);
	free(half);
	sample_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_state_is_verified),
		cmocka_unit_test(
			test_what_cannot_be_looked_at_is_not_called_damaged),
		cmocka_unit_test(test_a_table_that_begins_nowhere_is_damage),
		cmocka_unit_test(test_a_table_without_an_end_is_damage),
		cmocka_unit_test(test_rubbish_is_found_without_a_crash),
		cmocka_unit_test(
			test_new_state_has_the_secret_and_the_old_one_is_kept),
		cmocka_unit_test(
			test_without_a_readable_secret_there_is_a_new_one),
		cmocka_unit_test(test_many_are_kept_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
