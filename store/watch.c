/* The only file that knows libinotifytools. Used of it: the instance, adding
   and removing a watch, reading events. Not used: its recursion (not atomic,
   follows no links, would watch tmp), its map of names (stale after renames
   and removals), its regular expressions, its limit of queued events (reads a
   file that does not exist). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inotifytools/inotifytools.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/number.h"
#include "store/watch_queue.h"
#include "store/watch_table.h"

#define MASK                                                                   \
	((uint32_t)(IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE |      \
		IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |  \
		IN_DONT_FOLLOW | IN_EXCL_UNLINK))

/* Events taken in by one call: more than the kernel keeps by default, so that
   a queue that fills as fast as it is emptied does not hold us for ever. */
#define DRAIN_EVENTS_MIN 65536

struct watch {
	int fd;
	struct watch_table table;
	struct watch_queue queue;
	uint64_t spelling; /* see spell() */
	size_t drain_count;
	char *taken_name; /* of the last watch_next() */
};

/* The library is one per process; so is this. */
static bool is_open;

/* ---- Opening ---- */

static long read_limit(const char *path)
{
	char text[32];
	uint64_t number;
	ssize_t size;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	size = read(fd, text, sizeof(text));
	(void)close(fd);
	if (size > 0 && text[size - 1] == '\n')
		size--;
	if (size <= 0 || !number_parse_u64(text, (size_t)size, &number) ||
		number > INT32_MAX)
		return -1;
	return (long)number;
}

void watch_get_limits(struct watch_limits *limits_out)
{
	/* The library's getters need an instance; the files do not. */
	limits_out->max_user_watches =
		read_limit("/proc/sys/fs/inotify/max_user_watches");
	limits_out->max_user_instances =
		read_limit("/proc/sys/fs/inotify/max_user_instances");
	limits_out->max_queued_events =
		read_limit("/proc/sys/fs/inotify/max_queued_events");
}

static bool is_inotify(int fd)
{
	static const char WANTED[] = "anon_inode:inotify";
	char target[64];
	struct buf path = { .data = NULL };
	ssize_t size;

	buf_add_format(&path, "/proc/self/fd/%d", fd);
	size = readlink(buf_text(&path), target, sizeof(target));
	buf_finish(&path);
	return size == (ssize_t)sizeof(WANTED) - 1 &&
		memcmp(target, WANTED, sizeof(WANTED) - 1) == 0;
}

/* The library hides its descriptor. It will be the lowest free one. */
static int lowest_free_descriptor(struct error *error)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd == -1) {
		error_set_errno(error, "cannot open '/'");
		return -1;
	}
	(void)close(fd);
	if (fd < FD_SETSIZE)
		return fd;
	/* It would abort the process in its select(). */
	error_set(error, ERROR_LIMIT, "too many files are open to watch any");
	return -1;
}

static int open_library(struct error *error)
{
	int fd = lowest_free_descriptor(error);

	if (fd == -1)
		return -1;
	errno = 0;
	if (!inotifytools_initialize()) {
		errno = inotifytools_error();
		error_set_errno(error, "cannot use inotify");
		return -1;
	}
	if (is_inotify(fd) && fcntl(fd, F_SETFD, FD_CLOEXEC) != -1)
		return fd;
	inotifytools_cleanup();
	error_set(error, ERROR_SYSTEM, "cannot find the inotify descriptor");
	return -1;
}

struct watch *watch_open(struct error *error)
{
	struct watch *watch;
	struct watch_limits limits;
	int fd;

	if (is_open) {
		error_set(error, ERROR_LIMIT,
			"a watch is open in this process already");
		return NULL;
	}
	fd = open_library(error);
	if (fd == -1)
		return NULL;
	is_open = true;
	watch = alloc(1, sizeof(*watch));
	watch->fd = fd;
	watch_get_limits(&limits);
	watch->drain_count = DRAIN_EVENTS_MIN;
	if (limits.max_queued_events > DRAIN_EVENTS_MIN / 2)
		watch->drain_count = 2 * (size_t)limits.max_queued_events;
	return watch;
}

void watch_close(struct watch *watch)
{
	if (watch == NULL)
		return;
	/* What is left in the library's buffer would be the first events of
	   the next instance. */
	while (inotifytools_next_events(0, 1) != NULL)
		;
	inotifytools_cleanup();
	watch_table_finish(&watch->table);
	watch_queue_finish(&watch->queue);
	free(watch->taken_name);
	free(watch);
	is_open = false;
}

int watch_fd(const struct watch *watch)
{
	return watch->fd;
}

/* ---- Taking events in ---- */

