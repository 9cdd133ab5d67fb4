/* As sim_calls.h, for store/watch.c, which takes some pains to get at the
   descriptor of libinotifytools. Its functions that open and close are called
   otherwise here: a process that is killed closes nothing. */
#ifndef TESTS_SIM_SIM_WATCH_CALLS_H
#define TESTS_SIM_SIM_WATCH_CALLS_H

#include "tests/sim/sim_calls.h"

#include <sys/inotify.h>
#include <sys/select.h>

#include "tests/sim/sim_disk.h"

int sim_watch_descriptor(const char *path, int flags);
ssize_t sim_watch_readlink(const char *path, char *text, size_t size);
int sim_watch_forget(int fd, int descriptor);

#undef FD_SETSIZE
#define FD_SETSIZE (SIM_FD_MIN + 1)
#undef open
#define open(path, flags) sim_watch_descriptor(path, flags)
#undef readlink
#define readlink(path, text, size)  sim_watch_readlink(path, text, size)
#define inotify_rm_watch(fd, watch) sim_watch_forget(fd, watch)
#define watch_open                  product_watch_open
#define watch_close                 product_watch_close

#endif
