/* A side that was put back to an older state, or a Maildir whose disk or
   directory is another one, in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "syncd/worker/pass.h"
#include "tests/syncd/worker/deed.h"
#include "tests/syncd/worker/world.h"

static void populate(struct world *world)
{
	world_deliver_there(world, "INBOX", 5, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 5);
}

static struct maildir_identity identity(const struct world *world)
{
	struct maildir_identity identity;
	struct error error;

	assert_true(maildir_identity(
		world->account->maildir, NULL, &identity, &error));
	return identity;
}

/* The same disk and directory, with the mark of some time ago. */
static void test_what_an_older_snapshot_lacks_comes_back(void **state)
{
	struct world world;
	struct maildir_identity old, new;
	struct error error;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 41);
	populate(&world);
	old = identity(&world);
	if (!old.supports_generation) {
		world_finish(&world);
		skip();
	}
	world_deliver_there(&world, "INBOX", 2, FLAG_SEEN);
	world_converge(&world);
	new = identity(&world);
	assert_true(new.generation > old.generation);
	assert_true(maildir_set_generation(world.account->maildir, NULL,
		old.account, old.generation, &error));
	world_stop(&world);
	local_remove(&world, "INBOX", 0);
	local_remove(&world, "INBOX", 0);
	world_start(&world);
	world_converge(&world);
	world_check_equal(&world, 7);
	world_check_quiet(&world);
	assert_true(identity(&world).generation > new.generation);
	world_finish(&world);
}

/* Whoever restores a backup because of held deletions must not have the few
   that the backup lacks deleted after all. */
static void test_a_restore_ends_what_was_held(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 45);
	world_deliver_there(&world, "INBOX", 30, FLAG_SEEN);
	world_converge(&world);
	world_check_equal(&world, 30);
	world_stop(&world);
	local_run(&world, "cp -a mail copy");
	for (int i = 0; i < 30; i++)
		local_remove(&world, "INBOX", 0);
	world_start(&world);
	assert_true(world_sync(&world));
	assert_int_equal(fake_mailbox("INBOX")->count, 30);
	world_stop(&world);
	local_run(&world, "rm -r mail && mv copy mail");
	for (int i = 0; i < 3; i++)
		local_remove(&world, "INBOX", 0);
	world_converge(&world);
	world_check_equal(&world, 30);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_a_quiet_pass_leaves_the_mark_alone(void **state)
{
	struct world world;
	uint64_t generation;

	(void)state;
	world_init(&world, "", 42);
	populate(&world);
	generation = identity(&world).generation;
	for (int i = 0; i < 3; i++) {
		world_stop(&world);
		world_start(&world);
		assert_true(world_sync(&world));
	}
	assert_true(identity(&world).generation == generation);
	world_finish(&world);
}

/* Whoever has it open sees all of its files still. */
static void test_a_disk_unmounted_meanwhile_is_no_copy(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 44);
	populate(&world);
	local_run(&world, "mv mail away && mkdir -m 700 mail");
	assert_false(pass_run_to_end(world.account, &world.error));
	assert_int_equal(world.error.code, ERROR_CONFIG);
	/* Nothing was made there. */
	local_run(&world, "rmdir mail && mv away mail");
	world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
	assert_true(pass_run_to_end(world.account, &world.error));
	world_check_equal(&world, 6);
	world_finish(&world);
}

static void test_a_maildir_replaced_meanwhile_counts(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 45);
	populate(&world);
	local_run(&world, "mv mail away && cp -a away mail");
	local_remove(&world, "INBOX", 0);
	world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
	assert_true(pass_run_to_end(world.account, &world.error));
	world_check_equal(&world, 6);
	local_run(&world, "test $(ls away/INBOX/cur | wc -l) = 5");
	world_finish(&world);
}

static void empty_maildir(struct world *world)
{
	local_run(world, "rm -r mail && mkdir -m 700 mail");
}

/* While the server lists its mailboxes: a directory that was removed has no
   folders, and no mailbox is gone for it. */
static void test_a_maildir_replaced_in_a_look_lacks_no_folder(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 47);
	fake_create("Work");
	populate(&world);
	at_first(&world, "remote_list", empty_maildir);
	assert_false(pass_run_to_end(world.account, &world.error));
	assert_deed_is_done();
	assert_int_equal(world.error.code, ERROR_CONFIG);
	assert_non_null(fake_mailbox("Work"));
	assert_int_equal(fake_mailbox("INBOX")->count, 5);
	world_finish(&world);
}

