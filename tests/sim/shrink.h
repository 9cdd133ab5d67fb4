/* A failing run, cut down to what makes it fail. */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include <stdbool.h>
#include <stdint.h>

/* Runs the seed; when it fails, looks for fewer and smaller choices that break
   the same rule, writes them to `path` (NULL: nowhere) and prints the
   transcript. False: it did not fail. */
bool shrink_seed(uint64_t seed, const char *path);

/* Plays a kept run. True: no rule is broken. */
bool shrink_replay(const char *path, bool shows);

#endif
