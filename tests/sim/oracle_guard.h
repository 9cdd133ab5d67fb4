/* The guard seen from outside: nobody approves anything in a simulated world
   but scripts, so with a delete_limit the product never removes most of a
   mailbox within an hour. */
#ifndef TESTS_SIM_ORACLE_GUARD_H
#define TESTS_SIM_ORACLE_GUARD_H

#include <stdbool.h>

void oracle_guard_begin(void);
/* From here on it may. */
void oracle_guard_approve(void);
/* The product removes a message: there are still `left` in the folder. */
void oracle_guard_count(const char *folder, bool is_here, unsigned left);

#endif
