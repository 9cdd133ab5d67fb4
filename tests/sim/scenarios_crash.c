/* Crashes, and what is on the disk when they come. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_time.h"

/* ---- 1: APPEND was carried out, and the worker died before it knew ---- */

/* The UID is found again by content: nothing is sent twice, nothing fetched. */
static void append_accepted(struct world *world, unsigned variant)
{
	(void)variant;
	there_deliver(world, "INBOX", 1, 0);
	scene_given(world);
	here_deliver(world, "INBOX", 2, "S");
	scene_kill_after(SCENE_CALL("APPEND"));
	(void)scene_sync(world);
	scene_settle(world);
	expect_copies(1, 1);
	expect_copies(2, 1);
	expect_commands("APPEND", 1);
	expect_bodies_up(1);
	expect_same_file(1);
	expect_same_uid(1);
}

/* ---- 2: the same without UIDPLUS, of two equal ones ---- */

static void without_uidplus(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->abilities &= ~(uint32_t)(SIM_UIDPLUS | SIM_MULTIAPPEND);
}

/* Both are sent, one is stored: one is found, the other is sent again. */
static void equal_appends(struct world *world, unsigned variant)
{
	(void)variant;
	scene_given(world);
	here_deliver(world, "INBOX", 2, NULL);
	here_deliver(world, "INBOX", 2, NULL);
	scene_kill_after(SCENE_CALL("APPEND"));
	(void)scene_sync(world);
	scene_settle(world);
	expect_copies(2, 2);
	expect_bodies_up(2);
}

/* ---- 3: an APPEND is stored long after its connection died ---- */

static void lose_append(struct world *world)
{
	(void)world;
	sim_server_set_late_commands(UINT32_MAX);
	sim_server_force(SIM_LATE_APPEND);
	sim_server_drop_connections();
}

/* It was sent again by then: the late copy is known for what it is, removed,
   and the log says so. */
static void late_append(struct world *world, unsigned variant)
{
	(void)variant;
	scene_given(world);
	here_deliver(world, "INBOX", 2, NULL);
	scene_do_before(SCENE_CALL("APPEND"), lose_append);
	(void)scene_sync(world);
	(void)scene_sync(world);
	if (scene_is_undisturbed())
		expect_copies(2, 1);
	sim_time_pass(5000);
	sim_server_settle();
	if (scene_is_undisturbed())
		expect(oracle_count_there(2) == 2, "nothing came late");
	scene_settle(world);
	expect_copies(2, 1);
	if (scene_is_undisturbed())
		expect_logged("is a late copy of UID");
}

/* ---- 4: a file has its name, but the state does not know yet ---- */

/* It is known by its name at the start: neither sent nor fetched again. The two
   cases: into cur/, into new/. */
static void named_before_commit(struct world *world, unsigned variant)
{
	scene_given(world);
	there_deliver(world, "INBOX", 2, variant == 0 ? FLAG_SEEN : 0);
	scene_kill_after(SCENE_CALL("renameat2"));
	(void)scene_sync(world);
	scene_settle(world);
	expect_copies(2, 1);
	expect_bodies_down(1);
	expect_bodies_up(0);
}

/* ---- 5: a power cut takes the name of a file ---- */

/* Right after each commit of a session that downloads: what the state says is
   here is here, so nothing is removed on the server, whatever the disk lost. */
static void name_lost(struct world *world, unsigned variant)
{
	scene_given(world);
	for (unsigned i = 2; i < 6; i++)
		there_deliver(world, i % 2 == 0 ? "INBOX" : "Work", i,
			i < 4 ? FLAG_SEEN : 0);
	scene_chance(world, variant);
	scene_power_after(SCENE_CALL("commit", .nth = 1 + variant % 16));
	(void)scene_sync(world);
	scene_forget();
	scene_settle(world);
	for (unsigned i = 2; i < 6; i++) {
		expect_copies(i, 1);
		expect_flags(i, i < 4 ? FLAG_SEEN : 0);
	}
	expect_commands("EXPUNGE", 0);
	expect_bodies_up(0);
}

