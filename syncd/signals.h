/* Signals as events of the loop (signalfd). */
#ifndef SYNCD_SIGNALS_H
#define SYNCD_SIGNALS_H

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

struct signals;

/* Until signals_free() TERM, INT, HUP and USR1 come as calls only. */
struct signals *signals_new(struct loop *loop,
	void (*callback)(void *data, int number), void *data,
	struct error *error) MUST_CHECK;
/* They act again as before. NULL is fine. */
void signals_free(struct signals *signals);

#endif
