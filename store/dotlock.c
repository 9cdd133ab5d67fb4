#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/number.h"
#include "store/maildir_internal.h"
#include "store/maildir_name.h"

#define STEP_MS        10
#define HOST_SIZE_MAX  255
#define OWNER_SIZE_MAX (HOST_SIZE_MAX + 16)

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) == -1)
		return 0;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Who holds it ---- */

static bool get_host(char host[HOST_SIZE_MAX + 1])
{
	if (gethostname(host, HOST_SIZE_MAX) == -1)
		return false;
	host[HOST_SIZE_MAX] = '\0';
	return true;
}

/* What the lock file says; "" when it cannot be told. */
static void read_owner(
	int directory, const char *name, char owner[OWNER_SIZE_MAX + 1])
{
	ssize_t size = 0;
	int fd = openat(directory, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd != -1) {
		size = read(fd, owner, OWNER_SIZE_MAX);
		(void)close(fd);
	}
	owner[size > 0 ? size : 0] = '\0';
}

/* Locks are held within one call: one with our own number is of an earlier
   process that had it too, as happens in containers. */
static bool is_dead(uint32_t pid)
{
	if (pid == 0 || pid > INT32_MAX)
		return false;
	return (pid_t)pid == getpid() ||
		(kill((pid_t)pid, 0) == -1 && errno == ESRCH);
}

/* Older than this machine's last start. A second is left for the time that a
   file takes from a clock that ticks seldom. */
static bool is_of_earlier_start(const struct stat *stat)
{
	int64_t start_ms = now_ms(CLOCK_REALTIME) - now_ms(CLOCK_BOOTTIME);

	return (int64_t)stat->st_mtime * 1000 + 1000 < start_ms;
}

/* Of a lock of another host nothing is known but its age. When the power went,
   the name of a lock may be on the disk without what was written into it, and
   its holder's number may be that of another process. */
static bool is_orphan(int directory, const char *name, const struct stat *stat)
{
	char owner[OWNER_SIZE_MAX + 1];
	char host[HOST_SIZE_MAX + 1];
	const char *colon;
	uint32_t pid;

	read_owner(directory, name, owner);
	if (*owner == '\0')
		return is_of_earlier_start(stat);
	colon = strchr(owner, ':');
	return colon != NULL && get_host(host) &&
		strcmp(colon + 1, host) == 0 &&
		number_parse_u32(owner, (size_t)(colon - owner), &pid) &&
		(is_dead(pid) || is_of_earlier_start(stat));
}

static bool is_stale(int directory, const char *name, struct stat *stat)
{
	if (fstatat(directory, name, stat, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	return (int64_t)stat->st_mtime + DOTLOCK_AGE_SECONDS <
		now_ms(CLOCK_REALTIME) / 1000 ||
		is_orphan(directory, name, stat);
}

/* Twice looked at, so that a lock somebody just took over is left alone. */
static void break_stale(int directory, const char *name)
{
	struct stat first, second;

	if (is_stale(directory, name, &first) &&
		is_stale(directory, name, &second) &&
		first.st_ino == second.st_ino)
		(void)unlinkat(directory, name, 0);
}

/* ---- Taking ---- */

static bool write_owner(int fd)
{
	char host[HOST_SIZE_MAX + 1];
	char owner[OWNER_SIZE_MAX + 1];
	int size;

	if (!get_host(host))
		return false;
	size = snprintf(owner, sizeof(owner), "%ld:%s", (long)getpid(), host);
	return size > 0 && (size_t)size < sizeof(owner) &&
		write_fully(fd, owner, (size_t)size);
}

/* A name like a message's, so that what a crash leaves goes by age. */
static void format_unique(struct buf *unique)
{
	char host[HOST_SIZE_MAX + 1];
	uint64_t token =
		(uint64_t)getpid() << 32 ^ (uint64_t)now_ms(CLOCK_MONOTONIC);

	maildir_unique_format(now_ms(CLOCK_REALTIME) / 1000, token,
		get_host(host) ? host : "localhost", unique);
}

static bool create(
	int tmp, const char *unique, const char *name, struct error *error)
{
	bool is_written;
	int fd = openat(tmp, unique,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return error_set_errno(error, "cannot create '%s'", name);
	is_written = write_owner(fd);
	if (!is_written) {
		error_set_errno(error, "cannot write '%s'", name);
		(void)unlinkat(tmp, unique, 0);
	}
	(void)close(fd);
	return is_written;
}

static bool is_held(int directory, const char *name)
{
	struct stat stat;

	return fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum dotlock_result try(
	int directory, int tmp, const char *name, struct error *error)
{
	struct buf unique = { .data = NULL };
	enum dotlock_result result = DOTLOCK_ERROR;

	break_stale(directory, name);
	if (is_held(directory, name))
		return DOTLOCK_BUSY;
	format_unique(&unique);
	if (!create(tmp, buf_text(&unique), name, error))
		goto out;
	if (rename_exclusive(tmp, buf_text(&unique), directory, name) == 0) {
		result = DOTLOCK_TAKEN;
		goto out;
	}
	if (errno == EEXIST)
		result = DOTLOCK_BUSY;
	else
		error_set_errno(error, "cannot create '%s'", name);
	(void)unlinkat(tmp, buf_text(&unique), 0);
out:
	buf_finish(&unique);
	return result;
}

enum dotlock_result dotlock_take(int directory, int tmp, const char *name,
	unsigned patience_ms, struct error *error)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	int64_t deadline_ms = now_ms(CLOCK_MONOTONIC) + patience_ms;

	for (;;) {
		enum dotlock_result result = try(directory, tmp, name, error);

		if (result != DOTLOCK_BUSY ||
			now_ms(CLOCK_MONOTONIC) >= deadline_ms)
			return result;
		(void)nanosleep(&step, NULL);
	}
}

/* It says our number as long as it is ours. */
void dotlock_release(int directory, const char *name)
{
	char owner[OWNER_SIZE_MAX + 1];
	const char *colon;
	uint32_t pid;

	read_owner(directory, name, owner);
	colon = strchr(owner, ':');
	if (colon != NULL &&
		number_parse_u32(owner, (size_t)(colon - owner), &pid) &&
		(pid_t)pid == getpid())
		(void)unlinkat(directory, name, 0);
}
