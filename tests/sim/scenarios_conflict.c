/* Both sides change at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/scenario.h"

static void deliver_many(
	struct world *world, const char *mailbox, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		there_deliver(world, mailbox, i, FLAG_SEEN);
}

/* ---- 41: flags ---- */

/* S and F; S is taken away here, R is set there: F and R. And the same the
   other way round, with keywords. */
static void flags_differ(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, FLAG_SEEN | FLAG_FLAGGED);
	there_keyword(1, "work", NULL);
	scene_given(world);
	if (variant == 0) {
		here_letters(1, "Fa");
		there_flag(1, FLAG_ANSWERED, 0);
		there_keyword(1, "todo", NULL);
	} else {
		here_letters(1, "FRSa");
		there_flag(1, 0, FLAG_SEEN);
		there_keyword(1, "todo", "work");
	}
	scene_settle(world);
	expect_flags(1, FLAG_FLAGGED | FLAG_ANSWERED);
	expect_keyword(1, "todo", true);
	expect_keyword(1, "work", variant == 0);
	expect_same_uid(1);
	expect_same_file(1);
	expect_no_transfer();
}

/* ---- 42: removed here, flagged there ---- */

static void deletion_wins(struct world_kind *kind, unsigned variant)
{
	kind->conflict_delete = variant == 1;
}

/* Kept, and fetched again; or, with conflict: delete, removed. \Seen does not
   protect. */
static void removed_and_flagged(struct world *world, unsigned variant)
{
	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	here_remove(1);
	here_remove(2);
	there_flag(1, FLAG_FLAGGED, 0);
	there_flag(2, FLAG_ANSWERED, 0);
	scene_settle(world);
	expect_copies(1, variant == 0 ? 1 : 0);
	expect_copies(2, 0);
	if (variant != 0)
		return;
	expect_flags(1, FLAG_SEEN | FLAG_FLAGGED);
	expect_same_uid(1);
	expect_bodies_down(1);
}

/* ---- 43: removed there, moved or flagged here ---- */

/* Sent to where it was moved to. */
static void expunged_and_moved(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, 0);
	scene_given(world);
	if (variant == 0)
		here_move(1, "Work", false);
	else
		here_letters(1, "F");
	there_expunge(1, "INBOX");
	scene_settle(world);
	expect_in(variant == 0 ? "Work" : "INBOX", 1, 1);
	expect_copies(1, 1);
	expect_flags(1, variant == 0 ? 0 : FLAG_FLAGGED);
	expect_bodies_up(1);
	expect_bodies_down(0);
	expect_same_file(1);
}

/* ---- 44: both move it, both remove it ---- */

/* One copy, where the server has it; none comes back. */
static void both_move(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 3);
	scene_given(world);
	here_move(1, "Work", true);
	there_move(1, "INBOX", "Archive");
	here_remove(2);
	there_expunge(2, "INBOX");
	here_move(3, "Work", false);
	there_move(3, "INBOX", "Work");
	scene_settle(world);
	expect_in("Archive", 1, 1);
	expect_copies(1, 1);
	expect_copies(2, 0);
	expect_in("Work", 3, 1);
	expect_copies(3, 1);
	expect_bodies_up(0);
}

/* ---- 45: moved there while mailboxes are looked at ---- */

static void lesser(struct world_kind *kind, unsigned variant)
{
	if (variant >= 12)
		kind->abilities &= ~(uint32_t)SIM_OBJECTID;
}

/* To a mailbox that comes later, and to one that was looked at already. */
static void move_on(struct world *world)
{
	(void)world;
	there_move(1, "INBOX", "Work");
}

static void move_back(struct world *world)
{
	(void)world;
	there_move(2, "Work", "Archive");
}

#define LOOKS_IN_A_PASS 6

static unsigned busy_count;

static void deliver_busily(struct world *world)
{
	if (busy_count < LOOKS_IN_A_PASS)
		there_deliver(world, "Work", 10 + busy_count++, 0);
}

static void move_to_work(struct world *world)
{
	(void)world;
	there_move(1, "Archive", "Work");
}

/* Work is busy, so that a pass has to make do with what it has seen: in the
   last look message 1 came there, and Archive was not looked at since. What was
   copied here is not its other half. */
static void moved_in_the_last_look(struct world *world)
{
	there_deliver(world, "Archive", 1, 0);
	scene_given(world);
	here_copy(1, "Work", true);
	busy_count = 0;
	scene_do_before(SCENE_CALL("LIST", .is_every = true), deliver_busily);
	/* Work/2024 is looked at once. */
	scene_do_before(SCENE_CALL("SELECT", .like = "Work",
				.nth = LOOKS_IN_A_PASS + 1),
		move_to_work);
	(void)scene_sync(world);
	scene_settle(world);
	expect_copies(1, 2);
	for (unsigned i = 10; i < 10 + LOOKS_IN_A_PASS; i++)
		expect_copies(i, 1);
}

