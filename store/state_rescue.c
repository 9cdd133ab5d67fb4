#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "store/state_rescue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "store/state_internal.h"

#define DAMAGED_SUFFIX ".damaged-"
#define NEW_SUFFIX     ".new"

/* ---- In a process of its own ---- */

/* What the process found, as one write to a pipe. */
struct finding {
	bool is_good;
	bool has_secret;
	uint8_t secret[HASH_KEY_SIZE];
	struct error error;
};

typedef void look_function(const char *path, struct finding *finding);

/* Also what a failed fsync() left in memory as if it was written: whoever reads
   next gets what the disk has. A mapped page would stay, so before opening. */
static void forget_cache(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
}

static void look_at_all(const char *path, struct finding *finding)
{
	struct state *state;

	forget_cache(path);
	state = state_open(path, &finding->error);
	finding->is_good = state != NULL && state_check(state, &finding->error);
	state_close(state);
}

static void look_for_secret(const char *path, struct finding *finding)
{
	struct state_key key = state_key_text(STATE_KEY_SECRET);
	struct state_db *db = state_db_open(path, STATE_DB_MAP_SIZE, NULL);
	struct record_bytes value;

	if (db == NULL || !state_db_read_begin(db))
		return;
	finding->has_secret = state_db_get(db, TABLE_INTERNAL, &key, &value) &&
		value.size == sizeof(finding->secret);
	if (finding->has_secret)
		memcpy(finding->secret, value.data, sizeof(finding->secret));
	state_db_read_end(db);
	state_db_close(db);
}

/* A crash is an answer here: it ends this process and is nobody's news. */
static _Noreturn void look_and_exit(
	look_function *look, const char *path, int fd)
{
	static const int CRASHES[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
		SIGILL };
	struct finding finding = { .is_good = false };
	ssize_t written;
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* It holds the account's lock, too. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(CRASHES); i++)
		(void)signal(CRASHES[i], SIG_DFL);
	if (null_fd != -1)
		(void)dup2(null_fd, STDERR_FILENO);
	look(path, &finding);
	written = write(fd, &finding, sizeof(finding));
	_exit(written == (ssize_t)sizeof(finding) ? 0 : 1);
}

/* Less than PIPE_BUF, so it comes whole or not at all. */
static bool read_finding(int fd, struct finding *finding)
{
	ssize_t got;

	do
		got = read(fd, finding, sizeof(*finding));
	while (got == -1 && errno == EINTR);
	return got == (ssize_t)sizeof(*finding);
}

/* False: no process to be had. A process that crashed has found damage. */
static bool look_apart(look_function *look, const char *path,
	struct finding *finding, struct error *error)
{
	int fds[2];
	int status = 0;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return error_set_errno(error, "cannot make a pipe");
	child = fork();
	if (child == 0)
		look_and_exit(look, path, fds[1]);
	if (child == -1)
		error_set_errno(error, "cannot start a process");
	close(fds[1]);
	if (child != -1 && !read_finding(fds[0], finding)) {
		*finding = (struct finding){ .is_good = false };
		error_set(&finding->error, ERROR_CORRUPT,
			"state '%s' is damaged: reading it crashes", path);
	}
	close(fds[0]);
	while (child != -1 && waitpid(child, &status, 0) == -1 &&
		errno == EINTR)
		;
	return child != -1;
}

bool state_verify(const char *path, struct error *error)
{
	struct finding finding = { .is_good = false };

	if (!look_apart(look_at_all, path, &finding, error))
		return false;
	if (!finding.is_good && error != NULL)
		*error = finding.error;
	return finding.is_good;
}

/* ---- Another one in its place ---- */

static bool remove_remains(const char *path, struct error *error)
{
	char *lock = alloc_format("%s-lock", path);
	bool is_gone = (unlink(path) == 0 || errno == ENOENT) &&
		(unlink(lock) == 0 || errno == ENOENT);

	if (!is_gone)
		error_set_errno(error, "cannot remove '%s'", path);
	free(lock);
	return is_gone;
}

