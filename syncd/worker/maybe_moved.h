/* What is new on one side may have been moved there from a mailbox that could
   not be looked at, or from a folder that could not be read, and is not missed
   in yet. Transferred as new, it would be there once more if its other side is
   changed before that can be done. */
#ifndef SYNCD_WORKER_MAYBE_MOVED_H
#define SYNCD_WORKER_MAYBE_MOVED_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* Was its mailbox not looked at in this pass, although it may hold what is
   ours? */
bool maybe_moved_from(const struct account_folder *folder);

/* And here: was its directory not read? */
bool maybe_moved_from_here(const struct account_folder *folder);

/* Holds what is new there and has the header of a message in such a mailbox,
   and what is new here and has the bytes of a file in such a directory, until
   that was looked at, but for some hours only: it may stay as it is for ever.
   After arrivals were bound. False when the connection or the state failed. */
bool maybe_moved_hold(struct account *account, struct error *error) MUST_CHECK;

#endif
