/* Response codes (RFC 9051, 7.1; 5530; 7162; 8474; 9738). A payload that makes
   no sense spoils the code, never the response that carries it. */
#include <string.h>

#include "base/number.h"
#include "base/text.h"
#include "proto/imap_parse.h"

struct payload {
	const char *text;
	size_t size;
};

/* The next word of the payload; empty when there is none. */
static struct payload take_word(struct payload *payload)
{
	struct payload word;

	while (payload->size > 0 && payload->text[0] == ' ') {
		payload->text++;
		payload->size--;
	}
	word = *payload;
	while (payload->size > 0 && payload->text[0] != ' ') {
		payload->text++;
		payload->size--;
	}
	word.size -= payload->size;
	return word;
}

static bool is_used_up(struct payload *payload)
{
	return take_word(payload).size == 0;
}

static bool take_u32(struct payload *payload, uint32_t *number_out)
{
	struct payload word = take_word(payload);

	return number_parse_u32(word.text, word.size, number_out) &&
		*number_out != 0;
}

static bool take_uid_list(struct imap_parse *parse, struct payload *payload,
	struct imap_uid_list *list_out)
{
	struct payload word = take_word(payload);

	return imap_parse_uid_list(parse, word.text, word.size, 0, list_out);
}

static bool read_words(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	return imap_parse_words(
		       parse, payload->text, payload->size, &code->words) &&
		code->words.count > 0;
}

static bool read_flags(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	struct imap_lexer before = parse->lexer;
	bool ok;

	parse->lexer.line = payload->text;
	parse->lexer.size = payload->size;
	parse->lexer.position = 0;
	parse->lexer.depth = 0;
	ok = imap_parse_word_list(parse, &code->words);
	before.token_count = parse->lexer.token_count;
	before.limit = parse->lexer.limit;
	parse->lexer = before;
	return ok;
}

static bool read_u32(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	uint32_t number;

	(void)parse;
	if (!take_u32(payload, &number) || !is_used_up(payload))
		return false;
	code->number = number;
	return true;
}

/* mod-sequence-value: 63 bits by RFC 7162, 64 in the wild; never 0 */
static bool read_modseq(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	struct payload word = take_word(payload);

	(void)parse;
	return number_parse_u64(word.text, word.size, &code->number) &&
		code->number != 0 && is_used_up(payload);
}

static bool read_modified(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	return take_uid_list(parse, payload, &code->source) &&
		is_used_up(payload);
}

/* resp-code-apnd = "APPENDUID" SP nz-number SP append-uid */
static bool read_append_uid(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	return take_u32(payload, &code->uid_validity) &&
		take_uid_list(parse, payload, &code->destination) &&
		is_used_up(payload);
}

/* resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set */
static bool read_copy_uid(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	return take_u32(payload, &code->uid_validity) &&
		take_uid_list(parse, payload, &code->source) &&
		take_uid_list(parse, payload, &code->destination) &&
		is_used_up(payload);
}

/* "MAILBOXID" SP "(" objectid ")" */
static bool read_object_id(struct imap_parse *parse, struct payload *payload,
	struct imap_code *code)
{
	struct imap_code list = { 0 };

	if (!read_flags(parse, payload, &list) || list.words.count != 1)
		return false;
	code->atom = list.words.words[0];
	return true;
}

/* "MESSAGELIMIT" SP number [SP uid] (RFC 9738) */
static bool read_message_limit(struct imap_parse *parse,
	struct payload *payload, struct imap_code *code)
{
	uint32_t number;

	(void)parse;
	if (!take_u32(payload, &number))
		return false;
	code->number = number;
	return payload->size == 0 ||
		(take_u32(payload, &code->last_uid) && is_used_up(payload));
}

/* Without a reader the name says all, and a payload is ignored: Cyrus has sent
   "[CLOSED shouldn't be anything here]". */
