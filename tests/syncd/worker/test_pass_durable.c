/* What others delivered, copied or restored may not be on the disk yet. Once
   the state says that a message is on both sides, its file has to be: gone
   after a power cut, it would look removed by the user. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/world.h"

#define OTHER_COUNT 10

/* ---- What is on the disk ---- */

int __real_fsync(int fd);
int __real_syncfs(int fd);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);

/* A file whose data, or a name that would be there after a power cut. */
struct durable {
	char *path; /* NULL = data */
	ino_t inode;
};

static struct {
	pthread_mutex_t lock;
	struct durable *items;
	size_t count;
	const char *root;
	bool fails_in_cur; /* the next fsync() of a directory "cur" */
	unsigned call_count;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void note(const char *path, ino_t inode)
{
	disk.items =
		alloc_resize(disk.items, disk.count + 1, sizeof(*disk.items));
	disk.items[disk.count++] = (struct durable){
		.path = path == NULL ? NULL : alloc_text(path),
		.inode = inode,
	};
}

static void note_names(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		char *path = alloc_format("%s/%s", directory, entry->d_name);

		note(path, entry->d_ino);
		free(path);
	}
	if (stream != NULL)
		(void)closedir(stream);
}

static int note_all(
	const char *path, const struct stat *stat, int type, struct FTW *place)
{
	(void)place;
	if (type == FTW_F)
		note(NULL, stat->st_ino);
	if (type == FTW_D)
		note_names(path);
	return 0;
}

int __wrap_syncfs(int fd)
{
	(void)fd;
	(void)pthread_mutex_lock(&disk.lock);
	disk.call_count++;
	(void)nftw(disk.root, note_all, 16, FTW_PHYS);
	(void)pthread_mutex_unlock(&disk.lock);
	return 0;
}

static bool is_cur(const char *path)
{
	size_t size = strlen(path);

	return size > 4 && strcmp(path + size - 4, "/cur") == 0;
}

int __wrap_fsync(int fd)
{
	char *link = alloc_format("/proc/self/fd/%d", fd);
	char path[512] = "";
	struct stat stat;
	bool fails = false;

	(void)pthread_mutex_lock(&disk.lock);
	disk.call_count++;
	if (readlink(link, path, sizeof(path) - 1) > 0 &&
		fstat(fd, &stat) == 0) {
		fails = disk.fails_in_cur && is_cur(path);
		if (fails)
			disk.fails_in_cur = false;
		else if (S_ISDIR(stat.st_mode))
			note_names(path);
		else
			note(NULL, stat.st_ino);
	}
	(void)pthread_mutex_unlock(&disk.lock);
	free(link);
	if (fails)
		errno = EIO;
	return fails ? -1 : 0;
}

static bool is_durable(const char *path, ino_t inode)
{
	bool has_data = false, has_name = false;

	for (size_t i = 0; i < disk.count; i++) {
		const struct durable *item = &disk.items[i];

		if (item->inode != inode)
			continue;
		has_data |= item->path == NULL;
		has_name |= item->path != NULL && strcmp(item->path, path) == 0;
	}
	return has_data && has_name;
}

static bool is_of_message(const char *path)
{
	return strstr(path, "/cur/") != NULL || strstr(path, "/new/") != NULL;
}

static bool is_of_keywords(const char *path)
{
	return strstr(path, "/dovecot-keywords") != NULL;
}

static int lose(
	const char *path, const struct stat *stat, int type, struct FTW *place)
{
	(void)place;
	if (type == FTW_F && (is_of_message(path) || is_of_keywords(path)) &&
		!is_durable(path, stat->st_ino))
		assert_int_equal(unlink(path), 0);
	return 0;
}

/* Power goes and comes back: what was not made durable is gone. */
static void cut(struct world *world)
{
	world_stop(world);
	assert_int_equal(nftw(world->maildir, lose, 16, FTW_PHYS), 0);
	world_converge(world);
}

/* ---- An account ---- */

static const char MESSAGE[] = "Subject: the one\r\n"
			      "Message-ID: <the@one>\r\n\r\nx\r\n";

static void begin(struct world *world, const char *options)
{
	world_init(world, options, 21);
	disk.root = world->maildir;
	fake_create("Archive");
	world_deliver_there(world, "INBOX", OTHER_COUNT, 0);
	world_deliver_there(world, "Archive", OTHER_COUNT, 0);
	world_converge(world);
}

