#include "syncd/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

bool lock_make_directory(const char *path, struct error *error)
{
	char *copy = alloc_text(path);
	bool is_made = true;

	for (char *at = copy + 1; is_made; at++) {
		char end = *at;

		if (end != '/' && end != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) == -1 && errno != EEXIST)
			is_made = error_set_errno(error,
				"cannot create the directory '%s'", copy);
		*at = end;
		if (end == '\0')
			break;
	}
	free(copy);
	return is_made;
}

int lock_take(const char *directory, const char *name, struct error *error)
{
	char *path = alloc_format("%s/%s", directory, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool is_locked = fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd == -1)
		(void)error_set_errno(error, "cannot create '%s'", path);
	else if (!is_locked && errno == EWOULDBLOCK)
		(void)error_set(error, ERROR_STOPPED,
			"another process holds '%s'", path);
	else if (!is_locked)
		(void)error_set_errno(error, "cannot lock '%s'", path);
	if (fd != -1 && !is_locked)
		close(fd);
	free(path);
	return is_locked ? fd : -1;
}
