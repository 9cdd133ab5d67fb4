/* A seam for tests of one part: nothing fails, chance comes from a seed, and
   time is the real one. */
#ifndef TESTS_SIM_PLAIN_SEAM_H
#define TESTS_SIM_PLAIN_SEAM_H

#include <stdint.h>

#include "tests/sim/seam.h"

/* 0: every choice is 0, which is the usual. */
void plain_seam_init(uint64_t seed);
/* Called at each seam, with `is_after`; may leave by longjmp. NULL removes it.
 */
void plain_seam_set_hook(void (*hook)(const char *call, bool is_after));
/* Every choice is the last one there is: all that may happen happens. */
void plain_seam_set_eager(bool is_eager);

#endif
