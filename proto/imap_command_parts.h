/* The inside of a command, for imap_command and imap_session only. */
#ifndef PROTO_IMAP_COMMAND_PARTS_H
#define PROTO_IMAP_COMMAND_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/imap_command.h"

#define IMAP_TAG_SIZE_MAX            20 /* of a tag and the space behind it */
#define IMAP_LITERAL_HEADER_SIZE_MAX 25 /* "{18446744073709551615+}" CR LF */

enum imap_part_kind {
	IMAP_PART_TEXT,    /* written as it stands */
	IMAP_PART_LITERAL, /* `data`, as a literal */
	IMAP_PART_STREAM,  /* a literal of `stream_size` octets yet to come */
};

struct imap_part {
	enum imap_part_kind kind;
	bool is_secret;
	struct buf data;
	uint64_t stream_size;
};

struct imap_command {
	enum imap_command_kind kind;
	struct imap_part *parts;
	size_t part_count;
	size_t part_capacity;
	size_t line_size; /* octets of text since the last literal */
	size_t literal_count;
	size_t text_size; /* octets of text in all */
	bool has_initial_response;
	struct buf initial_response;
};

#endif
