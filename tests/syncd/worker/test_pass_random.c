/* Anything at all on both sides, also in the middle of passes, and cuts: in the
   end both are equal, and no message is lost or doubled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "tests/syncd/worker/rungs.h"
#include "tests/syncd/worker/world.h"

#define NUMBER_COUNT 65536

/* ---- What became of each message, by its number ---- */

enum fate {
	FATE_NONE,
	FATE_MADE,
	FATE_REMOVED, /* by somebody; it may have won or lost */
};

static uint8_t fates[NUMBER_COUNT];

static unsigned number_of(const char *body)
{
	static const char MARK[] = "Subject: number ";
	const char *text = strstr(body, MARK);
	unsigned long number;

	assert_non_null(text);
	number = strtoul(text + sizeof(MARK) - 1, NULL, 10);
	assert_true(number < NUMBER_COUNT);
	return (unsigned)number;
}

static void note(const char *body, enum fate fate)
{
	fates[number_of(body)] = (uint8_t)fate;
}

/* Without MOVE a message is in two places for a moment, and somebody who moves
   one of the two right then leaves two messages. */
static bool may_double(void)
{
	return !server.has_move;
}

/* What is stored without a word of its UID, and removed or moved before it was
   looked for, may have been changed by the server for all anybody knows: it is
   held. */
static bool is_off_limits(
	struct world *world, const char *mailbox, uint32_t uid)
{
	const struct account_folder *folder =
		account_folder_by_path(world->account, mailbox);
	struct arena arena;
	struct pair pair;
	bool is_bound;

	if (server.has_receipts)
		return false;
	arena_init(&arena);
	is_bound = folder != NULL &&
		state_pair_by_uid(world->account->state,
			folder->record.folder_id, uid, &arena, &pair) &&
		pair.local.presence != PRESENCE_NEVER;
	arena_finish(&arena);
	return !is_bound;
}

static void check_fates(struct world *world)
{
	static uint8_t counts[NUMBER_COUNT];

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < FAKE_MAILBOX_MAX; i++) {
		const struct fake_mailbox *mailbox = &server.mailboxes[i];

		for (size_t k = 0; mailbox->name != NULL && k < mailbox->count;
			k++)
			counts[number_of(mailbox->messages[k].body)]++;
	}
	for (unsigned i = 0; i < NUMBER_COUNT; i++) {
		bool is_doubled = counts[i] > 1 && !may_double();

		if (is_doubled || (counts[i] == 0 && fates[i] == FATE_MADE))
			world_show_journal(world);
		if (is_doubled)
			fail_msg("message %u is there %u times", i, counts[i]);
		if (counts[i] == 0 && fates[i] == FATE_MADE)
			fail_msg("message %u is lost", i);
	}
}

/* ---- Two users ---- */

/* WORLD_LOG=1 shows what they do. */
static void tell(const char *who, const char *what, const char *body,
	const char *from, const char *to)
{
	if (getenv("WORLD_LOG") != NULL && body != NULL)
		printf("USER %s %s %u: %s %s\n", who, what, number_of(body),
			from, to);
}

static void deliver_there(struct world *world, const char *mailbox,
	unsigned count, uint32_t flags)
{
	for (unsigned i = 0; i < count; i++) {
		char *body = world_message(world);

		note(body, FATE_MADE);
		tell("there", "delivers", body, mailbox, "");
		fake_deliver(fake_mailbox(mailbox), body, flags);
		free(body);
	}
}

static void deliver_here(
	struct world *world, const char *folder, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char *body = world_message(world);

		note(body, FATE_MADE);
		tell("here", "delivers", body, folder, "");
		local_deliver(world, folder, body);
		free(body);
	}
}

static void remove_here(struct world *world, const char *folder, size_t index)
{
	char *body = local_body(world, folder, index);

	if (body == NULL)
		return;
	note(body, FATE_REMOVED);
	tell("here", "removes", body, folder, "");
	free(body);
	local_remove(world, folder, index);
}

static void move_here(
	struct world *world, const char *from, size_t index, const char *to)
{
	char *body = local_body(world, from, index);

	tell("here", "moves", body, from, to);
	free(body);
	local_move(world, from, index, to, world_random(world, 2) == 0);
}

static void move_there(struct fake_mailbox *from,
	const struct fake_message *message, struct fake_mailbox *to)
{
	tell("there", "moves", message->body, from->name, to->name);
	fake_move(from, message->uid, to);
}

