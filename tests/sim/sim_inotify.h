/* inotify(7) over the simulated disk, one instance per process. */
#ifndef TESTS_SIM_SIM_INOTIFY_H
#define TESTS_SIM_SIM_INOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

void sim_inotify_open(void);
void sim_inotify_close(void);
/* The descriptor, or a negative errno. */
int sim_inotify_add(const char *path, uint32_t mask);
int sim_inotify_remove(int descriptor);
/* Events that a read() would return now. */
size_t sim_inotify_pending(void);
/* The oldest event; NULL = none. Borrowed until the next call. */
struct inotify_event *sim_inotify_take(void);

#endif
