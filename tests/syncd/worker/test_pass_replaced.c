/* Files that are written anew under the same name, have two, or have none for a
   moment, in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/world.h"

#define OTHER "Subject: another message\n\nlonger than before\n"

static void populate(struct world *world)
{
	world_deliver_there(world, "INBOX", 5, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 5);
	world_stop(world);
}

/* The same inode, as of a file replaced twice: that of the first is free then,
   and file systems give it to the next file. */
static void write_anew(struct world *world, size_t index)
{
	char *name = local_file(world, "INBOX", index);
	char *path = alloc_format("%s/INBOX/%s", world->maildir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	(void)fputs(OTHER, file);
	assert_int_equal(fclose(file), 0);
	free(path);
	free(name);
}

static void test_file_replaced_while_nobody_looked_is_new(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 1);
	populate(&world);
	write_anew(&world, 0);
	/* The directory changes, too. */
	world_deliver_here(&world, "INBOX", 1);
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 6);
	assert_int_equal(server.append_count, 2);
	world_check_quiet(&world);
	world_finish(&world);
}

static void make_old(const struct world *world, const char *part)
{
	const struct timespec times[2] = {
		{ .tv_sec = time(NULL) - 3600 },
		{ .tv_sec = time(NULL) - 3600 },
	};
	char *path = alloc_format("%s/INBOX/%s", world->maildir, part);

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	free(path);
}

/* The folder was still for an hour when it was scanned last, by a clock that is
   right. */
static void populate_still(struct world *world)
{
	populate(world);
	world_set_clock_ahead((int64_t)time(NULL) - clock_wall_seconds());
	make_old(world, "new");
	make_old(world, "cur");
	world_converge(world);
	world_stop(world);
}

/* Its directory does not tell: within a day. */
static void test_file_replaced_in_a_still_folder_is_seen(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 2);
	populate_still(&world);
	write_anew(&world, 0);
	world_converge(&world);
	assert_int_equal(server.append_count, 0);
	world_stop(&world);
	world_wait(25 * 3600);
	world_converge(&world);
	world_check_equal(&world, 5);
	assert_int_equal(server.append_count, 1);
	world_check_quiet(&world);
	world_finish(&world);
}

/* Another last letter in the same file. */
static void write_other_letter(struct world *world, size_t index)
{
	char *name = local_file(world, "INBOX", index);
	char *path = alloc_format("%s/INBOX/%s", world->maildir, name);
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, -2, SEEK_END), 0);
	(void)fputc('#', file);
	assert_int_equal(fclose(file), 0);
	free(path);
	free(name);
}

/* What was removed there is what the file was, not what it is. */
static void test_file_replaced_is_not_removed_for_it(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 3);
	populate_still(&world);
	for (size_t i = 0; i < 5; i++)
		write_other_letter(&world, i);
	inbox = fake_mailbox("INBOX");
	fake_expunge(inbox, inbox->messages[0].uid);
	world_converge(&world);
	world_converge(&world);
	world_check_equal(&world, 5);
	assert_int_equal(server.append_count, 5);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- One that is being written ---- */

/* By a name that is in no folder, so that no event tells when it is whole. */
static FILE *begin_to_write(const struct world *world)
{
	char *path = alloc_format("%s/draft", world->root);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(OTHER, file) >= 0);
	assert_int_equal(fflush(file), 0);
	free(path);
	return file;
}

static void put_in_place(struct world *world, size_t index)
{
	char *name = local_file(world, "INBOX", index);
	char *from = alloc_format("%s/draft", world->root);
	char *between = alloc_format("%s/INBOX/tmp/draft", world->maildir);
	char *to = alloc_format("%s/INBOX/%s", world->maildir, name);

	assert_int_equal(link(from, between), 0);
	assert_int_equal(rename(between, to), 0);
	free(to);
	free(between);
	free(from);
	free(name);
}

