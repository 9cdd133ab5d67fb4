/* Mailbox names: modified UTF-7 on the wire (RFC 3501, 5.1.3), UTF-8 with us.
   Decoding takes what servers really send and tells whether the name can be
   encoded back to the same octets. */
#ifndef PROTO_MAILBOX_NAME_H
#define PROTO_MAILBOX_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"

#define MAILBOX_NAME_SIZE_MAX 1000 /* octets, on either side */

enum mailbox_name_outcome {
	/* Encoding the decoded name gives the octets of the server. */
	MAILBOX_NAME_CANONICAL,
	/* Not canonical modified UTF-7, but UTF-8: kept octet by octet. The
	   server must be given the octets it sent, not an encoding. */
	MAILBOX_NAME_RAW,
	/* Empty, too long, neither form, or with a NUL, CR or LF octet. */
	MAILBOX_NAME_INVALID,
};

/* Appends the decoded name; `*name` is as before when INVALID. */
enum mailbox_name_outcome mailbox_name_decode(
	const char *wire, size_t size, struct buf *name) MUST_CHECK;

/* Appends the one canonical encoding. False, with `*wire` as before, when the
   name is empty, too long, or not UTF-8. */
bool mailbox_name_encode(
	const char *name, size_t size, struct buf *wire) MUST_CHECK;

/* INBOX compares without case, and so does nothing else (RFC 9051, 5.1). */
bool mailbox_name_is_inbox(const char *name, size_t size);
bool mailbox_name_equal(const char *a, const char *b);

#endif
