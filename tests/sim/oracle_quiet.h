/* The rules about a world as a whole: what nobody touched stays as it is, and
   what is quiet stays quiet through a death and without its state. */
#ifndef TESTS_SIM_ORACLE_QUIET_H
#define TESTS_SIM_ORACLE_QUIET_H

#include "tests/sim/world.h"

void oracle_quiet_begin(void);
/* Between sessions: where each message is that nobody has touched yet. */
void oracle_quiet_look(void);
/* In the end, when both sides are equal. */
void oracle_quiet_check(struct world *world);

#endif
