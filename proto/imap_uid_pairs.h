/* COPYUID (RFC 4315, 3): the n-th UID of the source list became the n-th UID
   of the destination list. Lists are walked as the server wrote them: either
   may descend, nothing is sorted or expanded. */
#ifndef PROTO_IMAP_UID_PAIRS_H
#define PROTO_IMAP_UID_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "proto/imap_response.h"

#define IMAP_UID_PAIRS_MAX 10000000 /* messages of a mailbox */

struct imap_uid_cursor {
	const struct imap_uid_list *list;
	size_t range_index;
	uint32_t offset; /* in the range, from its first UID */
};

/* Borrows both lists. */
struct imap_uid_pairs {
	struct imap_uid_cursor source;
	struct imap_uid_cursor destination;
};

/* How many UIDs the list names; a range with first > last counts down. */
uint64_t imap_uid_list_count(const struct imap_uid_list *list);

/* False, with `*pairs` untouched, when the lists differ in length, are over
   the limit, or hold a zero: then there is no mapping. */
bool imap_uid_pairs_start(struct imap_uid_pairs *pairs,
	const struct imap_uid_list *source,
	const struct imap_uid_list *destination) MUST_CHECK;

/* The next pair; false behind the last. */
bool imap_uid_pairs_next(struct imap_uid_pairs *pairs, uint32_t *source_out,
	uint32_t *destination_out) MUST_CHECK;

#endif
