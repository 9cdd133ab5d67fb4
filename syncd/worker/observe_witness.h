/* A server that was put back to an older state, and whose numbers were reached
   again before anybody looked: the last UID that is known is another message's
   then, where any came between. */
#ifndef SYNCD_WORKER_OBSERVE_WITNESS_H
#define SYNCD_WORKER_OBSERVE_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"
#include "syncd/worker/remote.h"

/* The UID to ask for once more; 0 = none. One row of an answer that is asked
   for anyhow: no further round trip. */
uint32_t observe_witness(
	struct account *account, const struct folder *record) MUST_CHECK;

/* Is it another message? EMAILID tells, or a MODSEQ that fell, or a size of
   what was never fetched; else, where size or date differ, the Message-ID in
   its header, which is read once. What is not told is no proof. False when the
   connection failed. */
bool observe_witness_check(struct account *account,
	struct account_folder *folder, const struct remote_message *told,
	bool *is_other_out, struct error *error) MUST_CHECK;

#endif
