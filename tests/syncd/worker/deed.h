/* Somebody acts at the first call of a kind to the server in memory, from here
   on: once. */
#ifndef TESTS_SYNCD_WORKER_DEED_H
#define TESTS_SYNCD_WORKER_DEED_H

#include <stdbool.h>

#include "tests/syncd/worker/world.h"

/* `call` is a function of remote.h, or as fake_server.c names its own. */
void at_first(struct world *world, const char *call,
	void (*act)(struct world *world));

/* What server.interfere is meanwhile; for one that does more. */
void do_deed(void *data);

bool is_deed_done(void);
/* Fails the test unless it happened; nobody acts any more. */
void assert_deed_is_done(void);

#endif
