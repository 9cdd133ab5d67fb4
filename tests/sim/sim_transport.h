/* syncd/worker/transport.h over connections to the server in memory. Linked as
   an object, before the worker: then nothing of transport*.c is.

   Octets go out, come in and are cut into pieces as the seam says. Who waits
   lets the server work; for the others the loop, or a test, calls
   sim_transport_poll(). */
#ifndef TESTS_SIM_SIM_TRANSPORT_H
#define TESTS_SIM_SIM_TRANSPORT_H

#include <stdbool.h>

/* For transports that nobody waits on: the server carries out what was sent,
   tells news to those that idle, and ready callbacks are called. Whether any
   was. */
bool sim_transport_poll(void);

/* The product is dead: its transports are forgotten, not freed. */
void sim_transport_kill(void);

#endif