/* Before the n-th command of that pass: seen in both, or in none; with OBJECTID
   and without. */
static void moved_while_looked_at(struct world *world, unsigned variant)
{
	static const char *const CALLS[] = { "SELECT", "UID FETCH", "LIST" };

	if (variant == 24) {
		moved_in_the_last_look(world);
		return;
	}
	there_deliver(world, "INBOX", 1, 0);
	there_deliver(world, "Work", 2, 0);
	scene_given(world);
	there_deliver(world, "INBOX", 3, 0);
	there_deliver(world, "Work", 4, 0);
	there_deliver(world, "Archive", 5, 0);
	scene_do_before(
		SCENE_CALL(CALLS[variant % 3], .nth = 1 + variant / 3 % 2),
		variant / 6 % 2 == 0 ? move_on : move_back);
	scene_do_after(
		SCENE_CALL(CALLS[variant % 3], .nth = 1 + variant / 3 % 2),
		variant / 6 % 2 == 0 ? move_back : move_on);
	(void)scene_sync(world);
	scene_settle(world);
	for (unsigned i = 1; i < 6; i++)
		expect_copies(i, 1);
	expect_in("Work", 1, 1);
	expect_in("Archive", 2, 1);
	expect_bodies_up(0);
	expect_same_file(1);
	expect_same_file(2);
}

/* ---- 46: moved there, without OBJECTID ---- */

static void without_objectid(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->abilities &= ~(uint32_t)SIM_OBJECTID;
}

/* The file is renamed, and nothing is sent. */
static void moved_there(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	for (unsigned i = 1; i < 5; i++)
		there_move(i, "INBOX", i % 2 == 0 ? "Work" : "Archive");
	scene_settle(world);
	for (unsigned i = 1; i < 6; i++) {
		expect_copies(i, 1);
		expect_same_file(i);
	}
	expect_in("Work", 2, 1);
	expect_in("Archive", 3, 1);
	expect_bodies_up(0);
	expect_commands("APPEND", 0);
	expect_commands("UID EXPUNGE", 0);
}

/* ---- 47: moved, renamed and flagged here, while nothing was running ---- */

/* By its inode; or by its bytes, where it was copied and removed. */
static void moved_here(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	there_deliver(world, "INBOX", 2, FLAG_SEEN);
	scene_given(world);
	if (variant == 0) {
		here_move(1, "Work", true);
	} else {
		here_copy(1, "Work", true);
		here_remove(1);
	}
	here_letters(1, "FRS");
	scene_settle(world);
	expect_in("Work", 1, 1);
	expect_copies(1, 1);
	expect_flags(1, FLAG_SEEN | FLAG_FLAGGED | FLAG_ANSWERED);
	expect_commands("UID MOVE", 1);
	expect_no_transfer();
}

/* ---- 48: one Message-ID for two messages, and none at all ---- */

static void write_body(unsigned number, const char *id, const char *words)
{
	char *body = alloc_format("From: a@example.org\r\n"
				  "Subject: number %u\r\n%s\r\n%s\r\n",
		number, id, words);

	oracle_set_body(number, body);
	free(body);
}

/* All of them are synced; also after the state was lost, when bodies are read
   only of those without Message-ID. */
static void same_message_id(struct world *world, unsigned variant)
{
	static const char ID[] = "Message-ID: <one@example.org>\r\n";

	write_body(1, ID, "the first");
	write_body(2, ID, "the other");
	write_body(3, ID, "the first");
	write_body(4, "", "without one");
	write_body(6, "", "without one");
	write_body(7, ID, "from here");
	scene_given(world);
	there_deliver(world, "INBOX", 1, 0);
	there_deliver(world, "INBOX", 2, FLAG_SEEN);
	there_deliver(world, "INBOX", 4, 0);
	here_deliver(world, "INBOX", 3, "S");
	here_deliver(world, "INBOX", 6, "S");
	here_deliver(world, "INBOX", 7, NULL);
	(void)scene_sync(world);
	if (variant == 1) {
		scene_lose_state();
		(void)scene_sync(world);
	}
	scene_settle(world);
	for (unsigned i = 1; i < 8; i++)
		if (i != 5)
			expect_copies(i, 1);
	expect_bodies_up(3);
	expect_bodies_down(variant == 0 ? 3 : 3 + 2);
}

/* ---- 49: the same mail twice ---- */

/* Two stay two: delivered there, here, and after the state was lost, when those
   of which there are several are read to be told apart: none is sent again. */
