#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#endif
#include "syncd/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"

/* '@' stands for the zero byte of an abstract address. 0 = none. */
static socklen_t find_address(struct sockaddr_un *address)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t size = path == NULL ? 0 : strlen(path);

	if (size < 2 || size >= sizeof(address->sun_path) ||
		(path[0] != '/' && path[0] != '@'))
		return 0;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, size);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

void notify_send(const char *format, ...)
{
	struct sockaddr_un address;
	socklen_t address_size = find_address(&address);
	char text[512];
	va_list arguments;
	int fd;

	if (address_size == 0)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return;
	/* Who does not listen misses nothing that matters. */
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		(const struct sockaddr *)&address, address_size);
	close(fd);
}

uint64_t notify_watchdog_ms(void)
{
	const char *time_us = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid != NULL &&
		(!number_parse_u64(pid, strlen(pid), &number) ||
			number != (uint64_t)getpid()))
		return 0;
	if (time_us == NULL ||
		!number_parse_u64(time_us, strlen(time_us), &number) ||
		number == 0)
		return 0;
	return number / 2000 > 0 ? number / 2000 : 1;
}

uint64_t notify_monotonic_us(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		return 0;
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
