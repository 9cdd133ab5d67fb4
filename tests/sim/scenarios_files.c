/* Files that cannot be read, are not whole yet, or are no messages. */
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

/* ---- 27: files that cannot be read ---- */

static const char DIRECTORY[] = WORLD_MAILDIR "/INBOX/cur/1.directory.box:2,S";
static const char LINK[] = WORLD_MAILDIR "/INBOX/cur/1.link.box:2,S";
#define DATE_OF_1 1699913600

static void make_unreadable(unsigned number, int error)
{
	char *path = here_path(number);

	seam_log("operator: %s cannot be opened: %s", path, strerror(error));
	sim_disk_set_open_error(path, error);
	free(path);
}

static const char COPY[] = WORLD_MAILDIR "/INBOX/tmp/1.copy.other";

/* As `cp -p` by another user, or out of a backup. */
static void replace_by_copy(unsigned number)
{
	char *path = here_path(number);
	size_t size;
	const void *data = sim_disk_data(path, &size);

	seam_log("here: %s is replaced by a copy", path);
	(void)sim_disk_write_file(COPY, data, size, DATE_OF_1);
	(void)sim_disk_rename(COPY, path, true);
	free(path);
}

/* Moved, it is where it went, there too; what is new beside it is uploaded. */
static void unreadable_moved(struct world *world)
{
	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	here_move(1, "Archive", false);
	make_unreadable(1, EACCES);
	here_deliver(world, "Archive", 3, "S");
	scene_settle(world);
	expect_in("Archive", 1, 1);
	expect_in("Archive", 3, 1);
	expect_same_file(1);
	expect_bodies_up(1);
}

/* Until its directory is still for so long that no scan goes through it. */
static void look_in_vain(struct world *world)
{
	for (unsigned i = 0; i < 4; i++) {
		(void)scene_sync(world);
		sim_time_pass(5000);
	}
}

/* One look of the scan fails, each in turn: whether the file still has its old
   name is not known, then, and it is not taken for another one. */
static void unreadable_moved_unseen(struct world *world, unsigned look)
{
	deliver_many(world, "Work", 1, 2);
	scene_given(world);
	here_move(1, "Archive", false);
	make_unreadable(1, EACCES);
	scene_fail(SCENE_CALL("fstatat", .nth = look), EIO);
	(void)scene_sync(world);
	scene_forget();
	sim_time_pass(3600000);
	(void)scene_sync(world);
	make_unreadable(1, 0);
	scene_settle(world);
	expect_in("Archive", 1, 1);
	expect_same_file(1);
	expect_no_transfer();
	expect_commands("UID EXPUNGE", 0);
}

/* ---- What could not be read and turns out to be another one ---- */

static void replace_by_message(
	struct world *world, unsigned number, unsigned other)
{
	char *path = here_path(number);
	char *text;
	size_t size;

	while (oracle.number_count < other)
		(void)oracle_new_number(world);
	text = scene_file(world, other, &size);
	seam_log("here: %s is message %u now", path, other);
	(void)sim_disk_write_file(COPY, text, size, DATE_OF_1 + 1);
	(void)sim_disk_rename(COPY, path, true);
	oracle_made(other, true);
	oracle_removed(number);
	free(text);
	free(path);
}

/* Uploaded at once when it can be read; what had its name before goes. */
static void unreadable_is_another(struct world *world)
{
	char *path;

	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	path = here_path(1);
	replace_by_message(world, 1, 3);
	sim_disk_set_open_error(path, EIO);
	look_in_vain(world);
	expect_held(world, 1, "");
	expect(oracle_count_there(1) == 1, "removed unread");
	sim_disk_set_open_error(path, 0);
	free(path);
	(void)scene_sync(world);
	expect_copies(1, 0);
	expect_copies(3, 1);
	expect(scene_held_count(world) == 0, "held, still");
	scene_settle(world);
	expect_bodies_up(1);
	expect_bodies_down(0);
}

