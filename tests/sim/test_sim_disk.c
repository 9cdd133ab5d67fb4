/* What a power cut may leave, and what it may not: for each story of calls,
   over many seeds, every legal end is seen and no other. And what readers of a
   directory see while others rename in it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/number.h"
#define SIM_CALLS_DECLARE_ONLY
#include "tests/sim/seam_script.h"
#include "tests/sim/sim_calls.h"
#include "tests/sim/sim_disk.h"

#define CUT_COUNT 400

static const char TEXT[] =
	"A message that is longer than one block of 512, so "
	"that a part of it can be lost: "
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901"
	"0123456789012345678901234567890123456789012345678901";
static const char OLD[] = "old";

/* ---- A small language for stories ---- */

static void begin(uint64_t seed)
{
	const struct sim_disk_options options = {
		.has_attributes = true,
		.reuses_inodes = true,
		.has_half_renames = true,
		.has_birth_times = true,
	};

	seam_script_begin(seed);
	sim_disk_init(&options);
	assert_int_equal(sim_disk_make_directory("/sim/a"), 0);
	assert_int_equal(sim_disk_make_directory("/sim/b"), 0);
}

static int open_file(const char *path, int flags)
{
	int fd = sim_open(path, flags, 0600);

	if (fd < 0)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	return fd;
}

static int create(const char *path)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL);

	assert_int_equal(sim_write(fd, TEXT, sizeof(TEXT)), sizeof(TEXT));
	return fd;
}

static void sync_path(const char *path)
{
	int fd = open_file(path, O_RDONLY);

	assert_int_equal(sim_fsync(fd), 0);
	assert_int_equal(sim_close(fd), 0);
}

static void create_synced(const char *path)
{
	int fd = create(path);

	assert_int_equal(sim_fsync(fd), 0);
	assert_int_equal(sim_close(fd), 0);
}

static void rename_to(const char *from, const char *to)
{
	assert_int_equal(sim_rename(from, to), 0);
}

static void link_to(const char *from, const char *to)
{
	assert_int_equal(sim_linkat(AT_FDCWD, from, AT_FDCWD, to, 0), 0);
}

/* A file that was there all along. */
static void put(const char *path, const char *text)
{
	assert_int_equal(
		sim_disk_write_file(path, text, strlen(text) + 1, 1), 0);
}

/* ---- Ends ---- */

/* Bits of what is seen in the end. */
enum {
	NOTHING = 1 << 0,
	WHOLE = 1 << 1,
	EMPTY = 1 << 2,
	CUT_SHORT = 1 << 3,
	ZEROED = 1 << 4,
	OLD_ONE = 1 << 5,
	STRANGE = 1 << 6,
};

static unsigned look_at(const char *path)
{
	size_t size = 0;
	const char *data = sim_disk_data(path, &size);

	if (data == NULL)
		return NOTHING;
	if (size == 0)
		return EMPTY;
	if (size == sizeof(OLD) && memcmp(data, OLD, size) == 0)
		return OLD_ONE;
	if (size < sizeof(TEXT) && memcmp(data, TEXT, size) == 0)
		return CUT_SHORT;
	if (size != sizeof(TEXT))
		return STRANGE;
	if (memcmp(data, TEXT, size) == 0)
		return WHOLE;
	/* A zero where TEXT has none. */
	return memchr(data, 0, size - 1) != NULL ? ZEROED : STRANGE;
}

/* Of two places: which of them have the file, whole; 1 = the first, 2 = the
   second, 3 = both, 0 = none. As a bit. */
static unsigned look_at_both(const char *first, const char *second)
{
	unsigned where = (unsigned)(look_at(first) == WHOLE) |
		(unsigned)(look_at(second) == WHOLE) << 1;

	return 1U << where;
}

#define IN_NONE   (1U << 0)
#define IN_FIRST  (1U << 1)
#define IN_SECOND (1U << 2)
#define IN_BOTH   (1U << 3)

struct story {
	const char *name;
	void (*tell)(void);
	unsigned (*look)(void);
	unsigned expected;
};

static unsigned look_at_a(void)
{
	return look_at("/sim/a/x");
}

static unsigned look_at_b(void)
{
	return look_at("/sim/b/x");
}

