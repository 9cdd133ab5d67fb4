/* What the server says, and what is made of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle_guard.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_time.h"

static void deliver_many(
	struct world *world, const char *mailbox, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		there_deliver(world, mailbox, i, FLAG_SEEN);
}

static void expect_all(unsigned first, unsigned last, unsigned count)
{
	for (unsigned i = first; i <= last; i++)
		expect_copies(i, count);
}

static void expect_untouched(unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		expect_same_file(i);
		expect_same_uid(i);
	}
}

/* The answer with words before the line that ends it; from malloc. */
static char *with_words(const char *answer, const char *words)
{
	size_t size = strlen(answer), place = size - 2;
	size_t words_size = strlen(words);
	char *text = malloc(size + words_size + 1);

	while (place > 0 && answer[place - 1] != '\n')
		place--;
	memcpy(text, answer, place);
	memcpy(text + place, words, words_size);
	memcpy(text + place + words_size, answer + place, size - place + 1);
	return text;
}

/* ---- 29: a mailbox is empty ---- */

static void guarded(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->delete_limit = "50%";
}

/* Held, until it is approved; of \Trash it is not held. */
static void emptied(struct world *world, unsigned variant)
{
	(void)sim_mailbox_create("Trash", "\\Trash");
	oracle_guard_approve(); /* of \Trash nothing is held */
	deliver_many(world, "Work", 1, 30);
	deliver_many(world, "Trash", 31, 60);
	scene_given(world);
	for (unsigned i = 1; i <= 60; i++)
		there_expunge(i, NULL);
	there_deliver(world, "Work", 61, 0);
	for (unsigned i = 0; i < 3; i++)
		(void)scene_sync(world);
	for (unsigned i = 1; i <= 30; i++)
		expect(oracle_count_here(i) == 1, "message %u was removed", i);
	expect_all(31, 60, 0);
	expect_copies(61, 1);
	expect(scene_held_count(world) == 30, "%u are held",
		scene_held_count(world));
	expect_logged("over delete_limit");
	if (variant == 1)
		scene_approve(world);
	scene_settle(world);
	expect(scene_held_count(world) == (variant == 1 ? 0 : 30),
		"%u are held in the end", scene_held_count(world));
}

/* ---- 30: the server is back at an older state ---- */

/* Nothing is removed here. What the server lacks is held, with the reason,
   until somebody who knows says that it is wanted: uploaded once, then. What it
   has again comes back. */
static void server_restored(struct world *world, unsigned variant)
{
	struct sim_server_copy *copy;

	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	copy = sim_server_copy_take();
	deliver_many(world, "INBOX", 6, 8);
	here_deliver(world, "INBOX", 9, "S");
	there_expunge(1, "INBOX");
	there_flag(2, FLAG_FLAGGED, 0);
	(void)scene_sync(world);
	(void)scene_sync(world);
	seam_log("operator: the server is restored");
	oracle_before_restore();
	sim_server_copy_put(copy);
	oracle_after_restore();
	sim_server_copy_free(copy);
	(void)scene_sync(world);
	(void)scene_sync(world);
	for (unsigned i = 2; i < 10; i++)
		expect(oracle_count_here(i) == 1, "message %u is gone", i);
	for (unsigned i = 6; i < 10 && scene_is_undisturbed(); i++)
		expect_held(world, i, "not found when the server");
	if (variant == 1)
		scene_undo(world);
	scene_settle(world);
	if (!scene_is_undisturbed())
		return;
	for (unsigned i = 1; i < 6; i++) {
		expect_copies(i, 1);
		if (i > 1)
			expect_same_file(i);
	}
	for (unsigned i = 6; i < 10; i++)
		expect(oracle_count_there(i) == variant,
			"message %u is not "
			"as it should be there",
			i);
	expect_bodies_up(1 + 4 * variant);
	expect_bodies_down(3 + 1);
}

/* ---- 31 and 32: new UIDVALIDITY ---- */

/* All are known again by what their headers say: no body goes either way, flags
   changed on either side meanwhile are merged, files stay. */
