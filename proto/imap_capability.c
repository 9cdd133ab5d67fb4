#include "proto/imap_capability.h"

#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/text.h"
#include "proto/imap_session.h"

static const struct {
	const char *word;
	uint32_t bit;
} KNOWN[] = {
	{ "IMAP4REV1", IMAP_CAP_IMAP4REV1 },
	{ "IMAP4REV2", IMAP_CAP_IMAP4REV2 },
	{ "STARTTLS", IMAP_CAP_STARTTLS },
	{ "LOGINDISABLED", IMAP_CAP_LOGINDISABLED },
	{ "SASL-IR", IMAP_CAP_SASL_IR },
	{ "ID", IMAP_CAP_ID },
	{ "ENABLE", IMAP_CAP_ENABLE },
	{ "IDLE", IMAP_CAP_IDLE },
	{ "NAMESPACE", IMAP_CAP_NAMESPACE },
	{ "UIDPLUS", IMAP_CAP_UIDPLUS },
	{ "MOVE", IMAP_CAP_MOVE },
	{ "CONDSTORE", IMAP_CAP_CONDSTORE },
	{ "QRESYNC", IMAP_CAP_QRESYNC },
	{ "ESEARCH", IMAP_CAP_ESEARCH },
	{ "LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED },
	{ "LIST-STATUS", IMAP_CAP_LIST_STATUS },
	{ "SPECIAL-USE", IMAP_CAP_SPECIAL_USE },
	{ "LITERAL+", IMAP_CAP_LITERAL_PLUS },
	{ "LITERAL-", IMAP_CAP_LITERAL_MINUS },
	{ "UNSELECT", IMAP_CAP_UNSELECT },
	{ "MULTIAPPEND", IMAP_CAP_MULTIAPPEND },
	{ "OBJECTID", IMAP_CAP_OBJECTID },
	{ "COMPRESS=DEFLATE", IMAP_CAP_COMPRESS_DEFLATE },
	{ "NOTIFY", IMAP_CAP_NOTIFY },
	{ "X-GM-EXT-1", IMAP_CAP_GMAIL },
};

/* What RFC 9051 folded in, taken for granted only where the server speaks
   nothing else: servers that list both revisions name what they can do, and
   some of them get revision 2 wrong. */
static const char *const REVISION_2[] = {
	"NAMESPACE",
	"UNSELECT",
	"UIDPLUS",
	"ESEARCH",
	"ENABLE",
	"IDLE",
	"SASL-IR",
	"LIST-EXTENDED",
	"LIST-STATUS",
	"MOVE",
	"LITERAL-",
	"SPECIAL-USE",
};

void imap_capability_filter_init(struct imap_capability_filter *filter,
	const char *const *words, size_t count)
{
	filter->words = alloc(count, sizeof(*filter->words));
	filter->count = count;
	for (size_t i = 0; i < count; i++)
		filter->words[i] = alloc_text(words[i]);
}

void imap_capability_filter_finish(struct imap_capability_filter *filter)
{
	for (size_t i = 0; i < filter->count; i++)
		free(filter->words[i]);
	free(filter->words);
	*filter = (struct imap_capability_filter){ 0 };
}

static bool is_filtered(
	const struct imap_capability_filter *filter, const char *word)
{
	const char *end = strchr(word, '=');
	size_t name_size = end != NULL ? (size_t)(end - word) : strlen(word);

	for (size_t i = 0; i < filter->count; i++) {
		const char *filtered = filter->words[i];

		if (text_equal_nocase(word, filtered) ||
			text_equal_nocase_sized(word, name_size, filtered))
			return true;
		/* QRESYNC switches CONDSTORE on. */
		if (text_equal_nocase(word, "QRESYNC") &&
			text_equal_nocase(filtered, "CONDSTORE"))
			return true;
	}
	return false;
}

uint32_t imap_capability_bit(
	const char *word, const struct imap_capability_filter *filter)
{
	if (is_filtered(filter, word))
		return 0;
	if (text_equal_nocase_sized(word, strcspn(word, "="), "APPENDLIMIT"))
		return IMAP_CAP_APPENDLIMIT;
	for (size_t i = 0; i < ARRAY_LENGTH(KNOWN); i++) {
		if (text_equal_nocase(word, KNOWN[i].word))
			return KNOWN[i].bit;
	}
	return 0;
}

void imap_capabilities_finish(struct imap_capabilities *capabilities)
{
	buf_finish(&capabilities->words);
	*capabilities = (struct imap_capabilities){ 0 };
}

void imap_capabilities_forget(struct imap_capabilities *capabilities)
{
	buf_clear(&capabilities->words);
	capabilities->is_known = false;
	capabilities->bits = 0;
	capabilities->append_limit = capabilities->message_limit = 0;
}

static void add_word(struct imap_capabilities *capabilities, const char *word)
{
	if (capabilities->words.size > 0)
		buf_add_byte(&capabilities->words, ' ');
	for (; *word != '\0'; word++) {
		bool is_lower = *word >= 'a' && *word <= 'z';

		buf_add_byte(&capabilities->words,
			(uint8_t)(is_lower ? *word - 'a' + 'A' : *word));
	}
}

static void read_limit(const char *word, const char *name, uint64_t *limit_out)
{
	size_t size = strcspn(word, "=");
	uint64_t limit;

	if (text_equal_nocase_sized(word, size, name) && word[size] == '=' &&
		number_parse_u64(
			word + size + 1, strlen(word + size + 1), &limit))
		*limit_out = limit;
}

/* "APPENDLIMIT=35651584"; without a number it differs by mailbox.
   "MESSAGELIMIT=1000" */
static void read_limits(
	struct imap_capabilities *capabilities, const char *word)
{
	read_limit(word, "APPENDLIMIT", &capabilities->append_limit);
	read_limit(word, "MESSAGELIMIT", &capabilities->message_limit);
}

static void add_implied(struct imap_capabilities *capabilities,
	const struct imap_capability_filter *filter)
{
	uint32_t revisions =
		capabilities->bits & (IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2);

	/* RFC 7162, 3.2.3: who offers QRESYNC offers CONDSTORE. */
	if ((capabilities->bits & IMAP_CAP_QRESYNC) != 0)
		capabilities->bits |= imap_capability_bit("CONDSTORE", filter);
	if (revisions != IMAP_CAP_IMAP4REV2)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(REVISION_2); i++)
		capabilities->bits |=
			imap_capability_bit(REVISION_2[i], filter);
}

