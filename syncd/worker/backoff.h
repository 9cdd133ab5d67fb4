/* How long to wait before the next attempt: doubling, with jitter so that many
   clients of a restarted server do not come back at once. Pure. */
#ifndef SYNCD_WORKER_BACKOFF_H
#define SYNCD_WORKER_BACKOFF_H

#include <stdint.h>

/* Every delay lies between these two. */
#define BACKOFF_MIN_MS 5000
#define BACKOFF_MAX_MS (15 * 60 * 1000)

/* A zeroed back-off is valid: no failure yet. */
struct backoff {
	unsigned failure_count;
};

/* One more failure: the delay before the next attempt. `random` is any
   uniformly distributed number. */
uint64_t backoff_next_ms(struct backoff *backoff, uint32_t random);

/* It worked. */
void backoff_reset(struct backoff *backoff);

#endif
