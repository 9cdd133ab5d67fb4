/* Keywords whose letters cannot be had, in whole passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/local.h"
#include "tests/syncd/worker/world.h"

static void deliver(
	struct world *world, const char *mailbox, const struct flags *flags)
{
	char *body = world_message(world);
	struct fake_mailbox *box = fake_mailbox(mailbox);

	fake_deliver(box, body, flags->system);
	box->messages[box->count - 1].flags = *flags;
	free(body);
}

static unsigned keyword_number(struct world *world, const char *name)
{
	int keyword = keyword_table_intern(&world->account->keywords, name);

	assert_true(keyword >= 0);
	return (unsigned)keyword;
}

static void populate(struct world *world)
{
	const struct flags none = { 0 };

	for (int i = 0; i < 5; i++)
		deliver(world, "INBOX", &none);
	world_converge(world);
	world_check_equal(world, 5);
}

/* Every letter is taken, one by a keyword that needs none. */
static void take_all_letters(struct world *world, const char *folder)
{
	char *path =
		alloc_format("%s/%s/dovecot-keywords", world->maildir, folder);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < 26; i++)
		(void)fprintf(
			file, i == 3 ? "%d $Forwarded\n" : "%d word%d\n", i, i);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static void test_keyword_without_a_letter_stays_on_the_server(void **state)
{
	struct world world;
	struct fake_mailbox *inbox;
	unsigned keyword;

	(void)state;
	world_init(&world, "    keywords: dovecot\n", 18);
	populate(&world);
	take_all_letters(&world, "INBOX");
	keyword = keyword_number(&world, "another");
	inbox = fake_mailbox("INBOX");
	flags_set_keyword(&inbox->messages[0].flags, keyword);
	inbox->messages[0].flags.system |= FLAG_FLAGGED;
	fake_touch(inbox, &inbox->messages[0]);
	for (int i = 0; i < 3; i++)
		world_converge(&world);
	world_check_equal(&world, 5);
	assert_true(flags_has_keyword(&inbox->messages[0].flags, keyword));
	world_finish(&world);
}

