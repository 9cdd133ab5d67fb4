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
	uint64_t times_ms[REMOVAL_MAX];
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

static unsigned count_recent(const struct removals *entry, uint64_t now_ms)
{
	unsigned recent = 0;

	for (unsigned i = 0; i < entry->count; i++)
		recent += now_ms - entry->times_ms[i] < HOUR_MS;
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
	uint64_t now_ms = seam_monotonic_ms();
	unsigned recent;

	if (entry == NULL || entry->count == REMOVAL_MAX)
		return;
	entry->times_ms[entry->count++] = now_ms;
	recent = count_recent(entry, now_ms);
	if (left + recent >= MESSAGE_COUNT_MIN &&
		recent * 100 > (left + recent) * PERCENT_MAX)
		world_violation(6,
			"%u messages are removed from %s %s within an hour, "
			"%u are left",
			recent, folder, is_here ? "here" : "there", left);
}
