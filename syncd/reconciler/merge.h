/* Three-way merge of flags: per bit, the side that differs from what both last
   agreed on is the change. No clock, no preference, no conflict. */
#ifndef SYNCD_RECONCILER_MERGE_H
#define SYNCD_RECONCILER_MERGE_H

#include <stdbool.h>

#include "base/flags.h"
#include "base/pair.h"
#include "syncd/reconciler/policy.h"

/* (L & R) | ((L ^ R) & ~B), with $Junk, $NotJunk, Junk and NonJunk as one
   value: when both sides changed it differently, the server's wins. */
struct flags merge_flags(const struct flags *synced, const struct flags *remote,
	const struct flags *local);

/* First meeting of two copies: union, but \Deleted only if both have it, and
   of the junk keywords the server's if it has any. */
struct flags merge_flags_first(
	const struct flags *remote, const struct flags *local);

/* What a side is taken to hold, given what it can store: bits outside `mask`
   come from `synced`. */
struct flags merge_masked(const struct flags *observed,
	const struct flags *synced, const struct flags *mask);

/* What may be recorded as synced, whatever is still to be pushed or pulled: the
   bits that both sides hold alike; the others stay as they were, so that
   merging again comes to the same end. The junk keywords count as one. */
struct flags merge_agreed(const struct synced_state *synced,
	const struct flags *remote, const struct flags *local);

/* A change that a deletion on the other side must not win against: \Flagged
   added, \Deleted taken away, or a keyword of the user's added. */
bool merge_is_protecting(
	const struct flags *synced, const struct flags *changed);

#endif
