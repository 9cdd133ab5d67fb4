/* What a worker may still do once it has read what it needs and before it reads
   a byte from a server: files by Landlock, system calls by seccomp. So a
   mistake in a parser reaches neither other accounts nor the rest of the home
   directory. doc/design.md, "Confinement", says why each rule is as it is. */
#ifndef SYNCD_WORKER_CONFINE_H
#define SYNCD_WORKER_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum confine_access {
	CONFINE_READ,  /* files, and listing directories */
	CONFINE_WRITE, /* that, and making, changing, renaming, removing */
	CONFINE_REMOVE_DIRECTORIES, /* empty ones, and nothing else */
};

/* A file, or a directory and everything below. One that does not exist is
   left out. */
struct confine_path {
	const char *path;
	enum confine_access access;
};

/* Everything is borrowed until confine_start() returns, the texts until
   confine_end(). */
struct confine_options {
	const struct confine_path *paths;
	size_t path_count;
	uint16_t port; /* TCP goes there and to the DNS's only */
	/* Sockets of programs on this machine. Through one almost anything can
	   be had: only where names are resolved by such a program. */
	bool allows_local_sockets;
	/* Before a forbidden system call ends the process, `told_before`, its
	   number and `told_after` are written here. -1: nowhere. */
	int told_fd;
	const char *told_before;
	const char *told_after;
};

struct confine;

/* Cannot be undone. The process must have one thread, and everything that is
   opened only once must be open. Never fails: what the kernel lacks is left out
   and told by confine_missing(). */
struct confine *confine_start(const struct confine_options *options) MUST_CHECK;

/* What is not confined, and why, in words; "" = nothing. Borrowed. */
const char *confine_missing(const struct confine *confine);

/* A rule is for a file, not for its name: one of the readable files, or of the
   writable directories, that was replaced since, and so cannot be reached any
   more: a disk that was mounted, or is no longer. Borrowed; NULL = none. NULL
   for `confine` is fine. */
const char *confine_replaced(const struct confine *confine);

/* Frees the memory; the process stays confined. NULL is fine. */
void confine_end(struct confine *confine);

#endif
