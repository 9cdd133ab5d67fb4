#include "syncd/worker/backoff.h"

/* The delay lies in the upper half of the step, so that it both grows and
   scatters; the lower end of the first step is BACKOFF_MIN_MS. */
uint64_t backoff_next_ms(struct backoff *backoff, uint32_t random)
{
	uint64_t step = 2 * BACKOFF_MIN_MS;

	for (unsigned i = 0; i < backoff->failure_count; i++) {
		if (step >= BACKOFF_MAX_MS)
			break;
		step *= 2;
	}
	if (step > BACKOFF_MAX_MS)
		step = BACKOFF_MAX_MS;
	if (backoff->failure_count < UINT32_MAX)
		backoff->failure_count++;
	return step / 2 + ((step / 2) * random >> 32);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failure_count = 0;
}
