/* What happens in the watched directories, through libinotifytools. Events are
   hints: they say where to look, and together with a scan (store/scan.h) they
   make it exact. The library has global state, so there is one watch at a time
   per process and one thread that uses it. Open it before any socket. */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* Events kept for watch_next(); more become one WATCH_LOST. */
#define WATCH_QUEUE_MAX 262144

struct watch;

enum watch_kind {
	WATCH_APPEARED, /* a file was created, linked or moved in */
	WATCH_GONE,     /* a file was deleted or moved out */
	WATCH_WRITTEN,  /* a file open for writing was closed */
	WATCH_DIRECTORY_APPEARED,
	WATCH_DIRECTORY_GONE,
	WATCH_SELF_GONE, /* the watched directory itself was removed, moved or
			    unmounted; its watch has ended */
	WATCH_LOST,      /* everything unknown: add every watch again, then
			    scan all; cookie and name are empty */
};

struct watch_event {
	enum watch_kind kind;
	uint64_t sequence;    /* rises by one from event to event */
	uint64_t cookie;      /* given to watch_add() */
	uint32_t move_cookie; /* same in both halves of a move, else 0 */
	const char *name;     /* in the directory; "" for SELF_GONE and LOST;
				 borrowed until the next call on the watch */
};

/* ERROR_SYSTEM when inotify is not to be had; ERROR_LIMIT when one is open
   already in this process. */
struct watch *watch_open(struct error *error) MUST_CHECK;
void watch_close(struct watch *watch);

/* Readable when there is something new; never read it. Call watch_next() until
   it returns false then, and also after watch_position() or a scan, which take
   events in. */
int watch_fd(const struct watch *watch);

enum watch_add_result {
	WATCH_ADDED,    /* or was there already under this cookie */
	WATCH_NO_SPACE, /* fs.inotify.max_user_watches is reached */
	WATCH_NO_DIRECTORY,
	WATCH_ERROR,
};

/* `path` is absolute, its last component no symbolic link. One directory has
   one cookie, one cookie one directory: adding a cookie again moves it. */
enum watch_add_result watch_add(struct watch *watch, const char *path,
	uint64_t cookie, struct error *error) MUST_CHECK;

/* Nothing happens for an unknown cookie. Events of it not yet taken are
   dropped. */
void watch_remove(struct watch *watch, uint64_t cookie);
bool watch_has(const struct watch *watch, uint64_t cookie);
size_t watch_count(const struct watch *watch);

/* The oldest event not yet taken; false = none now. Never blocks. Somebody who
   renames as fast as we read can keep it going: to stop in between, compare
   with watch_position(). */
bool watch_next(struct watch *watch, struct watch_event *event_out) MUST_CHECK;

/* Takes in all the kernel has at the moment, without handing it out, and
   returns the sequence the next event will get. What happened before the call
   has a lower sequence. */
uint64_t watch_position(struct watch *watch);

/* Looks at the queued events from `sequence` on, without taking them; false =
   no more. Events taken by watch_next() are no longer seen. */
bool watch_peek(const struct watch *watch, uint64_t sequence,
	struct watch_event *event_out) MUST_CHECK;

/* No event of this directory can have been missed since `sequence`: its watch
   was there all the time and nothing was lost. */
bool watch_is_gapless(const struct watch *watch, uint64_t cookie,
	uint64_t sequence) MUST_CHECK;

/* The directory this cookie watches. False: none, or another one; then its
   events say nothing about this one (it was renamed, say). */
bool watch_is_directory(const struct watch *watch, uint64_t cookie,
	uint64_t device, uint64_t inode) MUST_CHECK;

/* System limits, for status; -1 = not known. */
struct watch_limits {
	long max_user_watches;
	long max_user_instances;
	long max_queued_events;
};
void watch_get_limits(struct watch_limits *limits_out);

#endif
