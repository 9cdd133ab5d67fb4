/* Two messages of equal content, changed on both sides in every way, through
   whole passes; also cut off at a call of the connection. What must become of
   them is what the planner's own test has for it (fates.h).

   MAILTWIN_EXHAUSTIVE=1: all of it; else some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "tests/syncd/reconciler/fates.h"
#include "tests/syncd/worker/world.h"

/* Without a Message-ID: told apart by nothing but bytes. */
#define BODY "Subject: a\r\n\r\nThe same to all of you.\r\n"

enum local_act {
	LOCAL_STAYS,
	LOCAL_FLAGGED,
	LOCAL_MOVED,
	LOCAL_COPIED_AWAY, /* another file in the other folder */
	LOCAL_REMOVED,
	LOCAL_ACTS,
};

enum remote_act {
	REMOTE_STAYS,
	REMOTE_SEEN,
	REMOTE_MOVED,
	REMOTE_EXPUNGED,
	REMOTE_ACTS,
};

struct twin {
	enum local_act local;
	enum remote_act remote;
	uint32_t uid;
	char name[256]; /* unique part */
};

static const struct start START = {
	.synced = IN_A,
	.local = IN_A,
	.remote = IN_A,
};

static struct start start_of(const struct twin *twin)
{
	struct start start = START;

	if (twin->local == LOCAL_FLAGGED)
		start.local_flags = CLASS_FLAGGED;
	if (twin->local == LOCAL_MOVED || twin->local == LOCAL_COPIED_AWAY)
		start.local = IN_B;
	start.has_new_name = twin->local == LOCAL_COPIED_AWAY;
	if (twin->local == LOCAL_REMOVED)
		start.local = NOWHERE;
	if (twin->remote == REMOTE_SEEN)
		start.remote_flags = CLASS_SEEN;
	if (twin->remote == REMOTE_MOVED) {
		start.remote = IN_B;
		start.has_new_uid = true;
	}
	if (twin->remote == REMOTE_EXPUNGED)
		start.remote = NOWHERE;
	return start;
}

/* ---- Acting ---- */

static void find_name(struct world *world, struct twin *twin)
{
	struct account *account = world->account;
	struct account_folder *folder =
		account_folder_by_path(account, "INBOX");
	struct arena arena;
	struct pair pair;

	arena_init(&arena);
	assert_non_null(folder);
	assert_true(state_pair_by_uid(account->state, folder->record.folder_id,
		twin->uid, &arena, &pair));
	(void)snprintf(twin->name, sizeof(twin->name), "%.*s",
		(int)pair_unique_size(pair.local.name), pair.local.name);
	arena_finish(&arena);
}

static size_t index_of(struct world *world, const struct twin *twin)
{
	char *file;

	for (size_t i = 0; (file = local_file(world, "INBOX", i)) != NULL;
		i++) {
		bool is_it = strstr(file, twin->name) != NULL;

		free(file);
		if (is_it)
			return i;
	}
	fail_msg("no file %s", twin->name);
	return 0;
}

static void act_here(struct world *world, const struct twin *twin)
{
	size_t index = index_of(world, twin);

	switch (twin->local) {
	case LOCAL_FLAGGED:
		local_set_letters(world, "INBOX", index, "F");
		break;
	case LOCAL_MOVED:
		local_move(world, "INBOX", index, "Work", false);
		break;
	case LOCAL_COPIED_AWAY:
		local_deliver(world, "Work", BODY);
		local_remove(world, "INBOX", index);
		break;
	case LOCAL_REMOVED:
		local_remove(world, "INBOX", index);
		break;
	case LOCAL_STAYS:
	case LOCAL_ACTS:
		break;
	}
}

static void act_there(const struct twin *twin)
{
	struct fake_mailbox *inbox = fake_mailbox("INBOX");
	struct fake_message *message = fake_find(inbox, twin->uid);

	switch (twin->remote) {
	case REMOTE_SEEN:
		message->flags.system |= FLAG_SEEN;
		fake_touch(inbox, message);
		break;
	case REMOTE_MOVED:
		fake_move(inbox, twin->uid, fake_mailbox("Work"));
		break;
	case REMOTE_EXPUNGED:
		fake_expunge(inbox, twin->uid);
		break;
	case REMOTE_STAYS:
	case REMOTE_ACTS:
		break;
	}
}

static void twins_open(struct world *world, struct twin twins[2])
{
	world_init(world, "    delete_limit: off\n", 1);
	(void)fake_create("Work");
	for (int i = 0; i < 2; i++)
		twins[i].uid =
			fake_deliver(fake_mailbox("INBOX"), BODY, 0)->uid;
	world_converge(world);
	for (int i = 0; i < 2; i++)
		find_name(world, &twins[i]);
	for (int i = 0; i < 2; i++) {
		act_here(world, &twins[i]);
		act_there(&twins[i]);
	}
}

/* ---- What came of it ---- */

static void add_results(
	struct result *result, const char *mailbox_name, uint32_t folder_id)
{
	const struct fake_mailbox *mailbox = fake_mailbox(mailbox_name);

