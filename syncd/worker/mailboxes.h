/* Folders on both sides: lists them, lets the reconciler compare, and carries
   out what it says. */
#ifndef SYNCD_WORKER_MAILBOXES_H
#define SYNCD_WORKER_MAILBOXES_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* LIST and the Maildir's folders, compared and made equal as far as no message
   is at stake. STATUS values are noted in the folders. Sets
   account->has_listing. `changed_out`: something was made, renamed or removed,
   or another Maildir has the root's name, so what was listed is old. */
bool mailboxes_sync(struct account *account, bool *changed_out,
	struct error *error) MUST_CHECK;

/* A mailbox of this MAILBOXID, under the folder's name, is the one of another
   folder, renamed on the server. NULL: nobody can tell. */
bool mailboxes_is_of_another(const struct account *account,
	const struct account_folder *folder, const char *mailbox_id);

/* Folders that went away on one side and have no message left on the other:
   removes them there. */
bool mailboxes_remove_emptied(
	struct account *account, struct error *error) MUST_CHECK;

#endif