static void end(struct world *world, size_t count)
{
	cut(world);
	world_check_equal(world, 2 * OTHER_COUNT + count);
	world_check_quiet(world);
	world_finish(world);
	for (size_t i = 0; i < disk.count; i++)
		free(disk.items[i].path);
	free(disk.items);
	disk.items = NULL;
	disk.count = 0;
}

/* Of the file with the message: "cur/NAME"; the caller's. */
static char *find_file(struct world *world, const char *folder)
{
	char *file;

	for (size_t i = 0; (file = local_file(world, folder, i)) != NULL; i++) {
		char *body = local_body(world, folder, i);
		bool is_it = strcmp(body, MESSAGE) == 0;

		free(body);
		if (is_it)
			return file;
		free(file);
	}
	fail_msg("the message is not in %s", folder);
	return NULL;
}

static char *find_path(struct world *world, const char *folder)
{
	char *file = find_file(world, folder);
	char *path = alloc_format("%s/%s/%s", world->maildir, folder, file);

	free(file);
	return path;
}

/* As cp does, without fsync(). */
static void copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	int byte;

	assert_non_null(in);
	assert_non_null(out);
	while ((byte = fgetc(in)) != EOF)
		(void)fputc(byte, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(in), 0);
}

/* ---- Tests ---- */

static void test_what_both_sides_got_by_themselves(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, 0);
	local_deliver(&world, "INBOX", MESSAGE);
	world_converge(&world);
	end(&world, 1);
}

static void test_many_that_both_sides_got_by_themselves(void **state)
{
	struct world world;
	unsigned before;

	(void)state;
	begin(&world, "    delete_limit: 100%\n");
	for (unsigned i = 0; i < 100; i++) {
		char *body = alloc_format("Subject: %u\r\n\r\nx\r\n", i);

		fake_deliver(fake_mailbox("Archive"), body, 0);
		local_deliver(&world, "Archive", body);
		free(body);
	}
	before = disk.call_count;
	world_converge(&world);
	/* The price of a few, not of each. */
	assert_in_range(disk.call_count - before, 1, 30);
	end(&world, 100);
}

static void test_what_was_uploaded(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "");
	local_deliver(&world, "INBOX", MESSAGE);
	world_converge(&world);
	end(&world, 1);
}

static void test_what_was_copied_and_removed(void **state)
{
	struct world world;
	char *from, *to;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, 0);
	world_converge(&world);
	from = find_path(&world, "INBOX");
	to = alloc_format(
		"%s/Archive/cur/1600000009.C1.reader:2,", world.maildir);
	copy_file(from, to);
	assert_int_equal(unlink(from), 0);
	world_converge(&world);
	free(to);
	free(from);
	end(&world, 1);
}

static void test_what_was_moved(void **state)
{
	struct world world;
	char *from, *to;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, 0);
	world_converge(&world);
	from = find_path(&world, "INBOX");
	to = alloc_format(
		"%s/Archive/cur/1600000009.C1.reader:2,", world.maildir);
	assert_int_equal(rename(from, to), 0);
	world_converge(&world);
	free(to);
	free(from);
	end(&world, 1);
}

static void test_what_was_moved_there(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, 0);
	world_converge(&world);
	inbox = fake_mailbox("INBOX");
	fake_move(inbox, inbox->messages[inbox->count - 1].uid,
		fake_mailbox("Archive"));
	world_converge(&world);
	end(&world, 1);
}

/* The events of the move are gone with the transaction. */
static void test_a_move_that_could_not_be_noted_is_found_again(void **state)
{
	struct world world;
	char *from, *to;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, FLAG_SEEN);
	world_converge(&world);
	from = find_path(&world, "INBOX");
	to = alloc_format(
		"%s/Archive/cur/1600000009.C1.reader:2,S", world.maildir);
	assert_int_equal(rename(from, to), 0);
	disk.fails_in_cur = true;
	world_converge(&world);
	assert_false(disk.fails_in_cur);
	world_check_equal(&world, 2 * OTHER_COUNT + 1);
	free(to);
	free(from);
	end(&world, 1);
}

static void test_what_was_copied_over(void **state)
{
	struct world world;
	char *path, *copy;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, 0);
	world_converge(&world);
	path = find_path(&world, "INBOX");
	copy = alloc_format("%s/INBOX/tmp/copy", world.maildir);
	copy_file(path, copy);
	assert_int_equal(rename(copy, path), 0);
	world_converge(&world);
	free(copy);
	free(path);
	end(&world, 1);
}

