/* Finds out which observations are one message, and writes it down: the half
   of the sync that moves no mail. Fetches and reads what the matching asks
   for. */
#ifndef SYNCD_WORKER_BIND_H
#define SYNCD_WORKER_BIND_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/account.h"

/* False when the connection or the state failed. */
bool bind_arrivals(struct account *account, struct error *error) MUST_CHECK;

#endif