static unsigned look_in_a(void)
{
	return look_at_both("/sim/a/x", "/sim/a/y");
}

static unsigned look_in_both(void)
{
	return look_at_both("/sim/a/x", "/sim/b/x");
}

static unsigned look_in_moved(void)
{
	return look_at_both("/sim/a/d/x", "/sim/b/d/x");
}

/* ---- Stories ---- */

static void make_unsynced(void)
{
	assert_int_equal(sim_close(create("/sim/a/x")), 0);
}

static void make_data_synced(void)
{
	create_synced("/sim/a/x");
}

static void make_name_synced(void)
{
	make_unsynced();
	sync_path("/sim/a");
}

static void make_both_synced(void)
{
	create_synced("/sim/a/x");
	sync_path("/sim/a");
}

static void make_by_syncfs(void)
{
	int fd = create("/sim/a/x");

	assert_int_equal(sim_syncfs(fd), 0);
	assert_int_equal(sim_close(fd), 0);
}

static void rename_inside(void)
{
	make_both_synced();
	rename_to("/sim/a/x", "/sim/a/y");
}

static void rename_inside_synced(void)
{
	rename_inside();
	sync_path("/sim/a");
}

static void move(void)
{
	make_both_synced();
	rename_to("/sim/a/x", "/sim/b/x");
}

static void move_target_synced(void)
{
	move();
	sync_path("/sim/b");
}

static void move_source_synced(void)
{
	move();
	sync_path("/sim/a");
}

static void move_to_new_directory(void)
{
	make_both_synced();
	assert_int_equal(sim_mkdir("/sim/b/d", 0700), 0);
	rename_to("/sim/a/x", "/sim/b/d/x");
	sync_path("/sim/b/d");
	sync_path("/sim/a");
}

static unsigned look_in_new_directory(void)
{
	return look_at_both("/sim/a/x", "/sim/b/d/x");
}

static void deliver(void)
{
	make_data_synced();
	rename_to("/sim/a/x", "/sim/b/x");
	sync_path("/sim/b");
}

static void deliver_unsynced(void)
{
	make_data_synced();
	rename_to("/sim/a/x", "/sim/b/x");
}

static void link_and_unlink(void)
{
	make_both_synced();
	link_to("/sim/a/x", "/sim/b/x");
	assert_int_equal(sim_unlink("/sim/a/x"), 0);
}

static void unlink_it(void)
{
	make_both_synced();
	assert_int_equal(sim_unlink("/sim/a/x"), 0);
}

static void unlink_synced(void)
{
	unlink_it();
	sync_path("/sim/a");
}

static void replace(void)
{
	put("/sim/a/x", OLD);
	create_synced("/sim/a/y");
	rename_to("/sim/a/y", "/sim/a/x");
}

static void replace_unsynced(void)
{
	put("/sim/a/x", OLD);
	assert_int_equal(sim_close(create("/sim/a/y")), 0);
	rename_to("/sim/a/y", "/sim/a/x");
	sync_path("/sim/a");
}

static void rewrite_in_place(void)
{
	int fd;

	put("/sim/a/x", OLD);
	fd = open_file("/sim/a/x", O_WRONLY | O_TRUNC);
	assert_int_equal(sim_write(fd, TEXT, sizeof(TEXT)), sizeof(TEXT));
	assert_int_equal(sim_close(fd), 0);
}

static void make_in_new_directory(void)
{
	assert_int_equal(sim_mkdir("/sim/a/d", 0700), 0);
	create_synced("/sim/a/d/x");
	sync_path("/sim/a/d");
}

static void make_in_new_directory_synced(void)
{
	make_in_new_directory();
	sync_path("/sim/a");
}

static void move_directory(void)
{
	make_in_new_directory_synced();
	rename_to("/sim/a/d", "/sim/b/d");
}

static void move_directory_synced(void)
{
	move_directory();
	sync_path("/sim/b");
}

/* Each into the other in turn: with only some of it they would hold one
   another, and nobody could reach them. */
static void move_directories_in_turn(void)
{
	make_in_new_directory_synced();
	assert_int_equal(sim_disk_make_directory("/sim/b/e"), 0);
	rename_to("/sim/b/e", "/sim/a/d/e");
	rename_to("/sim/a/d/e", "/sim/b/e");
	rename_to("/sim/a/d", "/sim/b/e/d");
}

