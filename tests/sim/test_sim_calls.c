/* The same calls on the simulated disk and on a real one give the same results,
   the same errno and the same tree. */
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
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/number.h"
#define SIM_CALLS_DECLARE_ONLY
#include "tests/sim/seam_script.h"
#include "tests/sim/sim_calls.h"
#include "tests/sim/sim_disk.h"

#define OPEN_COUNT    5
#define STEPS_PER_RUN 400
#define DEPTH_MAX     8
#define LISTED_MAX    32

enum {
	HERE,  /* the system's */
	THERE, /* the simulated one */
	SIDES,
};

static struct {
	char base[64];
	int root[SIDES];
	int open[OPEN_COUNT][SIDES]; /* -1 = none */
	uint64_t seed;
	uint64_t random;
	struct buf story;
	bool has_attributes;
} run;

static uint32_t draw(uint32_t limit)
{
	return seam_script_draw(&run.random, limit);
}

/* ---- Begin and end ---- */

static const char *const LINKS[][2] = {
	{ "d", "l" },
	{ "a", "m" },
	{ "nowhere", "n" },
	{ "../d", "d/o" },
	{ "p", "p" },
};

static void make_tree(int fd)
{
	static const char *const DIRECTORIES[] = { "d", "d/e", "f" };

	for (size_t i = 0; i < ARRAY_LENGTH(DIRECTORIES); i++)
		assert_int_equal(sim_mkdirat(fd, DIRECTORIES[i], 0700), 0);
}

static void make_root(int side, const char *top)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/1", top);
	assert_int_equal(sim_mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/1/r", top);
	assert_int_equal(sim_mkdir(path, 0700), 0);
	run.root[side] = sim_open(path, O_RDONLY | O_DIRECTORY);
	assert_true(run.root[side] >= 0);
	make_tree(run.root[side]);
}

static void begin(uint64_t seed)
{
	const struct sim_disk_options options = {
		.has_attributes = true,
		.readdir_chunk = 1 + (unsigned)(seed % 5),
	};

	memset(&run, 0, sizeof(run));
	memset(run.open, -1, sizeof(run.open));
	seam_script_begin(seed);
	run.seed = seed;
	run.random = seed;
	sim_disk_init(&options);
	(void)snprintf(run.base, sizeof(run.base), "/tmp/sim-calls-XXXXXX");
	assert_non_null(mkdtemp(run.base));
	make_root(HERE, run.base);
	make_root(THERE, SIM_ROOT);
	for (size_t i = 0; i < ARRAY_LENGTH(LINKS); i++) {
		char path[128];

		(void)snprintf(
			path, sizeof(path), SIM_ROOT "/1/r/%s", LINKS[i][1]);
		assert_int_equal(sim_disk_symlink(LINKS[i][0], path), 0);
		assert_int_equal(
			symlinkat(LINKS[i][0], run.root[HERE], LINKS[i][1]), 0);
	}
	run.has_attributes =
		sim_fsetxattr(run.root[HERE], "user.t", "x", 1, 0) == 0;
	(void)sim_fsetxattr(run.root[THERE], "user.t", "x", 1, 0);
}

static void end(void)
{
	char command[128];

	for (size_t i = 0; i < OPEN_COUNT; i++) {
		if (run.open[i][HERE] >= 0)
			(void)close(run.open[i][HERE]);
	}
	(void)close(run.root[HERE]);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", run.base);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	sim_disk_finish();
	buf_finish(&run.story);
}

/* ---- Comparing ---- */

static void tell(const char *call, const char *text, long a, long b)
{
	buf_add_format(&run.story, "%s %s %ld %ld\n", call, text, a, b);
}

static const char *name_of(long result, int error)
{
	return result < 0 ? strerrorname_np(error) : "";
}

static void require_same(long here, long there, int errno_here, int errno_there)
{
	const size_t shown = 700; /* cmocka cuts long messages */
	const char *story = buf_text(&run.story);

	if (here == there && (here >= 0 || errno_here == errno_there))
		return;
	if (run.story.size > shown)
		story += run.story.size - shown;
	fail_msg("seed %llu: system %ld %s, simulated %ld %s, after\n%s",
		(unsigned long long)run.seed, here, name_of(here, errno_here),
		there, name_of(there, errno_there), story);
}