static const struct {
	const char *name;
	enum imap_code_kind kind;
	bool (*read)(struct imap_parse *parse, struct payload *payload,
		struct imap_code *code);
} CODES[] = {
	{ "ALERT", IMAP_CODE_ALERT, NULL },
	{ "CAPABILITY", IMAP_CODE_CAPABILITY, read_words },
	{ "PERMANENTFLAGS", IMAP_CODE_PERMANENTFLAGS, read_flags },
	{ "UIDNEXT", IMAP_CODE_UIDNEXT, read_u32 },
	{ "UIDVALIDITY", IMAP_CODE_UIDVALIDITY, read_u32 },
	{ "HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ, read_modseq },
	{ "NOMODSEQ", IMAP_CODE_NOMODSEQ, NULL },
	{ "MODIFIED", IMAP_CODE_MODIFIED, read_modified },
	{ "APPENDUID", IMAP_CODE_APPENDUID, read_append_uid },
	{ "COPYUID", IMAP_CODE_COPYUID, read_copy_uid },
	{ "MAILBOXID", IMAP_CODE_MAILBOXID, read_object_id },
	{ "MESSAGELIMIT", IMAP_CODE_MESSAGELIMIT, read_message_limit },
	{ "UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY, NULL },
	{ "READ-ONLY", IMAP_CODE_READ_ONLY, NULL },
	{ "READ-WRITE", IMAP_CODE_READ_WRITE, NULL },
	{ "TRYCREATE", IMAP_CODE_TRYCREATE, NULL },
	{ "CLOSED", IMAP_CODE_CLOSED, NULL },
	{ "AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED, NULL },
	{ "AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED, NULL },
	{ "EXPIRED", IMAP_CODE_EXPIRED, NULL },
	{ "PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED, NULL },
	{ "CONTACTADMIN", IMAP_CODE_CONTACTADMIN, NULL },
	{ "NOPERM", IMAP_CODE_NOPERM, NULL },
	{ "INUSE", IMAP_CODE_INUSE, NULL },
	{ "UNAVAILABLE", IMAP_CODE_UNAVAILABLE, NULL },
	{ "SERVERBUG", IMAP_CODE_SERVERBUG, NULL },
	{ "CLIENTBUG", IMAP_CODE_CLIENTBUG, NULL },
	{ "CANNOT", IMAP_CODE_CANNOT, NULL },
	{ "LIMIT", IMAP_CODE_LIMIT, NULL },
	{ "OVERQUOTA", IMAP_CODE_OVERQUOTA, NULL },
	{ "TOOBIG", IMAP_CODE_TOOBIG, NULL },
	{ "ALREADYEXISTS", IMAP_CODE_ALREADYEXISTS, NULL },
	{ "NONEXISTENT", IMAP_CODE_NONEXISTENT, NULL },
	{ "EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED, NULL },
	{ "HASCHILDREN", IMAP_CODE_HASCHILDREN, NULL },
};

/* "[REFERRAL imap://…]", "[Error=… …]" (Exchange) */
static void read_other(struct imap_parse *parse, const struct payload *payload,
	struct imap_code *code)
{
	code->kind = IMAP_CODE_OTHER;
	code->is_valid = true;
	if (payload->size > 1)
		code->atom = arena_text_sized(
			parse->arena, payload->text + 1, payload->size - 1);
}

void imap_parse_code(struct imap_parse *parse, const char *text, size_t size,
	struct imap_code *code)
{
	struct payload payload = { .text = text, .size = size };
	struct payload name = take_word(&payload);
	struct imap_code read = { 0 };

	if (name.size == 0)
		return;
	read.name = imap_parse_upper(parse, name.text, name.size);
	read_other(parse, &payload, &read);
	for (size_t i = 0; i < ARRAY_LENGTH(CODES); i++) {
		if (!text_equal_nocase_sized(
			    name.text, name.size, CODES[i].name))
			continue;
		read.kind = CODES[i].kind;
		read.atom = NULL;
		read.is_valid = CODES[i].read == NULL ||
			CODES[i].read(parse, &payload, &read);
	}
	*code = read;
	/* Half of a payload must not be taken for the whole. */
	if (!read.is_valid)
		*code = (struct imap_code){
			.kind = read.kind,
			.name = read.name,
		};
}
