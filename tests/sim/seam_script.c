#include "tests/sim/seam_script.h"

#include <string.h>

#define START_S INT64_C(1700000000)

struct seam_script seam_script;

void seam_script_begin(uint64_t seed)
{
	memset(&seam_script, 0, sizeof(seam_script));
	seam_script.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint32_t seam_script_draw(uint64_t *random, uint32_t limit)
{
	uint64_t value = *random += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((value ^ (value >> 31)) >> 32) % limit;
}

static void die_at(uint64_t call)
{
	if (seam_script.kill_at != 0 && call == seam_script.kill_at)
		longjmp(seam_script.death, 1);
}

int seam_before(enum seam seam, const char *call, bool can_fail)
{
	(void)seam;
	seam_script.now_ms++;
	seam_script.call_count++;
	if (!seam_script.kills_after)
		die_at(seam_script.call_count);
	if (seam_script.act != NULL && !seam_script.is_acting) {
		seam_script.is_acting = true;
		seam_script.act();
		seam_script.is_acting = false;
	}
	if (!can_fail || seam_script.fail_call == NULL ||
		strcmp(call, seam_script.fail_call) != 0 ||
		seam_script.fail_in == 0 || --seam_script.fail_in > 0)
		return 0;
	return seam_script.fail_errno;
}

void seam_after(enum seam seam, const char *call)
{
	(void)seam;
	(void)call;
	if (seam_script.kills_after)
		die_at(seam_script.call_count);
}

uint32_t seam_choose(uint32_t limit)
{
	return seam_script.is_plain
		? 0
		: seam_script_draw(&seam_script.random, limit);
}

int64_t seam_wall_ns(void)
{
	return START_S * 1000000000 + (int64_t)seam_script.now_ms * 1000000;
}

uint64_t seam_monotonic_ms(void)
{
	return seam_script.now_ms;
}

uint64_t seam_up_ms(void)
{
	return seam_monotonic_ms();
}

void seam_sleep(uint64_t duration_ms)
{
	seam_script.now_ms += duration_ms;
}

void seam_log(const char *format, ...)
{
	(void)format;
}