	for (size_t i = 0; i < mailbox->count; i++) {
		uint32_t system = mailbox->messages[i].flags.system;
		unsigned flags = ((system & FLAG_SEEN) != 0 ? CLASS_SEEN : 0) |
			((system & FLAG_FLAGGED) != 0 ? CLASS_FLAGGED : 0);
		unsigned value = scene_encode(folder_id, flags);
		size_t place = result->count++;

		for (; place > 0 && result->messages[place - 1] > value;
			place--)
			result->messages[place] = result->messages[place - 1];
		result->messages[place] = value;
	}
}

static void fail_twins(const struct twin twins[2], const char *what)
{
	struct result result = { 0 };

	add_results(&result, "INBOX", IN_A);
	add_results(&result, "Work", IN_B);
	for (size_t i = 0; i < result.count; i++)
		print_error("  message in %u, flags %x\n",
			result.messages[i] / CLASS_COUNT,
			result.messages[i] % CLASS_COUNT);
	fail_msg("%s: here %d %d, there %d %d", what, (int)twins[0].local,
		(int)twins[1].local, (int)twins[0].remote,
		(int)twins[1].remote);
}

static void check_twins(struct world *world, const struct twin twins[2])
{
	const struct start starts[2] = { start_of(&twins[0]),
		start_of(&twins[1]) };
	struct result result = { 0 };

	world_check_equal(world, SIZE_MAX);
	add_results(&result, "INBOX", IN_A);
	add_results(&result, "Work", IN_B);
	if (!fates_allow(starts, 2, false, result.messages, result.count))
		fail_twins(twins, "not what the changes say");
	world_check_quiet(world);
}

static void choose(unsigned number, struct twin twins[2])
{
	twins[0].local = (enum local_act)(number % LOCAL_ACTS);
	number /= LOCAL_ACTS;
	twins[1].local = (enum local_act)(number % LOCAL_ACTS);
	number /= LOCAL_ACTS;
	twins[0].remote = (enum remote_act)(number % REMOTE_ACTS);
	number /= REMOTE_ACTS;
	twins[1].remote = (enum remote_act)(number % REMOTE_ACTS);
}

#define CHOICES (LOCAL_ACTS * LOCAL_ACTS * REMOTE_ACTS * REMOTE_ACTS)

static bool is_chosen(unsigned number)
{
	return getenv("MAILTWIN_EXHAUSTIVE") != NULL ||
		number * 2654435761u >> 27 == 0;
}

static void test_every_change_of_twins(void **state)
{
	struct world world;
	struct twin twins[2];

	(void)state;
	for (unsigned i = 0; i < CHOICES; i++) {
		if (!is_chosen(i))
			continue;
		choose(i, twins);
		twins_open(&world, twins);
		world_converge(&world);
		check_twins(&world, twins);
		world_finish(&world);
	}
}

/* The connection dies at the n-th command of a kind, before or after it was
   carried out. */
static struct {
	const char *call;
	unsigned in_calls;
	bool after_effect;
} cut;

static void cut_call(void *data)
{
	(void)data;
	if (strcmp(server.call, cut.call) != 0 || --cut.in_calls > 0)
		return;
	server.interfere = NULL;
	server.cut_in = 1;
	server.cut_after_effect = cut.after_effect;
}

/* False when there was no such call. */
static bool run_cut(const struct twin changes[2], const char *call,
	unsigned in_calls, bool after_effect)
{
	struct twin twins[2] = { changes[0], changes[1] };
	struct world world;
	bool is_cut;

	twins_open(&world, twins);
	cut.call = call;
	cut.in_calls = in_calls;
	cut.after_effect = after_effect;
	server.interfere = cut_call;
	is_cut = !world_sync(&world);
	server.interfere = NULL;
	world_stop(&world);
	world_converge(&world);
	check_twins(&world, twins);
	world_finish(&world);
	return is_cut;
}

/* It was moved for one of them; the other is deleted on the server, and must
   not take its place. */
static void test_a_move_without_an_answer_is_not_a_twins(void **state)
{
	static const struct twin twins[2] = {
		{ .local = LOCAL_STAYS, .remote = REMOTE_EXPUNGED },
		{ .local = LOCAL_MOVED, .remote = REMOTE_STAYS },
	};

	(void)state;
	assert_true(run_cut(twins, "transfer", 1, true));
}

static void test_an_upload_without_an_answer_is_not_a_twins(void **state)
{
	static const struct twin twins[2] = {
		{ .local = LOCAL_COPIED_AWAY, .remote = REMOTE_EXPUNGED },
		{ .local = LOCAL_STAYS, .remote = REMOTE_EXPUNGED },
	};

	(void)state;
	assert_true(run_cut(twins, "remote_append", 1, true));
}

static void test_every_change_of_twins_cut_off(void **state)
{
	static const char *const calls[] = { "remote_append", "transfer",
		"remote_store", "remote_expunge" };
	struct twin twins[2];

	(void)state;
	for (unsigned i = 0; i < CHOICES; i++)
		for (unsigned k = 0; k < ARRAY_LENGTH(calls); k++) {
			unsigned in_calls = 1;

			if (!is_chosen(i * 4 + k))
				continue;
			choose(i, twins);
			(void)run_cut(twins, calls[k], in_calls, false);
			while (run_cut(twins, calls[k], in_calls, true))
				in_calls++;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_change_of_twins),
		cmocka_unit_test(test_a_move_without_an_answer_is_not_a_twins),
		cmocka_unit_test(
			test_an_upload_without_an_answer_is_not_a_twins),
		cmocka_unit_test(test_every_change_of_twins_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
