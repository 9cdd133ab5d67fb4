#include "syncd/reconciler/merge.h"

#define JUNK_GROUP                                                             \
	(UINT64_C(1) << KEYWORD_JUNK | UINT64_C(1) << KEYWORD_NOT_JUNK |       \
		UINT64_C(1) << KEYWORD_JUNK_OLD |                              \
		UINT64_C(1) << KEYWORD_NON_JUNK)

static uint64_t junk_group(const struct flags *flags)
{
	return flags->keywords[0] & JUNK_GROUP;
}

static void set_junk_group(struct flags *flags, uint64_t group)
{
	flags->keywords[0] = (flags->keywords[0] & ~JUNK_GROUP) | group;
}

struct flags merge_flags(const struct flags *synced, const struct flags *remote,
	const struct flags *local)
{
	struct flags both = flags_and(local, remote);
	struct flags differing = flags_xor(local, remote);
	struct flags added = flags_without(&differing, synced);
	struct flags merged = flags_or(&both, &added);

	if (junk_group(remote) == junk_group(synced))
		set_junk_group(&merged, junk_group(local));
	else
		set_junk_group(&merged, junk_group(remote));
	return merged;
}

struct flags merge_flags_first(
	const struct flags *remote, const struct flags *local)
{
	struct flags merged = flags_or(remote, local);

	if ((remote->system & local->system & FLAG_DELETED) == 0)
		merged.system &= ~(uint32_t)FLAG_DELETED;
	/* A union could call a message junk and not junk. */
	if (junk_group(remote) != 0)
		set_junk_group(&merged, junk_group(remote));
	return merged;
}

struct flags merge_masked(const struct flags *observed,
	const struct flags *synced, const struct flags *mask)
{
	struct flags stored = flags_and(observed, mask);
	struct flags assumed = flags_without(synced, mask);

	return flags_or(&stored, &assumed);
}

bool merge_is_protecting(
	const struct flags *synced, const struct flags *changed)
{
	struct flags added = flags_without(changed, synced);
	struct flags removed = flags_without(synced, changed);

	/* Set by programs when they forward, not by a wish to keep. */
	flags_clear_keyword(&added, KEYWORD_FORWARDED);
	return (added.system & FLAG_FLAGGED) != 0 ||
		(removed.system & FLAG_DELETED) != 0 ||
		flags_next_keyword(&added, 0) >= 0;
}

struct flags merge_agreed(const struct synced_state *synced,
	const struct flags *remote, const struct flags *local)
{
	struct flags both = flags_and(local, remote);
	struct flags differing = flags_xor(local, remote);
	struct flags merged, open;

	if (synced->is_set) {
		open = flags_and(&differing, &synced->flags);
		both = flags_or(&both, &open);
		if (junk_group(local) != junk_group(remote))
			set_junk_group(&both, junk_group(&synced->flags));
		return both;
	}
	/* Where there was no base, one from which merge_flags() comes to the
	   same end as merge_flags_first(). */
	merged = merge_flags_first(remote, local);
	open = flags_without(&differing, &merged);
	return flags_or(&both, &open);
}