/* ---- 6: many messages in one APPEND, and one that is empty ---- */

static unsigned stored_count(void)
{
	return (unsigned)sim_mailbox("INBOX")->message_count;
}

static const char EMPTY[] = WORLD_MAILDIR "/INBOX/cur/1.unfinished.reader:2,S";

/* The connection dies in the middle of a MULTIAPPEND: of each command's
   messages all are there or none. The empty file is held, the others go. */
static void append_of_many(struct world *world, unsigned variant)
{
	scene_given(world);
	for (unsigned i = 1; i < 50; i++)
		here_deliver(world, "INBOX", i, "S");
	(void)sim_disk_write_file(EMPTY, "", 0, 1700000000);
	if (variant == 0)
		scene_cut_after(SCENE_CALL("send", .like = "APPEND"));
	else if (variant == 1)
		scene_kill_before(SCENE_CALL("APPEND"));
	else
		scene_kill_after(SCENE_CALL("APPEND"));
	(void)scene_sync(world);
	if (scene_is_undisturbed())
		expect(stored_count() % 25 == 0 || stored_count() == 24 ||
				stored_count() == 49,
			"a part of an APPEND: %u", stored_count());
	for (unsigned i = 0; i < 4; i++) {
		(void)scene_sync(world);
		sim_time_pass(3600000);
	}
	expect(stored_count() == 49, "%u of 49 are there", stored_count());
	expect(sim_disk_exists(EMPTY), "the empty file is gone");
	expect_held(world, 0, "empty");
	(void)sim_disk_remove(EMPTY);
	scene_settle(world);
	for (unsigned i = 1; i < 50; i++)
		expect_copies(i, 1);
}

/* ---- 7: COPY was carried out, the source is still there ---- */

static void without_move(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->abilities &= ~(uint32_t)SIM_MOVE;
}

/* The copy is found first, the source is removed then; never is there none. The
   cases: with COPYUID, without. */
static void copied_not_removed(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	here_move(1, "Work", false);
	if (variant == 1)
		sim_server_force(SIM_NO_COPYUID);
	scene_kill_after(SCENE_CALL("UID COPY"));
	(void)scene_sync(world);
	scene_settle(world);
	expect_in("Work", 1, 1);
	expect_copies(1, 1);
	expect_commands("UID COPY", 1);
	expect_no_transfer();
	if (scene_is_undisturbed())
		expect_same_file(1);
}

/* ---- 8: UID MOVE without an answer ---- */

static void move_first(struct world *world)
{
	(void)world;
	(void)sim_move("INBOX", there_uid(1), "Work");
	sim_server_drop_connections();
}

static void copy_first(struct world *world)
{
	(void)world;
	(void)sim_copy("INBOX", there_uid(1), "Work");
	sim_server_drop_connections();
}

static void lose_both(struct world *world)
{
	(void)world;
	oracle_removed(1);
	(void)sim_expunge("INBOX", there_uid(1));
	sim_server_drop_connections();
}

/* The server did all of it, one message of two, nothing, stopped with one in
   both places, or somebody removed it there: one copy each, where it was moved
   to. */
static void move_unanswered(struct world *world, unsigned variant)
{
	static void (*const ACTS[])(struct world * world) = { NULL, move_first,
		NULL, copy_first, lose_both };

	there_deliver(world, "INBOX", 1, 0);
	there_deliver(world, "INBOX", 2, 0);
	scene_given(world);
	here_move(1, "Work", false);
	here_move(2, "Work", true);
	if (variant == 0)
		scene_cut_after(SCENE_CALL("UID MOVE"));
	else if (variant == 2)
		scene_cut_before(SCENE_CALL("UID MOVE"));
	else
		scene_do_before(SCENE_CALL("UID MOVE"), ACTS[variant]);
	(void)scene_sync(world);
	scene_settle(world);
	for (unsigned i = 1; i < 3; i++) {
		expect_in("Work", i, 1);
		expect_copies(i, 1);
	}
	expect_bodies_down(0);
	expect_bodies_up(variant == 4 ? 1 : 0);
}

