/* What a server may be able to do: every rung ends in the same state. */
#ifndef TESTS_SYNCD_WORKER_RUNGS_H
#define TESTS_SYNCD_WORKER_RUNGS_H

#include <stdbool.h>

#define RUNG_COUNT 9

struct rung {
	const char *name;
	bool qresync, condstore, uidplus, move, receipts, multiappend, late;
};

extern const struct rung RUNGS[RUNG_COUNT];

/* Makes the server in memory one of that rung. */
void use_rung(const struct rung *rung);

#endif
