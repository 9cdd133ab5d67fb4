/* Any octets as the inside of FETCH responses: pieces of a body come in order
   and add up to what was announced, and numbers are what IMAP allows. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/imap_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The body that is under way. */
struct body {
	bool is_open;
	uint64_t offset, total;
	unsigned count; /* of bodies in this response */
};

static void take_literal(struct body *body, const struct imap_literal *literal)
{
	if (!body->is_open) {
		require(literal->offset == 0);
		body->offset = 0;
		body->total = literal->total;
		body->count++;
	}
	require(literal->offset == body->offset);
	require(literal->total == body->total);
	require(literal->size <= body->total - body->offset);
	if (literal->size > 0)
		(void)memchr(literal->data, 0, literal->size);
	body->offset += literal->size;
	body->is_open = !literal->is_last;
	require(literal->is_last == (body->offset == body->total));
}

/* Sequence number 0 and modseqs of 64 bits (RFC 4551) are let through. */
static void take_fetch(const struct body *body, const struct imap_fetch *fetch)
{
	require(!body->is_open);
	require(!fetch->has_uid || fetch->uid > 0);
	require(!fetch->has_modseq || fetch->modseq > 0);
	require((fetch->body == IMAP_BODY_STREAMED) || fetch->body_size == 0);
	for (size_t i = 0; i < fetch->flags.count; i++)
		require(fetch->flags.words[i] != NULL);
	if (fetch->email_id != NULL)
		(void)strlen(fetch->email_id);
}

static void parse(const uint8_t *data, size_t size)
{
	struct imap_parser *parser = imap_parser_new(NULL);
	enum imap_parse_result result;
	struct body body = { 0 };

	imap_parser_feed(parser, data, size);
	do {
		result = imap_parser_next(parser, NULL);
		if (result == IMAP_PARSE_LITERAL)
			take_literal(&body, imap_parser_literal(parser));
		if (result != IMAP_PARSE_RESPONSE)
			continue;
		if (imap_parser_response(parser)->kind == IMAP_RESPONSE_FETCH)
			take_fetch(&body, &imap_parser_response(parser)->fetch);
		body = (struct body){ 0 };
	} while (result == IMAP_PARSE_RESPONSE || result == IMAP_PARSE_LITERAL);
	imap_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf response = { 0 };

	buf_add_text(&response, "* 7 FETCH (");
	buf_add(&response, data, size);
	buf_add_text(&response, ")\r\n");
	parse(response.data, response.size);
	buf_finish(&response);
	return 0;
}