/* That a watch has ended may be among what was lost. */
static void lose_all(struct watch *watch)
{
	watch_queue_clear(&watch->queue);
	watch_queue_add(&watch->queue, WATCH_LOST, 0, 0, NULL);
	watch_table_doubt_all(&watch->table);
}

static void enqueue(struct watch *watch, enum watch_kind kind, uint64_t cookie,
	const struct inotify_event *event)
{
	if (watch->queue.count >= WATCH_QUEUE_MAX)
		lose_all(watch);
	else
		watch_queue_add(&watch->queue, kind, cookie, event->cookie,
			event->len > 0 ? event->name : NULL);
}

static void end_watch(struct watch *watch, struct watched *watched,
	const struct inotify_event *event)
{
	uint64_t cookie = watched->cookie;

	watch_table_remove(&watch->table, watched);
	enqueue(watch, WATCH_SELF_GONE, cookie, event);
}

/* The directory is no longer where it was, but the kernel watches on. Not by
   the library, which complains on stderr when the watch has ended meanwhile;
   what it remembers of it does no harm. */
static void end_moved(struct watch *watch, struct watched *watched,
	const struct inotify_event *event)
{
	(void)inotify_rm_watch(watch->fd, event->wd);
	end_watch(watch, watched, event);
}

static enum watch_kind kind_of(uint32_t mask)
{
	bool is_directory = (mask & IN_ISDIR) != 0;

	if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0)
		return is_directory ? WATCH_DIRECTORY_APPEARED : WATCH_APPEARED;
	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		return is_directory ? WATCH_DIRECTORY_GONE : WATCH_GONE;
	return WATCH_WRITTEN;
}

static void take_in(struct watch *watch, const struct inotify_event *event)
{
	struct watched *watched =
		watch_table_by_descriptor(&watch->table, event->wd);

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		lose_all(watch);
	/* Removed by us meanwhile. */
	if (watched == NULL)
		return;
	if ((event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF)) != 0)
		end_watch(watch, watched, event);
	else if ((event->mask & IN_MOVE_SELF) != 0)
		end_moved(watch, watched, event);
	else if (event->len > 0)
		enqueue(watch, kind_of(event->mask), watched->cookie, event);
}

/* Not inotifytools_next_event(0), which would wait for ever. */
static void drain(struct watch *watch)
{
	for (size_t i = 0; i < watch->drain_count; i++) {
		const struct inotify_event *event =
			inotifytools_next_events(0, 1);

		if (event == NULL)
			return;
		take_in(watch, event);
	}
}

/* ---- Directories ---- */

/* The library finds a descriptor only by the name it was added under, forgets
   no name, and returns the first match: so every watch gets a name of its own,
   by a number in the slashes, "/" and "/./" for 0 and 1. */
static void spell(struct watch *watch, const char *path, struct buf *out)
{
	uint64_t number = ++watch->spelling;

	for (; number > 1; number >>= 1)
		buf_add_text(out, (number & 1) != 0 ? "/." : "/");
	buf_add_text(out, path);
}

static enum watch_add_result add_failed(
	int reason, const char *path, struct error *error)
{
	if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP)
		return WATCH_NO_DIRECTORY;
	errno = reason;
	error_set_errno(error, "cannot watch '%s'", path);
	return reason == ENOSPC ? WATCH_NO_SPACE : WATCH_ERROR;
}

/* The kernel's descriptor, or -1 with `*reason_out`. */
static int add_to_library(
	struct watch *watch, const char *path, int *reason_out)
{
	struct buf name = { .data = NULL };
	int descriptor = -1;

	spell(watch, path, &name);
	if (!inotifytools_watch_file(buf_text(&name), (int)MASK)) {
		*reason_out = inotifytools_error();
	} else {
		/* It adds a slash if it still found a directory there. */
		descriptor = inotifytools_wd_from_filename(buf_text(&name));
		buf_add_byte(&name, '/');
		if (descriptor <= 0)
			descriptor =
				inotifytools_wd_from_filename(buf_text(&name));
		*reason_out = ENOENT;
	}
	buf_finish(&name);
	return descriptor;
}

static bool stat_directory(const char *path, struct watched *watched)
{
	struct stat stat;

	if (lstat(path, &stat) == -1)
		return false;
	errno = ENOTDIR;
	if (!S_ISDIR(stat.st_mode))
		return false;
	watched->device = (uint64_t)stat.st_dev;
	watched->inode = (uint64_t)stat.st_ino;
	return true;
}

