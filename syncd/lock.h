/* Directories of the program, and who owns them. */
#ifndef SYNCD_LOCK_H
#define SYNCD_LOCK_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

/* Makes `path` (absolute) and what is missing above it, for the user alone. */
bool lock_make_directory(const char *path, struct error *error) MUST_CHECK;

/* Holds `directory`/`name` until the descriptor is closed. -1 on failure:
   ERROR_STOPPED when another process holds it. */
int lock_take(const char *directory, const char *name,
	struct error *error) MUST_CHECK;

#endif
