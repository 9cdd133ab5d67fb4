/* What is new on the server may have been moved there from a mailbox that could
   not be looked at, and is not missed in yet. Fetched as new, it would be there
   once more if its old file is changed before that mailbox can be looked at. */
#ifndef SYNCD_WORKER_MAYBE_MOVED_H
#define SYNCD_WORKER_MAYBE_MOVED_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* Was its mailbox not looked at in this pass, although it may hold what is
   ours? */
bool maybe_moved_from(const struct account_folder *folder);

/* Holds what is new and has the header of a message in such a folder, until the
   folder was looked at, but for some hours only: it may stay as it is for ever.
   After arrivals were bound. False when the connection or the state failed. */
bool maybe_moved_hold(struct account *account, struct error *error) MUST_CHECK;

#endif
