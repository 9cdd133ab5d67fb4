#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, SOCK_CLOEXEC */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "syncd/control.h"

#define BACKLOG 16

static bool listen_at(int fd, int directory_fd,
	const struct sockaddr_un *address, struct error *error)
{
	/* Whoever listened there is dead: we hold the lock. */
	if (unlinkat(directory_fd, CONTROL_NAME, 0) == -1 && errno != ENOENT)
		return error_set_errno(
			error, "cannot remove the old control socket");
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == -1)
		return error_set_errno(
			error, "cannot create the control socket");
	if (fchmodat(directory_fd, CONTROL_NAME, 0600, 0) == -1 ||
		listen(fd, BACKLOG) == -1)
		return error_set_errno(
			error, "cannot listen at the control socket");
	return true;
}

static bool connect_to(
	int fd, const struct sockaddr_un *address, struct error *error)
{
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
		0)
		return true;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return error_set(
			error, ERROR_UNREACHABLE, "no daemon is running");
	return error_set_errno(error, "cannot connect to the daemon");
}

int control_socket(const char *directory, bool is_server, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is_open;
	int fd;

	if (directory_fd == -1 && errno == ENOENT) {
		(void)error_set(
			error, ERROR_UNREACHABLE, "no daemon is running");
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The path itself may be too long for a socket address. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		"/proc/self/fd/%d/" CONTROL_NAME, directory_fd);
	if (directory_fd == -1 || fd == -1)
		is_open = error_set_errno(error, "cannot open '%s'", directory);
	else if (is_server)
		is_open = listen_at(fd, directory_fd, &address, error);
	else
		is_open = connect_to(fd, &address, error);
	if (directory_fd != -1)
		close(directory_fd);
	if (!is_open && fd != -1)
		close(fd);
	return is_open ? fd : -1;
}
