#define _GNU_SOURCE
#include "syncd/worker/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

static uint64_t read_ms(clockid_t clock)
{
	struct timespec time;

	/* Cannot fail for the clocks used here. */
	if (clock_gettime(clock, &time) == -1)
		abort();
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t clock_now_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_suspended_ms(void)
{
	uint64_t monotonic = read_ms(CLOCK_MONOTONIC);

	/* Read second, so that the difference is not negative. */
	return read_ms(CLOCK_BOOTTIME) - monotonic;
}

int64_t clock_wall_seconds(void)
{
	return (int64_t)time(NULL);
}

void random_bytes(void *data, size_t size)
{
	uint8_t *bytes = data;

	while (size > 0) {
		ssize_t got = getrandom(bytes, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		bytes += got;
		size -= (size_t)got;
	}
}
