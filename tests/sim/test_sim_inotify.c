/* The same calls make the kernel's inotify and the simulated one tell the same
   events, in the same order; and what only others can cause: halves of a move
   apart, and events lost. */
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
#include <sys/inotify.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/number.h"
#include "store/watch.h"
#define SIM_CALLS_DECLARE_ONLY
#include "tests/sim/seam_script.h"
#include "tests/sim/sim_calls.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_inotify.h"

#define STEPS_PER_RUN 120
#define OPEN_COUNT    3

/* As store/watch.c asks for, and what it leaves out. */
#define MASK                                                                   \
	(IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE |                 \
		IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |  \
		IN_DONT_FOLLOW | IN_EXCL_UNLINK)

enum {
	HERE, /* the kernel */
	THERE,
	SIDES,
};

static struct {
	char base[64];
	int root[SIDES];
	int open[OPEN_COUNT][SIDES];
	int inotify;
	uint64_t seed;
	uint64_t random;
	struct buf story;
} run;

static uint32_t draw(uint32_t limit)
{
	return seam_script_draw(&run.random, limit);
}

static const char *const DIRECTORIES[] = { "new", "cur", "d", "d/e" };

static const char *top_of(int side)
{
	return side == HERE ? run.base : SIM_ROOT "/r";
}

static void begin(uint64_t seed)
{
	const struct sim_disk_options options = { .reuses_inodes = true };

	memset(&run, 0, sizeof(run));
	memset(run.open, -1, sizeof(run.open));
	run.seed = seed;
	run.random = seed;
	seam_script_begin(seed);
	sim_disk_init(&options);
	(void)snprintf(run.base, sizeof(run.base), "/tmp/sim-inotify-XXXXXX");
	assert_non_null(mkdtemp(run.base));
	assert_int_equal(sim_disk_make_directory(SIM_ROOT "/r"), 0);
	for (int side = 0; side < SIDES; side++) {
		run.root[side] = sim_open(top_of(side), O_RDONLY | O_DIRECTORY);
		for (size_t i = 0; i < ARRAY_LENGTH(DIRECTORIES); i++)
			assert_int_equal(sim_mkdirat(run.root[side],
						 DIRECTORIES[i], 0700),
				0);
	}
	run.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(run.inotify >= 0);
	sim_inotify_open();
}

static void end(void)
{
	char command[128];

	for (size_t i = 0; i < OPEN_COUNT; i++)
		if (run.open[i][HERE] >= 0)
			(void)close(run.open[i][HERE]);
	(void)close(run.root[HERE]);
	(void)close(run.inotify);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", run.base);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	sim_inotify_close();
	sim_disk_finish();
	buf_finish(&run.story);
}

/* ---- Events as text ---- */

/* The numbers of moves are those of the whole machine: what counts is which are
   the same. */
struct moves {
	uint32_t last;
	unsigned count;
};

static void tell_event(struct buf *text, const struct inotify_event *event,
	struct moves *moves)
{
	if (event->cookie != 0 && event->cookie != moves->last) {
		moves->last = event->cookie;
		moves->count++;
	}
	buf_add_format(text, "%d %x %u %s\n", event->wd, event->mask,
		event->cookie == 0 ? 0 : moves->count,
		event->len == 0 ? "" : event->name);
}

