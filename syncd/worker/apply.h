/* Carries a plan out, stage by stage, on both sides. State is written after the
   confirmed effect, intents before what cannot be repeated (doc/design.md has
   the order). A message that fails is held and named; a folder that fails is
   left alone until the next pass. False from here means: the connection, the
   state or the account is in no condition to go on. */
#ifndef SYNCD_WORKER_APPLY_H
#define SYNCD_WORKER_APPLY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/uid_set.h"
#include "syncd/reconciler/plan.h"
#include "syncd/worker/account.h"

/* Plans over everything that is not settled, and carries it out. With
   account->is_dry_run prints it instead. */
bool apply_plan(struct account *account, struct error *error) MUST_CHECK;

/* Uploads that were stored without a word about their UID, and are not found by
   their content: bound to what the server made of them, where there is but one
   it can be. Before anything new is downloaded. */
bool apply_bind_rewritten(
	struct account *account, struct error *error) MUST_CHECK;

/* Intents whose outcome is open, after both sides were observed and what was
   found is bound: dropped when decided, else kept for later. */
bool apply_resolve_intents(
	struct account *account, struct error *error) MUST_CHECK;

/* It may be what an open MOVE or COPY made of a message whose mailbox could not
   be looked at: then it is no new message, before that one was. */
bool apply_may_be_moved(struct account *account, const struct pair *arrival);

/* Uploads that were not found when their answer was lost, were sent again, and
   came all the same: the second copy is removed, once both were read and found
   to be equal. Before anything new is downloaded. */
bool apply_remove_ghosts(
	struct account *account, struct error *error) MUST_CHECK;

/* ---- For the files of apply ---- */

/* Messages changed by a stage, written down together: first the directories
   they touched become durable, then the pairs. */
struct stage {
	struct account *account;
	struct arena arena;
	struct arena policy_arena; /* lives as long as the stage */
	struct policy policy;
	struct stage_touched {
		struct account_folder *folder;
		enum maildir_part part;
	} * touched;
	size_t touched_count, touched_capacity;
	struct stage_change {
		struct pair pair;
		bool is_deleted; /* drop the pair, leave a tomb */
		const char *outcome;
	} * changes;
	size_t change_count, change_capacity;
	uint64_t *intents; /* done with */
	size_t intent_count, intent_capacity;
	struct tomb *tombs;
	size_t tomb_count, tomb_capacity;
};

void stage_init(struct stage *stage, struct account *account);
void stage_finish(struct stage *stage);
void stage_touch(struct stage *stage, struct account_folder *folder,
	enum maildir_part part);
/* A copy of the pair, text included. `outcome` is static text for the journal;
   NULL = it stays pending. */
void stage_put(
	struct stage *stage, const struct pair *pair, const char *outcome);
void stage_drop(
	struct stage *stage, const struct pair *pair, const char *outcome);
void stage_end_intent(struct stage *stage, uint64_t intent_id);
/* The server says that `mid` has this UID. Another message that is on record
   with it has it no more: a server that gives a UID twice. That one is looked
   for, and held. */
void stage_free_uid(
	struct stage *stage, uint32_t folder_id, uint32_t uid, uint64_t mid);
/* `tomb->reason` is static text. */
void stage_bury(struct stage *stage, const struct tomb *tomb);
bool stage_commit(struct stage *stage, struct error *error) MUST_CHECK;

/* Readers of mail act while transfers run: would the operation still be planned
   for the pair as it is now? Of the stages after the transfers. When not, asks
   for another pass. */
bool apply_is_still_wanted(struct stage *stage,
	const struct operation *operation, const struct pair *pair);

/* After an effect was written into the pair: records what both sides now agree
   on, and that nothing is wrong with it any more. */
void apply_agree(struct pair *pair, const struct policy *policy);

/* Downloads the messages of these UIDs into the folder; pairs with synced
   state unset, or to be made again locally. */
bool download_uids(struct account *account, struct account_folder *folder,
	const struct uid_set *uids, struct error *error) MUST_CHECK;

/* Uploads these pairs' files into the folder. */
bool upload_pairs(struct account *account, struct account_folder *folder,
	const struct pair *const *pairs, size_t count,
	struct error *error) MUST_CHECK;

/* One stage's operations on one folder each; operations are adjacent. */
bool apply_move_local(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;
bool apply_flag_local(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;
bool apply_delete_local(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;
bool apply_move_remote(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;
bool apply_flag_remote(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;
bool apply_delete_remote(struct account *account,
	const struct operation *operations, size_t count,
	struct error *error) MUST_CHECK;

#endif
