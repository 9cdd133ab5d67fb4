/* What mailboxes.c (listing, planning), mailboxes_apply.c (carrying out) and
   mailboxes_emptied.c (the end of folders) share. */
#ifndef SYNCD_WORKER_MAILBOXES_INTERNAL_H
#define SYNCD_WORKER_MAILBOXES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "syncd/reconciler/folders.h"
#include "syncd/worker/account.h"
#include "syncd/worker/remote.h"

/* One round: both listings in the arena, beside what is on record. */
struct mailboxes_round {
	struct account *account;
	struct arena arena;
	struct remote_mailbox *mailboxes;
	const char **mailbox_paths; /* canonical; NULL = not synced */
	size_t mailbox_count;
	struct folder_remote *remote;
	size_t remote_count;
	struct folder_local *local;
	size_t local_count;
	char delimiter; /* of the personal namespace, as listed */
	size_t known_listed_count, known_count;
	bool has_inbox;
	bool has_changed; /* something was made, renamed or removed */
};

/* What LIST and STATUS said of the folder's mailbox, into its record. */
void mailboxes_note_status(
	struct account_folder *folder, const struct remote_mailbox *mailbox);

/* Carries the plan out, in its order. An operation that fails is skipped and
   reported; only what ends the connection or the pass is an error. In a dry
   run it only tells. */
bool mailboxes_carry_out(struct mailboxes_round *round,
	const struct folders_plan *plan, struct error *error) MUST_CHECK;

/* It ends the connection or the pass, not only the operation. */
bool mailboxes_is_fatal(const struct error *error);

/* Messages last agreed on in a folder that is no more: what is left of them is
   where it was moved to, and is new there. In an open transaction. */
void mailboxes_release_messages(struct account *account, uint32_t folder_id);

#endif
