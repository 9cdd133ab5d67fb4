/* What becomes of a damaged state. Nothing in it is worth a guess: it is kept
   aside and a new one is filled from the Maildir and the server. Nobody has the
   state open while one of these runs. */
#ifndef STORE_STATE_RESCUE_H
#define STORE_STATE_RESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* More of them beside one state: its disk is failing, or we are. */
#define STATE_DAMAGED_MAX 10

/* Opens the state and reads all of it in a process of its own, because LMDB
   trusts its pages and may crash over damaged ones; from the disk, whatever of
   it is in memory. False with ERROR_CORRUPT:
   it is damaged; with another code: that could not be found out. */
bool state_verify(const char *path, struct error *error) MUST_CHECK;

/* Puts a new state in the place of the one at `path`, which stays as
   `path`.damaged-TIME: `*kept_out`, which is yours to free. Its secret goes on
   where it can be read, so that names of files still tell their messages.
   There is a state at `path` at any moment, unless the file system has no hard
   links. ERROR_CORRUPT when there are STATE_DAMAGED_MAX of them already. */
bool state_replace(const char *path, int64_t now, char **kept_out,
	struct error *error) MUST_CHECK;

/* How many of them lie beside the state at `path`; `*newest_out` is when the
   last one was put aside, in seconds since 1970, untouched when there are none.
   For people: 0 when that cannot be found out. */
size_t state_damaged_count(const char *path, int64_t *newest_out);

#endif
