#include "proto/message_header.h"

static const char NAME[] = "message-id";
#define NAME_SIZE (sizeof(NAME) - 1)

void message_header_init(struct message_header *header)
{
	*header = (struct message_header){ 0 };
}

void message_header_finish(struct message_header *header)
{
	buf_finish(&header->id);
	message_header_init(header);
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static bool matches_name(const struct message_header *header, uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		byte = (uint8_t)(byte - 'A' + 'a');
	return header->matched < NAME_SIZE &&
		byte == (uint8_t)NAME[header->matched];
}

/* A CR is part of a line end only before LF; elsewhere it is a byte like any
   other, and the line is none of a header's. */
static void feed_line_start(struct message_header *header, uint8_t byte)
{
	if (byte == '\n') {
		header->state = MESSAGE_HEADER_COMPLETE;
		return;
	}
	if (byte == '\r' && !header->is_after_cr) {
		header->is_after_cr = true;
		return;
	}
	header->matched = 0;
	if (!header->is_after_cr && matches_name(header, byte)) {
		header->matched = 1;
		header->state = MESSAGE_HEADER_NAME;
	} else {
		header->state = MESSAGE_HEADER_SKIP;
	}
	header->is_after_cr = false;
}

static void feed_name(struct message_header *header, uint8_t byte)
{
	if (header->matched < NAME_SIZE && matches_name(header, byte)) {
		header->matched++;
		return;
	}
	if (header->matched == NAME_SIZE && byte == ':') {
		header->has_field = true;
		header->state = MESSAGE_HEADER_VALUE;
		return;
	}
	/* obs-message-id = "Message-ID" *WSP ":" (RFC 5322, 4.5.4) */
	if (header->matched == NAME_SIZE && is_blank(byte))
		return;
	header->state =
		byte == '\n' ? MESSAGE_HEADER_LINE_START : MESSAGE_HEADER_SKIP;
}

static void add_to_value(struct message_header *header, uint8_t byte)
{
	if (is_blank(byte) || byte == '\r') {
		header->has_blank = true;
		return;
	}
	if (header->has_blank && header->id.size > 0)
		buf_add_byte(&header->id, ' ');
	header->has_blank = false;
	if (byte == 0 || header->id.size >= MESSAGE_HEADER_ID_MAX) {
		header->is_bad = true;
		buf_clear(&header->id);
		header->state = MESSAGE_HEADER_COMPLETE;
		return;
	}
	buf_add_byte(&header->id, byte);
}

static void feed_value(struct message_header *header, uint8_t byte)
{
	if (byte == '\n')
		header->state = MESSAGE_HEADER_FOLD;
	else
		add_to_value(header, byte);
}

static void feed_fold(struct message_header *header, uint8_t byte)
{
	if (!is_blank(byte)) {
		header->state = MESSAGE_HEADER_COMPLETE;
		return;
	}
	header->has_blank = true;
	header->state = MESSAGE_HEADER_VALUE;
}

static void feed_byte(struct message_header *header, uint8_t byte)
{
	switch (header->state) {
	case MESSAGE_HEADER_LINE_START:
		feed_line_start(header, byte);
		break;
	case MESSAGE_HEADER_NAME:
		feed_name(header, byte);
		break;
	case MESSAGE_HEADER_SKIP:
		if (byte == '\n')
			header->state = MESSAGE_HEADER_LINE_START;
		break;
	case MESSAGE_HEADER_VALUE:
		feed_value(header, byte);
		break;
	case MESSAGE_HEADER_FOLD:
		feed_fold(header, byte);
		break;
	case MESSAGE_HEADER_COMPLETE:
		break;
	}
}

void message_header_feed(
	struct message_header *header, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (header->state == MESSAGE_HEADER_COMPLETE)
			return;
		feed_byte(header, data[i]);
	}
}

bool message_header_is_complete(const struct message_header *header)
{
	return header->state == MESSAGE_HEADER_COMPLETE;
}

const char *message_header_id(const struct message_header *header)
{
	if (!header->has_field || header->is_bad || header->id.size == 0)
		return NULL;
	return buf_text(&header->id);
}
