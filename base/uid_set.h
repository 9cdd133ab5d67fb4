/* A set of UIDs as sorted, disjoint, non-adjacent ranges. Ranges are never
   expanded: 1:4294967295 costs eight bytes. A zeroed set is valid and empty. */
#ifndef BASE_UID_SET_H
#define BASE_UID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

struct uid_range {
	uint32_t first; /* 1 … last */
	uint32_t last;
};

struct uid_set {
	struct uid_range *ranges;
	size_t range_count;
	size_t capacity;
};

void uid_set_init(struct uid_set *set);
void uid_set_finish(struct uid_set *set);
void uid_set_clear(struct uid_set *set);
void uid_set_copy(struct uid_set *to, const struct uid_set *from);

/* `first` <= `last`, both at least 1. Adding behind the last range is O(1). */
void uid_set_add(struct uid_set *set, uint32_t uid);
void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last);
void uid_set_add_set(struct uid_set *set, const struct uid_set *other);
void uid_set_remove_range(struct uid_set *set, uint32_t first, uint32_t last);
void uid_set_remove_set(struct uid_set *set, const struct uid_set *other);

bool uid_set_contains(const struct uid_set *set, uint32_t uid);
bool uid_set_is_empty(const struct uid_set *set);
bool uid_set_equal(const struct uid_set *a, const struct uid_set *b);
uint64_t uid_set_count(const struct uid_set *set);
/* 0 when empty. */
uint32_t uid_set_last(const struct uid_set *set);

/* The smallest member >= `from`, or 0. */
uint32_t uid_set_next(const struct uid_set *set, uint32_t from);

/* sequence-set without '*' (RFC 9051, 9): "1:3,7". Strict: no empty element,
   no zero, no blank; "5:1" is 1:5. At most `range_count_max` ranges, as
   written. Replaces what the set held; untouched when false. */
bool uid_set_parse(struct uid_set *set, const char *text, size_t size,
	size_t range_count_max) MUST_CHECK;

/* Appends ranges from index `*range_index` on as text of at most `size_max`
   octets (at least one range, always) and advances `*range_index`. False when
   no range was left. */
bool uid_set_write(const struct uid_set *set, size_t *range_index,
	size_t size_max, struct buf *text);

#endif
