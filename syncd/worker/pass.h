/* One pass over an account: observe both sides, bind, plan, carry out. What the
   daemon does at every wake-up and what `sync` does once. A pass that finds
   nothing changed costs one round trip and no scan. */
#ifndef SYNCD_WORKER_PASS_H
#define SYNCD_WORKER_PASS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* Connects when needed. False: the account is in no condition to go on; the
   error's code says what to do. */
bool pass_run(struct account *account, struct error *error) MUST_CHECK;

/* Passes until nothing is left to do, waiting for absences to settle. */
bool pass_run_to_end(struct account *account, struct error *error) MUST_CHECK;

#endif