/* Nothing was done to it, so nothing is done and nothing held. */
static void unreadable_is_put_back(struct world *world)
{
	static const char KEPT[] = WORLD_MAILDIR "/INBOX/tmp/1.kept.other";
	char *path;

	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	path = here_path(1);
	(void)sim_disk_link(path, KEPT);
	replace_by_copy(1);
	sim_disk_set_open_error(path, EIO);
	look_in_vain(world);
	expect_held(world, 1, "");
	seam_log("here: %s is put back", path);
	(void)sim_disk_rename(KEPT, path, true);
	free(path);
	(void)scene_sync(world);
	expect(scene_held_count(world) == 0, "held, still");
	scene_settle(world);
	expect_same_file(1);
	expect_commands("UID EXPUNGE", 0);
	expect_no_transfer();
}

/* ---- A backup brings back what was removed, and nobody can read it ---- */

#define MANY 30

static void set_open_errors(char *const paths[MANY], int error)
{
	for (unsigned i = 0; i < MANY; i++)
		sim_disk_set_open_error(paths[i], error);
}

static void put_back(char *const paths[MANY], struct sim_disk_copy *copy)
{
	seam_log("here: all are put back, for another user only");
	oracle_before_restore();
	sim_disk_copy_put(copy, WORLD_MAILDIR, true);
	oracle_after_restore();
	set_open_errors(paths, EACCES);
}

/* Their removals were held, as they were so many: off, whether anybody can
   tell what the files are or not. */
static void unreadable_comes_back(struct world *world)
{
	struct sim_disk_copy *copy;
	char *paths[MANY];

	deliver_many(world, "INBOX", 1, MANY);
	scene_given(world);
	copy = sim_disk_copy_take(WORLD_MAILDIR);
	for (unsigned i = 0; i < MANY; i++) {
		paths[i] = here_path(i + 1);
		here_remove(i + 1);
	}
	(void)scene_sync(world);
	expect(scene_held_count(world) == MANY, "%u are held",
		scene_held_count(world));
	put_back(paths, copy);
	sim_disk_copy_free(copy);
	look_in_vain(world);
	sim_time_pass(PAIR_PAUSE_MAX_S * UINT64_C(1000));
	look_in_vain(world);
	expect_held(world, 1, "cannot open");
	set_open_errors(paths, 0);
	for (unsigned i = 0; i < MANY; i++)
		free(paths[i]);
	(void)scene_sync(world);
	expect(scene_held_count(world) == 0, "held, still");
	scene_settle(world);
	expect_all(1, MANY, 1);
	expect_commands("UID EXPUNGE", 0);
}

/* ---- */

/* One that is synced, one that is new, a directory and a symbolic link among
   them: held by name, everything else goes on, nothing is absent. Nor is one
   that is another file now, of which nobody can tell whether it is the same
   message, also where there is nothing to do but to hold it. */
static void unreadable_among_others(struct world *world, unsigned variant)
{
	int error = variant == 0 ? EACCES : EIO;

	deliver_many(world, "INBOX", 1, 2);
	scene_given(world);
	here_deliver(world, "INBOX", 3, "S");
	here_deliver(world, "INBOX", 4, "S");
	if (variant >= 2)
		replace_by_copy(1);
	make_unreadable(1, error);
	make_unreadable(3, error);
	(void)sim_disk_make_directory(DIRECTORY);
	(void)sim_disk_symlink("/etc/passwd", LINK);
	if (variant < 3)
		there_flag(1, FLAG_FLAGGED, 0);
	for (unsigned i = 0; i < 3; i++)
		(void)scene_sync(world);
	expect_copies(1, 1);
	expect_copies(2, 1);
	expect_copies(4, 1);
	if (variant < 2)
		expect_flags(1, FLAG_FLAGGED | FLAG_SEEN);
	expect_held(world, 3, "");
	expect(oracle_count_there(3) == 0, "uploaded all the same");
	if (scene_is_undisturbed())
		expect_logged("is no regular file");
	make_unreadable(1, 0);
	make_unreadable(3, 0);
	(void)sim_disk_remove(DIRECTORY);
	(void)sim_disk_remove(LINK);
	sim_time_pass(3600000);
	(void)scene_sync(world);
	scene_settle(world);
	expect_all(1, 4, 1);
	expect_commands("UID EXPUNGE", 0);
	if (variant < 2)
		expect_same_file(1);
	expect_bodies_up(2);
}

static void (*const UNREADABLE[])(struct world *world) = {
	unreadable_moved,
	unreadable_is_another,
	unreadable_is_put_back,
	unreadable_comes_back,
};

