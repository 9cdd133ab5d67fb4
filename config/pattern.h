/* Which mailboxes to keep: patterns as in IMAP LIST (RFC 9051, 6.3.9), where
   '*' matches anything and '%' anything but the delimiter. Names and patterns
   are UTF-8. */
#ifndef CONFIG_PATTERN_H
#define CONFIG_PATTERN_H

#include <stdbool.h>

#include "config/config.h"

#define PATTERN_SIZE_MAX 1024 /* octets; a longer one matches nothing */

/* One pattern, without a leading '!'. Time grows with the product of the two
   lengths, never faster. `delimiter` is the mailbox's, '\0' = a flat name; '/'
   in a pattern stands for it too, so that one file suits all servers. INBOX, as
   the whole name or its first level, matches in any case. */
bool pattern_matches(
	const char *pattern, const char *mailbox_name, char delimiter);

/* The last pattern that matches decides; a leading '!' excludes. What none
   matches is included only when the first pattern excludes. */
bool pattern_list_matches(const struct config_list *patterns,
	const char *mailbox_name, char delimiter);

#endif
