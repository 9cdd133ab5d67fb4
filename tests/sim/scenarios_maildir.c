/* What others do to the Maildir, and how it is seen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk.h"
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

/* DIRECTORY of the file; caller frees. */
static char *name_of(unsigned number)
{
	char *path = here_path(number);
	char *name = alloc_text(strrchr(path, '/') + 1);

	free(path);
	return name;
}

static void write_message(
	struct world *world, const char *path, unsigned number)
{
	size_t size;
	char *text;

	while (oracle.number_count < number)
		(void)oracle_new_number(world);
	text = scene_file(world, number, &size);
	if (sim_disk_write_file(path, text, size, 1700000000) == 0)
		oracle_made(number, true);
	seam_log("here: message %u is written to %s", number, path);
	free(text);
}

/* ---- 13: a storm of flags while the Maildir is scanned ---- */

#define STORM_MESSAGES 400
#define STORM_CHUNKS   ((STORM_MESSAGES / 4) * 100)

static unsigned storm_next;

static void flip_one(struct world *world)
{
	unsigned number = 1 + storm_next++ % STORM_MESSAGES;

	(void)world;
	here_letters(number, storm_next % 3 == 0 ? "FS" : "S");
}

/* A file gets another name at each getdents of 100 scans and more. A scan alone
   misses some and sees some twice; here nothing counts as absent, and nothing
   is uploaded as new. */
static void storm(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, STORM_MESSAGES);
	scene_given(world);
	storm_next = 0;
	scene_do_before(SCENE_CALL("getdents64", .is_every = true), flip_one);
	for (unsigned i = 0; i < 200 && scene_fired() < STORM_CHUNKS; i++)
		(void)scene_sync(world);
	expect(scene_fired() >= STORM_CHUNKS, "only %u times", scene_fired());
	scene_forget();
	scene_settle(world);
	expect_all(1, STORM_MESSAGES, 1);
	expect_commands("UID EXPUNGE", 0);
	expect_no_transfer();
	for (unsigned i = 1; i <= STORM_MESSAGES; i++) {
		expect_same_file(i);
		expect_same_uid(i);
	}
}

/* ---- 14: more events than the queue holds ---- */

static void short_queue(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->event_queue_max = 8;
}

static void burst(struct world *world)
{
	for (unsigned i = 1; i <= 20; i++)
		here_letters(i, "FS");
	for (unsigned i = 21; i <= 30; i++)
		here_move(i, "Work", i % 2 == 0);
	here_deliver(world, "Archive", 31, NULL);
}

/* All folders are scanned again, at once and not at the next start; what
   happened is understood, nothing removed. */
static void overflow(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 30);
	scene_given(world);
	scene_do_before(SCENE_CALL("wait", .nth = 4), burst);
	(void)scene_daemon(world, 30);
	if (scene_is_undisturbed())
		expect(oracle_is_equal(world), "not seen while it ran");
	scene_settle(world);
	expect_all(1, 31, 1);
	for (unsigned i = 1; i <= 20; i++)
		expect_flags(i, FLAG_SEEN | FLAG_FLAGGED);
	for (unsigned i = 21; i <= 30; i++)
		expect_in("Work", i, 1);
	expect_bodies_up(1);
	expect_bodies_down(0);
	expect_commands("UID EXPUNGE", 0);
	if (scene_is_undisturbed())
		expect_logged("inotify lost events");
}

/* ---- 15: one half of a move comes without the other ---- */

static void move_in_half(struct world *world)
{
	(void)world;
	here_letters(2, "FS");
	here_move(1, "Work", false);
	here_letters(3, "FS");
}

static void move_out(struct world *world)
{
	char *path = here_path(1);

	(void)world;
	oracle_removed(1);
	seam_log("here: %s leaves the Maildir", path);
	(void)sim_disk_rename(path, SIM_ROOT "/run/elsewhere", false);
	free(path);
}

/* Cases 0 to 11: to another folder, the halves read apart, others between: a
   move, nothing is removed before that is sure. Case 12: out of the Maildir,
   the other half never comes: removed. */