static bool is_same(const struct watched *a, const struct watched *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* Whoever watched this directory, under this cookie or another, does so no
   more: it was renamed, or events were lost. Adding it twice would make the
   library leak; told to remove a watch that has ended, it complains on stderr.
   Its memory of old names does no harm. */
static void forget_directory(struct watch *watch, const struct watched *same)
{
	struct watched *known =
		watch_table_by_inode(&watch->table, same->device, same->inode);

	if (known == NULL)
		return;
	(void)inotify_rm_watch(watch->fd, known->descriptor);
	watch_table_remove(&watch->table, known);
}

static bool is_watched_well(
	const struct watch *watch, uint64_t cookie, const struct watched *same)
{
	const struct watched *known =
		watch_table_by_cookie(&watch->table, cookie);

	return known != NULL && is_same(known, same) &&
		known->since != WATCH_IN_DOUBT;
}

enum watch_add_result watch_add(struct watch *watch, const char *path,
	uint64_t cookie, struct error *error)
{
	struct watched before = { .cookie = cookie };
	struct watched after = { .cookie = cookie };
	int reason = 0;

	if (!stat_directory(path, &before))
		return add_failed(errno, path, error);
	if (is_watched_well(watch, cookie, &before))
		return WATCH_ADDED;
	forget_directory(watch, &before);
	watch_remove(watch, cookie);
	after.descriptor = add_to_library(watch, path, &reason);
	if (after.descriptor <= 0)
		return add_failed(reason, path, error);
	after.since = watch_position(watch);
	/* Exchanged while we looked: which one is watched is not known. */
	if (!stat_directory(path, &after) || !is_same(&before, &after) ||
		watch_table_by_descriptor(&watch->table, after.descriptor) !=
			NULL) {
		(void)inotify_rm_watch(watch->fd, after.descriptor);
		return WATCH_NO_DIRECTORY;
	}
	watch_table_add(&watch->table, &after);
	return WATCH_ADDED;
}

void watch_remove(struct watch *watch, uint64_t cookie)
{
	struct watched *watched;
	int descriptor;

	/* Without what came in the library might be told to remove a watch
	   that has ended, about which it complains on stderr. */
	drain(watch);
	watched = watch_table_by_cookie(&watch->table, cookie);
	watch_queue_drop_cookie(&watch->queue, cookie);
	if (watched == NULL)
		return;
	descriptor = watched->descriptor;
	watch_table_remove(&watch->table, watched);
	(void)inotifytools_remove_watch_by_wd(descriptor);
}

bool watch_has(const struct watch *watch, uint64_t cookie)
{
	return watch_table_by_cookie(&watch->table, cookie) != NULL;
}

size_t watch_count(const struct watch *watch)
{
	return watch->table.count;
}

/* ---- Handing events out ---- */

static void show(const struct queued_event *event, uint64_t sequence,
	struct watch_event *event_out)
{
	*event_out = (struct watch_event){
		.kind = event->kind,
		.sequence = sequence,
		.cookie = event->cookie,
		.move_cookie = event->move_cookie,
		.name = event->name == NULL ? "" : event->name,
	};
}

bool watch_next(struct watch *watch, struct watch_event *event_out)
{
	free(watch->taken_name);
	watch->taken_name = NULL;
	if (watch->queue.count == 0)
		drain(watch);
	while (watch->queue.count > 0) {
		uint64_t sequence = watch->queue.first;
		struct queued_event event = watch_queue_take(&watch->queue);

		if (event.is_dropped) {
			free(event.name);
			continue;
		}
		watch->taken_name = event.name;
		show(&event, sequence, event_out);
		return true;
	}
	return false;
}

uint64_t watch_position(struct watch *watch)
{
	drain(watch);
	return watch_queue_next(&watch->queue);
}

bool watch_peek(const struct watch *watch, uint64_t sequence,
	struct watch_event *event_out)
{
	const struct queued_event *event;

	if (sequence < watch->queue.first)
		sequence = watch->queue.first;
	event = watch_queue_at(&watch->queue, sequence);
	while (event != NULL && event->is_dropped)
		event = watch_queue_at(&watch->queue, ++sequence);
	if (event == NULL)
		return false;
	show(event, sequence, event_out);
	return true;
}

bool watch_is_gapless(
	const struct watch *watch, uint64_t cookie, uint64_t sequence)
{
	const struct watched *watched =
		watch_table_by_cookie(&watch->table, cookie);

	return watched != NULL && watched->since <= sequence;
}

bool watch_is_directory(const struct watch *watch, uint64_t cookie,
	uint64_t device, uint64_t inode)
{
	const struct watched *watched =
		watch_table_by_cookie(&watch->table, cookie);

	return watched != NULL && watched->device == device &&
		watched->inode == inode;
}