static void take_here(struct buf *text)
{
	struct moves moves = { 0 };
	union {
		struct inotify_event event;
		char bytes[65536];
	} data;
	ssize_t size;

	while ((size = read(run.inotify, &data, sizeof(data))) > 0) {
		for (ssize_t at = 0; at < size;) {
			const struct inotify_event *event =
				(const void *)(data.bytes + at);

			tell_event(text, event, &moves);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
}

static void take_there(struct buf *text)
{
	const struct inotify_event *event;
	struct moves moves = { 0 };

	while (sim_inotify_pending() > 0) {
		event = sim_inotify_take();
		tell_event(text, event, &moves);
	}
}

static void compare(void)
{
	const size_t shown = 500;
	const char *story = buf_text(&run.story);
	struct buf here = { .data = NULL };
	struct buf there = { .data = NULL };

	take_here(&here);
	take_there(&there);
	if (run.story.size > shown)
		story += run.story.size - shown;
	if (strcmp(buf_text(&here), buf_text(&there)) != 0)
		fail_msg("seed %llu: kernel\n%s, simulated\n%s, after\n%s",
			(unsigned long long)run.seed, buf_text(&here),
			buf_text(&there), story);
	buf_finish(&here);
	buf_finish(&there);
}

/* ---- Steps ---- */

#define BOTH(call)                                                             \
	do {                                                                   \
		long results[SIDES];                                           \
		for (int side = 0; side < SIDES; side++)                       \
			results[side] = (call);                                \
		assert_int_equal(results[HERE] < 0, results[THERE] < 0);       \
	} while (0)

static const char *draw_path(void)
{
	static const char *const PATHS[] = { "new/a", "new/b", "cur/a", "cur/b",
		"cur/c", "d/a", "d/e/a", "d/e", "d", "f", "new/f", "cur" };

	return PATHS[draw(ARRAY_LENGTH(PATHS))];
}

static void step_watch(void)
{
	static const char *const WATCHED[] = { "", "/new", "/cur", "/d", "/d/e",
		"/f" };
	const char *name = WATCHED[draw(ARRAY_LENGTH(WATCHED))];
	char path[SIDES][128];
	int here, there;

	if (draw(3) != 0)
		return;
	for (int side = 0; side < SIDES; side++)
		(void)snprintf(path[side], sizeof(path[side]), "%s%s",
			top_of(side), name);
	buf_add_format(&run.story, "watch %s\n", name);
	here = inotify_add_watch(run.inotify, path[HERE], MASK);
	there = sim_inotify_add(path[THERE], MASK);
	assert_int_equal(here < 0 ? -errno : here, there);
}

static void step_forget(void)
{
	int descriptor = 1 + (int)draw(8);
	int here, there;

	if (draw(5) != 0)
		return;
	buf_add_format(&run.story, "forget %d\n", descriptor);
	here = inotify_rm_watch(run.inotify, descriptor);
	there = sim_inotify_remove(descriptor);
	assert_int_equal(here < 0, there < 0);
}

static void step_open(void)
{
	const char *path = draw_path();
	size_t slot = draw(OPEN_COUNT);
	int flags = draw(3) == 0 ? O_RDONLY : O_RDWR | O_CREAT;

	if (run.open[slot][HERE] >= 0) {
		buf_add_format(&run.story, "close %zu\n", slot);
		BOTH(sim_close(run.open[slot][side]));
	}
	buf_add_format(&run.story, "open %s %d as %zu\n", path, flags, slot);
	BOTH(run.open[slot][side] =
			sim_openat(run.root[side], path, flags, 0600));
}

static void step_write(void)
{
	size_t slot = draw(OPEN_COUNT);

	if (run.open[slot][HERE] >= 0)
		BOTH(sim_write(run.open[slot][side], "x", 1));
}

static void step_mkdir(void)
{
	const char *path = draw_path();

	buf_add_format(&run.story, "mkdir %s\n", path);
	BOTH(sim_mkdirat(run.root[side], path, 0700));
}

static void step_unlink(void)
{
	const char *path = draw_path();
	int flags = draw(3) == 0 ? AT_REMOVEDIR : 0;

	buf_add_format(&run.story, "unlink %s %d\n", path, flags);
	BOTH(sim_unlinkat(run.root[side], path, flags));
}

static void step_rename(void)
{
	const char *from = draw_path();
	const char *to = draw_path();

	buf_add_format(&run.story, "rename %s %s\n", from, to);
	BOTH(sim_renameat2(run.root[side], from, run.root[side], to, 0));
}

static void step_link(void)
{
	const char *from = draw_path();
	const char *to = draw_path();

	buf_add_format(&run.story, "link %s %s\n", from, to);
	BOTH(sim_linkat(run.root[side], from, run.root[side], to, 0));
}

static void (*const STEPS[])(void) = { step_watch, step_forget, step_open,
	step_open, step_write, step_mkdir, step_unlink, step_rename,
	step_rename, step_link };

/* MAILTWIN_TEST_SIM_INOTIFY: how many seeds. The kernel takes its time to close
   an instance. */
static uint64_t seed_count(void)
{
	const char *text = getenv("MAILTWIN_TEST_SIM_INOTIFY");
	uint64_t count;

	return text != NULL && number_parse_u64(text, strlen(text), &count)
		? count
		: 60;
}

static void test_both_tell_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seed_count(); seed++) {
		begin(seed);
		for (unsigned i = 0; i < STEPS_PER_RUN; i++) {
			STEPS[draw(ARRAY_LENGTH(STEPS))]();
			if (draw(12) == 0)
				compare();
		}
		compare();
		end();
	}
}

/* ---- store/watch.c over it ---- */

#define NEW 7
#define CUR 8

static struct watch *open_watch(uint64_t seed)
{
	const struct sim_disk_options options = { .granularity_ns = 1 };
	struct error error;
	struct watch *watch;

	seam_script_begin(seed);
	sim_disk_init(&options);
	assert_int_equal(sim_disk_make_directory(SIM_ROOT "/new"), 0);
	assert_int_equal(sim_disk_make_directory(SIM_ROOT "/cur"), 0);
	watch = watch_open(&error);
	assert_non_null(watch);
	assert_int_equal(
		watch_add(watch, SIM_ROOT "/new", NEW, &error), WATCH_ADDED);
	assert_int_equal(
		watch_add(watch, SIM_ROOT "/cur", CUR, &error), WATCH_ADDED);
	return watch;
}

static void close_watch(struct watch *watch)
{
	watch_close(watch);
	sim_disk_finish();
}

