/* What must become of messages of one content, told apart from the planner: one
   table for a message, and every way to explain what is seen. Copies that came
   and copies that are missing may be the same ones, moved; who looks at equal
   bytes cannot know which. So any assignment will do that leaves no arrival
   over that could be what is missing. */
#ifndef TESTS_SYNCD_RECONCILER_FATES_H
#define TESTS_SYNCD_RECONCILER_FATES_H

#include "tests/syncd/reconciler/scene.h"

#define FATES_STARTS_MAX 2

/* `results` as scene_result() returns them; messages with an unknown side are
   not among them. */
bool fates_allow(const struct start *starts, size_t start_count,
	bool deletion_wins, const unsigned *results, size_t result_count);

/* The same, but for the number alone, after a batch that was cut off: what was
   sent and not written down may stand in for an equal copy that was about to be
   removed, so that a removal is undone. Never less, and never more than there
   were messages. */
bool fates_allow_count(const struct start *starts, size_t start_count,
	bool deletion_wins, size_t result_count);

/* One message of which no side is unknown, whose file and UID tell it apart. */
struct fate {
	bool is_kept;
	uint32_t folder_id;
	unsigned flags;
};
struct fate fate_of(const struct start *start, bool deletion_wins);

#endif
