#include "proto/imap_uid_pairs.h"

uint64_t imap_uid_list_count(const struct imap_uid_list *list)
{
	uint64_t count = 0;

	for (size_t i = 0; i < list->range_count; i++) {
		uint32_t first = list->ranges[i].first;
		uint32_t last = list->ranges[i].last;

		count += first <= last ? last - first : first - last;
		count++;
	}
	return count;
}

static bool names_zero(const struct imap_uid_list *list)
{
	for (size_t i = 0; i < list->range_count; i++) {
		if (list->ranges[i].first == 0 || list->ranges[i].last == 0)
			return true;
	}
	return false;
}

bool imap_uid_pairs_start(struct imap_uid_pairs *pairs,
	const struct imap_uid_list *source,
	const struct imap_uid_list *destination)
{
	uint64_t count = imap_uid_list_count(source);

	if (count != imap_uid_list_count(destination))
		return false;
	if (count > IMAP_UID_PAIRS_MAX)
		return false;
	if (names_zero(source) || names_zero(destination))
		return false;

	*pairs = (struct imap_uid_pairs){
		.source.list = source,
		.destination.list = destination,
	};
	return true;
}

static uint32_t cursor_next(struct imap_uid_cursor *cursor)
{
	const struct uid_range *range =
		&cursor->list->ranges[cursor->range_index];
	bool ascends = range->first <= range->last;
	uint32_t uid = ascends ? range->first + cursor->offset
			       : range->first - cursor->offset;

	cursor->offset++;
	if (uid == range->last) {
		cursor->range_index++;
		cursor->offset = 0;
	}
	return uid;
}

bool imap_uid_pairs_next(struct imap_uid_pairs *pairs, uint32_t *source_out,
	uint32_t *destination_out)
{
	/* Equal counts: both lists end together. */
	if (pairs->source.range_index == pairs->source.list->range_count)
		return false;

	*source_out = cursor_next(&pairs->source);
	*destination_out = cursor_next(&pairs->destination);
	return true;
}
