/* What a test program is when the supervisor starts it again as "mailtwin
   worker NAME": the name says how it behaves. */
#ifndef TESTS_SYNCD_FAKE_WORKER_H
#define TESTS_SYNCD_FAKE_WORKER_H

#include <stdbool.h>

bool fake_worker_is_meant(int argument_count, char **arguments);

/* steady*: a daemon that answers everything and stops when asked
   dies:    ends with 70 at once
   refused: asks for the secret, then ends with 77
   killed:  ends by a signal
   deaf:    does not stop when asked
   garbage: says what is no message
   secret:  logs what it got as "TEXT" or "error: TEXT"
   files:   logs how many descriptors it has beyond 0 to 3 */
int fake_worker_main(const char *name);

#endif
