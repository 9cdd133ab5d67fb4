/* One value of the file, checked and put into its field. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/yaml_reader.h"

struct value_context {
	struct config *config; /* its arena owns what the fields point to */
	struct config_problems *problems;
	const char *directory; /* where relative paths start */
};

/* Sets the field of `key` in `record`, the struct config or config_account.
   Otherwise leaves it alone, adds a problem and marks the node as bad. A
   secret's text is overwritten in the node. */
void value_set(struct value_context *context, const struct key *key,
	struct yaml_node *node, void *record);

/* Same for the default of `key`, if it has one. */
void value_set_fallback(
	struct value_context *context, const struct key *key, void *record);

#endif
