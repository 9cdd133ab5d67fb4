#include "parser_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define CONTENT_SHOWN_MAX 100

static void write_text(struct buf *text, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)data[i];

		if (byte < ' ' || byte > '~')
			buf_add_format(text, "<%02x>", byte);
		else
			buf_add_byte(text, byte);
	}
}

static void write_quoted(struct buf *text, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_add_format(text, " %s='", name);
	write_text(text, value, strlen(value));
	buf_add_text(text, "'");
}

static void write_words(struct buf *text, const struct imap_words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		buf_add_text(text, i > 0 ? " " : "");
		write_text(text, words->words[i], strlen(words->words[i]));
	}
}

static void write_uids(struct buf *text, const struct imap_uid_list *list)
{
	for (size_t i = 0; i < list->range_count; i++) {
		const struct uid_range *range = &list->ranges[i];

		buf_add_format(text, "%s%u", i > 0 ? "," : "", range->first);
		if (range->last != range->first)
			buf_add_format(text, ":%u", range->last);
	}
}

static void write_number(
	struct buf *text, const char *name, bool has, uint64_t number)
{
	if (has)
		buf_add_format(
			text, " %s=%llu", name, (unsigned long long)number);
}

static void write_delimiter(struct buf *text, char delimiter)
{
	if (delimiter == '\0')
		buf_add_text(text, " NIL");
	else
		buf_add_format(text, " '%c'", delimiter);
}

static void write_code(struct buf *text, const struct imap_code *code)
{
	if (code->kind == IMAP_CODE_NONE)
		return;
	buf_add_text(text, " [");
	if (code->kind == IMAP_CODE_OTHER)
		buf_add_text(text, "other ");
	write_text(text, code->name, strlen(code->name));
	if (!code->is_valid)
		buf_add_text(text, " junk");
	write_number(text, "number", code->number != 0, code->number);
	write_number(
		text, "validity", code->uid_validity != 0, code->uid_validity);
	write_number(text, "last", code->last_uid != 0, code->last_uid);
	write_quoted(text, "atom", code->atom);
	if (code->words.count > 0) {
		buf_add_text(text, " ");
		write_words(text, &code->words);
	}
	if (code->source.range_count > 0) {
		buf_add_text(text, " from ");
		write_uids(text, &code->source);
	}
	if (code->destination.range_count > 0) {
		buf_add_text(text, " to ");
		write_uids(text, &code->destination);
	}
	buf_add_text(text, "]");
}

static void write_status(struct buf *text, const char *word,
	const struct imap_status_response *status)
{
	static const char *const NAMES[] = { "OK", "NO", "BAD", "BYE",
		"PREAUTH" };

	write_text(text, word, strlen(word));
	if (strcmp(word, "+") != 0)
		buf_add_format(text, " %s", NAMES[status->status]);
	write_code(text, &status->code);
	if (status->text[0] != '\0')
		buf_add_text(text, " ");
	write_text(text, status->text, strlen(status->text));
}

static void write_list(struct buf *text, const struct imap_list *list)
{
	buf_add_text(text, "list (");
	write_words(text, &list->attributes);
	buf_add_text(text, ")");
	write_delimiter(text, list->delimiter);
	assert_int_equal(strlen(list->name), list->name_size);
	write_quoted(text, "name", list->name);
	write_quoted(text, "old", list->old_name);
	write_quoted(text, "id", list->mailbox_id);
}

static void write_mailbox_status(
	struct buf *text, const struct imap_mailbox_status *status)
{
	buf_add_text(text, "status");
	assert_int_equal(strlen(status->name), status->name_size);
	write_quoted(text, "name", status->name);
	write_number(text, "messages", status->has_messages, status->messages);
	write_number(text, "uidnext", status->has_uid_next, status->uid_next);
	write_number(text, "uidvalidity", status->has_uid_validity,
		status->uid_validity);
	write_number(text, "unseen", status->has_unseen, status->unseen);
	write_number(text, "modseq", status->has_highest_modseq,
		status->highest_modseq);
	write_number(text, "appendlimit", status->has_append_limit,
		status->append_limit);
	write_number(text, "size", status->has_size, status->size);
	write_quoted(text, "id", status->mailbox_id);
}

static void write_spaces(struct buf *text, const char *label,
	const struct imap_namespace *items, size_t count)
{
	buf_add_format(text, " %s", label);
	for (size_t i = 0; i < count; i++) {
		write_quoted(text, "prefix", items[i].prefix);
		write_delimiter(text, items[i].delimiter);
	}
}

