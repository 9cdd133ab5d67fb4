/* The daemon (syncd/worker/worker_daemon.c) in a world: its passes, its waits,
   the connections that idle, inotify's wake-ups and the machine's sleep. The
   process around it, with a supervisor, is not here. */
#ifndef TESTS_SIM_SIM_DAEMON_H
#define TESTS_SIM_SIM_DAEMON_H

#include <stdbool.h>

#include "tests/sim/world.h"

/* As long as `pass_count` passes take; the account is open, and stays so. The
   seam may leave by longjmp. True: the last pass went through. */
bool sim_daemon_run(struct world *world, unsigned pass_count);

#endif
