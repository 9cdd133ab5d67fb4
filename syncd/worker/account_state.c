/* Opening the account's state, and another one when it is damaged. */
#define _GNU_SOURCE
#include "syncd/worker/account_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/state_rescue.h"

/* Written when the state was closed in order: what its file looked like then.
   The seal's own time tells when all of it was last read. It is taken away
   before the state is opened, so that there is none after a crash. */
#define SEAL_NAME      "sealed"
#define SEAL_TEXT_SIZE 128

/* Bits rot without a trace, so everything is read once in a while. */
#define VERIFY_EVERY_S (24 * 3600)

static char *state_path(const struct account *account)
{
	return alloc_format("%s/state.mdb", account->directory);
}

static char *seal_path(const struct account *account)
{
	return alloc_format("%s/" SEAL_NAME, account->directory);
}

/* ---- The seal ---- */

static bool describe(const struct account *account, char text[SEAL_TEXT_SIZE])
{
	char *path = state_path(account);
	struct stat info;
	bool is_there = stat(path, &info) == 0;

	free(path);
	if (is_there)
		(void)snprintf(text, SEAL_TEXT_SIZE, "%llu %lld %lld.%09ld\n",
			(unsigned long long)info.st_ino,
			(long long)info.st_size, (long long)info.st_mtim.tv_sec,
			info.st_mtim.tv_nsec);
	return is_there;
}

/* Whether the state is as it was left, and was read lately. */
static bool is_sealed(struct account *account, int fd)
{
	char wanted[SEAL_TEXT_SIZE];
	char text[SEAL_TEXT_SIZE];
	int64_t now = account_now();
	struct stat info;
	ssize_t size;

	if (!describe(account, wanted) || fstat(fd, &info) == -1)
		return false;
	account->verified_at = (int64_t)info.st_mtim.tv_sec;
	size = read(fd, text, sizeof(text));
	return size == (ssize_t)strlen(wanted) &&
		memcmp(text, wanted, (size_t)size) == 0 &&
		account->verified_at <= now &&
		now - account->verified_at < VERIFY_EVERY_S;
}

static bool remove_seal(
	const char *path, const char *directory, struct error *error)
{
	int fd;
	bool is_durable;

	if (unlink(path) == -1)
		return error_set_errno(error, "cannot remove '%s'", path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_durable = fd != -1 && fsync(fd) == 0;
	if (!is_durable)
		error_set_errno(error, "cannot sync '%s'", directory);
	if (fd != -1)
		close(fd);
	return is_durable;
}

static bool break_seal(
	struct account *account, bool *was_sealed_out, struct error *error)
{
	char *path = seal_path(account);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool is_broken = true;

	*was_sealed_out = fd != -1 && is_sealed(account, fd);
	if (fd != -1) {
		close(fd);
		is_broken = remove_seal(path, account->directory, error);
	} else if (errno != ENOENT) {
		is_broken = error_set_errno(error, "cannot open '%s'", path);
	}
	free(path);
	return is_broken;
}

/* If this fails the state is verified at the next start: no harm. */
static void seal(const struct account *account)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)account->verified_at },
	};
	char text[SEAL_TEXT_SIZE];
	char *path = seal_path(account);
	int fd = -1;

	if (describe(account, text))
		fd = open(path,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (fd != -1) {
		if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
			futimens(fd, times) == -1)
			(void)unlink(path);
		close(fd);
	}
	free(path);
}

/* ---- Damage ---- */

static bool replace(struct account *account, const char *path,
	const struct error *damage, struct error *error)
{
	char *kept;

	if (!state_replace(path, account_now(), &kept, error))
		return false;
	account_log(account, ACCOUNT_LOG_WARNING,
		"%s: it is kept as '%s', and a new one is made from the "
		"Maildir and the server",
		damage->message, kept);
	free(kept);
	return true;
}

size_t account_state_damaged_count(
	const struct account *account, int64_t *newest_out)
{
	char *path = state_path(account);
	size_t count = state_damaged_count(path, newest_out);

	free(path);
	return count;
}

/* Before it is opened here, where damage could be a crash. */
static bool verify(
	struct account *account, const char *path, struct error *error)
{
	struct error damage = { 0 };

	account->verified_at = account_now();
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return true;
	if (state_verify(path, &damage))
		return true;
	if (damage.code == ERROR_CORRUPT)
		return replace(account, path, &damage, error);
	*error = damage;
	return false;
}

static bool open_state(
	struct account *account, const char *path, struct error *error)
{
	struct error damage = { 0 };

	account->state = state_open(path, &damage);
	if (account->state != NULL)
		return true;
	if (damage.code != ERROR_CORRUPT) {
		*error = damage;
		return false;
	}
	if (!replace(account, path, &damage, error))
		return false;
	account->state = state_open(path, error);
	return account->state != NULL;
}

bool account_state_open(struct account *account, struct error *error)
{
	char *path = state_path(account);
	bool was_sealed;
	bool is_open = break_seal(account, &was_sealed, error) &&
		(was_sealed || verify(account, path, error)) &&
		open_state(account, path, error);

	free(path);
	return is_open;
}

void account_state_close(struct account *account)
{
	struct error damage = { 0 };

	if (account->state == NULL)
		return;
	if (state_read_error(account->state, &damage) &&
		damage.code == ERROR_CORRUPT)
		account->is_state_doubtful = true;
	account->is_state_doubtful |= state_is_broken(account->state);
	state_close(account->state);
	account->state = NULL;
	if (!account->is_state_doubtful)
		seal(account);
}