static unsigned look_in_turn(void)
{
	return look_at_both("/sim/a/d/x", "/sim/b/e/d/x");
}

static void make_two(void)
{
	create_synced("/sim/a/x");
	create_synced("/sim/a/y");
}

static void fail_fsync(void)
{
	int fd = create("/sim/a/x");

	seam_script.fail_call = "fsync";
	seam_script.fail_in = 1;
	seam_script.fail_errno = EIO;
	errno = 0;
	assert_int_equal(sim_fsync(fd), -1);
	assert_int_equal(errno, EIO);
	/* It says yes, and nothing is there. */
	assert_int_equal(sim_fsync(fd), 0);
	assert_int_equal(sim_close(fd), 0);
	sync_path("/sim/a");
}

static void remove_directory_first(void)
{
	make_in_new_directory_synced();
	rename_to("/sim/a/d/x", "/sim/b/x");
	assert_int_equal(sim_rmdir("/sim/a/d"), 0);
	sync_path("/sim/a");
}

static unsigned look_where_it_went(void)
{
	return look_at_both("/sim/a/d/x", "/sim/b/x");
}

static void let_others_move(void)
{
	make_both_synced();
	assert_int_equal(sim_disk_rename("/sim/a/x", "/sim/b/x", false), 0);
}

static void let_others_move_on(void)
{
	create_synced("/sim/a/x");
	assert_int_equal(sim_disk_rename("/sim/a/x", "/sim/b/x", false), 0);
}

/* Its number is another file's. */
static void use_number_again(void)
{
	make_both_synced();
	assert_int_equal(sim_unlink("/sim/a/x"), 0);
	create_synced("/sim/b/x");
}

/* And that one is durable. */
static void use_number_again_synced(void)
{
	use_number_again();
	sync_path("/sim/b");
}

#define TORN (WHOLE | EMPTY | CUT_SHORT | ZEROED)

static const struct story STORIES[] = {
	{ "made", make_unsynced, look_at_a, NOTHING | TORN },
	{ "data synced", make_data_synced, look_at_a, NOTHING | WHOLE },
	{ "name synced", make_name_synced, look_at_a, TORN },
	{ "both synced", make_both_synced, look_at_a, WHOLE },
	{ "syncfs", make_by_syncfs, look_at_a, WHOLE },
	{ "renamed", rename_inside, look_in_a, IN_FIRST | IN_SECOND },
	{ "renamed, synced", rename_inside_synced, look_in_a, IN_SECOND },
	{ "moved", move, look_in_both, IN_FIRST | IN_SECOND | IN_BOTH },
	{ "moved, target synced", move_target_synced, look_in_both,
		IN_SECOND | IN_BOTH },
	{ "moved, source synced", move_source_synced, look_in_both, IN_SECOND },
	{ "moved to a new directory", move_to_new_directory,
		look_in_new_directory, IN_SECOND },
	{ "delivered", deliver, look_at_b, WHOLE },
	{ "delivered, not synced", deliver_unsynced, look_at_b,
		NOTHING | WHOLE },
	{ "linked and unlinked", link_and_unlink, look_in_both,
		IN_FIRST | IN_SECOND | IN_BOTH },
	{ "unlinked", unlink_it, look_at_a, NOTHING | WHOLE },
	{ "unlinked, synced", unlink_synced, look_at_a, NOTHING },
	{ "number used again", use_number_again, look_in_both,
		IN_FIRST | IN_NONE | IN_SECOND },
	{ "number used again, synced", use_number_again_synced, look_in_both,
		IN_SECOND },
	{ "replaced", replace, look_at_a, OLD_ONE | WHOLE },
	{ "replaced by what was not synced", replace_unsynced, look_at_a,
		TORN },
	{ "rewritten", rewrite_in_place, look_at_a, OLD_ONE | TORN },
	{ "in a new directory", make_in_new_directory, look_in_moved,
		IN_NONE | IN_FIRST },
	{ "in a new directory, synced", make_in_new_directory_synced,
		look_in_moved, IN_FIRST },
	{ "directory moved", move_directory, look_in_moved,
		IN_FIRST | IN_SECOND },
	{ "directory moved, synced", move_directory_synced, look_in_moved,
		IN_SECOND },
	{ "directories moved in turn", move_directories_in_turn, look_in_turn,
		IN_FIRST | IN_SECOND },
	{ "two made", make_two, look_in_a,
		IN_NONE | IN_FIRST | IN_SECOND | IN_BOTH },
	{ "fsync failed", fail_fsync, look_at_a, TORN },
	{ "directory removed behind a move", remove_directory_first,
		look_where_it_went, IN_SECOND },
	{ "moved by others", let_others_move, look_in_both, IN_SECOND },
	{ "moved by others at once", let_others_move_on, look_in_both,
		IN_SECOND },
};

