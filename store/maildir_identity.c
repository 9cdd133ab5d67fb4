/* The attribute "user.mailtwin" of a directory: "ACCOUNT GENERATION". */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/number.h"
#include "store/maildir_internal.h"

#define XFS_MAGIC 0x58465342

static const char ATTRIBUTE[] = "user.mailtwin";

static int open_directory(
	const struct maildir *maildir, const char *path, struct error *error)
{
	struct buf place = { .data = NULL };
	int fd = -1;

	if (path == NULL)
		buf_add_text(&place, ".");
	else if (!maildir_place(maildir, path, MAILDIR_FOLDER, &place, error))
		goto out;
	fd = maildir_open_place(maildir, buf_text(&place));
	if (fd == -1)
		error_set_errno(error, "cannot open the directory '%s'",
			path == NULL ? maildir->root : buf_text(&place));
out:
	buf_finish(&place);
	return fd;
}

static bool is_empty_directory(int fd)
{
	DIR *stream = directory_stream(fd);
	size_t count = 0;

	if (stream == NULL)
		return false;
	while (count <= 2 && readdir(stream) != NULL)
		count++;
	(void)closedir(stream);
	return count <= 2; /* "." and ".." */
}

/* Cuts off the last level of a place; the root is what is left of all. */
static void go_up(struct buf *place)
{
	const char *slash = strrchr(buf_text(place), '/');
	size_t size = slash == NULL ? 0 : (size_t)(slash - buf_text(place));

	buf_truncate(place, size);
	if (size == 0)
		buf_add_byte(place, '.');
}

bool maildir_may_be_unmounted(
	struct maildir *maildir, const char *path, uint64_t device)
{
	struct buf place = { .data = NULL };
	struct error error = { 0 };
	struct stat stat;
	bool may_be = true;
	bool is_itself = true;
	int fd = -1;

	if (!maildir_place(maildir, path, MAILDIR_FOLDER, &place, &error))
		goto out;
	while ((fd = maildir_open_place(maildir, buf_text(&place))) == -1 &&
		errno == ENOENT && strcmp(buf_text(&place), ".") != 0) {
		is_itself = false;
		go_up(&place);
	}
	if (fd != -1 && fstat(fd, &stat) == 0)
		may_be = (uint64_t)stat.st_dev != device ||
			(is_itself && is_empty_directory(fd));
out:
	if (fd != -1)
		(void)close(fd);
	buf_finish(&place);
	return may_be;
}

static bool parse_generation(
	const char *text, size_t size, struct maildir_identity *identity)
{
	const char *blank = memchr(text, ' ', size);
	size_t account_size;

	if (blank == NULL)
		return false;
	account_size = (size_t)(blank - text);
	if (account_size == 0 || account_size > MAILDIR_ACCOUNT_SIZE_MAX)
		return false;
	if (!number_parse_u64(
		    blank + 1, size - account_size - 1, &identity->generation))
		return false;
	memcpy(identity->account, text, account_size);
	identity->account[account_size] = '\0';
	return true;
}

/* No attributes here, or none of ours: device, inode and fsid have to do. */
static bool is_without_attributes(int number)
{
	return number == ENOTSUP || number == EPERM || number == ENOSYS ||
		number == EACCES;
}

/* One that is not there, or is too long to be ours, is no mark; one that cannot
   be read now tells nothing. */
static bool read_generation(
	int fd, struct maildir_identity *identity, struct error *error)
{
	char text[MAILDIR_ACCOUNT_SIZE_MAX + 32];
	ssize_t size = fgetxattr(fd, ATTRIBUTE, text, sizeof(text));

	if (size < 0 && errno != ENODATA && errno != ERANGE &&
		!is_without_attributes(errno))
		return error_set_errno(
			error, "cannot read the attribute '%s'", ATTRIBUTE);
	identity->supports_generation =
		size >= 0 || !is_without_attributes(errno);
	identity->has_generation =
		size >= 0 && parse_generation(text, (size_t)size, identity);
	return true;
}

bool directory_identity(int fd, uint64_t *identity_out)
{
	/* Odd, and its bits are spread: different times give different sums. */
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	struct statx stat;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		    STATX_INO | STATX_BTIME, &stat) == -1)
		return false;
	*identity_out = stat.stx_ino;
	if ((stat.stx_mask & STATX_BTIME) != 0)
		*identity_out += factor *
			((uint64_t)stat.stx_btime.tv_sec * 1000000000 +
				stat.stx_btime.tv_nsec);
	return true;
}

/* What MAILDIR_UUID_COMMAND fills in. */
struct file_system_uuid {
	uint8_t size;
	uint8_t bytes[16];
};

/* 0 when the kernel does not tell. */
static uint64_t file_system_uuid(int fd)
{
	struct file_system_uuid uuid = { .size = 0 };

	if (ioctl(fd, MAILDIR_UUID_COMMAND, &uuid) == -1 ||
		uuid.size != sizeof(uuid.bytes))
		return 0;
	return number_read_be64(uuid.bytes) ^ number_read_be64(uuid.bytes + 8);
}

/* What xfs has in f_fsid is the device's number, which may be another one
   after the next start of the machine. 0 = it has none. */
static bool file_system_id(int fd, uint64_t *id_out, struct error *error)
{
	struct statfs stat = { .f_type = 0 };
	uint64_t id = 0;

	if (fstatfs(fd, &stat) == -1 && errno != ENOSYS)
		return error_set_errno(error, "cannot stat a file system");
	if ((uint32_t)stat.f_type == XFS_MAGIC)
		id = file_system_uuid(fd);
	if (id == 0)
		memcpy(&id, &stat.f_fsid,
			sizeof(id) < sizeof(stat.f_fsid) ? sizeof(id)
							 : sizeof(stat.f_fsid));
	*id_out = id;
	return true;
}

bool maildir_identity(struct maildir *maildir, const char *path,
	struct maildir_identity *identity_out, struct error *error)
{
	struct maildir_identity identity = { .device = 0 };
	struct stat stat;
	bool is_read = false;
	int fd = open_directory(maildir, path, error);

	if (fd == -1)
		return false;
	if (fstat(fd, &stat) == -1 ||
		!directory_identity(fd, &identity.inode)) {
		error_set_errno(error, "cannot stat a directory");
		goto out;
	}
	identity.device = (uint64_t)stat.st_dev;
	is_read = file_system_id(fd, &identity.fsid, error) &&
		read_generation(fd, &identity, error);
	if (is_read)
		*identity_out = identity;
out:
	(void)close(fd);
	return is_read;
}

static bool write_generation(
	int fd, const struct buf *text, struct error *error)
{
	if (fsetxattr(fd, ATTRIBUTE, text->data, text->size, 0) == 0)
		return directory_sync(fd, ".", error);
	if (is_without_attributes(errno))
		return true;
	return error_set_errno(
		error, "cannot set the attribute '%s'", ATTRIBUTE);
}

bool maildir_set_generation(struct maildir *maildir, const char *path,
	const char *account, uint64_t generation, struct error *error)
{
	struct buf text = { .data = NULL };
	int fd;
	bool ok;

	if (*account == '\0' || strchr(account, ' ') != NULL ||
		strlen(account) > MAILDIR_ACCOUNT_SIZE_MAX)
		return error_set(error, ERROR_LIMIT,
			"'%.200s' is no account name", account);
	fd = open_directory(maildir, path, error);
	if (fd == -1)
		return false;
	buf_add_format(
		&text, "%s %llu", account, (unsigned long long)generation);
	ok = write_generation(fd, &text, error);
	buf_finish(&text);
	(void)close(fd);
	return ok;
}