static void test_file_being_written_waits_until_it_is_whole(void **state)
{
	struct world world;
	FILE *file;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	world_converge(&world);
	file = begin_to_write(&world);
	put_in_place(&world, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(world_sync(&world));
		assert_int_equal(fake_mailbox("INBOX")->count, 5);
		assert_int_equal(server.append_count, 0);
		world_wait(60);
	}
	assert_int_equal(fclose(file), 0);
	assert_true(world_sync(&world));
	assert_int_equal(server.append_count, 1);
	world_converge(&world);
	world_check_equal(&world, 5);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- Half a move ---- */

/* As a pass stood whose power was cut: the move on the server is on record, the
   file is under both names. */
static void leave_half_a_move(struct world *world)
{
	struct error error = { 0 };
	char *name = local_file(world, "INBOX", 0);
	char *from = alloc_format("%s/INBOX/%s", world->maildir, name);
	char *to = alloc_format("%s/Work/%s", world->maildir, name);
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	world_start(world);
	assert_true(state_begin(world->account->state, &error));
	assert_true(state_pair_by_unique(world->account->state,
		account_folder_by_path(world->account, "INBOX")
			->record.folder_id,
		strchr(name, '/') + 1, &arena, &pair));
	fake_move(fake_mailbox("INBOX"), pair.remote.uid, fake_mailbox("Work"));
	pair.remote.folder_id = account_folder_by_path(world->account, "Work")
					->record.folder_id;
	pair.remote.uid = fake_mailbox("Work")->messages[0].uid;
	state_pair_put(world->account->state, &pair);
	assert_true(state_commit(world->account->state, &error));
	world_stop(world);
	assert_int_equal(link(from, to), 0);
	arena_finish(&arena);
	free(to);
	free(from);
	free(name);
}

static void test_half_a_move_is_ended(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 2);
	fake_create("Work");
	populate(&world);
	leave_half_a_move(&world);
	world_converge(&world);
	world_check_equal(&world, 5);
	assert_int_equal(local_count(&world, "Work"), 1);
	assert_int_equal(server.append_count, 0);
	world_check_quiet(&world);
	world_finish(&world);
}

/* Somebody's own link to a file is a message of its own. */
static void test_a_link_to_a_file_is_a_message(void **state)
{
	struct world world;
	char *name, *from, *to;

	(void)state;
	world_init(&world, "", 3);
	fake_create("Work");
	populate(&world);
	name = local_file(&world, "INBOX", 0);
	from = alloc_format("%s/INBOX/%s", world.maildir, name);
	to = alloc_format("%s/Work/%s", world.maildir, name);
	assert_int_equal(link(from, to), 0);
	free(to);
	free(from);
	free(name);
	world_converge(&world);
	world_check_equal(&world, 6);
	assert_int_equal(server.append_count, 1);
	world_finish(&world);
}

/* No event tells of a new time, and no name: the file is looked at, then. */
static void test_touched_file_is_removed_all_the_same(void **state)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	struct world world;
	char *name, *path;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 5);
	populate(&world);
	world_converge(&world);
	for (int i = 0; i < 5; i++) {
		name = local_file(&world, "INBOX", (size_t)i);
		path = alloc_format("%s/INBOX/%s", world.maildir, name);
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		free(path);
		free(name);
	}
	fake_expunge(
		fake_mailbox("INBOX"), fake_mailbox("INBOX")->messages[0].uid);
	world_converge(&world);
	world_converge(&world);
	assert_int_equal(local_count(&world, "INBOX"), 4);
	world_finish(&world);
}

/* Its mail is elsewhere while somebody moves it. */
static void test_what_is_missing_for_a_moment_is_not_removed(void **state)
{
	struct world world;
	char *name, *command;

	(void)state;
	world_init(&world, "", 6);
	populate(&world);
	world_converge(&world);
	name = local_file(&world, "INBOX", 0);
	command = alloc_format("mv mail/INBOX/%s away", name);
	local_run(&world, command);
	free(command);
	/* The clock runs fast here. */
	world.account->settle_ms = 3600 * 1000;
	assert_true(pass_run(world.account, &world.error));
	assert_int_equal(fake_mailbox("INBOX")->count, 5);
	command = alloc_format("mv away mail/INBOX/%s", name);
	local_run(&world, command);
	free(command);
	free(name);
	world_converge(&world);
	world_check_equal(&world, 5);
	assert_int_equal(server.append_count, 0);
	assert_int_equal(fake_mailbox("INBOX")->messages[0].uid, 1);
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_replaced_while_nobody_looked_is_new),
		cmocka_unit_test(test_file_replaced_in_a_still_folder_is_seen),
		cmocka_unit_test(test_file_replaced_is_not_removed_for_it),
		cmocka_unit_test(
			test_file_being_written_waits_until_it_is_whole),
		cmocka_unit_test(test_half_a_move_is_ended),
		cmocka_unit_test(test_a_link_to_a_file_is_a_message),
		cmocka_unit_test(test_touched_file_is_removed_all_the_same),
		cmocka_unit_test(
			test_what_is_missing_for_a_moment_is_not_removed),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