static void renumbered(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 9);
	scene_given(world);
	there_flag(1, FLAG_FLAGGED, 0);
	here_letters(1, "RS");
	here_letters(2, "");
	there_flag(3, 0, FLAG_SEEN);
	(void)sim_renumber("INBOX");
	scene_settle(world);
	expect_all(1, 9, 1);
	expect_no_transfer();
	expect_flags(1, FLAG_SEEN | FLAG_FLAGGED | FLAG_ANSWERED);
	expect_flags(2, 0);
	expect_flags(3, 0);
	for (unsigned i = 1; i < 10; i++)
		expect_same_file(i);
	expect_logged("renumbered its messages");
}

/* Uploads were open, and the worker dies at each commit of what follows. */
static void renumbered_with_uploads(struct world *world, unsigned variant)
{
	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	here_deliver(world, "INBOX", 6, "S");
	here_deliver(world, "INBOX", 7, NULL);
	if (variant % 2 == 0)
		scene_kill_after(SCENE_CALL("APPEND"));
	else
		scene_kill_before(SCENE_CALL("APPEND"));
	(void)scene_sync(world);
	(void)sim_renumber("INBOX");
	scene_kill_after(SCENE_CALL("commit", .nth = 1 + variant / 2));
	(void)scene_sync(world);
	scene_forget();
	scene_settle(world);
	expect_all(1, 7, 1);
	expect_bodies_down(0);
	for (unsigned i = 1; i < 6; i++)
		expect_same_file(i);
}

/* ---- 33: a UID that stands for another message now ---- */

static void use_uid_again(struct world *world)
{
	sim_server_force(SIM_UID_REUSE);
	there_expunge(3, "INBOX");
	there_deliver(world, "INBOX", 4, 0);
}

/* Right before it is removed: it is looked at, and left alone. As the last one
   it tells of more. */
static void uid_used_again(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 3);
	scene_given(world);
	here_remove(3);
	scene_do_before(SCENE_CALL("UID FETCH", .like = "UID FETCH 3 ("),
		use_uid_again);
	(void)scene_sync(world);
	scene_settle(world);
	expect_all(1, 2, 1);
	expect_copies(3, 0);
	if (scene_is_undisturbed()) {
		expect_copies(4, 1);
		expect_logged("was put back to an older state");
	}
	expect_untouched(1, 2);
}

/* ---- 34: VANISHED names what is there ---- */

static char *vanish_too_much(
	const char *name, const char *line, const char *answer)
{
	if (strcmp(name, "SELECT") != 0 || strstr(line, "QRESYNC") == NULL ||
		strstr(line, "INBOX") == NULL)
		return NULL;
	return with_words(answer, "* VANISHED (EARLIER) 1:26183,26185\r\n");
}

/* The count does not fit: all UIDs are asked for, nothing is removed. */
static void vanished_too_much(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 50);
	scene_given(world);
	there_flag(1, FLAG_FLAGGED, 0);
	sim_server_set_answer_hook(vanish_too_much);
	(void)scene_sync(world);
	for (unsigned i = 1; i <= 50; i++)
		expect(oracle_count_here(i) == 1, "message %u is gone", i);
	if (scene_is_undisturbed())
		expect(scene_command_count("UID SEARCH") > 0, "no UID SEARCH");
	sim_server_set_answer_hook(NULL);
	scene_settle(world);
	expect_flags(1, FLAG_SEEN | FLAG_FLAGGED);
	expect_untouched(1, 50);
	expect_no_transfer();
}

/* ---- 35: a message vanishes and is there again under another UID ---- */

static void reissue(struct world *world)
{
	(void)world;
	sim_server_force(SIM_FALSE_VANISHED);
}

/* Seen while connected, or between two connections: bound anew, the file stays,
   nothing is transferred. */
static void false_vanished(struct world *world, unsigned variant)
{
	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	there_deliver(world, "INBOX", 6, 0);
	if (variant == 0) {
		scene_do_before(SCENE_CALL("UID FETCH"), reissue);
	} else {
		(void)sim_move("INBOX", there_uid(1), "Archive");
		(void)sim_move("Archive", there_uid(1), "INBOX");
	}
	(void)scene_sync(world);
	scene_settle(world);
	expect_all(1, 6, 1);
	for (unsigned i = 1; i < 6; i++)
		expect_same_file(i);
	expect_bodies_down(1);
	expect_bodies_up(0);
}

