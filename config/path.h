/* Paths as people write them, made absolute. */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"

#define PATH_SIZE_MAX 4096 /* octets of an expanded path */

/* The home directory, or NULL. */
char *path_home(struct arena *arena) MUST_CHECK;

/* `~`, `~/…`, `$VAR` and `${VAR}` expand, a relative path starts in
   `directory`, "//", "." and ".." go (".." by text: symbolic links are not
   followed). NULL with `error` set when a variable is not set, for `~user`, or
   over the limit. */
char *path_expand(struct arena *arena, const char *text, const char *directory,
	struct error *error) MUST_CHECK;

/* The absolute directory of a file; "/" when the current one is not known. */
char *path_directory(struct arena *arena, const char *path) MUST_CHECK;

/* The same place under its one true name: symbolic links followed as far as
   the path exists. */
char *path_resolve(struct arena *arena, const char *path) MUST_CHECK;

/* The same path, or one below. Both absolute, without ".." and final '/'. */
bool path_is_within(const char *path, const char *directory);

/* $VARIABLE/mailtwin when that is set to an absolute path, else
   ~/home_part/mailtwin. NULL when there is no home either. */
char *path_xdg(struct arena *arena, const char *variable,
	const char *home_part) MUST_CHECK;

#endif
