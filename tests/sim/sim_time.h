/* The world's clock, as the driver sees it. */
#ifndef TESTS_SIM_SIM_TIME_H
#define TESTS_SIM_SIM_TIME_H

#include <stdint.h>

/* The seed is of the product's random bytes. */
void sim_time_init(uint64_t seed);
void sim_time_pass(uint64_t duration_ms);
/* The wall clock is set, forwards or back. */
void sim_time_jump(int64_t seconds);
void sim_time_suspend(uint64_t duration_ms);
/* The machine is started anew. */
void sim_time_start(void);

#endif
