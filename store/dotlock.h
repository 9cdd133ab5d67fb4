/* Dotlocks as Dovecot makes them: a file that exists while the lock is held and
   says "PID:HOST" of its holder. Used by one thread only. */
#ifndef STORE_DOTLOCK_H
#define STORE_DOTLOCK_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

#define DOTLOCK_AGE_SECONDS 120 /* older ones are taken over */

enum dotlock_result {
	DOTLOCK_TAKEN,
	DOTLOCK_BUSY, /* somebody held it all the time */
	DOTLOCK_ERROR,
};

/* Takes the lock `name` in the open `directory`; blocks for at most
   `patience_ms` (0 = try once). A lock is taken over when its holder was a
   process of this host that is dead, at once; when it tells this host or nobody
   and is older than the last start of this machine; or when it is too old. Ours
   is written in `tmp`, a folder's, and then named: it is never without its
   holder, whenever we die. */
enum dotlock_result dotlock_take(int directory, int tmp, const char *name,
	unsigned patience_ms, struct error *error) MUST_CHECK;

/* Gives back what dotlock_take() took; a lock that somebody else took over
   meanwhile stays. */
void dotlock_release(int directory, const char *name);

#endif
