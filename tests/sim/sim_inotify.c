#include "tests/sim/sim_inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk_internal.h"

#define QUEUE_MAX 16384
#define WATCH_MAX 8192
#define HELD_MAX  2

struct event {
	int descriptor;
	uint32_t mask;
	uint32_t cookie;
	char *name; /* NULL = of the directory itself */
};

struct mark {
	struct inode *inode; /* NULL: removed */
	uint32_t mask;
};

static struct {
	bool is_open;
	struct mark *marks; /* by descriptor, from 1 */
	int mark_count;
	int mark_capacity;
	unsigned live_count;
	struct event *events;
	size_t first;
	size_t count;
	size_t capacity;
	bool has_overflow;
	/* Told as soon as nobody holds these directories' locks. */
	struct event held[HELD_MAX];
	size_t held_count;
	const struct inode *held_in[2];
	uint32_t cookie;
	struct inotify_event *shown;
} inotify;

static unsigned queue_max = QUEUE_MAX;
static unsigned watch_max = WATCH_MAX;

void sim_watch_set_queue_max(unsigned limit)
{
	queue_max = limit;
}

void sim_watch_set_watch_max(unsigned limit)
{
	watch_max = limit;
}

void inotify_begin(void)
{
	queue_max = QUEUE_MAX;
	watch_max = WATCH_MAX;
}

/* ---- The queue ---- */

static bool is_repeated(const struct event *event)
{
	const struct event *last;

	if (inotify.count == 0)
		return false;
	last = &inotify.events[inotify.first + inotify.count - 1];
	if (last->mask != event->mask || last->descriptor != event->descriptor)
		return false;
	if (last->name == NULL || event->name == NULL)
		return last->name == event->name;
	return strcmp(last->name, event->name) == 0;
}

static void make_room(void)
{
	if (inotify.first > 0 && inotify.first >= inotify.count) {
		memmove(inotify.events, inotify.events + inotify.first,
			inotify.count * sizeof(struct event));
		inotify.first = 0;
	}
	if (inotify.first + inotify.count == inotify.capacity) {
		inotify.capacity = 2 * inotify.capacity + 64;
		inotify.events = alloc_resize(
			inotify.events, inotify.capacity, sizeof(struct event));
	}
}

/* Takes the name over. */
static void enqueue(struct event event)
{
	if (inotify.count >= queue_max || is_repeated(&event)) {
		bool is_lost = inotify.count >= queue_max;

		free(event.name);
		if (!is_lost || inotify.has_overflow)
			return;
		event = (struct event){ -1, IN_Q_OVERFLOW, 0, NULL };
		inotify.has_overflow = true;
	}
	make_room();
	inotify.events[inotify.first + inotify.count++] = event;
}

static void release_held(void)
{
	size_t count = inotify.held_count;

	inotify.held_count = 0;
	for (size_t i = 0; i < count; i++)
		enqueue(inotify.held[i]);
}

static struct event event_of(const struct inode *inode, uint32_t mask,
	uint32_t cookie, const char *name)
{
	return (struct event){
		.descriptor = inode->watch,
		.mask = mask,
		.cookie = cookie,
		.name = name == NULL ? NULL : alloc_text(name),
	};
}

/* ---- What happens ---- */

static bool is_wanted(const struct inode *inode, uint32_t mask)
{
	return inode->watch != 0 &&
		(inotify.marks[inode->watch].mask & mask & IN_ALL_EVENTS) != 0;
}

static void end_mark(struct inode *inode)
{
	enqueue(event_of(inode, IN_IGNORED, 0, NULL));
	inotify.marks[inode->watch].inode = NULL;
	inotify.live_count--;
	inode->watch = 0;
}

void inotify_note(struct inode *directory, uint32_t mask, uint32_t cookie,
	const char *name)
{
	if (is_wanted(directory, mask))
		enqueue(event_of(directory, mask, cookie, name));
}

void inotify_note_self(struct inode *inode, uint32_t mask)
{
	if (inode->watch == 0)
		return;
	if (is_wanted(inode, mask) || mask == IN_UNMOUNT)
		enqueue(event_of(inode, mask, 0, NULL));
	if (mask == IN_DELETE_SELF || mask == IN_UNMOUNT)
		end_mark(inode);
}

static void hold(
	struct inode *inode, uint32_t mask, uint32_t cookie, const char *name)
{
	if (is_wanted(inode, mask))
		inotify.held[inotify.held_count++] =
			event_of(inode, mask, cookie, name);
}