/* ---- 36: the highest UID is expunged ---- */

static void lesser(struct world_kind *kind, unsigned variant)
{
	if (variant > 0)
		kind->abilities &= ~(uint32_t)SIM_QRESYNC;
	if (variant > 1)
		kind->abilities &= ~(uint32_t)SIM_CONDSTORE;
	if (variant > 2)
		kind->abilities = SIM_UIDPLUS | SIM_MOVE;
}

static void highest_expunged(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	there_expunge(5, "INBOX");
	scene_settle(world);
	expect_copies(5, 0);
	expect_all(1, 4, 1);
	expect_untouched(1, 4);
	expect_no_transfer();
}

/* ---- 37: expunges are told in the midst of something else ---- */

static void expunge_two(struct world *world)
{
	(void)world;
	there_expunge(1, "INBOX");
	there_expunge(4, "INBOX");
}

static void expunge_more(struct world *world)
{
	there_expunge(2, "INBOX");
	there_flag(5, FLAG_FLAGGED, 0);
	there_deliver(world, "INBOX", 9, 0);
}

/* During the fetch of bodies, and a STORE: each is applied. */
static void expunged_meanwhile(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 5);
	scene_given(world);
	deliver_many(world, "INBOX", 6, 7);
	here_letters(3, "FS");
	scene_do_before(
		SCENE_CALL("UID FETCH", .like = "BODY.PEEK[]"), expunge_two);
	scene_do_before(SCENE_CALL("UID STORE"), expunge_more);
	(void)scene_sync(world);
	scene_settle(world);
	expect_copies(1, 0);
	expect_copies(2, 0);
	expect_copies(4, 0);
	expect_copies(3, 1);
	expect_all(5, 7, 1);
	expect_copies(9, 1);
	expect_flags(5, FLAG_SEEN | FLAG_FLAGGED);
}

/* ---- 38: FETCH says OK, and not what was asked for ---- */

static void leave_out(struct world *world)
{
	sim_server_force(SIM_FETCH_OMITS);
	scene_choose(world, 2);
}

static unsigned told_short_count;

/* Twice without RFC822.SIZE. */
static char *tell_short(const char *name, const char *line, const char *answer)
{
	char *text, *to;

	if (strcmp(name, "UID FETCH") != 0 ||
		strstr(answer, " RFC822.SIZE ") == NULL ||
		told_short_count == 2)
		return NULL;
	(void)line;
	told_short_count++;
	text = to = alloc_text(answer);
	for (const char *from = text; *from != '\0';) {
		if (strncmp(from, " RFC822.SIZE ", 13) == 0)
			from += 13 + strspn(from + 13, "0123456789");
		else
			*to++ = *from++;
	}
	*to = '\0';
	return text;
}

/* Nothing else would ask for it: STATUS is as it was. */
static void fetch_tells_little(struct world *world)
{
	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	deliver_many(world, "INBOX", 3, 4);
	told_short_count = 0;
	sim_server_set_answer_hook(tell_short);
	(void)scene_sync(world);
	sim_server_set_answer_hook(NULL);
	if (scene_is_undisturbed())
		expect_all(1, 4, 1);
	scene_settle(world);
	expect_all(1, 4, 1);
}

/* In the answer with the flags, or with the body: asked again, not gone. And
   with less than was asked for. */
static void fetch_omits(struct world *world, unsigned variant)
{
	if (variant == 2) {
		fetch_tells_little(world);
		return;
	}
	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	deliver_many(world, "INBOX", 3, 4);
	scene_do_before(SCENE_CALL("UID FETCH",
				.like = variant == 0 ? "FLAGS" : "BODY.PEEK[]"),
		leave_out);
	(void)scene_sync(world);
	scene_settle(world);
	expect_all(1, 4, 1);
	expect_bodies_down(2);
	expect_untouched(1, 2);
}

