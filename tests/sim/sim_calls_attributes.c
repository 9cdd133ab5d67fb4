/* The calls on attributes; and what the product asks of its process and its
   world. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/seam.h"
#include "tests/sim/sim_calls_internal.h"
#include "tests/sim/sim_disk_internal.h"

#define SECOND_NS      INT64_C(1000000000)
#define DEVICE_MAJOR   0x51
#define DIRECTORY_SIZE 4096
#define FILE_SYSTEM    0xef53 /* ext4 */
#define NAME_PREFIX    "user."

/* ---- Looking ---- */

static struct timespec time_of(int64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / SECOND_NS),
		.tv_nsec = (long)(ns % SECOND_NS) };

	if (time.tv_nsec < 0) {
		time.tv_sec--;
		time.tv_nsec += SECOND_NS;
	}
	return time;
}

static int describe(const struct inode *inode, struct stat *stat_out)
{
	*stat_out = (struct stat){
		.st_dev = makedev(DEVICE_MAJOR, inode->device),
		.st_ino = inode->number,
		.st_mode = inode->type | inode->now.mode,
		.st_nlink = inode->link_count,
		.st_uid = SIM_UID,
		.st_gid = SIM_UID,
		.st_size = (off_t)inode->data->size,
		.st_blksize = DIRECTORY_SIZE,
		.st_atim = time_of(inode->now.mtime_ns),
		.st_mtim = time_of(inode->now.mtime_ns),
		.st_ctim = time_of(inode->ctime_ns),
	};
	if (inode->directory != NULL) {
		stat_out->st_size = DIRECTORY_SIZE;
		stat_out->st_nlink = inode->directory->is_removed ? 0 : 2;
	}
	return 0;
}

static int find(int fd, const char *path, int flags, struct inode **inode_out)
{
	struct found found;
	unsigned how = (flags & AT_SYMLINK_NOFOLLOW) == 0 ? LOOKUP_FOLLOW : 0;
	int error;

	if ((flags & AT_EMPTY_PATH) != 0)
		how |= LOOKUP_EMPTY;
	error = path_lookup(fd, path, how, &found);
	if (error == 0 && found.inode == NULL)
		error = -ENOENT;
	if (error == 0)
		*inode_out = found.inode;
	return error;
}

static int do_stat(int fd, const char *path, struct stat *stat_out, int flags)
{
	struct inode *inode;
	int error = find(fd, path, flags, &inode);

	return error != 0 ? error : describe(inode, stat_out);
}

int sim_fstatat(int fd, const char *path, struct stat *stat_out, int flags)
{
	if (!path_is_ours(fd, path))
		return fstatat(fd, path, stat_out, flags);
	return (int)CALL("fstatat", true, do_stat(fd, path, stat_out, flags));
}

int sim_fstat(int fd, struct stat *stat_out)
{
	if (fd < SIM_FD_MIN)
		return fstat(fd, stat_out);
	return (int)CALL(
		"fstat", true, do_stat(fd, "", stat_out, AT_EMPTY_PATH));
}

int sim_stat(const char *path, struct stat *stat_out)
{
	return sim_fstatat(AT_FDCWD, path, stat_out, 0);
}

int sim_lstat(const char *path, struct stat *stat_out)
{
	return sim_fstatat(AT_FDCWD, path, stat_out, AT_SYMLINK_NOFOLLOW);
}

static int do_statx(int fd, const char *path, int flags, struct statx *stat_out)
{
	struct inode *inode;
	int error = find(fd, path, flags, &inode);
	struct timespec birth;

	if (error != 0)
		return error;
	birth = time_of(inode->birth_ns);
	*stat_out = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_mode = (uint16_t)(inode->type | inode->now.mode),
		.stx_ino = inode->number,
		.stx_size = inode->data->size,
		.stx_dev_major = DEVICE_MAJOR,
		.stx_dev_minor = inode->device,
	};
	if (sim_disk.options.has_birth_times) {
		stat_out->stx_mask |= STATX_BTIME;
		stat_out->stx_btime.tv_sec = birth.tv_sec;
		stat_out->stx_btime.tv_nsec = (uint32_t)birth.tv_nsec;
	}
	return 0;
}

int sim_statx(int fd, const char *path, int flags, unsigned mask,
	struct statx *stat_out)
{
	if (!path_is_ours(fd, path))
		return statx(fd, path, flags, mask, stat_out);
	return (int)CALL("statx", true, do_statx(fd, path, flags, stat_out));
}

static int do_statfs(int fd, const char *path, struct statfs *stat_out)
{
	struct inode *inode;
	int error = find(fd, path, AT_EMPTY_PATH, &inode);
	int id;

	if (error != 0)
		return error;
	id = (int)inode->device;
	*stat_out = (struct statfs){ .f_type = FILE_SYSTEM,
		.f_bsize = DIRECTORY_SIZE };
	memcpy(&stat_out->f_fsid, &id, sizeof(id));
	return 0;
}

int sim_fstatfs(int fd, struct statfs *stat_out)
{
	if (fd < SIM_FD_MIN)
		return fstatfs(fd, stat_out);
	return (int)CALL("fstatfs", true, do_statfs(fd, "", stat_out));
}