static void half_move(struct world *world, unsigned variant)
{
	deliver_many(world, "INBOX", 1, 3);
	scene_given(world);
	scene_chance(world, variant);
	scene_do_before(SCENE_CALL("wait", .nth = 3 + variant % 4),
		variant == 12 ? move_out : move_in_half);
	(void)scene_daemon(world, 5);
	scene_settle(world);
	/* A crash may leave no time for it. */
	if (!scene_is_undisturbed() && scene_fired() == 0)
		return;
	if (variant == 12) {
		expect_copies(1, 0);
		return;
	}
	expect_in("Work", 1, 1);
	expect_copies(1, 1);
	expect_commands("UID MOVE", 1);
	expect_commands("UID EXPUNGE", 0);
	expect_no_transfer();
	expect_same_file(1);
}

/* ---- 16: changes while nothing was running ---- */

static void changed_meanwhile(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 4);
	scene_given(world);
	here_remove(1);
	here_letters(2, "FRS");
	here_move(3, "Archive", true);
	here_deliver(world, "Work", 5, "S");
	scene_settle(world);
	expect_copies(1, 0);
	expect_flags(2, FLAG_FLAGGED | FLAG_ANSWERED | FLAG_SEEN);
	expect_in("Archive", 3, 1);
	expect_in("Work", 5, 1);
	expect_copies(4, 1);
	expect_bodies_up(1);
	expect_bodies_down(0);
}

/* ---- 17: a change in the same tick as the scan before it ---- */

static void coarse_time(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->granularity_ns = INT64_C(1000000000);
}

static unsigned late_number;

static void deliver_late(struct world *world)
{
	here_deliver(world, "INBOX", ++late_number, NULL);
}

/* Without watches times tell what to scan; a file that comes behind the scan
   within one tick of the clock changes none. It is seen by the next pass all
   the same, in one run of the daemon. */
static void same_tick(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, 0);
	scene_given(world);
	sim_watch_set_watch_max(0);
	late_number = 1;
	for (unsigned i = 0; i < 4; i++)
		scene_do_after(
			SCENE_CALL("getdents64", .nth = 3 + variant + 5 * i),
			deliver_late);
	(void)scene_daemon(world, 30);
	if (scene_is_undisturbed())
		for (unsigned i = 1; i <= late_number; i++)
			expect(oracle_count_there(i) == 1,
				"message %u was not seen", i);
	scene_forget();
	scene_settle(world);
	expect_all(1, late_number, 1);
}

/* ---- 18 and 19: files with their name in another folder ---- */

/* One UID MOVE; the file stays the one it is. */
static void move_with_name(struct world *world, unsigned variant)
{
	(void)variant;
	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	here_move(1, "Work", false);
	scene_settle(world);
	expect_in("Work", 1, 1);
	expect_copies(1, 1);
	expect_commands("UID MOVE", 1);
	expect_no_transfer();
	expect_same_file(1);
}

/* The copy is a message of its own, the first keeps its UID and its file. To
   another folder with and without its name, and into the same folder. */
static void copy_with_name(struct world *world, unsigned variant)
{
	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	here_copy(1, variant == 2 ? "INBOX" : "Work", variant > 0);
	scene_settle(world);
	expect_copies(1, 2);
	expect_in("INBOX", 1, variant == 2 ? 2 : 1);
	expect_same_uid(1);
	expect_bodies_down(0);
	expect_bodies_up(1);
	if (variant < 2)
		expect_same_file(1);
}

/* ---- 20: a delivery under the name of a file that was removed ---- */

static void reused_inodes(struct world_kind *kind, unsigned variant)
{
	kind->reuses_inodes = variant % 2 == 1;
}

static void name_used_again(struct world *world, unsigned variant)
{
	char *path;

	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	path = here_path(1);
	here_remove(1);
	write_message(world, path, 2);
	free(path);
	scene_settle(world);
	(void)variant;
	expect_copies(1, 0);
	expect_copies(2, 1);
	expect_bodies_up(1);
}

