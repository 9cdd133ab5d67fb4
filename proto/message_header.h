/* The Message-ID of a message whose bytes come in pieces (RFC 5322, 3.6.4).
   Any bytes will do: mail without headers, empty, binary. Memory is bounded,
   and nothing behind the first empty line is looked at. */
#ifndef PROTO_MESSAGE_HEADER_H
#define PROTO_MESSAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MESSAGE_HEADER_ID_MAX 2000 /* octets of the value */

/* Zeroed = ready for the first octet of a message. */
struct message_header {
	struct buf id;
	int state;              /* where in a line we are */
	size_t matched;         /* octets of "Message-ID" seen */
	bool has_pending_blank; /* of a fold, written if text follows */
	bool is_too_long;
};

void message_header_init(struct message_header *header);
void message_header_finish(struct message_header *header);

/* The next bytes, with LF or CRLF line ends. Free of effect once
   message_header_is_complete(). */
void message_header_feed(
	struct message_header *header, const uint8_t *data, size_t size);
/* No more bytes can change the answer. */
bool message_header_is_complete(const struct message_header *header);

/* The first Message-ID's value, unfolded and trimmed; NULL when there is none
   (yet), it is empty, over the limit, or holds a NUL. Borrowed until the next
   feed. Complete only after message_header_is_complete() or the last piece. */
const char *message_header_id(const struct message_header *header);

#endif