/* Makes a call on both sides, with `side` to choose by. */
#define BOTH(call)                                                             \
	long results[SIDES];                                                   \
	int errors[SIDES];                                                     \
	for (int side = 0; side < SIDES; side++) {                             \
		errno = 0;                                                     \
		results[side] = (call);                                        \
		errors[side] = errno;                                          \
	}

#define SAME(call)                                                             \
	do {                                                                   \
		BOTH(call)                                                     \
		require_same(results[HERE], results[THERE], errors[HERE],      \
			errors[THERE]);                                        \
	} while (0)

static const char *draw_path(void)
{
	static const char *const PATHS[] = { "a", "b", "c", "a", "b", "d", "f",
		"d/a", "d/b", "d/e", "d/e/a", "d/e/b", "f/a", "f/b", "f/d",
		"f/d/a", "l", "l/a", "m", "n", "d/o", "d/o/a", "p", "p/a", ".",
		"..", "d/.", "d/..", "d/../a", "a/", "d/", "b/", "l/", "m/",
		"n/", "a/x", "", "d//a", "./b", "d/./b", "../a", "../r/b",
		"x/y", "f/../f/b", "d/e/..", "f/." };

	return PATHS[draw(ARRAY_LENGTH(PATHS))];
}

static size_t draw_open(void)
{
	return draw(OPEN_COUNT);
}

/* Where a path begins: the root, or what is open in a slot. Those that go up
   begin at the root only, lest they leave the directory of the test. */
static size_t draw_start(const char *path, int start_out[SIDES])
{
	size_t slot = draw(3) == 0 && strstr(path, "..") == NULL ? draw_open()
								 : OPEN_COUNT;
	bool is_root = slot == OPEN_COUNT || run.open[slot][HERE] < 0;

	for (int side = 0; side < SIDES; side++)
		start_out[side] =
			is_root ? run.root[side] : run.open[slot][side];
	return is_root ? OPEN_COUNT : slot;
}

/* ---- Steps ---- */

static void close_slot(size_t slot)
{
	if (run.open[slot][HERE] < 0)
		return;
	tell("close", "", (long)slot, 0);
	SAME(sim_close(run.open[slot][side]));
	run.open[slot][HERE] = -1;
	run.open[slot][THERE] = -1;
}

static void keep_open(size_t slot, const long results[SIDES])
{
	run.open[slot][HERE] = (int)results[HERE];
	run.open[slot][THERE] = (int)results[THERE];
}

static int draw_flags(void)
{
	static const int ACCESS[] = { O_RDONLY, O_WRONLY, O_RDWR };
	static const int FLAGS[] = { O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW,
		O_DIRECTORY, O_APPEND };
	int flags = ACCESS[draw(ARRAY_LENGTH(ACCESS))] | O_CLOEXEC;

	for (size_t i = 0; i < ARRAY_LENGTH(FLAGS); i++)
		if (draw(3) == 0)
			flags |= FLAGS[i];
	/* Kernels disagree on what this means, and on O_EXCL alone. */
	if ((flags & O_CREAT) != 0)
		flags &= ~O_DIRECTORY;
	else
		flags &= ~O_EXCL;
	return flags;
}

static void step_open(void)
{
	const char *path = draw_path();
	int directory[SIDES];
	int flags = draw_flags();
	size_t slot = draw_open();

	close_slot(slot);
	tell("openat", path, flags, (long)draw_start(path, directory));
	BOTH(sim_openat(directory[side], path, flags, 0640))
	require_same(results[HERE] < 0 ? -1 : 0, results[THERE] < 0 ? -1 : 0,
		errors[HERE], errors[THERE]);
	keep_open(slot, results);
}