/* ---- 9: killed between STORE \Deleted and UID EXPUNGE ---- */

/* Somebody takes the flag away meanwhile: the message stays, and comes back.
   The cases: the answer to STORE was known, or not. */
static void undeleted(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, 0);
	there_deliver(world, "INBOX", 2, 0);
	scene_given(world);
	here_remove(1);
	if (variant == 0)
		scene_kill_before(SCENE_CALL("UID EXPUNGE"));
	else
		scene_kill_after(SCENE_CALL("UID STORE", .like = "\\Deleted"));
	(void)scene_sync(world);
	there_flag(1, 0, FLAG_DELETED);
	scene_settle(world);
	expect_copies(2, 1);
	if (!scene_is_undisturbed())
		return;
	expect_copies(1, 1);
	expect_flags(1, 0);
	expect_same_uid(1);
}

/* ---- 10: an expunge is told later than changes that came after it ---- */

static void expunge_and_change(struct world *world)
{
	(void)world;
	there_expunge(1, "INBOX");
	there_flag(2, FLAG_FLAGGED, 0);
	there_flag(3, FLAG_ANSWERED, 0);
}

/* Tells of the flags, but neither of the expunge nor of a HIGHESTMODSEQ that
   comes after it. */
static char *keep_vanished(
	const char *name, const char *line, const char *answer)
{
	const char *start = strstr(answer, "* VANISHED ");
	const char *end;
	char *text;

	(void)line;
	if (start == NULL || strstr(name, "FETCH") == NULL)
		return NULL;
	end = strchr(start, '\n') + 1;
	text = strdup(answer);
	memmove(text + (start - answer), end, strlen(end) + 1);
	return text;
}

/* The worker dies with all that was told on its disk. The anchor is below the
   expunge, which the next session hears of. */
static void delayed_vanished(struct world *world, unsigned variant)
{
	for (unsigned i = 1; i < 5; i++)
		there_deliver(world, "INBOX", i, 0);
	scene_given(world);
	there_deliver(world, "INBOX", 5, 0);
	sim_server_set_answer_hook(keep_vanished);
	scene_do_before(SCENE_CALL("UID FETCH"), expunge_and_change);
	scene_kill_before(SCENE_CALL("commit", .nth = 6 + variant));
	(void)scene_sync(world);
	sim_server_set_answer_hook(NULL);
	if (scene_is_undisturbed())
		expect_anchor_below("INBOX", 1);
	scene_settle(world);
	expect_copies(1, 0);
	expect_copies(5, 1);
	expect_flags(2, FLAG_FLAGGED);
	expect_flags(3, FLAG_ANSWERED);
}

/* ---- 11: a UID that was not told of between two that were ---- */

static void leave_middle_out(struct world *world)
{
	sim_server_force(SIM_FETCH_OMITS);
	scene_choose(world, 2);
}

static void arrive_late(struct world *world)
{
	there_deliver(world, "INBOX", 6, 0);
}

/* The one in the middle is missing in the FETCH answer, one more arrives while
   bodies are fetched: both are fetched all the same. */
static void unread_uid(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, 0);
	scene_given(world);
	for (unsigned i = 2; i < 6; i++)
		there_deliver(world, "INBOX", i, 0);
	if (variant == 0)
		scene_do_before(SCENE_CALL("UID FETCH", .like = "UID FETCH 2:"),
			leave_middle_out);
	scene_do_after(
		SCENE_CALL("UID FETCH", .like = "BODY.PEEK[]"), arrive_late);
	(void)scene_sync(world);
	scene_settle(world);
	for (unsigned i = 1; i < 7; i++)
		expect_copies(i, 1);
	expect_bodies_down(5);
}

/* ---- 12: no room, bad disks, at each call ---- */

#define FAILURES 30 /* of each kind */

