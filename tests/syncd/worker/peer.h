/* The other end of a connection: a thread with a blocking socket on loopback
   that does as the test says. */
#ifndef TESTS_SYNCD_WORKER_PEER_H
#define TESTS_SYNCD_WORKER_PEER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	void (*serve)(int fd, void *data); /* need not close */
	void *data;
};

/* Listens, and serves one connection in a thread that cannot get SIGPIPE. */
void peer_init(
	struct peer *peer, void (*serve)(int fd, void *data), void *data);

/* Waits until it has been served. */
void peer_finish(struct peer *peer);

/* ---- Things to serve ---- */

/* Sends back what comes until the other side closes. */
void peer_echo(int fd, void *data);

/* Sends the text `data`, then waits for the other side to close. */
void peer_say(int fd, void *data);

/* Sends the text `data`, then closes its sending half and waits. */
void peer_say_and_end(int fd, void *data);

/* Resets the connection once a byte has come. */
void peer_reset(int fd, void *data);

void peer_write_all(int fd, const char *data, size_t size);

/* Waits for the other side to close. */
void peer_drain(int fd);

#endif
