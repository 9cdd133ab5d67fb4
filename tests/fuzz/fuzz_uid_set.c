/* UID sets as text and as arithmetic. The first octet picks: 0 reads the rest
   as a sequence-set, 1 as two lists of a COPYUID, anything else as a script of
   operations that a bitmap of 64 UIDs carries out beside the set. */
#include <stdlib.h>
#include <string.h>

#include "base/uid_set.h"
#include "proto/imap_uid_pairs.h"

#define RANGE_MAX 1000
#define PAIR_MAX  5000 /* walked; ranges may name four milliards */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_sorted(const struct uid_set *set)
{
	for (size_t i = 0; i < set->range_count; i++) {
		const struct uid_range *range = &set->ranges[i];

		require(range->first >= 1 && range->first <= range->last);
		require(i == 0 ||
			(uint64_t)set->ranges[i - 1].last + 1 < range->first);
	}
}

/* ---- Text ---- */

static void write_all(
	const struct uid_set *set, size_t size_max, struct buf *text)
{
	size_t range_index = 0;
	bool is_first = true;

	while (range_index < set->range_count) {
		if (!is_first)
			buf_add_byte(text, ',');
		is_first = false;
		require(uid_set_write(set, &range_index, size_max, text));
	}
	require(!uid_set_write(set, &range_index, size_max, text));
}

static void check_text(const char *text, size_t size)
{
	static const size_t SIZES[] = { 1, 40, 8000 };
	struct uid_set set = { 0 };
	struct uid_set again = { 0 };

	if (!uid_set_parse(&set, text, size, RANGE_MAX)) {
		require(set.range_count == 0);
		uid_set_finish(&set);
		return;
	}
	check_sorted(&set);
	require(!uid_set_is_empty(&set));
	require(memchr(text, '*', size) == NULL);
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
		struct buf written = { .data = NULL };

		write_all(&set, SIZES[i], &written);
		require(uid_set_parse(
			&again, buf_text(&written), written.size, RANGE_MAX));
		require(uid_set_equal(&set, &again));
		buf_finish(&written);
	}
	uid_set_finish(&set);
	uid_set_finish(&again);
}

/* ---- Lists that belong together ---- */

static size_t read_list(
	const uint8_t *data, size_t size, struct uid_range ranges[RANGE_MAX])
{
	size_t count = size / sizeof(*ranges);

	if (count > RANGE_MAX)
		count = RANGE_MAX;
	memcpy(ranges, data, count * sizeof(*ranges));
	return count;
}

static void check_pairs(const uint8_t *data, size_t size)
{
	static struct uid_range ranges[2][RANGE_MAX];
	size_t half = size / 2;
	struct imap_uid_list source = { .ranges = ranges[0] };
	struct imap_uid_list destination = { .ranges = ranges[1] };
	struct imap_uid_pairs pairs;
	uint64_t count = 0;
	uint32_t from, to;

	source.range_count = read_list(data, half, ranges[0]);
	destination.range_count = read_list(data + half, half, ranges[1]);
	if (!imap_uid_pairs_start(&pairs, &source, &destination))
		return;
	while (count < PAIR_MAX && imap_uid_pairs_next(&pairs, &from, &to)) {
		require(from != 0 && to != 0);
		count++;
	}
	require(count == PAIR_MAX || count == imap_uid_list_count(&source));
}

/* ---- Arithmetic ---- */

/* The 64 UIDs of the bitmap end with the last UID there is. */
static uint32_t uid_of(unsigned bit, bool is_high)
{
	return is_high ? UINT32_MAX - 63 + bit : bit + 1;
}

static uint64_t bits_between(unsigned first, unsigned last)
{
	uint64_t bits = 0;

	for (unsigned bit = first; bit <= last; bit++)
		bits |= UINT64_C(1) << bit;
	return bits;
}

static void check_bits(const struct uid_set *set, uint64_t bits, bool is_high)
{
	uint32_t next = uid_set_next(set, 1);
	uint64_t count = 0;

	check_sorted(set);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool is_in = (bits >> bit & 1) != 0;
		uint32_t uid = uid_of(bit, is_high);

		require(uid_set_contains(set, uid) == is_in);
		if (!is_in)
			continue;
		require(next == uid);
		next = uid == UINT32_MAX ? 0 : uid_set_next(set, uid + 1);
		count++;
	}
	require(next == 0 && uid_set_count(set) == count);
}

struct model {
	struct uid_set set;
	uint64_t bits;
};

static void change(struct model *a, const struct model *b, unsigned kind,
	unsigned first, unsigned last, bool is_high)
{
	switch (kind) {
	case 0:
		uid_set_add_range(
			&a->set, uid_of(first, is_high), uid_of(last, is_high));
		a->bits |= bits_between(first, last);
		break;
	case 1:
		uid_set_remove_range(
			&a->set, uid_of(first, is_high), uid_of(last, is_high));
		a->bits &= ~bits_between(first, last);
		break;
	case 2:
		uid_set_add_set(&a->set, &b->set);
		a->bits |= b->bits;
		break;
	default:
		uid_set_remove_set(&a->set, &b->set);
		a->bits &= ~b->bits;
		break;
	}
}

static void check_arithmetic(const uint8_t *data, size_t size, bool is_high)
{
	struct model models[2] = { { .bits = 0 }, { .bits = 0 } };

	for (size_t i = 0; i + 1 < size && i < 200; i += 2) {
		unsigned first = data[i] & 63;
		unsigned last = data[i + 1] & 63;
		unsigned target = data[i] >> 6 & 1;

		if (first > last)
			last = first;
		change(&models[target], &models[1 - target], data[i + 1] >> 6,
			first, last, is_high);
	}
	for (unsigned i = 0; i < 2; i++) {
		check_bits(&models[i].set, models[i].bits, is_high);
		uid_set_finish(&models[i].set);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 16384)
		return 0;
	if (data[0] == 0)
		check_text((const char *)data + 1, size - 1);
	else if (data[0] == 1)
		check_pairs(data + 1, size - 1);
	else
		check_arithmetic(data + 1, size - 1, (data[0] & 1) != 0);
	return 0;
}
