/* The server's side of an account: what remote.h reports becomes the remote
   state of pairs. Anchor and frontier advance only in the transaction that
   stores the last of what they cover. Nothing is decided here. */
#ifndef SYNCD_WORKER_OBSERVE_H
#define SYNCD_WORKER_OBSERVE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* Compares each folder's last STATUS with what was observed and marks those
   that changed. Returns how many need a look. */
size_t observe_mark_changed(struct account *account);

/* Looks at every marked folder. False when the connection or the state failed;
   a folder the server refuses is marked failed. */
bool observe_folders(struct account *account, struct error *error) MUST_CHECK;

/* One folder, whatever its marks say. When its mailbox has become another
   one's, nothing is noted but that the folder is not listed: the next listing
   tells. */
bool observe_folder(struct account *account, struct account_folder *folder,
	struct error *error) MUST_CHECK;

/* Some mailbox lists a message that was not told of, however often it was asked
   for: it may be one that is missed, or one that was sent. After some looks it
   is not waited for. */
bool observe_has_gap(const struct account *account);

/* The whole mailbox is not on the server any more: its messages are absent
   there, and should it be there again under the same UIDs, they are told of
   anew. In an open transaction. The caller writes the record. */
void observe_mailbox_gone(
	struct account *account, struct account_folder *folder);

/* UIDVALIDITY changed, or the server went back in time: what arrived under the
   new UIDs was matched with what was there; the rest is held, and the folder
   is normal again. */
bool observe_end_epoch(struct account *account, struct account_folder *folder,
	struct error *error) MUST_CHECK;

#endif
