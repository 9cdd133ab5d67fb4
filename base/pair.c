#include "base/pair.h"

#include <string.h>

bool pair_is_waiting(const struct pair *pair, int64_t now)
{
	return pair->retry_at > now && pair->retry_at - PAIR_PAUSE_MAX_S <= now;
}

bool pair_is_settled(const struct pair *pair)
{
	const struct synced_state *synced = &pair->synced;

	return synced->is_set && pair->hold == HOLD_NONE &&
		pair->remote.presence == PRESENCE_PRESENT &&
		pair->local.presence == PRESENCE_PRESENT &&
		pair->remote.folder_id == synced->folder_id &&
		pair->local.folder_id == synced->folder_id &&
		flags_equal(&pair->remote.flags, &synced->flags) &&
		flags_equal(&pair->local.flags, &synced->flags);
}

size_t pair_unique_size(const char *name)
{
	return strcspn(name, ":");
}
