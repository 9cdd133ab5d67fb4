#include "syncd/reconciler/policy.h"

const struct folder_policy *policy_folder(
	const struct policy *policy, uint32_t folder_id)
{
	size_t low = 0, high = policy->folder_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (policy->folders[middle].folder_id == folder_id)
			return &policy->folders[middle];
		if (policy->folders[middle].folder_id < folder_id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
