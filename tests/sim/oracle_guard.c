#include "tests/sim/oracle_guard.h"

#include <string.h>

#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_time.h"

#define FOLDER_COUNT_MAX 16
#define FOLDER_SIZE      64
#define REMOVAL_MAX      256

/* The guard's hour is made of slots, the oldest of which has gone in part. */
#define HOUR_MS UINT64_C(3300000)

/* It counts when it plans, and people go on meanwhile: what it would let pass
   by a few is left out here. */
#define MESSAGE_COUNT_MIN 27
#define PERCENT_MAX       75

static struct removals {
	char folder[FOLDER_SIZE];
	bool is_here;
	struct moment {
		uint64_t monotonic_ms;
		int64_t wall_ms;
	} moments[REMOVAL_MAX];
	unsigned count;
} removals[FOLDER_COUNT_MAX];

static bool is_approved;

void oracle_guard_approve(void)
{
	is_approved = true;
}

void oracle_guard_begin(void)
{
	is_approved = false;
	memset(removals, 0, sizeof(removals));
}

static struct removals *find(const char *folder, bool is_here)
{
	for (size_t i = 0; i < FOLDER_COUNT_MAX; i++) {
		struct removals *entry = &removals[i];

		if (entry->count == 0) {
			(void)strncpy(entry->folder, folder, FOLDER_SIZE - 1);
			entry->is_here = is_here;
		}
		if (entry->is_here == is_here &&
			strncmp(entry->folder, folder, FOLDER_SIZE - 1) == 0)
			return entry;
	}
	return NULL;
}

static struct moment now(void)
{
	return (struct moment){ seam_monotonic_ms(), seam_wall_ns() / 1000000 };
}

/* It is kept for the next process, too, so it goes by the wall clock, and an
   hour that somebody set that forward is over. */
static unsigned count_recent(const struct removals *entry)
{
	struct moment last = now();
	unsigned recent = 0;

	for (unsigned i = 0; i < entry->count; i++) {
		const struct moment *moment = &entry->moments[i];

		recent += last.monotonic_ms - moment->monotonic_ms < HOUR_MS &&
			last.wall_ms - moment->wall_ms < (int64_t)HOUR_MS;
	}
	return recent;
}

/* Most worlds have `delete_limit: off`. */
static bool is_guarded(void)
{
	return !is_approved && the_world->config->accounts[0].has_delete_limit;
}

void oracle_guard_count(const char *folder, bool is_here, unsigned left)
{
	struct removals *entry = is_guarded() ? find(folder, is_here) : NULL;
	unsigned recent;

	if (entry == NULL || entry->count == REMOVAL_MAX)
		return;
	entry->moments[entry->count++] = now();
	recent = count_recent(entry);
	if (left + recent >= MESSAGE_COUNT_MIN &&
		recent * 100 > (left + recent) * PERCENT_MAX)
		world_violation(6,
			"%u messages are removed from %s %s within an hour, "
			"%u are left",
			recent, folder, is_here ? "here" : "there", left);
}
