/* The look at messages on the server right before they are deleted there. */
#ifndef SYNCD_WORKER_VERIFY_H
#define SYNCD_WORKER_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/pair.h"
#include "base/uid_set.h"
#include "syncd/worker/account.h"

struct verified {
	struct uid_set uids; /* those that may go */
	uint64_t modseq; /* no later change of any is known; 0 = no CONDSTORE */
};

/* Finds the UIDs that may go from the folder, whose mailbox is selected: there,
   the message the pair stands for (by EMAILID, or size and date, or else its
   header), with the system flags it was last seen with but for a new \Deleted,
   and with no new keyword. When one is another message, none may go: the
   mailbox was renumbered under its UIDVALIDITY, and is observed anew. */
bool verify_before_delete(struct account *account,
	struct account_folder *folder, const struct pair *pairs, size_t count,
	struct verified *verified, struct error *error) MUST_CHECK;

#endif