static bool make_new(
	const char *path, const struct finding *finding, struct error *error)
{
	struct state *state;

	if (!remove_remains(path, error))
		return false;
	state = state_open_new(
		path, finding->has_secret ? finding->secret : NULL, error);
	state_close(state);
	return state != NULL;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL
		? alloc_text(".")
		: alloc_text_sized(path, (size_t)(slash - path) + 1);
}

static bool sync_directory(const char *path, struct error *error)
{
	char *directory = directory_of(path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd != -1 && fsync(fd) == 0;

	if (!is_synced)
		error_set_errno(error, "cannot sync '%s'", directory);
	if (fd != -1)
		close(fd);
	free(directory);
	return is_synced;
}

struct tally {
	size_t count;
	uint64_t newest; /* the TIME of the last one */
};

static void tally_one(struct tally *tally, const char *time)
{
	uint64_t seconds;

	tally->count++;
	if (number_parse_u64(time, strlen(time), &seconds) &&
		seconds > tally->newest && seconds <= INT64_MAX)
		tally->newest = seconds;
}

static bool tally_damaged(
	const char *path, struct tally *tally, struct error *error)
{
	char *directory = directory_of(path);
	char *prefix = alloc_format("%s" DAMAGED_SUFFIX,
		strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1);
	DIR *stream = opendir(directory);
	const struct dirent *entry;

	if (stream == NULL)
		error_set_errno(error, "cannot read '%s'", directory);
	while (stream != NULL && (entry = readdir(stream)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			tally_one(tally, entry->d_name + strlen(prefix));
	if (stream != NULL)
		(void)closedir(stream);
	free(directory);
	free(prefix);
	return stream != NULL;
}

size_t state_damaged_count(const char *path, int64_t *newest_out)
{
	struct tally tally = { 0 };

	if (!tally_damaged(path, &tally, NULL) || tally.count == 0)
		return 0;
	*newest_out = (int64_t)tally.newest;
	return tally.count;
}

/* Under a name of its own, and still under the old one where the file system
   can. */
static char *keep(const char *path, int64_t now, struct error *error)
{
	char *kept = NULL;
	bool is_kept = false;

	for (int64_t i = 0; i <= STATE_DAMAGED_MAX && !is_kept; i++) {
		free(kept);
		kept = alloc_format(
			"%s" DAMAGED_SUFFIX "%lld", path, (long long)(now + i));
		is_kept = link(path, kept) == 0;
		if (is_kept || errno == EEXIST)
			continue;
		is_kept = renameat2(AT_FDCWD, path, AT_FDCWD, kept,
				  RENAME_NOREPLACE) == 0;
		if (!is_kept)
			break;
	}
	if (is_kept)
		return kept;
	error_set_errno(error, "cannot keep '%s' as '%s'", path, kept);
	free(kept);
	return NULL;
}

static bool move_into_place(
	const char *made, const char *path, struct error *error)
{
	char *lock = alloc_format("%s-lock", made);
	bool is_moved = rename(made, path) == 0;

	if (!is_moved)
		error_set_errno(error, "cannot rename '%s'", made);
	else
		(void)unlink(lock); /* holds nothing without its state */
	free(lock);
	return is_moved && sync_directory(path, error);
}

bool state_replace(
	const char *path, int64_t now, char **kept_out, struct error *error)
{
	struct finding finding = { .is_good = false };
	char *made = alloc_format("%s" NEW_SUFFIX, path);
	char *kept = NULL;
	struct tally tally = { 0 };
	bool is_replaced = false;

	if (!tally_damaged(path, &tally, error))
		goto out;
	if (tally.count >= STATE_DAMAGED_MAX) {
		error_set(error, ERROR_CORRUPT,
			"state '%s' is damaged, and %zu damaged ones lie "
			"beside it: is its disk failing?",
			path, tally.count);
		goto out;
	}
	if (!look_apart(look_for_secret, path, &finding, error) ||
		!make_new(made, &finding, error))
		goto out;
	kept = keep(path, now, error);
	is_replaced = kept != NULL && move_into_place(made, path, error);
out:
	explicit_bzero(&finding, sizeof(finding));
	free(made);
	if (is_replaced)
		*kept_out = kept;
	else
		free(kept);
	return is_replaced;
}