static void write_namespaces(
	struct buf *text, const struct imap_namespaces *spaces)
{
	buf_add_text(text, "namespace");
	write_spaces(
		text, "personal", spaces->personal, spaces->personal_count);
	write_spaces(text, "other", spaces->other, spaces->other_count);
	write_spaces(text, "shared", spaces->shared, spaces->shared_count);
}

static void write_fetch(struct buf *text, const struct imap_fetch *fetch)
{
	buf_add_format(text, "fetch %u", fetch->seqno);
	write_number(text, "uid", fetch->has_uid, fetch->uid);
	if (fetch->has_flags) {
		buf_add_text(text, " flags=(");
		write_words(text, &fetch->flags);
		buf_add_text(text, ")");
	}
	write_number(text, "modseq", fetch->has_modseq, fetch->modseq);
	write_number(text, "size", fetch->has_size, fetch->size);
	if (fetch->has_internal_date)
		buf_add_format(
			text, " date=%lld", (long long)fetch->internal_date);
	write_quoted(text, "email", fetch->email_id);
	if (fetch->body == IMAP_BODY_NIL)
		buf_add_text(text, " body=nil");
	if (fetch->body == IMAP_BODY_STREAMED)
		buf_add_format(text, " body=%llu",
			(unsigned long long)fetch->body_size);
	buf_add_text(text, fetch->is_whole_body ? " whole" : "");
	buf_add_text(text, fetch->is_header ? " header" : "");
}

static void write_search(struct buf *text, const struct imap_search *search)
{
	buf_add_text(text, search->is_esearch ? "esearch" : "search");
	write_quoted(text, "tag", search->search_tag);
	buf_add_text(text, search->is_uid ? " uid" : "");
	if (search->has_all) {
		buf_add_text(text, " all=");
		write_uids(text, &search->all);
	}
	write_number(text, "count", search->has_count, search->count);
	write_number(text, "min", search->has_min, search->min);
	write_number(text, "max", search->has_max, search->max);
	write_number(text, "modseq", search->has_modseq, search->modseq);
}

static void write_counted(
	struct buf *text, const char *name, const struct imap_words *words)
{
	buf_add_text(text, name);
	if (words->count > 0)
		buf_add_text(text, " ");
	write_words(text, words);
}

static void write_vanished(
	struct buf *text, const struct imap_response *response)
{
	buf_add_text(text,
		response->vanished.is_earlier ? "vanished earlier "
					      : "vanished ");
	write_uids(text, &response->vanished.uids);
}

static void write_unknown(
	struct buf *text, const struct imap_response *response)
{
	buf_add_text(text, response->is_broken ? "broken" : "unknown");
	if (response->has_nul)
		buf_add_text(text, " NUL");
	if (response->name != NULL)
		buf_add_text(text, " ");
	if (response->name != NULL)
		write_text(text, response->name, strlen(response->name));
}

void write_response(struct buf *text, const struct imap_response *response)
{
	switch (response->kind) {
	case IMAP_RESPONSE_TAGGED:
		write_status(text, response->tag, &response->status);
		break;
	case IMAP_RESPONSE_STATUS:
		write_status(text, "*", &response->status);
		break;
	case IMAP_RESPONSE_CONTINUATION:
		write_status(text, "+", &response->status);
		break;
	case IMAP_RESPONSE_CAPABILITY:
		write_counted(text, "capability", &response->words);
		break;
	case IMAP_RESPONSE_ENABLED:
		write_counted(text, "enabled", &response->words);
		break;
	case IMAP_RESPONSE_ID:
		write_counted(text, "id", &response->words);
		break;
	case IMAP_RESPONSE_FLAGS:
		write_counted(text, "flags", &response->words);
		break;
	case IMAP_RESPONSE_LIST:
		write_list(text, &response->list);
		break;
	case IMAP_RESPONSE_MAILBOX_STATUS:
		write_mailbox_status(text, &response->mailbox_status);
		break;
	case IMAP_RESPONSE_NAMESPACE:
		write_namespaces(text, &response->namespaces);
		break;
	case IMAP_RESPONSE_EXISTS:
		buf_add_format(text, "exists %u", response->number);
		break;
	case IMAP_RESPONSE_RECENT:
		buf_add_format(text, "recent %u", response->number);
		break;
	case IMAP_RESPONSE_EXPUNGE:
		buf_add_format(text, "expunge %u", response->number);
		break;
	case IMAP_RESPONSE_VANISHED:
		write_vanished(text, response);
		break;
	case IMAP_RESPONSE_FETCH:
		write_fetch(text, &response->fetch);
		break;
	case IMAP_RESPONSE_SEARCH:
		write_search(text, &response->search);
		break;
	case IMAP_RESPONSE_UNKNOWN:
		write_unknown(text, response);
		break;
	}
	buf_add_text(text, "\n");
}

