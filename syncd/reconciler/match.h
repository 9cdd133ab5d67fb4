/* Which observations are one message: moves, halves that meet, UIDs that
   changed. Pure bookkeeping that comes before planning. Contents match as
   multisets: of k equal copies here and n there, the smaller number pairs up,
   in order, and twins stay twins. */
#ifndef SYNCD_RECONCILER_MATCH_H
#define SYNCD_RECONCILER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/pair.h"

#define MATCH_ROLE_COUNT 5

/* The role a pair plays; a pair can only be given in one role. */
enum match_role {
	MATCH_LOCAL_ARRIVAL,  /* on disk, never bound to a UID */
	MATCH_LOCAL_SUSPECT,  /* was synced; its file is proven gone */
	MATCH_REMOTE_ARRIVAL, /* on the server, never bound to a file */
	MATCH_REMOTE_SUSPECT, /* was synced; its UID is proven gone */
	/* Same, and its file is not found either. */
	MATCH_REMOTE_LOST,
};

struct match_item {
	enum match_role role;
	const struct pair *pair; /* content may be incomplete */
	uint32_t folder_id;      /* where the present side is, or was */
	/* The worker could not get what was asked for (no server answer, file
	   unreadable): leave this item alone in this pass. */
	bool is_given_up;
};

/* Bind: `arrival` and `partner` are one message. LOCAL_ARRIVAL with
   LOCAL_SUSPECT: a local move. REMOTE_ARRIVAL with REMOTE_SUSPECT or
   REMOTE_LOST: a remote move, or a new UID. LOCAL_ARRIVAL with REMOTE_ARRIVAL:
   two halves. `partner` keeps its mid in the first two cases; in the third the
   remote arrival does. */
struct match_binding {
	const struct pair *arrival;
	const struct pair *partner;
};

/* What must be known before the rest can be matched. */
enum match_need_kind {
	MATCH_NEED_LOCAL_HASH,    /* read the file: hash, header hash */
	MATCH_NEED_REMOTE_HEADER, /* fetch BODY.PEEK[HEADER] */
	MATCH_NEED_REMOTE_HASH,   /* fetch the body: ambiguous otherwise */
};

struct match_need {
	enum match_need_kind kind;
	const struct pair *pair;
};

struct match {
	const struct match_binding *bindings;
	size_t binding_count;
	const struct match_need *needs;
	size_t need_count;
};

/* Rules, in this order (a bound item takes no further part):
   1. equal email_id (both not 0);
   2. LOCAL_ARRIVAL with LOCAL_SUSPECT: equal size and hash;
   3. REMOTE_ARRIVAL with REMOTE_SUSPECT, then with REMOTE_LOST: taken for one
      of these before, it would go with it, and the file of its equal, too;
      then LOCAL_ARRIVAL with REMOTE_ARRIVAL, so that a copy made here beside a
      move made there is none too few; each in one folder, then across folders:
      equal hash; or equal size and header hash, where the message has a
      Message-ID and the group has one candidate on each side or all of its
      hashes are known to be equal.
   Items are asked for more (needs) only when another item with equal size is
   there to match; or, last, with an equal date, or one whose file has that
   size: some servers tell sizes that are not true, and then nothing but equal
   bytes is a match. A match that rests
   on what is not known yet is not made: the caller gets what is needed and
   calls again; no need twice for one item that has the answer. Bindings are
   final: the caller writes them down at each call and does not give these items
   again. Linear in the number of items but for sorting. */
struct match match_make(
	struct arena *arena, const struct match_item *items, size_t item_count);

#endif