/* False where the file system has no such flag, or we may not set it. */
static bool set_immutable(const struct world *world, bool is_immutable)
{
	int fd = open(world->maildir, O_RDONLY | O_DIRECTORY);
	int flags = 0;
	bool is_set;

	assert_true(fd != -1);
	is_set = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	flags = is_immutable ? flags | FS_IMMUTABLE_FL
			     : flags & ~FS_IMMUTABLE_FL;
	is_set = is_set && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	(void)close(fd);
	return is_set;
}

/* Without a mark that can be written, every start would look like a restore. */
static void test_a_root_that_takes_no_mark_is_synced_all_the_same(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 44);
	populate(&world);
	(void)removexattr(world.maildir, "user.mailtwin");
	if (!set_immutable(&world, true)) {
		world_finish(&world);
		skip();
	}
	world_stop(&world);
	world_converge(&world);
	world_stop(&world);
	local_remove(&world, "INBOX", 0);
	world_converge(&world);
	world_check_equal(&world, 4);
	world_check_quiet(&world);
	assert_true(set_immutable(&world, false));
	world_finish(&world);
}

/* As if all that is on record had been seen when the disk had that number. */
static void note_other_device(struct world *world, uint64_t device)
{
	struct account *account = world->account;
	struct state_cursor cursor = { 0 };
	struct error error;
	struct arena arena;
	struct pair pair;
	const uint8_t *data;
	uint8_t root[64];
	size_t size;

	arena_init(&arena);
	assert_true(state_begin(account->state, &error));
	assert_true(state_meta_get(
		account->state, "maildir-root", &arena, &data, &size));
	assert_true(size <= sizeof(root));
	memcpy(root, data, size);
	number_write_be64(root, device);
	state_meta_put(account->state, "maildir-root", root, size);
	for (size_t i = 0; i < account->folder_count; i++) {
		account->folders[i]->record.device = device;
		account_folder_put(account, account->folders[i]);
	}
	while (state_next_by_unique(account->state,
		account->folders[0]->record.folder_id, &cursor, &arena,
		&pair)) {
		pair.local.device = device;
		state_pair_put(account->state, &pair);
	}
	assert_true(state_commit(account->state, &error));
	arena_finish(&arena);
}

static void test_another_number_for_the_disk_changes_nothing(void **state)
{
	struct world world;
	unsigned body_count;

	(void)state;
	world_init(&world, "    delete_limit: off\n", 43);
	populate(&world);
	if (identity(&world).fsid == 0) {
		world_finish(&world);
		skip();
	}
	note_other_device(&world, 77);
	world_stop(&world);
	local_remove(&world, "INBOX", 0);
	body_count = server.body_count;
	world_start(&world);
	world_converge(&world);
	world_check_equal(&world, 4);
	assert_int_equal(server.body_count, body_count);
	world_check_quiet(&world);
	world_finish(&world);
}

/* ---- The server ---- */

/* As it was before the last message came; then another one may come, and have
   its UID. */
static void put_back(struct world *world, const char *name, bool has_other)
{
	struct fake_mailbox *mailbox = fake_mailbox(name);
	struct fake_message *last = &mailbox->messages[mailbox->count - 1];

	free(last->body);
	if (has_other) {
		last->body = world_message(world);
		return;
	}
	memset(last, 0, sizeof(*last));
	mailbox->count--;
	mailbox->uid_next--;
}

/* The numbers of Work are what they were. */
static void test_a_server_put_back_is_matched_in_every_mailbox(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 46);
	fake_create("Work");
	world_deliver_there(&world, "INBOX", 3, FLAG_SEEN);
	world_deliver_there(&world, "Work", 3, FLAG_SEEN);
	world_converge(&world);
	put_back(&world, "INBOX", false);
	put_back(&world, "Work", true);
	world_stop(&world);
	world_converge(&world);
	/* What the server has is here, and what it lost is held. */
	assert_int_equal(local_count(&world, "INBOX"), 3);
	assert_int_equal(local_count(&world, "Work"), 4);
	assert_int_equal(fake_mailbox("INBOX")->count, 2);
	assert_int_equal(fake_mailbox("Work")->count, 3);
	world_finish(&world);
}

/* Put back, and reached again: the UID is another message's, and a further one
   has come. */
static void give_last_uid_again(struct world *world)
{
	struct fake_mailbox *mailbox = fake_mailbox("INBOX");
	struct fake_message *last = &mailbox->messages[mailbox->count - 1];

	put_back(world, "INBOX", true);
	last->email_id = ++server.last_email_id;
	last->date += 60;
	world_deliver_there(world, "INBOX", 1, FLAG_SEEN);
}

static void check_uid_given_again(struct world *world)
{
	world_deliver_there(world, "INBOX", 3, FLAG_SEEN);
	world_converge(world);
	give_last_uid_again(world);
	world_stop(world);
	world_converge(world);
	/* The lost one is held. */
	assert_int_equal(local_count(world, "INBOX"), 5);
	assert_int_equal(fake_mailbox("INBOX")->count, 4);
	world_finish(world);
}