/* Content of the literal that is being handed out, over all feeds of a run. */
static struct buf content;

static void write_literal(struct buf *text, const struct imap_literal *literal)
{
	if (literal->offset == 0)
		buf_clear(&content);
	assert_int_equal(literal->offset, content.size);
	assert_true(literal->offset + literal->size <= literal->total);
	assert_int_equal(literal->is_last,
		literal->offset + literal->size == literal->total);
	buf_add(&content, literal->data, literal->size);
	if (!literal->is_last)
		return;

	buf_add_format(text, "literal %u uid=%u%s%s '", literal->seqno,
		literal->uid, literal->is_whole_body ? " whole" : "",
		literal->is_header ? " header" : "");
	if (content.size > CONTENT_SHOWN_MAX)
		buf_add_format(text, "%zu octets", content.size);
	else
		write_text(text, buf_text(&content), content.size);
	buf_add_text(text, "'\n");
}

enum imap_parse_result parse_bytes(struct imap_parser *parser, const void *data,
	size_t size, struct buf *text, struct error *error)
{
	/* Exactly as large as said, so that AddressSanitizer sees the first
	   byte read too many. */
	uint8_t *copy = alloc(size > 0 ? size : 1, 1);
	enum imap_parse_result result;

	memcpy(copy, data, size);
	imap_parser_feed(parser, copy, size);
	for (;;) {
		result = imap_parser_next(parser, error);
		if (result == IMAP_PARSE_RESPONSE)
			write_response(text, imap_parser_response(parser));
		else if (result == IMAP_PARSE_LITERAL)
			write_literal(text, imap_parser_literal(parser));
		else
			break;
	}
	if (result == IMAP_PARSE_ERROR)
		buf_add_format(text, "error %s: %s\n",
			error_code_name(error->code), error->message);
	free(copy);
	return result;
}

/* Pieces end at each multiple of `step` from `first` on. */
static void run(const struct parser_row *row, size_t size, size_t first,
	size_t step, struct buf *text)
{
	struct imap_parser *parser = imap_parser_new(NULL);
	enum imap_parse_result result = IMAP_PARSE_MORE;
	struct error error = { 0 };
	size_t from = 0;
	size_t end = first;

	buf_clear(text);
	buf_finish(&content);
	while (from < size && result != IMAP_PARSE_ERROR) {
		if (end > size)
			end = size;
		result = parse_bytes(
			parser, row->bytes + from, end - from, text, &error);
		from = end;
		end = step > size - from ? size : from + step;
	}
	buf_finish(&content);
	imap_parser_free(parser);
}

static void check_equal(const struct parser_row *row, const struct buf *text,
	const char *how, size_t position)
{
	if (strcmp(buf_text(text), row->text) == 0)
		return;
	fail_msg("%s (%s %zu)\ngot:\n%sexpected:\n%s", row->label, how,
		position, buf_text(text), row->text);
}

static void check_row(const struct parser_row *row)
{
	struct buf text = { 0 };

	run(row, row->size, row->size, row->size, &text);
	check_equal(row, &text, "whole", row->size);
	run(row, row->size, 1, 1, &text);
	check_equal(row, &text, "byte by byte", row->size);
	for (size_t i = 1; i < row->size; i++) {
		run(row, row->size, i, row->size, &text);
		check_equal(row, &text, "split at", i);
	}
	for (size_t i = 0; i < row->size; i++) {
		run(row, i, i, i, &text);
		if (strncmp(row->text, buf_text(&text), text.size) != 0)
			fail_msg("%s (truncated at %zu)\ngot:\n%s", row->label,
				i, buf_text(&text));
	}
	buf_finish(&text);
}

void check_rows(const struct parser_row *rows, size_t row_count)
{
	for (size_t i = 0; i < row_count; i++)
		check_row(&rows[i]);
}
