/* Collects what is wrong with a file. Inside config only. */
#ifndef CONFIG_PROBLEM_H
#define CONFIG_PROBLEM_H

#include <stdint.h>

#include "base/compiler.h"
#include "config/config.h"
#include "config/source.h"

/* Never quote a secret in the message. Line 0 = the file as a whole. */
void problem_add(struct config_problems *problems, uint32_t line,
	uint32_t column, const char *format, ...) PRINTF_LIKE(4, 5);

/* Sorts by position and adds the source lines. */
void problem_finish_all(struct config_problems *problems, struct source source);

#endif
