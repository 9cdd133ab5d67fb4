#include "tests/sim/plain_seam.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;
static bool is_eager;
static void (*hook)(const char *call, bool is_after);

void plain_seam_init(uint64_t seed)
{
	random_state = seed;
	is_eager = false;
	hook = NULL;
}

void plain_seam_set_hook(void (*new_hook)(const char *call, bool is_after))
{
	hook = new_hook;
}

void plain_seam_set_eager(bool eager)
{
	is_eager = eager;
}

int seam_before(enum seam seam, const char *call, bool can_fail)
{
	(void)seam;
	(void)can_fail;
	if (hook != NULL)
		hook(call, false);
	return 0;
}

void seam_after(enum seam seam, const char *call)
{
	(void)seam;
	if (hook != NULL)
		hook(call, true);
}

uint32_t seam_choose(uint32_t limit)
{
	if (is_eager)
		return limit - 1;
	if (random_state == 0)
		return 0;
	random_state = random_state * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % limit;
}

static struct timespec look(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) == -1)
		abort();
	return now;
}

int64_t seam_wall_ns(void)
{
	struct timespec now = look(CLOCK_REALTIME);

	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t seam_monotonic_ms(void)
{
	struct timespec now = look(CLOCK_MONOTONIC);

	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t seam_up_ms(void)
{
	return seam_monotonic_ms();
}

/* SEAM_LOG=1 shows the dialogue. */
void seam_log(const char *format, ...)
{
	va_list arguments;

	if (getenv("SEAM_LOG") == NULL)
		return;
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	(void)putchar('\n');
}