static void note_path(void *data, const struct sim_disk_file *file)
{
	(void)snprintf(data, 64, "%s", file->path);
}

/* Whatever the walk calls durable has to be there in every end. */
static void check_walk(const struct story *story)
{
	char path[64] = "";

	sim_disk_walk("/sim", true, note_path, path);
	sim_disk_power_cut();
	if (*path != '\0' && look_at(path) == NOTHING)
		fail_msg("%s: '%s' was called durable", story->name, path);
}

static void test_cuts_leave_what_is_legal(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(STORIES); i++) {
		const struct story *story = &STORIES[i];
		unsigned seen = 0;

		for (uint64_t seed = 1; seed <= CUT_COUNT; seed++) {
			begin(seed);
			story->tell();
			check_walk(story);
			seen |= story->look();
			sim_disk_finish();
		}
		if (seen != story->expected)
			fail_msg("%s: %x was seen, %x is legal", story->name,
				seen, story->expected);
	}
}

static void test_no_cut_no_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		begin(seed);
		(void)create("/sim/a/x");
		sim_disk_kill();
		assert_int_equal(look_at("/sim/a/x"), WHOLE);
		assert_int_equal(sim_disk_open_count(), 0);
		sim_disk_sync_all();
		sim_disk_power_cut();
		assert_int_equal(look_at("/sim/a/x"), WHOLE);
		sim_disk_finish();
	}
}

static void test_attributes_are_durable_with_their_inode(void **state)
{
	unsigned seen = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		bool is_synced = seed % 2 == 0;
		int fd;
		char value[8] = "";

		begin(seed);
		fd = open_file("/sim/a", O_RDONLY);
		assert_int_equal(sim_fsetxattr(fd, "user.t", "v", 1, 0), 0);
		if (is_synced)
			assert_int_equal(sim_fsync(fd), 0);
		sim_disk_power_cut();
		fd = open_file("/sim/a", O_RDONLY);
		if (sim_fgetxattr(fd, "user.t", value, sizeof(value)) == 1)
			seen |= 1;
		else
			seen |= is_synced ? 4 : 2;
		sim_disk_finish();
	}
	assert_int_equal(seen, 3);
}

/* A failed syncfs() loses some, and does not tell which. */
static void test_a_failed_syncfs_loses_some(void **state)
{
	unsigned lost_count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		int fd;

		begin(seed);
		assert_int_equal(sim_close(create("/sim/a/x")), 0);
		fd = create("/sim/a/y");
		seam_script.fail_call = "syncfs";
		seam_script.fail_in = 1;
		seam_script.fail_errno = EIO;
		assert_int_equal(sim_syncfs(fd), -1);
		assert_int_equal(sim_syncfs(fd), 0);
		sim_disk_power_cut();
		lost_count += look_at("/sim/a/x") != WHOLE;
		assert_int_not_equal(look_at("/sim/a/x"), NOTHING);
		sim_disk_finish();
	}
	assert_in_range(lost_count, 10, 90);
}

/* ---- Many random calls ---- */

/* Files get texts of their own, so that they can be told apart; those that were
   once durable and were not removed since must be there, under some name. */
#define STEP_COUNT  40
#define ROUND_COUNT 3
#define FILE_COUNT  (STEP_COUNT * ROUND_COUNT)
#define NUMBER_SIZE 3

static struct {
	bool must_exist[FILE_COUNT];
	bool is_seen[FILE_COUNT];
	char sure_paths[FILE_COUNT][64];
	uint64_t random;
} history;

static const char *const PLACES[] = { "/sim/a", "/sim/b", "/sim/a/d",
	"/sim/b/e", "/sim/b/d" };

