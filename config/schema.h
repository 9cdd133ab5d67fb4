/* The table of keys: the one place that knows which there are, what they take,
   and what they mean. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define SCHEMA_KEY_COUNT_MAX 40 /* of one scope */

enum value_type {
	VALUE_TEXT,
	VALUE_SECRET,
	VALUE_COMMAND,
	VALUE_HOST,
	VALUE_PATH,
	VALUE_NUMBER,
	VALUE_PORT,
	VALUE_BOOLEAN,
	VALUE_CHOICE,
	VALUE_DURATION,
	VALUE_PERCENT,
	/* One value or a list of them. */
	VALUE_AUTH,
	VALUE_PINS,
	VALUE_PATTERNS,
	VALUE_NAMES,
	/* Read by load.c. */
	VALUE_ACCOUNT,
	VALUE_ACCOUNTS,
};

/* A word that stands for a number. Ends with a NULL word. */
struct choice {
	const char *word;
	int value;
};

struct key {
	const char *name;
	enum value_type type;
	size_t offset; /* in struct config or struct config_account */
	uint32_t minimum;
	uint32_t maximum;
	const struct choice *choices;
	const char *fallback; /* as in a file; NULL = none, see `shown` */
	const char *shown;    /* the default in words, when it is not fixed */
	const char *help;
};

/* Ends with a NULL name. */
extern const struct key SCHEMA_TOP_KEYS[];
extern const struct key SCHEMA_ACCOUNT_KEYS[];

/* The index in `keys`, or -1. */
int schema_find(const struct key *keys, const char *name);

/* The words of a key that takes some of a few, as "a, b or c", into
   `words`. */
void schema_list_choices(
	const struct choice *choices, char *words, size_t size);

#endif
