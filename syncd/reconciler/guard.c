#include "syncd/reconciler/guard.h"

/* floor(total * percent / 100) for percent < 100, without overflow. */
static uint64_t share(uint64_t total, unsigned percent)
{
	return total / 100 * percent + total % 100 * percent / 100;
}

bool guard_allows(const struct folder_policy *folder, unsigned delete_percent,
	const struct guard_request *request)
{
	uint64_t total = folder->pair_count + request->deleted;

	if (request->wanted == 0 || delete_percent >= 100)
		return true;
	if (folder->is_approved || folder->is_discard)
		return true;
	if (request->has_held)
		return false;
	if (total < GUARD_MESSAGE_COUNT_MIN)
		return true;
	return request->deleted + request->wanted <=
		share(total, delete_percent);
}

bool guard_listing_is_plausible(
	bool has_inbox, uint64_t listed_known_count, uint64_t known_count)
{
	return has_inbox && listed_known_count >= known_count - known_count / 2;
}
