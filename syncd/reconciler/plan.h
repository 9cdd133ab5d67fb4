/* From pairs to an ordered list of operations. The order inside a stage does
   not matter; stages are carried out in the order of enum operation_kind:
   what adds comes before what moves, flags come before what removes. Every
   operation checks its precondition again when it runs. */
#ifndef SYNCD_RECONCILER_PLAN_H
#define SYNCD_RECONCILER_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/pair.h"
#include "syncd/reconciler/decide.h"
#include "syncd/reconciler/policy.h"

enum operation_kind {
	OPERATION_SETTLE, /* nothing to do but write down the agreement */
	OPERATION_FORGET,
	OPERATION_MOVE_LOCAL,
	OPERATION_MOVE_REMOTE,
	OPERATION_DOWNLOAD,
	OPERATION_UPLOAD,
	OPERATION_FLAG_LOCAL,
	OPERATION_FLAG_REMOTE,
	OPERATION_DELETE_LOCAL,
	OPERATION_DELETE_REMOTE,
};

#define OPERATION_KIND_COUNT 10

struct operation {
	enum operation_kind kind;
	const struct pair *pair; /* borrowed from the caller */
	uint32_t folder_id;      /* where it acts */
	uint32_t to_folder_id;   /* moves: destination; else folder_id */
	/* Flags the acting side shall have, of those it can store. SETTLE: what
	   to record. */
	struct flags merged;
	struct flags add, remove; /* FLAG_REMOTE */
};

/* A deletion that the guard holds back. */
struct held_deletion {
	const struct pair *pair;
	uint32_t folder_id;
	bool is_remote; /* the server's copy would go */
};

struct plan {
	const struct operation
		*operations; /* by stage, then folder, then UID */
	size_t operation_count;
	const struct held_deletion *held;
	size_t held_count;
	size_t stage_count[OPERATION_KIND_COUNT];
};

/* `pairs`: those that are not settled. No two may share content that is still
   to be matched (match.h comes first). Results live in `arena`. A pair whose
   time has not come at `now` (seconds since 1970) waits, but for what is only
   to be recorded. */
struct plan plan_make(struct arena *arena, const struct pair *const *pairs,
	size_t pair_count, const struct policy *policy, int64_t now);

/* "download", "move-remote", …; static. */
const char *operation_kind_name(enum operation_kind kind);

#endif