static void test_a_last_uid_with_another_emailid_tells_of_it(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 48);
	server.has_email_ids = true;
	check_uid_given_again(&world);
}

static void test_a_last_uid_with_another_header_tells_of_it(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 49);
	check_uid_given_again(&world);
}

static void test_a_last_uid_never_fetched_tells_by_its_size(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 50);
	world_deliver_there(&world, "INBOX", 3, FLAG_SEEN);
	/* Cut off before the first is fetched. */
	world_stop(&world);
	world_start(&world);
	server.cut_in = 4;
	assert_false(pass_run_to_end(world.account, &world.error));
	assert_int_equal(local_count(&world, "INBOX"), 0);
	give_last_uid_again(&world);
	world_stop(&world);
	world_converge(&world);
	world_check_equal(&world, 4);
	world_finish(&world);
}

/* What was given to the last one was given to the first one since. */
static void test_a_last_uid_whose_modseq_fell_tells_of_it(void **state)
{
	struct world world;
	struct fake_message *messages;

	(void)state;
	world_init(&world, "", 52);
	server.has_email_ids = true;
	populate(&world);
	messages = fake_mailbox("INBOX")->messages;
	messages[0].modseq = messages[4].modseq--;
	messages[0].flags.system = 0;
	world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
	world_stop(&world);
	world_converge(&world);
	world_check_equal(&world, 6);
	world_finish(&world);
}

/* Another size than before, and the same header. */
static void test_a_last_uid_told_of_otherwise_tells_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world, "", 51);
	populate(&world);
	server.miscounts = true;
	world_deliver_there(&world, "INBOX", 1, FLAG_SEEN);
	world_stop(&world);
	world_start(&world);
	assert_true(pass_run_to_end(world.account, &world.error));
	assert_int_equal(world.account->folders[0]->witness.uid, 5);
	world_check_equal(&world, 6);
	assert_int_equal((int)server.body_count, 6);
	world_finish(&world);
}

/* Renumbered, looked at, and cut off before that was all. */
static void stop_in_an_epoch(struct world *world, unsigned cut_in)
{
	fake_renumber(fake_mailbox("Work"));
	server.cut_in = cut_in;
	(void)world_sync(world);
	server.cut_in = 0;
	world_stop(world);
}

/* Its numbers are what they were then, and its flags are not. */
static void test_a_server_put_back_in_an_epoch_is_matched_anew(void **state)
{
	(void)state;
	for (unsigned cut = 1; cut < 30; cut++) {
		struct world world;
		struct fake_message *message;

		world_init(&world, "", 47);
		fake_create("Work");
		world_deliver_there(&world, "INBOX", 3, FLAG_SEEN);
		world_deliver_there(&world, "Work", 3, FLAG_SEEN);
		fake_mailbox("INBOX")->uid_next += 5;
		world_converge(&world);
		message = &fake_mailbox("Work")->messages[2];
		message->flags.system = FLAG_SEEN | FLAG_FLAGGED;
		stop_in_an_epoch(&world, cut);
		message->flags.system = FLAG_SEEN;
		fake_mailbox("INBOX")->uid_next -= 5;
		world_converge(&world);
		world_check_equal(&world, 6);
		world_check_quiet(&world);
		world_finish(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_older_snapshot_lacks_comes_back),
		cmocka_unit_test(test_a_restore_ends_what_was_held),
		cmocka_unit_test(test_a_quiet_pass_leaves_the_mark_alone),
		cmocka_unit_test(
			test_a_root_that_takes_no_mark_is_synced_all_the_same),
		cmocka_unit_test(
			test_another_number_for_the_disk_changes_nothing),
		cmocka_unit_test(test_a_disk_unmounted_meanwhile_is_no_copy),
		cmocka_unit_test(test_a_maildir_replaced_meanwhile_counts),
		cmocka_unit_test(
			test_a_maildir_replaced_in_a_look_lacks_no_folder),
		cmocka_unit_test(
			test_a_server_put_back_is_matched_in_every_mailbox),
		cmocka_unit_test(
			test_a_last_uid_with_another_emailid_tells_of_it),
		cmocka_unit_test(
			test_a_last_uid_with_another_header_tells_of_it),
		cmocka_unit_test(
			test_a_last_uid_never_fetched_tells_by_its_size),
		cmocka_unit_test(test_a_last_uid_whose_modseq_fell_tells_of_it),
		cmocka_unit_test(
			test_a_last_uid_told_of_otherwise_tells_nothing),
		cmocka_unit_test(
			test_a_server_put_back_in_an_epoch_is_matched_anew),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
