/* The log: standard error, one line each. Under journald every line starts with
   its priority, in the daemon with the time, else with the program's name. The
   one global of the program. */
#ifndef SYNCD_LOG_H
#define SYNCD_LOG_H

#include <stdbool.h>

#include "base/compiler.h"

#define LOG_LINE_SIZE 4096 /* longer lines are cut */

/* As in syslog. */
enum log_level {
	LOG_ERROR = 3,
	LOG_WARNING = 4,
	LOG_INFO = 6,
	LOG_DEBUG = 7,
};

/* `has_time`: lines carry the time, unless journald adds it. Less important
   lines than `level` are dropped. */
void log_open(bool has_time, enum log_level level);
void log_set_level(enum log_level level);

/* Called before a line is written, so that a progress line can make room.
   NULL = nothing to call. */
void log_set_hook(void (*hook)(void *data), void *data);

/* Control characters are replaced. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* A line of a worker: its level is not trusted. */
void log_account(int level, const char *account, const char *text);

#endif
