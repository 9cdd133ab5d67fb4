/* A private Dovecot on loopback; any user name is an account of its own. */
#ifndef TESTS_SYNCD_WORKER_DOVECOT_H
#define TESTS_SYNCD_WORKER_DOVECOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dovecot {
	char directory[64];
	uint16_t port;
	pid_t pid;
};

/* False when there is no dovecot on this machine. */
bool dovecot_start(struct dovecot *dovecot);
void dovecot_stop(struct dovecot *dovecot);

#endif
