/* The process of one account. The supervisor starts it with a socket and tells
   it, in the first message, what to do; see syncd/ipc.h for the form and
   doc/design.md for the messages. */
#ifndef SYNCD_WORKER_WORKER_H
#define SYNCD_WORKER_WORKER_H

#include "base/error.h"

/* Runs until done, told to stop, or the supervisor is gone. Returns the exit
   code (mailtwin(1)). */
int worker_main(int socket_fd);

/* Tells the supervisor why not even that is possible; same. */
int worker_give_up(int socket_fd, const struct error *error);

#endif
