/* What no single key can get wrong: keys that need or exclude each other,
   accounts that get in each other's way. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include <stdint.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/yaml_reader.h"

/* An account and where the file says what. */
struct account_source {
	struct config_account *account;
	const struct yaml_node *name;
	/* The values by index in SCHEMA_ACCOUNT_KEYS, own or of `defaults`;
	   NULL = not given. */
	struct yaml_node *nodes[SCHEMA_KEY_COUNT_MAX];
};

struct check {
	struct config *config;
	struct account_source *sources; /* one per account */
	uint32_t mode;                  /* of the file */
	struct config_problems *problems;
};

/* Of the four keys a secret may come from, keep what the account says and
   drop what `own` does not have, if it has any. */
void check_choose_secret(struct account_source *source,
	struct yaml_node *const own[SCHEMA_KEY_COUNT_MAX]);

/* Fills in the defaults that depend on other keys, then checks all accounts. */
void check_accounts(const struct check *check);

#endif
