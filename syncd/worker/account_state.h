/* The account's state in its directory: opened, or made anew when it is
   damaged. Everything in it can be had again from the Maildir and the server,
   without transferring what both hold. */
#ifndef SYNCD_WORKER_ACCOUNT_STATE_H
#define SYNCD_WORKER_ACCOUNT_STATE_H

#include "syncd/worker/account.h"

/* Reads all of it first when it was not closed in order, was changed since, or
   was not read for a day. A damaged one is kept aside, and the log says so. The
   account is locked. */
bool account_state_open(
	struct account *account, struct error *error) MUST_CHECK;

/* With `is_state_doubtful`, or after damage was read, all of it is read at the
   next opening. */
void account_state_close(struct account *account);

/* How many damaged ones lie beside it; see state_damaged_count(). */
size_t account_state_damaged_count(
	const struct account *account, int64_t *newest_out);

#endif