/* ---- 39: with what the server offers ---- */

static void offers(struct world_kind *kind, unsigned variant)
{
	if (variant == 1)
		kind->abilities &= ~(uint32_t)SIM_QRESYNC;
	if (variant == 2)
		kind->abilities &=
			~(uint32_t)(SIM_QRESYNC | SIM_CONDSTORE | SIM_ESEARCH);
	if (variant == 3)
		kind->quirks = SIM_NO_MODSEQ;
}

/* QRESYNC, CONDSTORE, neither, and a mailbox that is NOMODSEQ: the same comes
   of the same. */
static void each_offer(struct world *world, unsigned variant)
{
	if (variant == 3)
		sim_server_force(SIM_NO_MODSEQ);
	(void)sim_mailbox_create("Plain", NULL);
	if (variant == 3)
		expect(sim_mailbox("Plain")->has_no_modseq, "it has MODSEQ");
	deliver_many(world, "Plain", 1, 6);
	scene_given(world);
	there_expunge(2, "Plain");
	there_expunge(6, "Plain");
	there_flag(1, FLAG_FLAGGED, FLAG_SEEN);
	there_flag(3, FLAG_ANSWERED, 0);
	there_move(4, "Plain", "Work");
	there_deliver(world, "Plain", 7, 0);
	here_letters(3, "FS");
	here_remove(5);
	scene_settle(world);
	expect_copies(2, 0);
	expect_copies(6, 0);
	expect_copies(5, 0);
	expect_in("Work", 4, 1);
	expect_in("Plain", 7, 1);
	expect_flags(1, FLAG_FLAGGED);
	expect_flags(3, FLAG_FLAGGED | FLAG_SEEN | FLAG_ANSWERED);
	expect_same_file(4);
	expect_bodies_up(0);
}

/* ---- 40: MODSEQ changes, flags do not ---- */

/* Nothing is sent back, no file gets another name. */
static void modseq_only(struct world *world, unsigned variant)
{
	uint64_t changes;

	(void)variant;
	deliver_many(world, "INBOX", 1, 30);
	scene_given(world);
	changes = oracle.maildir_changes;
	for (unsigned i = 1; i <= 30; i++) {
		there_flag(i, FLAG_FLAGGED, 0);
		there_flag(i, 0, FLAG_FLAGGED);
	}
	scene_settle(world);
	expect_commands("UID STORE", 0);
	if (scene_is_undisturbed())
		expect(oracle.maildir_changes == changes, "files were touched");
	expect_untouched(1, 30);
	expect_no_transfer();
}

/* ---- The list ---- */

const struct scenario scenarios_server[] = {
	{ .number = 29,
		.name = "mailbox-emptied",
		.play = emptied,
		.prepare = guarded,
		.variant_count = 2 },
	{ .number = 30,
		.name = "server-restored",
		.play = server_restored,
		.variant_count = 2 },
	{ .number = 31, .name = "new-uidvalidity", .play = renumbered },
	{ .number = 32,
		.name = "new-uidvalidity-with-open-uploads",
		.play = renumbered_with_uploads,
		.variant_count = 24,
		.swept_count = 4 },
	{ .number = 33, .name = "uid-used-again", .play = uid_used_again },
	{ .number = 34,
		.name = "vanished-names-too-much",
		.play = vanished_too_much },
	{ .number = 35,
		.name = "vanished-and-back",
		.play = false_vanished,
		.variant_count = 2 },
	{ .number = 36,
		.name = "highest-uid-expunged",
		.play = highest_expunged,
		.prepare = lesser,
		.variant_count = 4 },
	{ .number = 37,
		.name = "expunged-meanwhile",
		.play = expunged_meanwhile },
	{ .number = 38,
		.name = "fetch-leaves-one-out",
		.play = fetch_omits,
		.variant_count = 3 },
	{ .number = 39,
		.name = "whatever-the-server-offers",
		.play = each_offer,
		.prepare = offers,
		.variant_count = 4 },
	{ .number = 40,
		.name = "modseq-without-a-change",
		.play = modseq_only },
	{ .name = NULL },
};
