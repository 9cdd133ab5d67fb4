/* The lines of a file as a reader of its error messages needs them: the same
   line ends as YAML's, positions, and no secrets. */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "config/config.h"

struct source_line {
	const char *text; /* not terminated */
	size_t size;      /* without the line end */
};

/* A walk: set `text` and `size` to the file's bytes. */
struct source {
	const char *text;
	size_t size;
};

/* False behind the last line. */
bool source_next(struct source *source, struct source_line *line_out);

/* Octets of the character at `text`; 1 for what is no UTF-8. */
size_t source_character_size(const char *text, size_t size);

/* Line and column, both from 1, of the octet at `offset`. */
void source_locate(struct source source, size_t offset, uint32_t *line_out,
	uint32_t *column_out);

/* First octet of the character there; '\0' when there is none. */
char source_character(struct source source, uint32_t line, uint32_t column);

/* Gives every problem its source line and caret. Problems must be sorted. */
void source_attach(struct source source, struct config_problems *problems);

#endif
