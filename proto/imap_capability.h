/* What a server offers (RFC 9051, 7.2.2), as told on this connection, less
   what the user disabled. */
#ifndef PROTO_IMAP_CAPABILITY_H
#define PROTO_IMAP_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "proto/imap_response.h"

#define IMAP_CAPABILITY_COUNT_MAX 200  /* words */
#define IMAP_CAPABILITY_SIZE_MAX  4096 /* octets of all words */

/* Words to act upon as if absent. "COMPRESS" also stands for
   "COMPRESS=DEFLATE"; without CONDSTORE there is no QRESYNC. */
struct imap_capability_filter {
	char **words;
	size_t count;
};

struct imap_capabilities {
	bool is_known;
	uint32_t bits;          /* enum imap_capability, see imap_session.h */
	struct buf words;       /* upper case, a space between */
	uint64_t append_limit;  /* these two: 0 = not told */
	uint64_t message_limit; /* RFC 9738 */
};

void imap_capability_filter_init(struct imap_capability_filter *filter,
	const char *const *words, size_t count);
void imap_capability_filter_finish(struct imap_capability_filter *filter);

void imap_capabilities_finish(struct imap_capabilities *capabilities);
void imap_capabilities_forget(struct imap_capabilities *capabilities);
/* Replaces what was known. ERROR_LIMIT, with the old content kept, when the
   server lists more than the limits above. */
bool imap_capabilities_set(struct imap_capabilities *capabilities,
	const struct imap_words *words,
	const struct imap_capability_filter *filter,
	struct error *error) MUST_CHECK;
/* `word` is one of the words, without case. */
bool imap_capabilities_has_word(
	const struct imap_capabilities *capabilities, const char *word);

/* Bit of one word, 0 when unknown or filtered out. */
uint32_t imap_capability_bit(
	const char *word, const struct imap_capability_filter *filter);

#endif