static void test_the_watch_stands_on_it(void **state)
{
	struct watch *watch = open_watch(1);
	struct watch_event event;
	uint32_t move;

	(void)state;
	assert_int_equal(watch_fd(watch), SIM_FD_MIN);
	assert_false(sim_watch_is_ready());
	assert_int_equal(sim_disk_write_file(SIM_ROOT "/new/a", "x", 1, 1), 0);
	assert_true(sim_watch_is_ready());
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_APPEARED);
	assert_int_equal(event.cookie, NEW);
	assert_string_equal(event.name, "a");
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_WRITTEN);
	assert_false(watch_next(watch, &event));
	seam_script.is_plain = true;
	assert_int_equal(
		sim_disk_rename(SIM_ROOT "/new/a", SIM_ROOT "/cur/a:2,", false),
		0);
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_GONE);
	move = event.move_cookie;
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_APPEARED);
	assert_int_equal(event.cookie, CUR);
	assert_int_equal(event.move_cookie, move);
	close_watch(watch);
}

static void test_a_removed_directory_ends_its_watch(void **state)
{
	struct watch *watch = open_watch(2);
	struct watch_event event;

	(void)state;
	assert_int_equal(sim_disk_remove(SIM_ROOT "/cur"), 0);
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_SELF_GONE);
	assert_int_equal(event.cookie, CUR);
	assert_false(watch_next(watch, &event));
	assert_int_equal(watch_count(watch), 1);
	close_watch(watch);
}

static void test_too_many_events_are_one_loss(void **state)
{
	struct watch *watch = open_watch(3);
	struct watch_event event;
	char path[64];
	unsigned count = 0;
	bool is_lost = false;

	(void)state;
	sim_watch_set_queue_max(10);
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(path, sizeof(path), SIM_ROOT "/new/%u", i);
		assert_int_equal(sim_disk_write_file(path, "x", 1, 1), 0);
	}
	while (watch_next(watch, &event)) {
		is_lost = event.kind == WATCH_LOST;
		count++;
	}
	assert_true(is_lost);
	assert_int_equal(count, 1);
	assert_int_equal(sim_disk_remove(SIM_ROOT "/new/1"), 0);
	assert_true(watch_next(watch, &event));
	assert_int_equal(event.kind, WATCH_GONE);
	close_watch(watch);
}

static void test_watches_have_a_limit(void **state)
{
	struct watch *watch = open_watch(4);
	struct error error;

	(void)state;
	sim_watch_set_watch_max(2);
	assert_int_equal(watch_add(watch, SIM_ROOT, 9, &error), WATCH_NO_SPACE);
	close_watch(watch);
}

static void test_a_killed_process_leaves_no_watch(void **state)
{
	struct watch *watch = open_watch(5);
	struct error error;

	(void)state;
	assert_non_null(watch);
	sim_disk_kill();
	watch = watch_open(&error);
	assert_non_null(watch);
	assert_int_equal(watch_count(watch), 0);
	assert_false(sim_watch_is_ready());
	close_watch(watch);
}

/* What was seen of one move of somebody else, by one look. */
static unsigned look(struct watch *watch)
{
	struct watch_event event;
	unsigned seen = 0;

	while (watch_next(watch, &event)) {
		if (event.kind == WATCH_GONE)
			seen |= 1;
		if (event.kind == WATCH_APPEARED)
			seen |= 2;
	}
	return seen;
}

static void read_directory(const char *path)
{
	DIR *stream = sim_opendir(path);

	assert_non_null(stream);
	assert_non_null(sim_readdir(stream));
	assert_int_equal(sim_closedir(stream), 0);
}

static void test_halves_of_a_move_come_apart(void **state)
{
	unsigned apart_count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct watch *watch = open_watch(seed);
		unsigned seen;

		assert_int_equal(
			sim_disk_write_file(SIM_ROOT "/new/a", "x", 1, 1), 0);
		(void)look(watch);
		assert_int_equal(sim_disk_rename(SIM_ROOT "/new/a",
					 SIM_ROOT "/cur/a", false),
			0);
		seen = look(watch);
		assert_true((seen & 1) != 0);
		apart_count += seen == 1;
		/* Who reads the directory waits for the other half. */
		if (seen == 1) {
			assert_true(sim_watch_is_ready());
			read_directory(SIM_ROOT "/cur");
			assert_int_equal(look(watch), 2);
		}
		close_watch(watch);
	}
	assert_in_range(apart_count, 10, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_tell_the_same),
		cmocka_unit_test(test_the_watch_stands_on_it),
		cmocka_unit_test(test_a_removed_directory_ends_its_watch),
		cmocka_unit_test(test_too_many_events_are_one_loss),
		cmocka_unit_test(test_watches_have_a_limit),
		cmocka_unit_test(test_a_killed_process_leaves_no_watch),
		cmocka_unit_test(test_halves_of_a_move_come_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