static void populate(struct world *world)
{
	memset(fates, 0, sizeof(fates));
	fake_create("Work");
	fake_create("Archive");
	deliver_there(world, "INBOX", 6, 0);
	deliver_there(world, "Work", 5, FLAG_SEEN);
	world_converge(world);
	world_check_equal(world, 11);
}

static const char *const FOLDERS[] = { "INBOX", "Work", "Archive" };

static const char *any_folder(struct world *world)
{
	return FOLDERS[world_random(world, 3)];
}

static struct fake_message *any_message(
	struct world *world, struct fake_mailbox *mailbox)
{
	struct fake_message *message;

	if (mailbox->count == 0)
		return NULL;
	message = &mailbox->messages[world_random(
		world, (unsigned)mailbox->count)];
	return is_off_limits(world, mailbox->name, message->uid) ? NULL
								 : message;
}

static void act_there(struct world *world)
{
	struct fake_mailbox *mailbox = fake_mailbox(any_folder(world));
	struct fake_message *message = any_message(world, mailbox);
	uint32_t flag = 1u << world_random(world, 5);

	switch (world_random(world, 5)) {
	case 0:
		deliver_there(world, mailbox->name, 1, 0);
		break;
	case 1:
	case 2:
		if (message == NULL || flag == FLAG_DELETED)
			break;
		message->flags.system ^= flag;
		fake_touch(mailbox, message);
		break;
	case 3:
		if (message != NULL)
			move_there(mailbox, message,
				fake_mailbox(any_folder(world)));
		break;
	default:
		if (message == NULL)
			break;
		note(message->body, FATE_REMOVED);
		tell("there", "removes", message->body, mailbox->name, "");
		fake_expunge(mailbox, message->uid);
		break;
	}
}

static void act_here(struct world *world)
{
	static const char *const letters[] = { "", "S", "F", "RS", "DF" };
	const char *folder = any_folder(world);
	size_t count = local_count(world, folder);
	size_t index = count == 0 ? 0 : world_random(world, (unsigned)count);

	switch (world_random(world, 5)) {
	case 0:
		/* Several, so that they can go up together. */
		deliver_here(world, folder,
			server.has_multiappend ? 1 + world_random(world, 4)
					       : 1);
		break;
	case 1:
	case 2:
		local_set_letters(
			world, folder, index, letters[world_random(world, 5)]);
		break;
	case 3:
		move_here(world, folder, index, any_folder(world));
		break;
	default:
		remove_here(world, folder, index);
		break;
	}
}

static void interfere(void *data)
{
	struct world *world = data;

	if (world_random(world, 8) == 0)
		act_there(world);
	if (world_random(world, 8) == 0)
		act_here(world);
}

static void run_seed(uint32_t seed)
{
	struct world world;

	print_message("seed %u\n", seed);
	world_init(&world, "    delete_limit: off\n", seed);
	use_rung(&RUNGS[seed % RUNG_COUNT]);
	populate(&world);
	server.interfere = interfere;
	server.data = &world;
	for (int i = 0; i < 12; i++) {
		for (unsigned k = world_random(&world, 4); k > 0; k--)
			act_there(&world);
		for (unsigned k = world_random(&world, 4); k > 0; k--)
			act_here(&world);
		if (world_random(&world, 3) == 0) {
			server.cut_in = 1 + world_random(&world, 30);
			server.cut_after_effect = world_random(&world, 2) == 0;
			if (server.late_in != 0)
				server.late_in = 1 + world_random(&world, 60);
		}
		if (!world_sync(&world) || world_random(&world, 3) == 0) {
			world_stop(&world);
			world_start(&world);
		}
	}
	server.cut_in = 0;
	server.interfere = NULL;
	world_converge(&world);
	fake_arrive();
	world_converge(&world);
	world_check_equal(&world, SIZE_MAX);
	check_fates(&world);
	world_check_quiet(&world);
	world_finish(&world);
}

static void test_random_changes_converge(void **state)
{
	const char *text = getenv("MAILTWIN_SEEDS");
	const char *first = getenv("MAILTWIN_SEED");
	uint32_t count = 60, seed = 1;

	(void)state;
	if (text != NULL)
		assert_true(number_parse_u32(text, strlen(text), &count));
	if (first != NULL)
		assert_true(number_parse_u32(first, strlen(first), &seed));
	for (uint32_t i = 0; i < count; i++)
		run_seed(seed + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes_converge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