static void twice(struct world *world, unsigned variant)
{
	for (unsigned i = 0; i < 2; i++) {
		there_deliver(world, "INBOX", 1, 0);
		there_deliver(world, "Work", 2, 0);
		there_deliver(world, "INBOX", 2, 0);
	}
	scene_given(world);
	here_deliver(world, "INBOX", 3, NULL);
	here_deliver(world, "INBOX", 3, "S");
	here_deliver(world, "INBOX", 5, NULL);
	here_deliver(world, "INBOX", 5, NULL);
	(void)scene_sync(world);
	if (variant == 1)
		scene_lose_state();
	scene_settle(world);
	expect_in("INBOX", 1, 2);
	expect_in("Work", 2, 2);
	expect_in("INBOX", 2, 2);
	expect_in("INBOX", 3, 2);
	expect_in("INBOX", 5, 2);
	expect_bodies_up(4);
	expect_bodies_down(variant == 0 ? 0 : 10);
}

/* ---- 50: MODIFIED ---- */

static void find_modified(struct world *world)
{
	(void)world;
	sim_server_force(SIM_SPURIOUS_MODIFIED);
}

static void change_first(struct world *world)
{
	(void)world;
	there_flag(1, FLAG_ANSWERED, 0);
}

static void expunge_first(struct world *world)
{
	(void)world;
	there_expunge(1, "INBOX");
}

static char *replace(const char *answer, const char *old, const char *words)
{
	const char *place = strstr(answer, old);
	size_t size = strlen(answer) + strlen(words) + 1;
	char *text;

	if (place == NULL)
		return NULL;
	text = malloc(size);
	(void)snprintf(text, size, "%.*s%s%s", (int)(place - answer), answer,
		words, place + strlen(old));
	return text;
}

/* NO in place of OK. */
static char *say_no(const char *name, const char *line, const char *answer)
{
	(void)line;
	return strcmp(name, "UID STORE") == 0
		? replace(answer, " OK [MODIFIED", " NO [MODIFIED")
		: NULL;
}

/* Of a UID that is gone. */
static char *say_modified(
	const char *name, const char *line, const char *answer)
{
	(void)line;
	return strcmp(name, "UID STORE") == 0
		? replace(answer, " OK done", " OK [MODIFIED 1] done")
		: NULL;
}

enum {
	WITHOUT_REASON,
	WITH_REASON,
	IN_A_NO,
	OF_ONE_THAT_IS_GONE,
	SILENT_ABOUT_IT,
	MODIFIED_CASES
};

/* Without a reason; with one; told in a NO; of a message that is gone; gone,
   and not even MODIFIED is said: read again, merged, tried again, few times.
   What was flagged here and is gone there is sent again. */
static void modified(struct world *world, unsigned variant)
{
	static void (*const ACTS[])(struct world * world) = { find_modified,
		change_first, change_first, expunge_first, expunge_first };
	uint32_t flags = FLAG_SEEN | FLAG_FLAGGED;

	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	here_letters(1, "FS");
	here_letters(2, "FS");
	if (variant == IN_A_NO)
		sim_server_set_answer_hook(say_no);
	if (variant == OF_ONE_THAT_IS_GONE)
		sim_server_set_answer_hook(say_modified);
	scene_do_before(SCENE_CALL("UID STORE"), ACTS[variant]);
	(void)scene_sync(world);
	sim_server_set_answer_hook(NULL);
	scene_settle(world);
	if (variant == WITH_REASON || variant == IN_A_NO)
		expect_flags(1, flags | FLAG_ANSWERED);
	else
		expect_flags(1, flags);
	expect_flags(2, flags);
	expect_copies(1, 1);
	if (scene_is_undisturbed())
		expect(scene_command_count("UID STORE") <= 4,
			"%u times UID STORE", scene_command_count("UID STORE"));
}

/* ---- The list ---- */

const struct scenario scenarios_conflict[] = {
	{ .number = 41,
		.name = "flags-on-both-sides",
		.play = flags_differ,
		.variant_count = 2 },
	{ .number = 42,
		.name = "removed-here-flagged-there",
		.play = removed_and_flagged,
		.prepare = deletion_wins,
		.variant_count = 2 },
	{ .number = 43,
		.name = "removed-there-moved-here",
		.play = expunged_and_moved,
		.variant_count = 2 },
	{ .number = 44, .name = "both-move-or-remove", .play = both_move },
	{ .number = 45,
		.name = "moved-while-looked-at",
		.play = moved_while_looked_at,
		.prepare = lesser,
		.variant_count = 25 },
	{ .number = 46,
		.name = "moved-there-without-objectid",
		.play = moved_there,
		.prepare = without_objectid },
	{ .number = 47,
		.name = "moved-renamed-flagged-here",
		.play = moved_here,
		.variant_count = 2 },
	{ .number = 48,
		.name = "one-message-id-for-two",
		.play = same_message_id,
		.variant_count = 2 },
	{ .number = 49,
		.name = "the-same-mail-twice",
		.play = twice,
		.variant_count = 2 },
	{ .number = 50,
		.name = "modified",
		.play = modified,
		.variant_count = MODIFIED_CASES },
	{ .name = NULL },
};
