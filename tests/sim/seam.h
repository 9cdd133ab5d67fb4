/* Where the simulated world touches the product: every simulated call asks
   here first and tells here afterwards. The driver (sim.c) implements it: it
   lets actors act, makes calls fail, and ends the process in the middle of
   anything; unit tests of one part bring their own. */
#ifndef TESTS_SIM_SEAM_H
#define TESTS_SIM_SEAM_H

#include <stdbool.h>
#include <stdint.h>

enum seam {
	SEAM_DISK,  /* a file system call of the product */
	SEAM_STATE, /* begin, put, delete, commit */
	SEAM_WIRE, /* octets go out, a command is carried out, octets come in */
	SEAM_CLOCK, /* the loop waits */
};

/* Before the effect. 0: go on; else an errno: the call fails with it and has no
   effect. May not return at all: the product was killed here (longjmp), so the
   caller's own memory must be consistent. `can_fail` is false where a failure
   is impossible (close, looking at the clock). */
int seam_before(enum seam seam, const char *call, bool can_fail);

/* After the effect, before the product hears of it. May not return. */
void seam_after(enum seam seam, const char *call);

/* A number below `limit` (at least 1): the world's only source of chance. */
uint32_t seam_choose(uint32_t limit);

/* The world's clock. */
int64_t seam_wall_ns(void);       /* since 1970; may jump */
uint64_t seam_monotonic_ms(void); /* a power cut does not set it back */
uint64_t seam_up_ms(void);        /* since the machine was started */
/* The product sleeps: both clocks go on by as much. */
void seam_sleep(uint64_t duration_ms);

/* One line of the transcript; all of them, hashed, are what a seed gives. */
void seam_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
