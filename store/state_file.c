#define _GNU_SOURCE
#include "store/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/number.h"

#define UNSAFE_VARIABLE "MAILTWIN_STATE_FS_UNSAFE"

/* Locks, shared memory maps or fsync are not dependable on these: "Do not have
   open an LMDB database on a remote filesystem" (lmdb.h, caveats). */
static const struct {
	unsigned long type;
	const char *name;
} REMOTE_SYSTEMS[] = {
	{ 0x6969, "nfs" },
	{ 0x517b, "smb" },
	{ 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb2" },
	{ 0x65735546, "fuse" },
	{ 0x01021997, "9p" },
	{ 0x5346414f, "afs" },
	{ 0x00c36400, "ceph" },
	{ 0x73757245, "coda" },
};

const char *state_file_remote_system(unsigned long type)
{
	/* f_type is signed and as wide as a word: only 32 bits count. */
	type &= 0xffffffff;
	for (size_t i = 0; i < ARRAY_LENGTH(REMOTE_SYSTEMS); i++)
		if (REMOTE_SYSTEMS[i].type == type)
			return REMOTE_SYSTEMS[i].name;
	return NULL;
}

static bool is_allowed_anyway(void)
{
	const char *value = getenv(UNSAFE_VARIABLE);

	return value != NULL && strcmp(value, "1") == 0;
}

static bool check_file_system(int fd, const char *path, struct error *error)
{
	struct statfs status;
	const char *name;

	if (fstatfs(fd, &status) == -1)
		return error_set_errno(
			error, "cannot examine the file system of '%s'", path);
	name = state_file_remote_system((unsigned long)status.f_type);
	if (name == NULL || is_allowed_anyway())
		return true;
	return error_set(error, ERROR_CONFIG,
		"cannot keep the state in '%s': it is on a %s file system, "
		"which cannot hold a database; set state_dir to a local one "
		"(or " UNSAFE_VARIABLE "=1 to risk it)",
		path, name);
}

static bool lock(int fd, const char *path, struct error *error)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return error_set(error, ERROR_SYSTEM,
			"cannot open state '%s': it is in use", path);
	return error_set_errno(error, "cannot lock state '%s'", path);
}

int state_file_open(const char *path, struct error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1) {
		error_set_errno(error, "cannot open state '%s'", path);
		return -1;
	}
	if (!check_file_system(fd, path, error) || !lock(fd, path, error)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void set_close_on_exec(uint32_t number, const struct stat *file)
{
	struct stat status;
	int fd = (int)number;

	if (fstat(fd, &status) == -1 || status.st_dev != file->st_dev ||
		status.st_ino != file->st_ino)
		return;
	/* Fails only for a descriptor that is not open. */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

bool state_file_close_on_exec(int fd, struct error *error)
{
	DIR *directory = opendir("/proc/self/fd");
	struct stat file;
	struct dirent *entry;
	uint32_t number;

	if (directory == NULL)
		return error_set_errno(error, "cannot open '/proc/self/fd'");
	if (fstat(fd, &file) == -1) {
		error_set_errno(error, "cannot examine the state's file");
		closedir(directory);
		return false;
	}
	while ((entry = readdir(directory)) != NULL)
		if (number_parse_u32(
			    entry->d_name, strlen(entry->d_name), &number))
			set_close_on_exec(number, &file);
	closedir(directory);
	return true;
}

bool state_file_extend(int fd, unsigned long long size, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) == -1)
		return error_set_errno(
			error, "cannot examine the state's file");
	if ((unsigned long long)status.st_size >= size)
		return true;
	if (ftruncate(fd, (off_t)size) == -1)
		return error_set_errno(error, "cannot extend the state's file");
	return true;
}

static bool parse_hex(const char *text, size_t size, uint64_t *number_out)
{
	char padded[16] = "0000000000000000";

	if (size == 0 || size > sizeof(padded))
		return false;
	memcpy(padded + sizeof(padded) - size, text, size);
	return number_parse_hex64(padded, sizeof(padded), number_out);
}

/* "START-END PERMS OFFSET MAJOR:MINOR INODE path", the first two in hex.
   Device, inode and a shared mapping, so that no other one is ever meant. */
static bool parse_mapping(const char *line, const struct stat *info,
	uint64_t *start_out, uint64_t *end_out)
{
	char file_text[64];
	size_t start_size = strcspn(line, "-");
	size_t end_size = strcspn(line + start_size, " ");

	(void)snprintf(file_text, sizeof(file_text), " %02x:%02x %llu ",
		major(info->st_dev), minor(info->st_dev),
		(unsigned long long)info->st_ino);
	return strstr(line, file_text) != NULL &&
		strncmp(line + start_size + end_size, " r--s ", 6) == 0 &&
		parse_hex(line, start_size, start_out) &&
		parse_hex(line + start_size + 1, end_size - 1, end_out);
}

bool state_file_mapping(int fd, void **start_out, size_t *size_out)
{
	struct stat info;
	char line[512];
	uint64_t start = 0, end = 0;
	FILE *maps;
	bool is_found = false;

	if (fstat(fd, &info) == -1)
		return false;
	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		return false;
	while (!is_found && fgets(line, sizeof(line), maps) != NULL)
		is_found = parse_mapping(line, &info, &start, &end);
	(void)fclose(maps);
	if (!is_found || end <= start)
		return false;
	*start_out = (void *)(uintptr_t)start;
	*size_out = (size_t)(end - start);
	return true;
}
