/* Hides passwords in lines that are shown. Works on text, not on YAML: the
   lines most in need of showing are those that YAML cannot read. When in doubt
   it hides. */
#ifndef CONFIG_MASK_H
#define CONFIG_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "config/source.h"

/* Zeroed = at the start of the file. */
struct mask {
	bool is_open;       /* a value may go on in the next line */
	bool is_next_value; /* the value itself starts below */
	bool is_flow;       /* up to a closing brace */
	char quote;         /* up to this character, '\0' = none */
	size_t indent;      /* of the line with the key */
};

/* How many octets of the line may be shown. Every line of the file must go
   through here, in order. */
size_t mask_line(struct mask *mask, const struct source_line *line);

#endif
