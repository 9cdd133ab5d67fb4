/* A seam for tests of one part: chance from a seed, a clock that goes on by
   itself, and one thing that happens at one call. */
#ifndef TESTS_SIM_SEAM_SCRIPT_H
#define TESTS_SIM_SEAM_SCRIPT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/seam.h"

struct seam_script {
	uint64_t random;
	uint64_t now_ms;
	uint64_t call_count;
	/* The `fail_in`-th call of this name fails; 1 = the next. */
	const char *fail_call;
	unsigned fail_in;
	int fail_errno;
	/* The process is killed at this call, by longjmp to `death`; 0 = never.
	 */
	uint64_t kill_at;
	bool kills_after;
	jmp_buf death;
	/* Others act before each of the product's calls. */
	void (*act)(void);
	bool is_acting;
	/* Everybody is chosen the first. */
	bool is_plain;
};

extern struct seam_script seam_script;

void seam_script_begin(uint64_t seed);
uint32_t seam_script_draw(uint64_t *random, uint32_t limit);

#endif