static void step_openat2(void)
{
	static const unsigned RESOLVE[] = { 0, RESOLVE_BENEATH,
		RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	const char *path = draw(10) == 0 ? "/tmp" : draw_path();
	unsigned flags = O_RDONLY | O_CLOEXEC |
		(draw(2) != 0 ? O_DIRECTORY : 0U) |
		(draw(2) != 0 ? O_NOFOLLOW : 0U);
	struct open_how how = {
		.flags = flags,
		.resolve = RESOLVE[draw(ARRAY_LENGTH(RESOLVE))],
	};
	int directory[SIDES];
	size_t slot = draw_open();

	if (*path == '/')
		how.resolve |= RESOLVE_BENEATH;
	close_slot(slot);
	tell("openat2", path, (long)how.flags, (long)how.resolve);
	(void)draw_start(path, directory);
	BOTH(sim_syscall_openat2(directory[side], path, &how, sizeof(how)))
	require_same(results[HERE] < 0 ? -1 : 0, results[THERE] < 0 ? -1 : 0,
		errors[HERE], errors[THERE]);
	keep_open(slot, results);
}

static void step_mkdir(void)
{
	const char *path = draw_path();
	int directory[SIDES];

	tell("mkdirat", path, 0, (long)draw_start(path, directory));
	SAME(sim_mkdirat(directory[side], path, 0750));
}

static void step_long_name(void)
{
	char path[NAME_MAX + 3] = "";
	size_t size = NAME_MAX + draw(3);

	if (draw(10) != 0)
		return;
	memset(path, 'x', size);
	tell("mkdirat, rmdir", "long", (long)size, 0);
	SAME(sim_mkdirat(run.root[side], path, 0700));
	SAME(sim_unlinkat(run.root[side], path, AT_REMOVEDIR));
}

static void step_unlink(void)
{
	const char *path = draw_path();
	int flags = draw(2) == 0 ? AT_REMOVEDIR : 0;
	int directory[SIDES];

	tell("unlinkat", path, flags, (long)draw_start(path, directory));
	SAME(sim_unlinkat(directory[side], path, flags));
}

static void step_rename(void)
{
	const char *from = draw_path();
	const char *to = draw_path();
	unsigned flags = draw(2) == 0 ? RENAME_NOREPLACE : 0;
	int directory[SIDES], target[SIDES];

	tell("renameat2", from, (long)flags, (long)draw_start(from, directory));
	tell("  to", to, 0, (long)draw_start(to, target));
	SAME(sim_renameat2(directory[side], from, target[side], to, flags));
}

static void step_link(void)
{
	const char *from = draw_path();
	const char *to = draw_path();
	int directory[SIDES], target[SIDES];

	tell("linkat", from, 0, (long)draw_start(from, directory));
	tell("  to", to, 0, (long)draw_start(to, target));
	SAME(sim_linkat(directory[side], from, target[side], to, 0));
}

static void require_same_stat(const struct stat stats[SIDES])
{
	const struct stat *here = &stats[HERE];
	const struct stat *there = &stats[THERE];

	require_same((long)here->st_mode, (long)there->st_mode, 0, 0);
	/* Directories count otherwise on each file system. */
	if (S_ISDIR(here->st_mode))
		return;
	require_same(here->st_size, there->st_size, 0, 0);
	require_same((long)here->st_nlink, (long)there->st_nlink, 0, 0);
}

static void step_stat(void)
{
	const char *path = draw_path();
	int flags = draw(2) == 0 ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat stats[SIDES];
	int directory[SIDES];

	tell("fstatat", path, flags, (long)draw_start(path, directory));
	BOTH(sim_fstatat(directory[side], path, &stats[side], flags))
	require_same(
		results[HERE], results[THERE], errors[HERE], errors[THERE]);
	if (results[HERE] == 0)
		require_same_stat(stats);
}

static void step_fstat(void)
{
	size_t slot = draw_open();
	struct stat stats[SIDES];

	if (run.open[slot][HERE] < 0)
		return;
	tell("fstat", "", (long)slot, 0);
	SAME(sim_fstat(run.open[slot][side], &stats[side]));
	require_same_stat(stats);
}

static void step_readlink(void)
{
	const char *path = draw_path();
	char texts[SIDES][32] = { "", "" };
	int directory[SIDES];

	tell("readlinkat", path, 0, (long)draw_start(path, directory));
	SAME(sim_readlinkat(directory[side], path, texts[side], 31));
	assert_string_equal(texts[HERE], texts[THERE]);
}

static void step_write(void)
{
	static const char TEXT[] = "abcdefghijklmnopqrstuvwxyz";
	size_t slot = draw_open();
	size_t size = draw(sizeof(TEXT));
	off_t offset = draw(60);
	bool is_at = draw(3) == 0;

	if (run.open[slot][HERE] < 0)
		return;
	tell("write", is_at ? "at" : "", (long)size, (long)offset);
	/* Linux appends even then, and so do we. */
	if (is_at)
		SAME(sim_pwrite(run.open[slot][side], TEXT, size, offset));
	else
		SAME(sim_write(run.open[slot][side], TEXT, size));
}

static void step_read(void)
{
	char data[SIDES][80] = { "", "" };
	size_t slot = draw_open();
	size_t size = draw(80);
	off_t offset = draw(60);
	bool is_at = draw(2) == 0;

	if (run.open[slot][HERE] < 0)
		return;
	tell("read", is_at ? "at" : "", (long)size, (long)offset);
	if (is_at)
		SAME(sim_pread(run.open[slot][side], data[side], size, offset));
	else
		SAME(sim_read(run.open[slot][side], data[side], size));
	assert_memory_equal(data[HERE], data[THERE], sizeof(data[HERE]));
}

static void step_seek(void)
{
	static const int WHENCE[] = { SEEK_SET, SEEK_CUR };
	size_t slot = draw_open();
	int whence = WHENCE[draw(ARRAY_LENGTH(WHENCE))];
	off_t offset = (off_t)draw(40) - 10;
	struct stat stat;

	if (run.open[slot][HERE] < 0 ||
		fstat(run.open[slot][HERE], &stat) == -1 ||
		!S_ISREG(stat.st_mode))
		return;
	tell("lseek", "", whence, (long)offset);
	SAME(sim_lseek(run.open[slot][side], offset, whence));
}

static void step_truncate(void)
{
	size_t slot = draw_open();
	off_t size = draw(50);

	if (run.open[slot][HERE] < 0)
		return;
	tell("ftruncate", "", (long)slot, (long)size);
	SAME(sim_ftruncate(run.open[slot][side], size));
}

static void step_mode(void)
{
	size_t slot = draw_open();
	mode_t mode = 0600 | draw(0100);

	if (run.open[slot][HERE] < 0)
		return;
	tell("fchmod", "", (long)slot, (long)mode);
	SAME(sim_fchmod(run.open[slot][side], mode));
}

static void step_times(void)
{
	size_t slot = draw_open();
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)draw(2000000000), .tv_nsec = 0 } };
	struct stat stats[SIDES];

	if (run.open[slot][HERE] < 0)
		return;
	tell("futimens", "", (long)slot, (long)times[1].tv_sec);
	SAME(sim_futimens(run.open[slot][side], times));
	SAME(sim_fstat(run.open[slot][side], &stats[side]));
	require_same(stats[HERE].st_mtime, stats[THERE].st_mtime, 0, 0);
}