int sim_statfs(const char *path, struct statfs *stat_out)
{
	if (!path_is_ours(AT_FDCWD, path))
		return statfs(path, stat_out);
	return (int)CALL("statfs", true, do_statfs(AT_FDCWD, path, stat_out));
}

/* ---- Changing ---- */

static int do_chmod(int fd, mode_t mode)
{
	struct description *description = description_of(fd);

	if (description == NULL)
		return -EBADF;
	description->inode->now.mode = mode & 07777;
	description->inode->ctime_ns = disk_now_ns();
	return 0;
}

int sim_fchmod(int fd, mode_t mode)
{
	if (fd < SIM_FD_MIN)
		return fchmod(fd, mode);
	return (int)CALL("fchmod", true, do_chmod(fd, mode));
}

static int do_utimens(
	int fd, const char *path, const struct timespec times[2], int flags)
{
	struct inode *inode;
	int error = find(fd, path, flags, &inode);
	const struct timespec *time = times == NULL ? NULL : &times[1];
	int64_t ns;

	if (error != 0)
		return error;
	inode->ctime_ns = disk_now_ns();
	if (time != NULL && time->tv_nsec == UTIME_OMIT)
		return 0;
	ns = time == NULL || time->tv_nsec == UTIME_NOW
		? inode->ctime_ns
		: (int64_t)time->tv_sec * SECOND_NS + time->tv_nsec;
	inode->now.mtime_ns = ns - ns % sim_disk.options.granularity_ns;
	return 0;
}

int sim_utimensat(
	int fd, const char *path, const struct timespec times[2], int flags)
{
	if (!path_is_ours(fd, path))
		return utimensat(fd, path, times, flags);
	return (int)CALL("utimensat", true, do_utimens(fd, path, times, flags));
}

int sim_futimens(int fd, const struct timespec times[2])
{
	if (fd < SIM_FD_MIN)
		return futimens(fd, times);
	return (int)CALL(
		"utimensat", true, do_utimens(fd, "", times, AT_EMPTY_PATH));
}

static int check_attribute(int fd, const char *name)
{
	if (description_of(fd) == NULL)
		return -EBADF;
	if (!sim_disk.options.has_attributes ||
		strncmp(name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1) != 0)
		return -ENOTSUP;
	return 0;
}

static int do_setxattr(int fd, const char *name, const void *value, size_t size)
{
	int error = check_attribute(fd, name);
	struct inode *inode;

	if (error != 0)
		return error;
	inode = description_of(fd)->inode;
	inode->ctime_ns = disk_now_ns();
	return xattr_set(&inode->now.extended, name, value, size);
}

int sim_fsetxattr(
	int fd, const char *name, const void *value, size_t size, int flags)
{
	if (fd < SIM_FD_MIN)
		return fsetxattr(fd, name, value, size, flags);
	return (int)CALL("fsetxattr", true, do_setxattr(fd, name, value, size));
}

static ssize_t do_getxattr(int fd, const char *name, void *value, size_t size)
{
	int error = check_attribute(fd, name);

	if (error != 0)
		return error;
	return xattr_get(
		description_of(fd)->inode->now.extended, name, value, size);
}

ssize_t sim_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	if (fd < SIM_FD_MIN)
		return fgetxattr(fd, name, value, size);
	return CALL("fgetxattr", true, do_getxattr(fd, name, value, size));
}

/* ---- The process and its world ---- */

pid_t sim_getpid(void)
{
	return sim_disk.pid;
}

int sim_kill(pid_t pid, int signal)
{
	(void)signal;
	if (pid == sim_disk.pid || pid < SIM_PID_MIN)
		return 0;
	errno = ESRCH;
	return -1;
}

uid_t sim_geteuid(void)
{
	return SIM_UID;
}

int sim_gethostname(char *name, size_t size)
{
	(void)snprintf(name, size, "sim");
	return 0;
}

int sim_clock_gettime(clockid_t clock, struct timespec *time_out)
{
	bool is_wall =
		clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;

	*time_out =
		time_of(is_wall ? seam_wall_ns()
				: (int64_t)seam_up_ms() * (SECOND_NS / 1000));
	return 0;
}

time_t sim_time(time_t *time_out)
{
	time_t now = (time_t)(seam_wall_ns() / SECOND_NS);

	if (time_out != NULL)
		*time_out = now;
	return now;
}

int sim_nanosleep(const struct timespec *duration, struct timespec *rest)
{
	int64_t ns = (int64_t)duration->tv_sec * SECOND_NS + duration->tv_nsec;

	(void)rest;
	(void)seam_before(SEAM_CLOCK, "nanosleep", false);
	seam_sleep((uint64_t)(ns / (SECOND_NS / 1000)));
	seam_after(SEAM_CLOCK, "nanosleep");
	return 0;
}

ssize_t sim_getrandom(void *data, size_t size, unsigned flags)
{
	uint8_t *bytes = data;

	(void)flags;
	/* Keys of hashes, which change nothing that is seen: no choices. */
	for (size_t i = 0; i < size; i++) {
		sim_disk.random =
			sim_disk.random * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
		bytes[i] = (uint8_t)(sim_disk.random >> 56);
	}
	return (ssize_t)size;
}