static uint32_t draw(uint32_t limit)
{
	return seam_script_draw(&history.random, limit);
}

static const char *draw_path(void)
{
	static char paths[2][64];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	(void)snprintf(path, sizeof(paths[0]), "%s/%c",
		PLACES[draw(ARRAY_LENGTH(PLACES))], (char)('p' + draw(4)));
	return path;
}

static size_t number_of(const char *data, size_t size)
{
	uint32_t number;

	return size == NUMBER_SIZE && number_parse_u32(data, size, &number)
		? number
		: FILE_COUNT;
}

static size_t number_at(const char *path)
{
	size_t size = 0;
	const char *data = sim_disk_data(path, &size);

	return data == NULL ? FILE_COUNT : number_of(data, size);
}

/* It may be gone now. */
static void let_go(const char *path)
{
	size_t number = number_at(path);

	if (number < FILE_COUNT)
		history.must_exist[number] = false;
}

static void create_number(size_t number)
{
	char text[32];
	int fd;

	(void)snprintf(text, sizeof(text), "%03zu", number);
	fd = sim_open(draw_path(), O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return;
	assert_int_equal(sim_write(fd, text, NUMBER_SIZE), NUMBER_SIZE);
	if (draw(4) != 0)
		assert_int_equal(sim_fsync(fd), 0);
	assert_int_equal(sim_close(fd), 0);
}

static void change_names(void)
{
	const char *from = draw_path();
	const char *to = draw_path();

	switch (draw(6)) {
	case 0:
		let_go(from);
		(void)sim_unlink(from);
		break;
	case 1:
		if (number_at(from) != number_at(to))
			let_go(to);
		(void)sim_rename(from, to);
		break;
	case 2:
		(void)sim_disk_rename(from, to, false);
		break;
	case 3:
		(void)sim_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
		break;
	default:
		(void)sim_renameat2(
			AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
		break;
	}
}

static void change_directories(void)
{
	const char *place = PLACES[2 + draw(3)];
	const char *other = PLACES[2 + draw(3)];

	switch (draw(3)) {
	case 0:
		(void)sim_mkdir(place, 0700);
		break;
	case 1:
		(void)sim_rmdir(place);
		break;
	default:
		(void)sim_rename(place, other);
		break;
	}
}

static void sync_something(void)
{
	int fd = sim_open(
		draw(2) == 0 ? draw_path() : PLACES[draw(ARRAY_LENGTH(PLACES))],
		O_RDONLY);

	if (fd < 0)
		return;
	if (draw(10) == 0)
		assert_int_equal(sim_syncfs(fd), 0);
	else
		assert_int_equal(sim_fsync(fd), 0);
	assert_int_equal(sim_close(fd), 0);
}

static void note_sure(void *data, const struct sim_disk_file *file)
{
	size_t number = number_of(file->data, file->size);

	(void)data;
	if (number == FILE_COUNT)
		return;
	(void)snprintf(history.sure_paths[number], 64, "%s", file->path);
	history.must_exist[number] = true;
}

static void note_seen(void *data, const struct sim_disk_file *file)
{
	size_t number = number_of(file->data, file->size);

	(void)data;
	if (number < FILE_COUNT)
		history.is_seen[number] = true;
}

static void act(size_t number)
{
	switch (draw(5)) {
	case 0:
		create_number(number);
		break;
	case 1:
	case 2:
		change_names();
		break;
	case 3:
		change_directories();
		break;
	default:
		sync_something();
		break;
	}
	sim_disk_walk("/sim", true, note_sure, NULL);
}

static void check_after_cut(uint64_t seed)
{
	memset(history.is_seen, 0, sizeof(history.is_seen));
	memset(history.sure_paths, 0, sizeof(history.sure_paths));
	sim_disk_walk("/sim", true, note_sure, NULL);
	sim_disk_power_cut();
	sim_disk_walk("/sim", false, note_seen, NULL);
	for (size_t i = 0; i < FILE_COUNT; i++) {
		const char *path = history.sure_paths[i];

		if (*path != '\0' && number_at(path) != i)
			fail_msg("seed %llu: '%s' was durable",
				(unsigned long long)seed, path);
		if (history.must_exist[i] && !history.is_seen[i])
			fail_msg("seed %llu: file %zu is nowhere",
				(unsigned long long)seed, i);
	}
}

static void test_what_was_durable_stays(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 1200; seed++) {
		begin(seed);
		memset(&history, 0, sizeof(history));
		history.random = seed;
		for (size_t round = 0; round < ROUND_COUNT; round++) {
			for (size_t i = 0; i < STEP_COUNT; i++)
				act(round * STEP_COUNT + i);
			check_after_cut(seed);
			memset(history.must_exist, 0,
				sizeof(history.must_exist));
		}
		sim_disk_finish();
	}
}

/* ---- Reading directories ---- */

#define LISTED_COUNT 40

static unsigned renamed;

/* Each name once has another letter. */
static void rename_one(void)
{
	char from[32], to[32];
	unsigned number = seam_script_draw(&history.random, LISTED_COUNT);

	(void)snprintf(from, sizeof(from), "/sim/a/%u:2,", number);
	(void)snprintf(to, sizeof(to), "/sim/a/%u:2,S", number);
	if (sim_disk_rename(from, to, false) == 0)
		renamed++;
}

static void list_while_renamed(unsigned counts[LISTED_COUNT])
{
	DIR *stream = sim_opendir("/sim/a");
	const struct dirent *entry;

	assert_non_null(stream);
	seam_script.act = rename_one;
	while ((entry = sim_readdir(stream)) != NULL) {
		if (*entry->d_name != '.')
			counts[strtoul(entry->d_name, NULL, 10)]++;
	}
	seam_script.act = NULL;
	assert_int_equal(sim_closedir(stream), 0);
}

struct kept {
	const char *path;
	unsigned count;
};

static void count_kept(void *data, const struct sim_disk_file *file)
{
	struct kept *kept = data;

	if (strcmp(file->path, kept->path) == 0)
		kept->count++;
}

/* Whatever the cut undoes, under one of the two names it is there. */
static void test_what_is_moved_back_is_kept(void **state)
{
	const struct sim_disk_options options = { .has_half_renames = false };
	struct kept kept = { "/sim/a/x", 0 };

	(void)state;
	seam_script_begin(1);
	sim_disk_init(&options);
	assert_int_equal(sim_disk_make_directory("/sim/a"), 0);
	assert_int_equal(sim_disk_make_directory("/sim/b"), 0);
	put("/sim/a/x", TEXT);
	rename_to("/sim/a/x", "/sim/b/x");
	rename_to("/sim/b/x", "/sim/a/x");
	sim_disk_walk_kept("/sim", count_kept, &kept);
	assert_int_equal(kept.count, 1);
	sim_disk_finish();
}

static void test_lists_miss_and_double_what_is_renamed(void **state)
{
	unsigned missed = 0, doubled = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct sim_disk_options options = { .readdir_chunk = 4 };
		unsigned counts[LISTED_COUNT] = { 0 };
		char path[32];

		seam_script_begin(seed);
		history.random = seed;
		sim_disk_init(&options);
		assert_int_equal(sim_disk_make_directory("/sim/a"), 0);
		for (unsigned i = 0; i < LISTED_COUNT; i++) {
			(void)snprintf(path, sizeof(path), "/sim/a/%u:2,", i);
			put(path, OLD);
		}
		renamed = 0;
		list_while_renamed(counts);
		assert_true(renamed > 0);
		for (unsigned i = 0; i < LISTED_COUNT; i++) {
			missed += counts[i] == 0;
			doubled += counts[i] > 1;
			assert_true(counts[i] <= 2);
		}
		sim_disk_finish();
	}
	assert_true(missed > 0);
	assert_true(doubled > 0);
}

