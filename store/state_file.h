/* The state's file before LMDB sees it: one owner, on a local file system. */
#ifndef STORE_STATE_FILE_H
#define STORE_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

/* Opens or creates `path` (0600) and locks it, so that a second open fails in
   this and in any other process. Refuses remote file systems unless the
   environment has MAILTWIN_STATE_FS_UNSAFE=1. -1 on failure; close() the
   result after LMDB has closed its own. */
int state_file_open(const char *path, struct error *error) MUST_CHECK;

/* Name of the remote file system with this statfs f_type, or NULL when it can
   hold a memory-mapped database. */
const char *state_file_remote_system(unsigned long type);

/* LMDB opens the file without O_CLOEXEC, twice: sets FD_CLOEXEC on every
   descriptor of this process that leads to the same file as `fd`. */
bool state_file_close_on_exec(int fd, struct error *error) MUST_CHECK;

/* Makes the file at least `size` bytes long with zeros, so that reading a
   truncated one through a memory map is an error and no SIGBUS. */
bool state_file_extend(
	int fd, unsigned long long size, struct error *error) MUST_CHECK;

/* Where the file is mapped into this process. False: not, or not to be
   found. */
bool state_file_mapping(int fd, void **start_out, size_t *size_out) MUST_CHECK;

#endif