static void step_attribute(void)
{
	static const char *const NAMES[] = { "user.a", "user.b", "user.t" };
	const char *name = NAMES[draw(ARRAY_LENGTH(NAMES))];
	size_t slot = draw_open();
	size_t size = draw(12);
	char values[SIDES][12] = { "", "" };

	if (run.open[slot][HERE] < 0 || !run.has_attributes)
		return;
	tell("xattr", name, (long)slot, (long)size);
	if (draw(2) == 0)
		SAME(sim_fsetxattr(
			run.open[slot][side], name, "attribute!!", size, 0));
	SAME(sim_fgetxattr(run.open[slot][side], name, values[side], size));
	assert_memory_equal(values[HERE], values[THERE], sizeof(values[HERE]));
}

static void step_lock(void)
{
	static const int OPERATIONS[] = { LOCK_EX | LOCK_NB, LOCK_UN };
	size_t slot = draw_open();
	int operation = OPERATIONS[draw(ARRAY_LENGTH(OPERATIONS))];

	if (run.open[slot][HERE] < 0)
		return;
	tell("flock", "", (long)slot, operation);
	SAME(sim_flock(run.open[slot][side], operation));
}

static void step_duplicate(void)
{
	size_t from = draw_open();
	size_t to = draw_open();

	if (from == to || run.open[from][HERE] < 0)
		return;
	close_slot(to);
	tell("dup", "", (long)from, (long)to);
	BOTH(sim_fcntl(run.open[from][side], F_DUPFD_CLOEXEC, 0))
	require_same(results[HERE] < 0, results[THERE] < 0, errors[HERE],
		errors[THERE]);
	keep_open(to, results);
}

