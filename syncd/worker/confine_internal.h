/* What the confine*.c files share. */
#ifndef SYNCD_WORKER_CONFINE_INTERNAL_H
#define SYNCD_WORKER_CONFINE_INTERNAL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "syncd/worker/confine.h"

/* The sanitizers' own needs: LeakSanitizer stops all threads by ptrace() from a
   clone of the process. No build that is installed has them. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/* ---- Landlock ---- */

/* The first version of its interface that can do something. */
enum {
	LANDLOCK_ABI_MOVES = 2,   /* Linux 5.19; before, no file can be moved
				     from one directory to another */
	LANDLOCK_ABI_PORTS = 4,   /* Linux 6.7 */
	LANDLOCK_ABI_SIGNALS = 6, /* Linux 6.12 */
};

/* 0 = the kernel has none, or it is switched off. */
int landlock_abi(void);

/* A set of rules that forbids everything but what is added, as far as this
   version of the interface goes. A descriptor, or -1 and errno. */
int landlock_open(int abi) MUST_CHECK;

/* Best effort: what cannot be added stays forbidden. */
void landlock_add_path(int rules, int abi, int fd, enum confine_access access);
void landlock_add_port(int rules, int abi, uint16_t port);

/* For this thread and those it starts. False and errno. */
bool landlock_enforce(int rules) MUST_CHECK;

/* ---- seccomp ---- */

/* Forbids the system calls that are not in the list. False and errno. */
bool calls_enforce(bool allows_local_sockets) MUST_CHECK;

/* The program for it. */
#define CALLS_FILTER_MAX 1024
size_t calls_make_filter(
	struct sock_filter filter[CALLS_FILTER_MAX], bool allows_local_sockets);

#endif