#define AMONG_OTHERS 4
#define CASES        (AMONG_OTHERS + sizeof(UNREADABLE) / sizeof(UNREADABLE[0]))
#define LOOKS        100

static void unreadable(struct world *world, unsigned variant)
{
	if (variant < AMONG_OTHERS)
		unreadable_among_others(world, variant);
	else if (variant < CASES)
		UNREADABLE[variant - AMONG_OTHERS](world);
	else
		unreadable_moved_unseen(world, variant + 1 - (unsigned)CASES);
}

static void guarded(struct world_kind *kind, unsigned variant)
{
	(void)variant;
	kind->delete_limit = "50%";
}

/* ---- 28: what lies in tmp/, and a delivery that goes on ---- */

static const char OURS[] =
	WORLD_MAILDIR "/INBOX/tmp/1699999999.R0123456789abcdef.sim";
static const char THEIRS[] = WORLD_MAILDIR "/INBOX/tmp/1699999999.M1P1.other";
static const char HALF[] = WORLD_MAILDIR "/INBOX/cur/1.unfinished.reader:2,S";

/* A message is written anew, and for so long that its directory is still
   meanwhile: the old one is not removed there until the new one is whole; then
   nobody has to ask. */
static void written_anew(struct world *world)
{
	char *path;

	deliver_many(world, "INBOX", 1, 1);
	scene_given(world);
	path = here_path(1);
	replace_by_message(world, 1, 2);
	sim_disk_set_open_by_others(path, true);
	look_in_vain(world);
	expect(oracle_count_there(1) == 1, "removed before there is another");
	expect_held(world, 1, "is being written");
	expect_bodies_up(0);
	sim_disk_set_open_by_others(path, false);
	free(path);
	scene_settle(world);
	expect_copies(1, 0);
	expect_copies(2, 1);
	expect_bodies_up(1);
	expect_order(": APPEND INBOX", ": UID EXPUNGE");
}

/* Files of ours that are older than 36 hours go, others' and younger ones stay.
   A file written right into cur/ is taken once it is closed. */
static void unfinished(struct world *world, unsigned variant)
{
	char *text;
	size_t size;

	if (variant > 0) {
		written_anew(world);
		return;
	}
	there_deliver(world, "INBOX", 1, FLAG_SEEN);
	scene_given(world);
	(void)sim_disk_write_file(OURS, "x", 1, seam_wall_ns() / 1000000000);
	(void)sim_disk_write_file(THEIRS, "x", 1, seam_wall_ns() / 1000000000);
	while (oracle.number_count < 2)
		(void)oracle_new_number(world);
	text = scene_file(world, 2, &size);
	(void)sim_disk_write_file(HALF, text, size / 2, 1700000000);
	sim_disk_set_open_by_others(HALF, true);
	(void)scene_daemon(world, 4);
	expect(oracle_count_there(2) == 0, "uploaded in half");
	expect_bodies_up(0);
	(void)sim_disk_rewrite(HALF, text, size);
	sim_disk_set_open_by_others(HALF, false);
	oracle_made(2, true);
	free(text);
	(void)scene_sync(world);
	sim_time_pass(25 * UINT64_C(3600000));
	(void)scene_sync(world);
	expect(sim_disk_exists(OURS), "removed too soon");
	sim_time_pass(25 * UINT64_C(3600000));
	(void)scene_sync(world);
	sim_time_pass(25 * UINT64_C(3600000));
	scene_settle(world);
	/* A power cut may bring it back, for another day. */
	expect(!scene_is_undisturbed() || !sim_disk_exists(OURS),
		"litter of ours is there, still");
	expect(sim_disk_exists(THEIRS), "somebody's file was removed");
	expect_all(1, 2, 1);
	expect_bodies_up(1);
}

/* ---- The list ---- */

const struct scenario scenarios_files[] = {
	{ .number = 27,
		.name = "files-that-cannot-be-read",
		.play = unreadable,
		.prepare = guarded,
		.variant_count = CASES + LOOKS,
		.swept_count = CASES },
	{ .number = 28,
		.name = "unfinished-files",
		.play = unfinished,
		.variant_count = 2 },
	{ .name = NULL },
};
