/* Worlds run in processes of their own, as some are left in the middle. */
#ifndef TESTS_SIM_CHILD_H
#define TESTS_SIM_CHILD_H

#include <sys/types.h>

/* As fork(2), but the child does not outlive its parent, and without one the
   program ends. */
pid_t child_start(void);

#endif
