/* Shared by the files of the oracle. */
#ifndef TESTS_SIM_ORACLE_INTERNAL_H
#define TESTS_SIM_ORACLE_INTERNAL_H

#include "base/buf.h"
#include "tests/sim/oracle.h"

struct sim_message;

enum {
	FLAGGED_HERE = 1 << 0,
	FLAGGED_THERE = 1 << 1,
	/* Before there was anything to compare with, or more than once: what
	   was on its way meanwhile may look like a change of the other side. */
	FLAGGED_UNCLEAR = 1 << 2,
};

struct fate {
	uint16_t made, removed;
	uint16_t made_here, made_there, removed_here;
	/* By the product, to the other side; and files a power cut took back.
	 */
	uint16_t sent, fetched, lost;
	/* Out of the Maildir by the product; so often one got another UID. */
	uint16_t put_away, renumbered;
	uint16_t before_here, before_there; /* a restore */
	bool is_touched, is_moved;
	uint16_t copied; /* on the server, by the product */
	/* So often one got another UID when that had left two of it. */
	uint16_t split;
	/* So often the server changed it as it was sent; the product has seen
	   that; it had not when it got another UID. */
	uint16_t rewritten;
	bool is_known_rewritten, is_lost_sight_of;
	/* Who set its flags since both sides were equal, and to what. */
	uint8_t flagged_sides; /* FLAGGED_… */
	uint32_t wanted_flags;
	bool was_settled; /* on both sides, and on record so */
	/* Before that, or with a folder that was made anew: nothing tells that
	   it was. */
	bool was_removed_early;
	/* Somebody else's copy came to where ours was on its way. */
	bool is_mistakable;
	bool shares_uid; /* with another message, one after the other */
	/* An operator's restore: how many there should be is not known. */
	bool is_blurred;
};

struct oracle {
	struct fate fates[ORACLE_NUMBER_MAX];
	unsigned number_count;
	bool is_blurred;
	/* The server was put back to an older state, and has not been asked
	   anything since: what it told before nobody can know to be untrue. */
	bool is_restored_unheard;
	uint64_t maildir_changes; /* by the product */
	uint64_t falls;           /* of UIDNEXT, so far */
};

extern struct oracle oracle;

/* How many copies of each number there are. */
struct census {
	uint16_t counts[ORACLE_NUMBER_MAX];
};
void census_here(struct census *census);
void census_there(struct census *census, bool is_all);
/* Of that size it may be what somebody made; of another the server changed it.
 */
bool oracle_is_as_made(unsigned number, size_t size);
/* A Message-ID that no other message has. */
bool oracle_has_name(unsigned number);
/* Known by a UID only, which is no longer its own: what is under another UID
   has other bytes, and without a Message-ID nothing but equal bytes is proof.
 */
void oracle_lose(unsigned number);
/* So many copies more of what the server changed are nobody's fault. */
unsigned oracle_changed_allowed(const struct world *world, unsigned number);
/* \Deleted, where that is as good as gone: without UIDPLUS. */
bool oracle_is_marked(const struct sim_message *message);
/* What would be left of the whole disk, retention included, by a power cut. */
void census_durable(struct census *census);

/* A message on one side, for comparing. */
struct view_item {
	unsigned number;
	char *text; /* folder, flags, keywords, date */
};
struct view {
	struct view_item *items;
	size_t count, capacity;
};
void view_here(struct world *world, struct view *view);
void view_there(struct world *world, struct view *view);
void view_add(struct view *view, unsigned number, char *text);
void view_sort(struct view *view);
/* Takes all of that number out. */
void view_drop(struct view *view, unsigned number);
void view_finish(struct view *view);
bool view_equal(const struct view *a, const struct view *b);
/* The system flags in the name of a file. */
uint32_t view_path_flags(const char *path);

#endif
