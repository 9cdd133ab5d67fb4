/* Time and randomness: the seam that the simulator replaces at link time.
   Nothing else in the project asks the kernel for either. */
#ifndef SYNCD_WORKER_CLOCK_H
#define SYNCD_WORKER_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since some moment, never backwards; time a machine was
   suspended counts (CLOCK_BOOTTIME). For deadlines. */
uint64_t clock_now_ms(void);

/* How much of clock_now_ms() the machine was suspended for. */
uint64_t clock_suspended_ms(void);

/* Seconds since 1970, may jump. For dates and records. */
int64_t clock_wall_seconds(void);

/* Unpredictable bytes. Aborts when the kernel has none to give. */
void random_bytes(void *data, size_t size);

#endif
