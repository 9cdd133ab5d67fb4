#include "base/uid_set.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"

#define RANGE_TEXT_SIZE sizeof("4294967295:4294967295")

void uid_set_init(struct uid_set *set)
{
	*set = (struct uid_set){ 0 };
}

void uid_set_finish(struct uid_set *set)
{
	free(set->ranges);
	uid_set_init(set);
}

void uid_set_clear(struct uid_set *set)
{
	set->range_count = 0;
}

static void reserve(struct uid_set *set, size_t count)
{
	size_t capacity = set->capacity > 0 ? set->capacity * 2 : 8;

	if (count <= set->capacity)
		return;
	if (capacity < count)
		capacity = count;
	set->ranges = alloc_resize(set->ranges, capacity, sizeof(*set->ranges));
	set->capacity = capacity;
}

void uid_set_copy(struct uid_set *to, const struct uid_set *from)
{
	if (to == from)
		return;
	uid_set_clear(to);
	if (from->range_count == 0)
		return;
	reserve(to, from->range_count);
	memcpy(to->ranges, from->ranges,
		from->range_count * sizeof(*from->ranges));
	to->range_count = from->range_count;
}

/* Index of the first range that ends at `uid` or later, or range_count. */
static size_t find(const struct uid_set *set, uint32_t uid)
{
	size_t low = 0;
	size_t high = set->range_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Puts `count` ranges in place of those from `start` up to `end`. */
static void splice(struct uid_set *set, size_t start, size_t end,
	const struct uid_range *ranges, size_t count)
{
	size_t behind = set->range_count - end;

	reserve(set, start + count + behind);
	if (set->ranges == NULL)
		return;
	memmove(set->ranges + start + count, set->ranges + end,
		behind * sizeof(*set->ranges));
	memcpy(set->ranges + start, ranges, count * sizeof(*ranges));
	set->range_count = start + count + behind;
}

/* Index of the first range that `first` lies in, touches, or precedes. */
static size_t find_neighbour(const struct uid_set *set, uint32_t first)
{
	const struct uid_range *back;

	if (set->range_count == 0)
		return 0;
	back = &set->ranges[set->range_count - 1];
	if (back->last < first - 1)
		return set->range_count;
	if (back->first <= first)
		return set->range_count - 1;
	return find(set, first > 1 ? first - 1 : 1);
}

void uid_set_add(struct uid_set *set, uint32_t uid)
{
	uid_set_add_range(set, uid, uid);
}

void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last)
{
	struct uid_range range = { first, last };
	size_t start;
	size_t end;

	assert(first >= 1 && first <= last);
	start = find_neighbour(set, first);
	end = start;
	while (end < set->range_count &&
		set->ranges[end].first <= (uint64_t)last + 1)
		end++;

	if (start < end) {
		if (set->ranges[start].first < range.first)
			range.first = set->ranges[start].first;
		if (set->ranges[end - 1].last > range.last)
			range.last = set->ranges[end - 1].last;
	}
	splice(set, start, end, &range, 1);
}

void uid_set_add_set(struct uid_set *set, const struct uid_set *other)
{
	struct uid_set merged;
	size_t a = 0;
	size_t b = 0;

	if (set == other || other->range_count == 0)
		return;
	uid_set_init(&merged);
	reserve(&merged, set->range_count + other->range_count);
	while (a < set->range_count || b < other->range_count) {
		const struct uid_range *range;

		if (b == other->range_count ||
			(a < set->range_count &&
				set->ranges[a].first < other->ranges[b].first))
			range = &set->ranges[a++];
		else
			range = &other->ranges[b++];
		uid_set_add_range(&merged, range->first, range->last);
	}
	uid_set_finish(set);
	*set = merged;
}

void uid_set_remove_range(struct uid_set *set, uint32_t first, uint32_t last)
{
	struct uid_range rest[2];
	size_t rest_count = 0;
	size_t start;
	size_t end;

	assert(first >= 1 && first <= last);
	start = find(set, first);
	end = start;
	while (end < set->range_count && set->ranges[end].first <= last)
		end++;
	if (start == end)
		return;

	if (set->ranges[start].first < first)
		rest[rest_count++] =
			(struct uid_range){ set->ranges[start].first,
				first - 1 };
	if (set->ranges[end - 1].last > last)
		rest[rest_count++] = (struct uid_range){ last + 1,
			set->ranges[end - 1].last };
	splice(set, start, end, rest, rest_count);
}

/* Appends to `rest` what of `range` is not in `other`, whose ranges before
   `*index` all lie before `range`. */
static void add_difference(struct uid_set *rest, struct uid_range range,
	const struct uid_set *other, size_t *index)
{
	while (*index < other->range_count &&
		other->ranges[*index].last < range.first)
		(*index)++;
	for (size_t i = *index; i < other->range_count; i++) {
		struct uid_range hole = other->ranges[i];

		if (hole.first > range.last)
			break;
		if (hole.first > range.first)
			uid_set_add_range(rest, range.first, hole.first - 1);
		if (hole.last >= range.last)
			return;
		range.first = hole.last + 1;
	}
	uid_set_add_range(rest, range.first, range.last);
}

