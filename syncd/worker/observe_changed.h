/* Uploads that the server changed. */
#ifndef SYNCD_WORKER_OBSERVE_CHANGED_H
#define SYNCD_WORKER_OBSERVE_CHANGED_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* Reads the headers of folder->changed_uids into their pairs, and clears the
   set. One that does not come stays as it was: nothing depends on it but that
   a move is recognised. False when the connection or the state failed. */
bool observe_changed(struct account *account, struct account_folder *folder,
	struct error *error) MUST_CHECK;

#endif
