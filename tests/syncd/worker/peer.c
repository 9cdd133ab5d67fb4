#define _GNU_SOURCE
#include "tests/syncd/worker/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *run(void *data)
{
	struct peer *peer = data;
	int fd;

	fd = accept(peer->listen_fd, NULL, NULL);
	if (fd == -1)
		return NULL;
	peer->serve(fd, peer->data);
	close(fd);
	return NULL;
}

static void start(struct peer *peer)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&peer->thread, NULL, run, peer) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void peer_init(struct peer *peer, void (*serve)(int fd, void *data), void *data)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	struct sockaddr *generic = (struct sockaddr *)&address;

	peer->serve = serve;
	peer->data = data;
	peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer->listen_fd, generic, size) == -1 ||
		listen(peer->listen_fd, 5) == -1 ||
		getsockname(peer->listen_fd, generic, &size) == -1)
		abort();
	peer->port = ntohs(address.sin_port);
	start(peer);
}

void peer_finish(struct peer *peer)
{
	/* In case nobody has connected. */
	(void)shutdown(peer->listen_fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->listen_fd);
}

void peer_write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, data, size);

		if (written <= 0)
			return;
		data += written;
		size -= (size_t)written;
	}
}

void peer_drain(int fd)
{
	char data[4096];

	while (read(fd, data, sizeof(data)) > 0)
		;
}

void peer_echo(int fd, void *data)
{
	char bytes[4096];
	ssize_t size;

	(void)data;
	while ((size = read(fd, bytes, sizeof(bytes))) > 0)
		peer_write_all(fd, bytes, (size_t)size);
}

void peer_say(int fd, void *data)
{
	peer_write_all(fd, data, strlen(data));
	peer_drain(fd);
}

void peer_say_and_end(int fd, void *data)
{
	peer_write_all(fd, data, strlen(data));
	shutdown(fd, SHUT_WR);
	peer_drain(fd);
}

void peer_reset(int fd, void *data)
{
	struct linger linger = { .l_onoff = 1 };
	char byte;

	(void)data;
	(void)!read(fd, &byte, 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
