/* Signals as events of the loop (signalfd). */
#ifndef SYNCD_SIGNALS_H
#define SYNCD_SIGNALS_H

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

struct signals;

/* From here on TERM, INT, HUP and USR1 are blocked and come as calls. */
struct signals *signals_new(struct loop *loop,
	void (*callback)(void *data, int number), void *data,
	struct error *error) MUST_CHECK;
/* They stay blocked. NULL is fine. */
void signals_free(struct signals *signals);

#endif