void inotify_note_move(struct inode *from, const char *name, struct inode *to,
	const char *new_name, struct inode *moved)
{
	uint32_t kind = moved->directory == NULL ? 0 : IN_ISDIR;

	inotify.cookie++;
	if (from->watch == 0 && to->watch == 0 && moved->watch == 0)
		return;
	release_held();
	inotify_note(from, IN_MOVED_FROM | kind, inotify.cookie, name);
	inotify.held_in[0] = from;
	inotify.held_in[1] = to;
	hold(to, IN_MOVED_TO | kind, inotify.cookie, new_name);
	hold(moved, IN_MOVE_SELF, 0, NULL);
	if (!sim_disk.is_other || seam_choose(4) != 3)
		release_held();
}

void inotify_settle(const struct inode *a, const struct inode *b)
{
	if (inotify.held_count > 0 &&
		(a == inotify.held_in[0] || a == inotify.held_in[1] ||
			(b != NULL &&
				(b == inotify.held_in[0] ||
					b == inotify.held_in[1]))))
		release_held();
}

/* ---- The instance ---- */

void sim_inotify_open(void)
{
	inotify.is_open = true;
	inotify.mark_count = 1;
}

void sim_inotify_close(void)
{
	release_held();
	for (int i = 1; i < inotify.mark_count; i++) {
		if (inotify.marks[i].inode != NULL)
			inotify.marks[i].inode->watch = 0;
	}
	for (size_t i = 0; i < inotify.count; i++)
		free(inotify.events[inotify.first + i].name);
	free(inotify.events);
	free(inotify.marks);
	free(inotify.shown);
	memset(&inotify, 0, sizeof(inotify));
}

static int find_directory(
	const char *path, uint32_t mask, struct inode **inode_out)
{
	struct found found;
	int error = path_lookup(AT_FDCWD, path,
		(mask & IN_DONT_FOLLOW) != 0 ? 0 : LOOKUP_FOLLOW, &found);

	if (error != 0)
		return error;
	if (found.inode == NULL)
		return -ENOENT;
	if ((mask & IN_ONLYDIR) != 0 && found.inode->directory == NULL)
		return -ENOTDIR;
	*inode_out = found.inode;
	return 0;
}

static int new_mark(struct inode *inode)
{
	if (inotify.live_count >= watch_max)
		return -ENOSPC;
	if (inotify.mark_count >= inotify.mark_capacity) {
		inotify.mark_capacity = 2 * inotify.mark_capacity + 32;
		inotify.marks = alloc_resize(inotify.marks,
			(size_t)inotify.mark_capacity, sizeof(struct mark));
	}
	inode->watch = inotify.mark_count++;
	inotify.live_count++;
	return inode->watch;
}

int sim_inotify_add(const char *path, uint32_t mask)
{
	struct inode *inode = NULL;
	int result = find_directory(path, mask, &inode);

	if (result == 0 && !inotify.is_open)
		result = -EBADF;
	if (result == 0 && inode->watch == 0)
		result = new_mark(inode);
	if (result < 0)
		return result;
	inotify.marks[inode->watch] = (struct mark){ inode, mask };
	return inode->watch;
}

int sim_inotify_remove(int descriptor)
{
	if (descriptor < 1 || descriptor >= inotify.mark_count ||
		inotify.marks[descriptor].inode == NULL)
		return -EINVAL;
	end_mark(inotify.marks[descriptor].inode);
	return 0;
}

size_t sim_inotify_pending(void)
{
	/* What is on its way is there at some later look. */
	if (inotify.count == 0 && inotify.held_count > 0 && seam_choose(4) == 0)
		release_held();
	return inotify.count;
}

void sim_watch_settle(void)
{
	release_held();
}

bool sim_watch_is_ready(void)
{
	return inotify.count + inotify.held_count > 0;
}

struct inotify_event *sim_inotify_take(void)
{
	struct event event;

	if (inotify.count == 0)
		return NULL;
	event = inotify.events[inotify.first++];
	inotify.count--;
	if (event.mask == IN_Q_OVERFLOW)
		inotify.has_overflow = false;
	if (inotify.shown == NULL)
		inotify.shown = alloc(1, sizeof(*inotify.shown) + NAME_MAX + 1);
	inotify.shown->wd = event.descriptor;
	inotify.shown->mask = event.mask;
	inotify.shown->cookie = event.cookie;
	inotify.shown->len = 0;
	if (event.name != NULL) {
		inotify.shown->len = (uint32_t)strlen(event.name) + 1;
		memcpy(inotify.shown->name, event.name, inotify.shown->len);
		free(event.name);
	}
	return inotify.shown;
}
