/* Headers of messages on the server, read into their pairs. One that does not
   come stays as it was: nothing depends on it but that a move is recognised. */
#ifndef SYNCD_WORKER_OBSERVE_CHANGED_H
#define SYNCD_WORKER_OBSERVE_CHANGED_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/uid_set.h"
#include "syncd/worker/account.h"

/* False when the connection or the state failed. */
bool observe_headers(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids,
	struct error *error) MUST_CHECK;

/* Of folder->changed_uids, uploads that the server changed; clears the set. */
bool observe_changed(struct account *account, struct account_folder *folder,
	struct error *error) MUST_CHECK;

#endif
