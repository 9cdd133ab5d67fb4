/* Are two configurations of an account the same? */
#ifndef SYNCD_ACCOUNT_EQUAL_H
#define SYNCD_ACCOUNT_EQUAL_H

#include <stdbool.h>

#include "config/config.h"

bool account_equal(
	const struct config_account *a, const struct config_account *b);

#endif
