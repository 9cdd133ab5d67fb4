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

enum message_header_state {
	MESSAGE_HEADER_LINE_START,
	MESSAGE_HEADER_NAME,  /* all of the line matched the name so far */
	MESSAGE_HEADER_SKIP,  /* another field's line */
	MESSAGE_HEADER_VALUE, /* in the value */
	MESSAGE_HEADER_FOLD,  /* behind a line end of the value */
	MESSAGE_HEADER_COMPLETE,
};

/* Zeroed = ready for the first octet of a message. */
struct message_header {
	struct buf id;
	enum message_header_state state;
	size_t matched;   /* octets of the name */
	bool has_field;   /* the field was met */
	bool has_blank;   /* blanks wait to be written if text follows */
	bool is_bad;      /* NUL or over the limit */
	bool is_after_cr; /* in LINE_START and FOLD */
};

void message_header_init(struct message_header *header);
void message_header_finish(struct message_header *header);

/* The next bytes, with LF or CRLF line ends. Without effect once
   message_header_is_complete(). */
void message_header_feed(
	struct message_header *header, const uint8_t *data, size_t size);
/* No more bytes can change the answer. */
bool message_header_is_complete(const struct message_header *header);

/* The first Message-ID's value: unfolded, blanks as one space each, trimmed.
   NULL when there is none (yet), it is empty, over the limit, or holds a NUL.
   Borrowed until the next feed. Final when message_header_is_complete(), or
   when the message ended. */
const char *message_header_id(const struct message_header *header);

#endif