static void test_what_both_sides_flagged_alike(void **state)
{
	struct fake_message *message;
	struct world world;
	char *from, *to;

	(void)state;
	begin(&world, "");
	message = fake_deliver(fake_mailbox("INBOX"), MESSAGE, FLAG_ANSWERED);
	world_converge(&world);
	from = find_path(&world, "INBOX");
	assert_string_equal(from + strlen(from) - 4, ":2,R");
	to = alloc_format("%sS", from);
	assert_int_equal(rename(from, to), 0);
	message->flags.system |= FLAG_SEEN;
	fake_touch(fake_mailbox("INBOX"), message);
	world_converge(&world);
	free(to);
	free(from);
	end(&world, 1);
}

/* The file is there, its name is not on the disk, and the next start finds it
   where it wanted to put it. */
static void test_what_was_downloaded_and_not_noted(void **state)
{
	struct world world;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, FLAG_SEEN);
	disk.fails_in_cur = true;
	assert_false(pass_run_to_end(world.account, &world.error));
	assert_false(disk.fails_in_cur);
	world_stop(&world);
	world_wait(7200);
	world_converge(&world);
	world_check_equal(&world, 2 * OTHER_COUNT + 1);
	end(&world, 1);
}

/* By a removal of ours, perhaps, that was cut off: undone by a power cut, the
   file would be new mail. */
static void test_what_is_gone_is_gone_from_the_disk(void **state)
{
	struct world world;
	size_t count;
	char *path;

	(void)state;
	begin(&world, "");
	fake_deliver(fake_mailbox("INBOX"), MESSAGE, FLAG_ANSWERED);
	world_converge(&world);
	path = find_path(&world, "INBOX");
	count = fake_mailbox("INBOX")->count;
	fake_expunge(fake_mailbox("INBOX"),
		fake_mailbox("INBOX")->messages[count - 1].uid);
	assert_int_equal(unlink(path), 0);
	disk.fails_in_cur = true;
	(void)world_sync(&world);
	assert_false(disk.fails_in_cur);
	world_wait(7200);
	world_converge(&world);
	assert_int_equal(state_unsettled_count(world.account->state), 0);
	free(path);
	end(&world, 0);
}

static void test_letters_that_another_program_gave(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;
	struct stat status;
	char *path;
	FILE *file;
	int keyword;

	(void)state;
	begin(&world, "");
	inbox = fake_mailbox("INBOX");
	path = alloc_format("%s/INBOX/dovecot-keywords", world.maildir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("0 work\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	keyword = keyword_table_intern(&world.account->keywords, "work");
	assert_true(keyword >= 0);
	flags_set_keyword(&inbox->messages[0].flags, (unsigned)keyword);
	fake_touch(inbox, &inbox->messages[0]);
	world_converge(&world);
	assert_int_equal(stat(path, &status), 0);
	assert_true(is_durable(path, status.st_ino));
	free(path);
	end(&world, 0);
}

/* The directory that a file is gone from went with it, and is not looked at any
   more: nothing can be made durable in it. */
static void test_what_was_moved_out_of_a_removed_folder_is_known(void **state)
{
	struct world world;
	char *body;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 51);
	fake_create("Work");
	world_deliver_there(&world, "INBOX", 3, FLAG_SEEN);
	world_deliver_there(&world, "Work", 4, FLAG_SEEN);
	world_converge(&world);
	body = local_body(&world, "Work", 0);
	local_remove(&world, "Work", 0);
	server.refuses = "Work";
	assert_true(world_sync(&world));
	world_stop(&world);
	local_deliver(&world, "INBOX", body);
	local_remove_folder(&world, "Work");
	world_start(&world);
	assert_true(world_sync(&world));
	server.refuses = NULL;
	world_converge(&world);
	world_check_equal(&world, 4);
	world_check_quiet(&world);
	world_finish(&world);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_both_sides_got_by_themselves),
		cmocka_unit_test(test_many_that_both_sides_got_by_themselves),
		cmocka_unit_test(test_what_was_uploaded),
		cmocka_unit_test(test_what_was_copied_and_removed),
		cmocka_unit_test(test_what_was_moved),
		cmocka_unit_test(test_what_was_moved_there),
		cmocka_unit_test(
			test_a_move_that_could_not_be_noted_is_found_again),
		cmocka_unit_test(test_what_was_copied_over),
		cmocka_unit_test(test_what_both_sides_flagged_alike),
		cmocka_unit_test(test_what_was_downloaded_and_not_noted),
		cmocka_unit_test(test_what_is_gone_is_gone_from_the_disk),
		cmocka_unit_test(test_letters_that_another_program_gave),
		cmocka_unit_test(
			test_what_was_moved_out_of_a_removed_folder_is_known),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
