/* store/watch.h by store/watch.c itself: here is the libinotifytools it stands
   on, of which it uses little, and the end it does not see coming. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/watch.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_inotify.h"

int sim_watch_descriptor(const char *path, int flags);
ssize_t sim_watch_readlink(const char *path, char *text, size_t size);
int sim_watch_forget(int fd, int descriptor);
struct watch *product_watch_open(struct error *error) MUST_CHECK;
void product_watch_close(struct watch *watch);

/* As in its header, which leaves parameters open. */
int inotifytools_initialize(void);
void inotifytools_cleanup(void);
int inotifytools_error(void);
int inotifytools_watch_file(char const *filename, int events);
int inotifytools_wd_from_filename(char const *filename);
int inotifytools_remove_watch_by_wd(int wd);
struct inotify_event *inotifytools_next_events(
	long int timeout, int num_events);

static struct watch *current;

/* Of the last inotifytools_watch_file(). */
static char *last_name;
static int last_descriptor;
static int last_error;

/* Events of one read(), which the library hands out one by one. */
static size_t batch_count;
/* Nobody is asked when the process is dead. */
static bool is_dying;

/* ---- The watch ---- */

struct watch *watch_open(struct error *error)
{
	struct watch *watch = product_watch_open(error);

	if (watch != NULL)
		current = watch;
	return watch;
}

void watch_close(struct watch *watch)
{
	/* It reads what is left, so it may be killed in there. */
	product_watch_close(watch);
	if (watch == current)
		current = NULL;
}

void sim_watch_kill(void)
{
	is_dying = true;
	batch_count = 0;
	if (current != NULL)
		watch_close(current);
	is_dying = false;
	free(last_name);
	last_name = NULL;
}

/* ---- Calls of store/watch.c ---- */

/* The lowest free descriptor; and no limits can be read. */
int sim_watch_descriptor(const char *path, int flags)
{
	(void)flags;
	if (strcmp(path, "/") == 0)
		return SIM_FD_MIN;
	errno = ENOENT;
	return -1;
}

ssize_t sim_watch_readlink(const char *path, char *text, size_t size)
{
	static const char TARGET[] = "anon_inode:inotify";

	(void)path;
	(void)size;
	memcpy(text, TARGET, sizeof(TARGET) - 1);
	return (ssize_t)sizeof(TARGET) - 1;
}

int sim_watch_forget(int fd, int descriptor)
{
	int result = sim_inotify_remove(descriptor);

	(void)fd;
	if (result == 0)
		return 0;
	errno = -result;
	return -1;
}

/* ---- The library ---- */

int inotifytools_initialize(void)
{
	sim_inotify_open();
	batch_count = 0;
	return 1;
}

void inotifytools_cleanup(void)
{
	sim_inotify_close();
}

int inotifytools_error(void)
{
	return last_error;
}

int inotifytools_watch_file(char const *filename, int events)
{
	int error = seam_before(SEAM_DISK, "inotify_add_watch", true);
	int descriptor = error != 0
		? -error
		: sim_inotify_add(filename, (uint32_t)events);

	free(last_name);
	last_name = alloc_text(filename);
	last_descriptor = descriptor;
	last_error = descriptor < 0 ? -descriptor : 0;
	seam_after(SEAM_DISK, "inotify_add_watch");
	return descriptor >= 0;
}

int inotifytools_wd_from_filename(char const *filename)
{
	return strcmp(filename, last_name) == 0 ? last_descriptor : -1;
}

int inotifytools_remove_watch_by_wd(int wd)
{
	return sim_inotify_remove(wd) == 0;
}

struct inotify_event *inotifytools_next_events(long int timeout, int num_events)
{
	(void)timeout;
	(void)num_events;
	if (batch_count == 0 && !is_dying) {
		(void)seam_before(SEAM_DISK, "read inotify", false);
		batch_count = sim_inotify_pending();
		seam_after(SEAM_DISK, "read inotify");
	}
	if (batch_count == 0)
		return NULL;
	batch_count--;
	return sim_inotify_take();
}