/* ---- Others ---- */

static void test_a_copy_brings_back_what_was(void **state)
{
	(void)state;
	for (int in_place = 0; in_place < 2; in_place++) {
		struct sim_disk_copy *copy;
		struct stat before, after;

		begin(1);
		put("/sim/a/x", OLD);
		put("/sim/a/y", OLD);
		assert_int_equal(sim_lstat("/sim/a", &before), 0);
		copy = sim_disk_copy_take("/sim/a");
		assert_int_equal(sim_disk_remove("/sim/a/x"), 0);
		put("/sim/a/z", OLD);
		put("/sim/a/y", TEXT);
		sim_disk_copy_put(copy, "/sim/a", in_place);
		sim_disk_copy_free(copy);
		assert_int_equal(look_at("/sim/a/x"), OLD_ONE);
		assert_int_equal(look_at("/sim/a/y"), OLD_ONE);
		assert_int_equal(look_at("/sim/a/z"), NOTHING);
		assert_int_equal(sim_lstat("/sim/a", &after), 0);
		assert_int_equal(after.st_mtime, before.st_mtime);
		sim_disk_power_cut();
		assert_int_equal(look_at("/sim/a/x"), OLD_ONE);
		assert_int_equal(look_at("/sim/a/z"), NOTHING);
		sim_disk_finish();
	}
}