static void step_sync(void)
{
	size_t slot = draw_open();

	if (run.open[slot][HERE] < 0 || draw(10) != 0)
		return;
	tell("fsync", "", (long)slot, 0);
	SAME(sim_fsync(run.open[slot][side]));
}

/* ---- Whole trees ---- */

struct listed {
	char name[64];
	unsigned char type;
};

static int compare_listed(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name,
		((const struct listed *)b)->name);
}

static size_t list(int fd, struct listed *listed, size_t limit)
{
	int own = sim_openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = own < 0 ? NULL : sim_fdopendir(own);
	const struct dirent *entry;
	size_t count = 0;

	if (stream == NULL) {
		if (own >= 0)
			(void)sim_close(own);
		return 0;
	}
	while ((entry = sim_readdir(stream)) != NULL && count < limit) {
		(void)snprintf(listed[count].name, sizeof(listed[count].name),
			"%.60s", entry->d_name);
		listed[count++].type = entry->d_type;
	}
	assert_int_equal(sim_closedir(stream), 0);
	qsort(listed, count, sizeof(*listed), compare_listed);
	return count;
}

static void compare_trees(const int directory[SIDES], unsigned depth);

static void compare_child(
	const int directory[SIDES], const char *name, unsigned depth)
{
	struct stat stats[SIDES];
	int child[SIDES];

	SAME(sim_fstatat(
		directory[side], name, &stats[side], AT_SYMLINK_NOFOLLOW));
	require_same_stat(stats);
	if (*name == '.' || !S_ISDIR(stats[HERE].st_mode) || depth >= DEPTH_MAX)
		return;
	for (int side = 0; side < SIDES; side++)
		child[side] = sim_openat(
			directory[side], name, O_RDONLY | O_DIRECTORY);
	compare_trees(child, depth + 1);
	SAME(sim_close(child[side]));
}

static void compare_trees(const int directory[SIDES], unsigned depth)
{
	struct listed names[SIDES][LISTED_MAX];
	size_t counts[SIDES];

	for (int side = 0; side < SIDES; side++)
		counts[side] = list(directory[side], names[side], LISTED_MAX);
	require_same((long)counts[HERE], (long)counts[THERE], 0, 0);
	for (size_t i = 0; i < counts[HERE]; i++) {
		const char *name = names[HERE][i].name;

		assert_string_equal(name, names[THERE][i].name);
		require_same(names[HERE][i].type, names[THERE][i].type, 0, 0);
		if (strcmp(name, "..") != 0)
			compare_child(directory, name, depth);
	}
}

static void step_list(void)
{
	size_t slot = draw_open();
	struct stat stat;

	if (run.open[slot][HERE] < 0 ||
		fstat(run.open[slot][HERE], &stat) == -1 ||
		!S_ISDIR(stat.st_mode))
		return;
	tell("list", "", (long)slot, 0);
	compare_trees(run.open[slot], DEPTH_MAX);
}

static void (*const STEPS[])(void) = { step_open, step_open, step_open,
	step_openat2, step_mkdir, step_long_name, step_unlink, step_rename,
	step_rename, step_link, step_stat, step_fstat, step_readlink,
	step_write, step_write, step_read, step_seek, step_truncate, step_mode,
	step_times, step_attribute, step_lock, step_duplicate, step_sync,
	step_list };

/* MAILTWIN_TEST_SIM_CALLS: how many seeds; more than a minute's worth is for
   who changes the disk. */
static uint64_t seed_count(void)
{
	const char *text = getenv("MAILTWIN_TEST_SIM_CALLS");
	uint64_t count;

	return text != NULL && number_parse_u64(text, strlen(text), &count)
		? count
		: 100;
}

static void test_both_do_the_same(void **state)
{
	(void)state;
	(void)umask(022);
	for (uint64_t seed = 1; seed <= seed_count(); seed++) {
		begin(seed);
		for (unsigned i = 0; i < STEPS_PER_RUN; i++)
			STEPS[draw(ARRAY_LENGTH(STEPS))]();
		compare_trees(run.root, 0);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_do_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
