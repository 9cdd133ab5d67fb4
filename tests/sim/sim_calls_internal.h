/* What sim_calls_*.c share. */
#ifndef TESTS_SIM_SIM_CALLS_INTERNAL_H
#define TESTS_SIM_SIM_CALLS_INTERNAL_H

#include <stdbool.h>

#define SIM_CALLS_DECLARE_ONLY
#include "tests/sim/sim_calls.h"

/* False: it fails, errno is set. Nothing that was looked up before holds
   afterwards: others may have acted. */
bool call_enter(const char *call, bool can_fail);

/* `result`, or -1 with errno when it is negative. */
long call_leave(const char *call, long result);

/* For a call whose effect is `effect`. */
#define CALL(name, can_fail, effect)                                           \
	(call_enter(name, can_fail) ? call_leave(name, effect) : -1)

#endif
