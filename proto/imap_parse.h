/* From one complete logical line to a response. Split by what a line is about;
   every reader here returns false for "makes no sense", and the line becomes a
   broken IMAP_RESPONSE_UNKNOWN. Internal to the parser. */
#ifndef PROTO_IMAP_PARSE_H
#define PROTO_IMAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "proto/imap_lexer.h"
#include "proto/imap_parser.h"
#include "proto/imap_response.h"

/* What the first words say, which is all the framing needs. */
enum imap_line_kind {
	IMAP_LINE_BLANK,
	IMAP_LINE_TAGGED,
	IMAP_LINE_CONTINUATION,
	IMAP_LINE_STATUS, /* "* OK …" */
	IMAP_LINE_CODE,   /* "[COPYUID 55 31 6]" alone (Office365) */
	IMAP_LINE_DATA,   /* a response we know */
	IMAP_LINE_OTHER,  /* any other */
};

enum imap_data {
	IMAP_DATA_CAPABILITY,
	IMAP_DATA_ENABLED,
	IMAP_DATA_ID,
	IMAP_DATA_LIST,
	IMAP_DATA_STATUS,
	IMAP_DATA_NAMESPACE,
	IMAP_DATA_FLAGS,
	IMAP_DATA_SEARCH,
	IMAP_DATA_ESEARCH,
	IMAP_DATA_VANISHED,
	IMAP_DATA_EXISTS,
	IMAP_DATA_RECENT,
	IMAP_DATA_EXPUNGE,
	IMAP_DATA_FETCH,
	IMAP_DATA_UIDFETCH,
};

struct imap_line {
	enum imap_line_kind kind;
	enum imap_data data;     /* IMAP_LINE_DATA */
	enum imap_status status; /* IMAP_LINE_STATUS */
	bool has_number;         /* of 32 bits, before the keyword */
	uint32_t number;
	size_t name_position; /* the keyword, or the tag */
	size_t name_size;
	size_t rest; /* position behind it */
};

struct imap_line imap_line_read(const char *text, size_t size);

/* A literal that was taken out of the line. */
struct imap_taken_literal {
	size_t position; /* of its mark in the line */
	uint64_t size;
	const uint8_t *data; /* NULL = streamed or thrown away */
	bool is_streamed;
};

struct imap_parse {
	struct arena *arena;
	struct imap_lexer lexer;
	struct imap_line line;
	const struct imap_taken_literal *literals; /* by position */
	size_t literal_count;
	uint32_t uid_told; /* with a streamed literal; 0 = none */
	struct imap_response *response;
	/* The line does not go on behind a streamed literal as it should: its
	   size was wrong, and mail is being read as responses. */
	bool is_boundary_lost;
	/* Bodies that came as quoted strings: still to be handed out. */
	struct imap_literal *pieces;
	size_t piece_count;
	size_t piece_capacity;
};

/* Fills the response. False when a limit was broken (lexer.limit), or
   is_boundary_lost. */
bool imap_parse_line(struct imap_parse *parse) MUST_CHECK;

/* Lines by kind. */
bool imap_parse_status_line(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_capability(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_enabled(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_id(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_flags(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_list(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_mailbox_status(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_namespace(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_fetch(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_search(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_esearch(struct imap_parse *parse) MUST_CHECK;
bool imap_parse_vanished(struct imap_parse *parse) MUST_CHECK;

/* The response code between brackets. */
void imap_parse_code(struct imap_parse *parse, const char *text, size_t size,
	struct imap_code *code);

/* Parts of lines. */

struct imap_word_list {
	const char **words;
	size_t count;
	size_t capacity;
};

struct imap_words imap_word_list_done(const struct imap_word_list *list);
void imap_word_list_add(struct imap_parse *parse, struct imap_word_list *list,
	const char *word);

/* For what is read without the lexer. */
bool imap_parse_count_tokens(struct imap_parse *parse, size_t count) MUST_CHECK;
/* Words between spaces, upper-cased. */
bool imap_parse_words(struct imap_parse *parse, const char *text, size_t size,
	struct imap_words *words_out) MUST_CHECK;
/* "(" words ")" at the lexer's position, as sent. */
bool imap_parse_word_list(
	struct imap_parse *parse, struct imap_words *words_out) MUST_CHECK;
/* The characters of an atom, a string or a held literal. NULL for other tokens
   and for text with a NUL in it. `size_out` may be NULL. */
char *imap_parse_text(struct imap_parse *parse, const struct imap_token *token,
	size_t *size_out);
char *imap_parse_upper(struct imap_parse *parse, const char *text, size_t size);
/* objectid in parentheses, or NIL; bare is taken too (RFC 8474). */
const char *imap_parse_object_id(struct imap_parse *parse);
/* Over one value of any kind; a missing one is fine. */
void imap_parse_skip_value(struct imap_parse *parse);
/* Over what is left of the list that was just opened. */
void imap_parse_skip_list(struct imap_parse *parse);
/* The literal whose mark stands at `position`, or NULL. */
const struct imap_taken_literal *imap_parse_literal(
	const struct imap_parse *parse, size_t position);
const char *imap_parse_rest(const struct imap_parse *parse, size_t *size_out);

/* sequence-set (RFC 9051, 9) in wire order; "*" only when `star` is not 0, and
   it is that number then. */
bool imap_parse_uid_list(struct imap_parse *parse, const char *text,
	size_t size, uint32_t star, struct imap_uid_list *list_out) MUST_CHECK;

#endif