static const struct {
	const char *call;
	int error;
} FAILING[] = {
	{ "write", ENOSPC },
	{ "write", EIO },
	{ "fsync", EIO },
	{ "fsync", ENOSPC },
	{ "syncfs", EIO },
	{ "openat", ENOSPC },
	{ "openat", EMFILE },
	{ "renameat2", EIO },
};

#define FAILING_COUNT (sizeof(FAILING) / sizeof(FAILING[0]))

/* The k-th begin, put, commit, write, fsync … fails, and what came with it is
   not done: nothing is lost or doubled, and it goes on by itself. */
static void failing_disk(struct world *world, unsigned variant)
{
	unsigned kind = variant / FAILURES;
	unsigned nth = 1 + variant % FAILURES;

	for (unsigned i = 1; i < 4; i++)
		there_deliver(world, "INBOX", i, FLAG_SEEN);
	scene_given(world);
	there_deliver(world, "INBOX", 4, 0);
	there_deliver(world, "Work", 5, FLAG_SEEN);
	here_deliver(world, "Archive", 6, "S");
	here_deliver(world, "INBOX", 7, NULL);
	here_move(1, "Work", true);
	here_letters(2, "FS");
	there_expunge(3, "INBOX");
	if (kind < SIM_DB_FAILURE_COUNT)
		sim_db_set_failure((enum sim_db_failure)kind, nth * 2);
	else
		scene_fail(SCENE_CALL(FAILING[kind - SIM_DB_FAILURE_COUNT].call,
				   .nth = nth),
			FAILING[kind - SIM_DB_FAILURE_COUNT].error);
	/* What looks at the state in between must not fail. */
	(void)world_calm_session(world);
	scene_forget();
	for (unsigned i = 0; i < SIM_DB_FAILURE_COUNT; i++)
		sim_db_set_failure((enum sim_db_failure)i, 0);
	/* What was held is tried again. */
	sim_time_pass(3600000);
	(void)scene_sync(world);
	scene_settle(world);
	for (unsigned i = 1; i < 8; i++)
		expect_copies(i, i == 3 ? 0 : 1);
	expect_in("Work", 1, 1);
	expect_flags(2, FLAG_SEEN | FLAG_FLAGGED);
}

/* ---- The list ---- */

const struct scenario scenarios_crash[] = {
	{ .number = 1,
		.name = "append-accepted-receipt-lost",
		.play = append_accepted },
	{ .number = 2,
		.name = "equal-appends-without-uidplus",
		.play = equal_appends,
		.prepare = without_uidplus },
	{ .number = 3, .name = "append-comes-late", .play = late_append },
	{ .number = 4,
		.name = "killed-between-name-and-commit",
		.play = named_before_commit,
		.variant_count = 2 },
	{ .number = 5,
		.name = "power-cut-takes-the-name",
		.play = name_lost,
		.variant_count = 64,
		.swept_count = 2 },
	{ .number = 6,
		.name = "append-of-fifty-and-an-empty-one",
		.play = append_of_many,
		.variant_count = 3 },
	{ .number = 7,
		.name = "copied-and-not-removed",
		.play = copied_not_removed,
		.variant_count = 2,
		.prepare = without_move },
	{ .number = 8,
		.name = "move-without-an-answer",
		.play = move_unanswered,
		.variant_count = 5 },
	{ .number = 9,
		.name = "undeleted-before-the-expunge",
		.variant_count = 2,
		.play = undeleted },
	{ .number = 10,
		.name = "expunge-told-late",
		.play = delayed_vanished,
		.variant_count = 5,
		.swept_count = 2 },
	{ .number = 11,
		.name = "uid-between-two-that-were-read",
		.play = unread_uid,
		.variant_count = 2 },
	{ .number = 12,
		.name = "no-room-or-a-bad-disk",
		.play = failing_disk,
		.variant_count =
			FAILURES * (SIM_DB_FAILURE_COUNT + FAILING_COUNT),
		.not_swept = "too many calls" },
	{ .name = NULL },
};