/* ---- 21: one name in new/ and in cur/, two messages ---- */

/* The flag set by the engine does not put one in place of the other. */
static void name_in_new_and_cur(struct world *world, unsigned variant)
{
	char *name, *path;

	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	name = name_of(1);
	path = alloc_format(
		WORLD_MAILDIR "/INBOX/new/%.*s", (int)strcspn(name, ":"), name);
	write_message(world, path, 2);
	free(path);
	free(name);
	if (variant == 0)
		there_flag(1, FLAG_FLAGGED, 0);
	else
		there_flag(1, 0, FLAG_SEEN);
	scene_settle(world);
	expect_copies(1, 1);
	expect_copies(2, 1);
	expect_flags(1, variant == 0 ? FLAG_SEEN | FLAG_FLAGGED : 0);
}

/* ---- 22: a draft is written anew ---- */

/* In place, or by another file under its name: what is new is uploaded first,
   the old UID is removed then. */
static void draft(struct world *world, unsigned variant)
{
	char *path, *text;
	size_t size;

	there_deliver(world, "INBOX", 1, FLAG_DRAFT);
	scene_given(world);
	path = here_path(1);
	if (variant == 0) {
		while (oracle.number_count < 2)
			(void)oracle_new_number(world);
		text = scene_file(world, 2, &size);
		(void)sim_disk_rewrite(path, text, size);
		oracle_made(2, true);
		free(text);
	} else {
		write_message(world, WORLD_MAILDIR "/INBOX/tmp/draft", 2);
		(void)sim_disk_rename(
			WORLD_MAILDIR "/INBOX/tmp/draft", path, true);
	}
	oracle_removed(1);
	free(path);
	scene_settle(world);
	expect_copies(1, 0);
	expect_copies(2, 1);
	expect_bodies_up(1);
	expect_order(": APPEND INBOX", ": UID EXPUNGE");
}

/* ---- 23: a file gets another name while it is being removed ---- */

static void take_mark_away(struct world *world)
{
	(void)world;
	here_letters(1, "");
}

/* T is taken away right before the rename into the retention directory: the
   removal is called off, and as that is a wish to keep it, it is sent again. */
static void saved_in_time(struct world *world, unsigned variant)
{
	(void)variant;
	there_deliver(world, "INBOX", 1, FLAG_DELETED);
	scene_given(world);
	there_expunge(1, "INBOX");
	scene_do_before(SCENE_CALL("renameat2"), take_mark_away);
	(void)scene_sync(world);
	scene_settle(world);
	if (!scene_is_undisturbed())
		return;
	expect_copies(1, 1);
	expect_flags(1, 0);
	expect_same_file(1);
}

/* ---- 24: the disk is not mounted ---- */

static void not_mounted(struct world *world, unsigned variant)
{
	(void)variant;
	deliver_many(world, "INBOX", 1, 5);
	deliver_many(world, "Work", 6, 8);
	scene_given(world);
	sim_disk_unmount(WORLD_MAILDIR);
	for (unsigned i = 0; i < 3; i++) {
		(void)scene_sync(world);
		sim_time_pass(3600000);
	}
	for (unsigned i = 1; i <= 8; i++)
		expect(oracle_count_there(i) == 1, "message %u was removed", i);
	if (scene_is_undisturbed())
		expect_logged("is not the Maildir that was synced before");
	sim_disk_mount(WORLD_MAILDIR);
	scene_settle(world);
	expect_commands("UID EXPUNGE", 0);
	expect_commands("DELETE", 0);
	expect_no_transfer();
	for (unsigned i = 1; i <= 8; i++) {
		expect_same_file(i);
		expect_same_uid(i);
	}
}

/* ---- 25: all files are gone, all else is as it was ---- */

static void guarded(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->delete_limit = "50%";
}

/* Held, and said; what is new and flags go on. Once approved, they go;
   once undone, they come back. */