void uid_set_remove_set(struct uid_set *set, const struct uid_set *other)
{
	struct uid_set rest;
	size_t index = 0;

	if (set == other)
		uid_set_clear(set);
	if (set->range_count == 0 || other->range_count == 0)
		return;
	uid_set_init(&rest);
	for (size_t i = 0; i < set->range_count; i++)
		add_difference(&rest, set->ranges[i], other, &index);
	uid_set_finish(set);
	*set = rest;
}

bool uid_set_contains(const struct uid_set *set, uint32_t uid)
{
	size_t i = find(set, uid);

	return i < set->range_count && set->ranges[i].first <= uid;
}

bool uid_set_is_empty(const struct uid_set *set)
{
	return set->range_count == 0;
}

bool uid_set_equal(const struct uid_set *a, const struct uid_set *b)
{
	if (a->range_count != b->range_count)
		return false;
	for (size_t i = 0; i < a->range_count; i++)
		if (a->ranges[i].first != b->ranges[i].first ||
			a->ranges[i].last != b->ranges[i].last)
			return false;
	return true;
}

uint64_t uid_set_count(const struct uid_set *set)
{
	uint64_t count = 0;

	for (size_t i = 0; i < set->range_count; i++)
		count += (uint64_t)set->ranges[i].last - set->ranges[i].first +
			1;
	return count;
}

uint32_t uid_set_last(const struct uid_set *set)
{
	if (set->range_count == 0)
		return 0;
	return set->ranges[set->range_count - 1].last;
}

uint32_t uid_set_next(const struct uid_set *set, uint32_t from)
{
	size_t i = find(set, from);

	if (i == set->range_count)
		return 0;
	return set->ranges[i].first > from ? set->ranges[i].first : from;
}

/* seq-number ":" seq-number / seq-number, of nz-numbers */
static bool parse_range(
	const char *text, size_t size, struct uid_range *range_out)
{
	const char *colon = memchr(text, ':', size);
	size_t first_size = colon != NULL ? (size_t)(colon - text) : size;
	uint32_t first;
	uint32_t last;

	if (!number_parse_u32(text, first_size, &first))
		return false;
	last = first;
	if (colon != NULL &&
		!number_parse_u32(colon + 1, size - first_size - 1, &last))
		return false;
	if (first == 0 || last == 0)
		return false;
	range_out->first = first < last ? first : last;
	range_out->last = first < last ? last : first;
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	uint32_t a_first = ((const struct uid_range *)a)->first;
	uint32_t b_first = ((const struct uid_range *)b)->first;

	return (a_first > b_first) - (a_first < b_first);
}

/* Ranges as written, in any order: sorted at the end, because adding them one
   by one in descending order would take quadratic time. */
static bool parse_ranges(struct uid_set *raw, const char *text, size_t size,
	size_t range_count_max)
{
	for (;;) {
		const char *comma = memchr(text, ',', size);
		size_t element = comma != NULL ? (size_t)(comma - text) : size;

		if (raw->range_count == range_count_max)
			return false;
		reserve(raw, raw->range_count + 1);
		if (!parse_range(text, element, &raw->ranges[raw->range_count]))
			return false;
		raw->range_count++;
		if (comma == NULL)
			break;
		text += element + 1;
		size -= element + 1;
	}
	qsort(raw->ranges, raw->range_count, sizeof(*raw->ranges),
		compare_ranges);
	return true;
}

bool uid_set_parse(struct uid_set *set, const char *text, size_t size,
	size_t range_count_max)
{
	struct uid_set raw;
	bool ok;

	uid_set_init(&raw);
	ok = size > 0 && parse_ranges(&raw, text, size, range_count_max);
	if (ok) {
		uid_set_clear(set);
		for (size_t i = 0; i < raw.range_count; i++)
			uid_set_add_range(
				set, raw.ranges[i].first, raw.ranges[i].last);
	}
	uid_set_finish(&raw);
	return ok;
}

bool uid_set_write(const struct uid_set *set, size_t *range_index,
	size_t size_max, struct buf *text)
{
	size_t start = text->size;

	if (*range_index >= set->range_count)
		return false;
	for (; *range_index < set->range_count; (*range_index)++) {
		struct uid_range range = set->ranges[*range_index];
		char word[RANGE_TEXT_SIZE];
		bool is_first = text->size == start;
		int size;

		if (range.first == range.last)
			size = snprintf(word, sizeof(word), "%u", range.first);
		else
			size = snprintf(word, sizeof(word), "%u:%u",
				range.first, range.last);
		if (!is_first &&
			text->size - start + 1 + (size_t)size > size_max)
			break;
		if (!is_first)
			buf_add_byte(text, ',');
		buf_add(text, word, (size_t)size);
	}
	return true;
}
