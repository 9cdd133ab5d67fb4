/* Preloaded into the program: a file is mapped to be shared in no more octets
   than the file named by SMALL_MAP_FILE says, as if there were no room for
   more. It is read each time, so that a test may change its mind. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *mmap(void *address, size_t size, int protection, int flags, int fd,
	off_t offset);

static size_t limit(void)
{
	const char *path = getenv("SMALL_MAP_FILE");
	char text[32] = { 0 };
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return SIZE_MAX;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return strtoul(text, NULL, 10);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd,
	off_t offset)
{
	if ((flags & MAP_SHARED) != 0 && fd != -1 && size > limit()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(
		SYS_mmap, address, size, protection, flags, fd, offset);
}