static void emptied(struct world *world, unsigned variant)
{
	deliver_many(world, "INBOX", 1, 30);
	deliver_many(world, "Work", 31, 32);
	scene_given(world);
	for (unsigned i = 1; i <= 30; i++)
		here_remove(i);
	there_deliver(world, "INBOX", 33, 0);
	here_letters(31, "FS");
	for (unsigned i = 0; i < 3; i++)
		(void)scene_sync(world);
	for (unsigned i = 1; i <= 30; i++)
		expect(oracle_count_there(i) == 1, "message %u was removed", i);
	expect(scene_held_count(world) == 30, "%u are held",
		scene_held_count(world));
	expect_copies(33, 1);
	expect_flags(31, FLAG_SEEN | FLAG_FLAGGED);
	expect_logged("over delete_limit");
	if (variant == 0) {
		scene_settle(world);
		expect(scene_held_count(world) == 30, "no longer held");
		return;
	}
	if (variant == 1)
		scene_approve(world);
	else
		scene_undo(world);
	scene_settle(world);
	expect_all(1, 30, variant == 1 ? 0 : 1);
}

/* ---- 26: last week's Maildir is back ---- */

/* What it lacks is fetched again, what it has too much is uploaded once,
   nothing is removed. As another tree, and file by file. */
static void restored(struct world *world, unsigned variant)
{
	struct sim_disk_copy *copy;

	deliver_many(world, "INBOX", 1, 3);
	scene_given(world);
	copy = sim_disk_copy_take(WORLD_MAILDIR);
	here_remove(1);
	there_deliver(world, "INBOX", 4, 0);
	there_deliver(world, "Work", 5, 0);
	here_letters(2, "FS");
	(void)scene_sync(world);
	sim_time_pass(7 * 86400 * UINT64_C(1000));
	(void)scene_sync(world);
	seam_log("operator: the Maildir is restored");
	oracle_before_restore();
	sim_disk_copy_put(copy, WORLD_MAILDIR, variant == 1);
	oracle_after_restore();
	sim_disk_copy_free(copy);
	scene_settle(world);
	if (!scene_is_undisturbed())
		return;
	expect_all(1, 5, 1);
	expect_bodies_up(1);
	expect_bodies_down(4);
	expect_logged("was copied or restored");
}

/* ---- The list ---- */

const struct scenario scenarios_maildir[] = {
	{ .number = 13,
		.name = "flag-storm-during-scans",
		.play = storm,
		.not_swept = "too many calls" },
	{ .number = 14,
		.name = "inotify-queue-overflows",
		.play = overflow,
		.prepare = short_queue },
	{ .number = 15,
		.name = "half-of-a-move",
		.play = half_move,
		.variant_count = 13,
		.swept_count = 3 },
	{ .number = 16,
		.name = "changed-while-not-running",
		.play = changed_meanwhile },
	{ .number = 17,
		.name = "changed-in-the-same-tick",
		.play = same_tick,
		.prepare = coarse_time,
		.variant_count = 5 },
	{ .number = 18, .name = "moved-with-its-name", .play = move_with_name },
	{ .number = 19,
		.name = "copied-with-its-name",
		.play = copy_with_name,
		.variant_count = 3 },
	{ .number = 20,
		.name = "name-used-again",
		.play = name_used_again,
		.prepare = reused_inodes,
		.variant_count = 2 },
	{ .number = 21,
		.name = "one-name-in-new-and-cur",
		.play = name_in_new_and_cur,
		.variant_count = 2 },
	{ .number = 22,
		.name = "draft-written-anew",
		.play = draft,
		.variant_count = 2 },
	{ .number = 23,
		.name = "renamed-while-removed",
		.play = saved_in_time },
	{ .number = 24, .name = "maildir-not-mounted", .play = not_mounted },
	{ .number = 25,
		.name = "maildir-emptied",
		.play = emptied,
		.prepare = guarded,
		.variant_count = 3 },
	{ .number = 26,
		.name = "maildir-restored",
		.play = restored,
		.variant_count = 2 },
	{ .name = NULL },
};
