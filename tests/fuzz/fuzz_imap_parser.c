/* Server bytes, whole and in pieces: nothing breaks, and the pieces do not
   matter. The first byte of the input is the size of the pieces. */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/imap_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_words(struct buf *seen, const struct imap_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		buf_add_text(seen, words->words[i]);
}

static void add_optional(struct buf *seen, const char *text)
{
	buf_add_text(seen, text != NULL ? text : "-");
}

static void add_status(
	struct buf *seen, const struct imap_status_response *status)
{
	add_optional(seen, status->code.name);
	add_optional(seen, status->code.atom);
	add_words(seen, &status->code.words);
	buf_add_text(seen, status->text);
}

static void add_fetch(struct buf *seen, const struct imap_fetch *fetch)
{
	buf_add_format(
		seen, "%u %u %d", fetch->seqno, fetch->uid, (int)fetch->body);
	add_words(seen, &fetch->flags);
	add_optional(seen, fetch->email_id);
}

/* Reads what a caller would read, so that the sanitizers see it. */
static void add_response(struct buf *seen, const struct imap_response *response)
{
	buf_add_format(seen, "\n%d %u ", (int)response->kind, response->number);
	add_optional(seen, response->tag);
	add_optional(seen, response->name);
	add_words(seen, &response->words);
	if (response->kind <= IMAP_RESPONSE_CONTINUATION)
		add_status(seen, &response->status);
	if (response->kind == IMAP_RESPONSE_FETCH)
		add_fetch(seen, &response->fetch);
	if (response->kind == IMAP_RESPONSE_LIST) {
		add_words(seen, &response->list.attributes);
		buf_add(seen, response->list.name, response->list.name_size);
	}
	if (response->kind == IMAP_RESPONSE_MAILBOX_STATUS)
		buf_add(seen, response->mailbox_status.name,
			response->mailbox_status.name_size);
}

static void parse(
	const uint8_t *data, size_t size, size_t step, struct buf *seen)
{
	struct imap_parser *parser = imap_parser_new(NULL);
	enum imap_parse_result result = IMAP_PARSE_MORE;

	for (size_t from = 0; from < size && result != IMAP_PARSE_ERROR;
		from += step) {
		imap_parser_feed(parser, data + from,
			step < size - from ? step : size - from);
		do {
			result = imap_parser_next(parser, NULL);
			if (result == IMAP_PARSE_RESPONSE)
				add_response(
					seen, imap_parser_response(parser));
			if (result == IMAP_PARSE_LITERAL)
				buf_add(seen, imap_parser_literal(parser)->data,
					imap_parser_literal(parser)->size);
		} while (result == IMAP_PARSE_RESPONSE ||
			result == IMAP_PARSE_LITERAL);
	}
	imap_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = { 0 };
	struct buf pieces = { 0 };

	if (size < 2)
		return 0;
	parse(data + 1, size - 1, size, &whole);
	parse(data + 1, size - 1, (size_t)data[0] + 1, &pieces);
	if (whole.size != pieces.size ||
		strcmp(buf_text(&whole), buf_text(&pieces)) != 0)
		abort();
	buf_finish(&whole);
	buf_finish(&pieces);
	return 0;
}
