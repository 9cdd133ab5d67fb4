/* A disk that writes down what happens to it, for tests of power cuts.

	block_log IMAGE LOG MOUNT_POINT

   shows IMAGE as the file MOUNT_POINT/disk, for a loop device to stand on.
   Every write and every flush (the loop device's flush is an fsync of its file)
   is appended to LOG: a header, then the data. Before a flush is answered, its
   place in LOG is printed, and a byte is waited for on stdin: meanwhile nothing
   reaches the disk, so that others can look at the world as it is at this
   moment. After the end of stdin nobody is asked any more. */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DISK "disk"

enum kind {
	KIND_WRITE = 1,
	KIND_FLUSH = 2,
};

/* As it lies in the log, in the byte order of the machine. */
struct header {
	uint64_t offset;
	uint32_t size;
	uint32_t kind;
};

static struct {
	int image_fd;
	int log_fd;
	uint64_t log_size;
	int is_asking;
} disk = { .image_fd = -1, .log_fd = -1, .is_asking = 1 };

/* A log with a hole would show disks that never were. */
static void add_to_log(
	enum kind kind, uint64_t offset, const char *data, size_t size)
{
	struct header header = { offset, (uint32_t)size, (uint32_t)kind };
	/* writev() does not write through what it is given. */
	struct iovec parts[2] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)data, size },
	};
	size_t total = sizeof(header) + size;

	if (writev(disk.log_fd, parts, 2) != (ssize_t)total) {
		perror("block_log: cannot write to the log");
		abort();
	}
	disk.log_size += total;
}

static void ask(uint64_t place)
{
	char answer;

	if (!disk.is_asking)
		return;
	if (printf("%" PRIu64 "\n", place) < 0 || fflush(stdout) != 0 ||
		read(STDIN_FILENO, &answer, 1) != 1)
		disk.is_asking = 0;
}

static int is_disk(const char *path)
{
	return strcmp(path, "/" DISK) == 0;
}

static int disk_getattr(
	const char *path, struct stat *stat, struct fuse_file_info *info)
{
	(void)info;
	if (strcmp(path, "/") == 0) {
		stat->st_mode = S_IFDIR | 0700;
		stat->st_nlink = 2;
		return 0;
	}
	if (!is_disk(path))
		return -ENOENT;
	if (fstat(disk.image_fd, stat) == -1)
		return -errno;
	return 0;
}

static int disk_readdir(const char *path, void *buffer, fuse_fill_dir_t fill,
	off_t offset, struct fuse_file_info *info,
	enum fuse_readdir_flags flags)
{
	(void)path;
	(void)offset;
	(void)info;
	(void)flags;
	return fill(buffer, DISK, NULL, 0, 0) == 0 ? 0 : -ENOMEM;
}

static int disk_open(const char *path, struct fuse_file_info *info)
{
	(void)info;
	return is_disk(path) ? 0 : -ENOENT;
}

static int disk_read(const char *path, char *data, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	ssize_t done = pread(disk.image_fd, data, size, offset);

	(void)path;
	(void)info;
	return done == -1 ? -errno : (int)done;
}

static int disk_write(const char *path, const char *data, size_t size,
	off_t offset, struct fuse_file_info *info)
{
	ssize_t done = pwrite(disk.image_fd, data, size, offset);

	(void)path;
	(void)info;
	if (done == -1)
		return -errno;
	add_to_log(KIND_WRITE, (uint64_t)offset, data, (size_t)done);
	return (int)done;
}

static int disk_fsync(
	const char *path, int is_data, struct fuse_file_info *info)
{
	uint64_t place = disk.log_size;

	(void)path;
	(void)is_data;
	(void)info;
	add_to_log(KIND_FLUSH, 0, "", 0);
	ask(place);
	return 0;
}

static void *disk_init(
	struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	/* What was read once may be read from memory: nobody else writes. */
	config->kernel_cache = 1;
	return NULL;
}

static const struct fuse_operations OPERATIONS = {
	.init = disk_init,
	.getattr = disk_getattr,
	.readdir = disk_readdir,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
};

static int open_or_exit(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1) {
		(void)fprintf(stderr, "block_log: cannot open '%s': %s\n", path,
			strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int count, char **arguments)
{
	/* One thread: the order of the log is the order of events. */
	char foreground[] = "-f", one_thread[] = "-s";
	char name[] = "-ofsname=block_log";
	char *options[] = { arguments[0], foreground, one_thread, name,
		arguments[3], NULL };

	if (count != 4) {
		(void)fputs("usage: block_log IMAGE LOG MOUNT_POINT\n", stderr);
		return 64;
	}
	disk.image_fd = open_or_exit(arguments[1], O_RDWR);
	disk.log_fd = open_or_exit(
		arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
	return fuse_main(5, options, &OPERATIONS, NULL);
}