static void test_an_unmounted_directory_is_empty(void **state)
{
	struct stat before, without, after;
	char path[64] = "";

	(void)state;
	begin(1);
	put("/sim/a/x", OLD);
	assert_int_equal(sim_lstat("/sim/a", &before), 0);
	sim_disk_unmount("/sim/a");
	assert_int_equal(look_at("/sim/a/x"), NOTHING);
	assert_int_equal(sim_lstat("/sim/a", &without), 0);
	assert_int_not_equal(without.st_dev, before.st_dev);
	sim_disk_walk_kept("/sim", note_path, path);
	assert_string_equal(path, "/sim/a/x");
	put("/sim/b/y", OLD);
	assert_int_equal(sim_rename("/sim/b/y", "/sim/a/y"), -1);
	assert_int_equal(errno, EXDEV);
	sim_disk_power_cut();
	assert_int_equal(look_at("/sim/a/x"), NOTHING);
	sim_disk_mount("/sim/a");
	assert_int_equal(look_at("/sim/a/x"), OLD_ONE);
	assert_int_equal(sim_lstat("/sim/a", &after), 0);
	assert_int_equal(after.st_dev, before.st_dev);
	assert_int_equal(after.st_ino, before.st_ino);
	sim_disk_finish();
}

static void test_inodes_are_used_again(void **state)
{
	struct stat first, second;
	int fd;

	(void)state;
	begin(1);
	fd = create("/sim/a/x");
	assert_int_equal(sim_fstat(fd, &first), 0);
	assert_int_equal(sim_unlink("/sim/a/x"), 0);
	assert_int_equal(sim_fstat(create("/sim/a/y"), &second), 0);
	assert_int_not_equal(first.st_ino, second.st_ino);
	assert_int_equal(sim_close(fd), 0);
	assert_int_equal(sim_fstat(create("/sim/a/z"), &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	sim_disk_finish();
}

static char told[200];

static void tell(const char *change, const char *path, const char *new_path,
	bool replaced)
{
	size_t size = strlen(told);

	(void)snprintf(told + size, sizeof(told) - size, "%s %s %s%s\n", change,
		path, new_path == NULL ? "-" : new_path, replaced ? " !" : "");
}

static void test_the_hook_hears_of_the_product_only(void **state)
{
	(void)state;
	begin(1);
	told[0] = '\0';
	put("/sim/a/y", OLD);
	sim_disk_set_change_hook(tell);
	put("/sim/a/z", OLD);
	assert_int_equal(sim_close(create("/sim/a/x")), 0);
	rename_to("/sim/a/x", "/sim/a/y");
	assert_int_equal(sim_unlink("/sim/a/y"), 0);
	assert_string_equal(told,
		"create /sim/a/x -\nwrite /sim/a/x -\n"
		"rename /sim/a/x /sim/a/y !\nunlink /sim/a/y -\n");
	sim_disk_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_leave_what_is_legal),
		cmocka_unit_test(test_no_cut_no_loss),
		cmocka_unit_test(test_attributes_are_durable_with_their_inode),
		cmocka_unit_test(test_a_failed_syncfs_loses_some),
		cmocka_unit_test(test_what_was_durable_stays),
		cmocka_unit_test(test_what_is_moved_back_is_kept),
		cmocka_unit_test(test_lists_miss_and_double_what_is_renamed),
		cmocka_unit_test(test_a_copy_brings_back_what_was),
		cmocka_unit_test(test_an_unmounted_directory_is_empty),
		cmocka_unit_test(test_inodes_are_used_again),
		cmocka_unit_test(test_the_hook_hears_of_the_product_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