static bool check_limits(const struct imap_words *words, struct error *error)
{
	size_t size = 0;

	if (words->count > IMAP_CAPABILITY_COUNT_MAX)
		return error_set(error, ERROR_LIMIT,
			"server lists %zu capabilities (limit %d)",
			words->count, IMAP_CAPABILITY_COUNT_MAX);
	for (size_t i = 0; i < words->count; i++)
		size += strlen(words->words[i]) + 1;
	if (size > IMAP_CAPABILITY_SIZE_MAX)
		return error_set(error, ERROR_LIMIT,
			"server lists capabilities of %zu octets (limit %d)",
			size, IMAP_CAPABILITY_SIZE_MAX);
	return true;
}

bool imap_capabilities_set(struct imap_capabilities *capabilities,
	const struct imap_words *words,
	const struct imap_capability_filter *filter, struct error *error)
{
	if (!check_limits(words, error))
		return false;

	imap_capabilities_forget(capabilities);
	capabilities->is_known = true;
	for (size_t i = 0; i < words->count; i++) {
		uint32_t bit = imap_capability_bit(words->words[i], filter);

		if (is_filtered(filter, words->words[i]))
			continue;
		capabilities->bits |= bit;
		read_limits(capabilities, words->words[i]);
		add_word(capabilities, words->words[i]);
	}
	add_implied(capabilities, filter);
	return true;
}

bool imap_capabilities_has_word(
	const struct imap_capabilities *capabilities, const char *word)
{
	const char *text = buf_text(&capabilities->words);

	while (*text != '\0') {
		size_t size = strcspn(text, " ");

		if (text_equal_nocase_sized(text, size, word))
			return true;
		text += size;
		text += strspn(text, " ");
	}
	return false;
}
