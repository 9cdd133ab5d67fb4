/* One message: its three states in, what must happen out. The table of the
   sync; everything else in this folder prepares for it or orders its output. */
#ifndef SYNCD_RECONCILER_DECIDE_H
#define SYNCD_RECONCILER_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pair.h"
#include "syncd/reconciler/policy.h"

enum existence {
	EXISTENCE_WAIT,          /* a side is unknown or held: do nothing */
	EXISTENCE_KEEP,          /* in place on both sides */
	EXISTENCE_DOWNLOAD,      /* into `folder_id` */
	EXISTENCE_UPLOAD,        /* into `folder_id` */
	EXISTENCE_MOVE_REMOTE,   /* to `folder_id` */
	EXISTENCE_MOVE_LOCAL,    /* to `folder_id` */
	EXISTENCE_DELETE_REMOTE, /* of the copy in `folder_id` */
	EXISTENCE_DELETE_LOCAL,
	EXISTENCE_FORGET, /* gone on both sides */
};

struct decision {
	enum existence existence;
	uint32_t folder_id;
	/* Where both sides agree on the place: the flags both shall have.
	   DOWNLOAD, UPLOAD: those of the copy there is. */
	struct flags merged;
	struct flags push_add, push_remove; /* to the server; may be empty */
	bool has_push;
	bool has_pull;             /* the file's flags must become `merged` */
	bool is_resolved_conflict; /* both sides had moved it: worth a line */
	/* Nothing to do on either side, but what they agree on differs from the
	   synced state, or the pair is held for nothing: record `folder_id` and
	   `merged`. */
	bool has_settle;
};

struct decision decide(const struct pair *pair, const struct policy *policy);

/* What can be recorded as synced now that observations, or an operation's
   effect, were written into `pair`: right at any time, also half way through
   a pair's operations. False when the sides are not both in one synced folder
   or there is nothing new to record; `agreed_out` is untouched then. Use this
   and not the flags of an operation: it leaves out what only one side can
   store, and what a read-only mailbox did not take. */
bool decide_agreement(const struct pair *pair, const struct policy *policy,
	struct synced_state *agreed_out);

#endif
