/* The crash sweep: every scenario with a crash at each call of the product in
   turn, before the call's effect and after it (the result lost), of the process
   and of the machine. Then it must come to rest as without. */
#ifndef TESTS_SIM_SWEEP_H
#define TESTS_SIM_SWEEP_H

#include <stdbool.h>

/* `name`: of a scenario, or "all" (but for those that are not to be swept).
   Every `stride`-th crash only: each call gets another of the four. Exit code.
 */
int sweep_run(const char *name, unsigned stride, unsigned jobs);

/* "NAME/CASE/STEP/KIND", as a sweep prints it; STEP may be "CALL:N", too: the
   N-th call of that name behind the given. Exit code. */
int sweep_run_one(const char *crash, bool shows);

#endif