/* Another program holds it; it is not known to be dead. */
static char *lock_keywords(const struct world *world)
{
	char *path =
		alloc_format("%s/INBOX/dovecot-keywords.lock", world->maildir);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void check_keyword(unsigned keyword)
{
	struct fake_mailbox *inbox = fake_mailbox("INBOX");

	for (size_t i = 5; i < inbox->count; i++)
		assert_true(
			flags_has_keyword(&inbox->messages[i].flags, keyword));
}

static void test_mail_comes_while_the_letters_are_locked(void **state)
{
	struct world world;
	struct flags flags = { .system = FLAG_SEEN };
	unsigned keyword;
	char *lock;

	(void)state;
	world_init(&world, "    keywords: dovecot\n", 3);
	populate(&world);
	keyword = keyword_number(&world, "project");
	flags_set_keyword(&flags, keyword);
	lock = lock_keywords(&world);
	for (int i = 0; i < 7; i++)
		deliver(&world, "INBOX", &flags);
	assert_true(world_sync(&world));
	assert_int_equal(local_count(&world, "INBOX"), 12);
	check_keyword(keyword);
	assert_int_equal(unlink(lock), 0);
	world_stop(&world);
	world_start(&world);
	world_converge(&world);
	check_keyword(keyword);
	world_check_equal(&world, 12);
	world_check_quiet(&world);
	free(lock);
	world_finish(&world);
}

static void put_file(
	const struct world *world, const char *name, const char *text)
{
	char *path = alloc_format("%s/INBOX/%s", world->maildir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static void set_forwarded(bool is_on)
{
	struct fake_mailbox *inbox = fake_mailbox("INBOX");
	struct flags *flags = &inbox->messages[0].flags;

	if (is_on)
		flags_set_keyword(flags, KEYWORD_FORWARDED);
	else
		flags_clear_keyword(flags, KEYWORD_FORWARDED);
	fake_touch(inbox, &inbox->messages[0]);
}

static bool has_file_with(struct world *world, const char *letters)
{
	bool is_found = false;
	char *name;

	for (size_t i = 0;
		!is_found && (name = local_file(world, "INBOX", i)) != NULL;
		i++) {
		const char *info = strstr(name, ":2,");

		is_found = info != NULL && strcmp(info + 3, letters) == 0;
		free(name);
	}
	return is_found;
}

static bool is_forwarded_there(void)
{
	return flags_has_keyword(
		&fake_mailbox("INBOX")->messages[0].flags, KEYWORD_FORWARDED);
}

/* All seen: nothing lies in new. */
static void one_message(struct world *world, uint32_t seed)
{
	world_init(world, "", seed);
	world_deliver_there(world, "INBOX", 1, FLAG_SEEN);
	world_converge(world);
}

static void test_forwarded_is_p_where_no_dovecot_is(void **state)
{
	struct world world;

	(void)state;
	one_message(&world, 1);
	set_forwarded(true);
	world_converge(&world);
	assert_true(has_file_with(&world, "PS"));
	local_set_letters(&world, "INBOX", 0, "S");
	world_converge(&world);
	assert_false(is_forwarded_there());
	world_finish(&world);
}

/* Dovecot has no letter P: what one side does the other sees by a to z. */
static void test_forwarded_has_a_letter_where_dovecot_is(void **state)
{
	struct world world;

	(void)state;
	one_message(&world, 2);
	put_file(&world, "dovecot-uidlist", "3 V1 N2\n");
	set_forwarded(true);
	world_converge(&world);
	assert_true(has_file_with(&world, "Sa"));
	world_check_quiet(&world);
	local_set_letters(&world, "INBOX", 0, "S");
	world_converge(&world);
	assert_false(is_forwarded_there());
	local_set_letters(&world, "INBOX", 0, "PS");
	world_converge(&world);
	assert_true(is_forwarded_there());
	set_forwarded(false);
	world_converge(&world);
	assert_true(has_file_with(&world, "S"));
	world_finish(&world);
}

static void test_a_dovecot_that_comes_later_is_seen(void **state)
{
	struct world world;

	(void)state;
	one_message(&world, 3);
	put_file(&world, "dovecot-uidlist", "3 V1 N2\n");
	assert_true(world_sync(&world));
	set_forwarded(true);
	assert_true(world_sync(&world));
	assert_true(has_file_with(&world, "Sa"));
	world_finish(&world);
}

static void test_forwarded_stays_without_its_letter(void **state)
{
	struct world world;
	char *path;

	(void)state;
	one_message(&world, 4);
	put_file(&world, "dovecot-keywords", "0 $Forwarded\n");
	local_set_letters(&world, "INBOX", 0, "Sa");
	world_converge(&world);
	assert_true(is_forwarded_there());
	world_stop(&world);
	path = alloc_format("%s/INBOX/dovecot-keywords", world.maildir);
	assert_int_equal(unlink(path), 0);
	free(path);
	local_set_letters(&world, "INBOX", 0, "FSa");
	world_converge(&world);
	assert_true(is_forwarded_there());
	world_finish(&world);
}

/* As when its folder is renamed: for a moment nobody is told. */
static void test_a_letter_given_out_while_nobody_watched_is_read(void **state)
{
	struct world world;
	struct account_folder *inbox;
	unsigned keyword;

	(void)state;
	one_message(&world, 5);
	put_file(&world, "dovecot-keywords", "0 work\n");
	local_set_letters(&world, "INBOX", 0, "Sa");
	assert_true(world_sync(&world));
	keyword = keyword_number(&world, "later");
	inbox = account_folder_by_path(world.account, "INBOX");
	local_unwatch_folder(world.account, inbox);
	inbox->needs_scan = true;
	put_file(&world, "dovecot-keywords", "0 work\n1 later\n");
	local_set_letters(&world, "INBOX", 0, "Sb");
	assert_true(world_sync(&world));
	assert_true(flags_has_keyword(
		&fake_mailbox("INBOX")->messages[0].flags, keyword));
	world_finish(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_keyword_without_a_letter_stays_on_the_server),
		cmocka_unit_test(test_mail_comes_while_the_letters_are_locked),
		cmocka_unit_test(test_forwarded_is_p_where_no_dovecot_is),
		cmocka_unit_test(test_forwarded_has_a_letter_where_dovecot_is),
		cmocka_unit_test(test_a_dovecot_that_comes_later_is_seen),
		cmocka_unit_test(test_forwarded_stays_without_its_letter),
		cmocka_unit_test(
			test_a_letter_given_out_while_nobody_watched_is_read),
	};

	cmocka_set_test_filter(getenv("MAILTWIN_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
