#include "base/flags.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define WORD_COUNT (KEYWORD_COUNT_MAX / 64)

static const char *const FIXED_KEYWORDS[KEYWORD_FIXED_COUNT] = {
	[KEYWORD_FORWARDED] = "$Forwarded",
	[KEYWORD_JUNK] = "$Junk",
	[KEYWORD_NOT_JUNK] = "$NotJunk",
	[KEYWORD_JUNK_OLD] = "Junk",
	[KEYWORD_NON_JUNK] = "NonJunk",
};

static const struct {
	uint32_t flag;
	const char *name;
} SYSTEM_FLAGS[] = {
	{ FLAG_SEEN, "\\Seen" },
	{ FLAG_ANSWERED, "\\Answered" },
	{ FLAG_FLAGGED, "\\Flagged" },
	{ FLAG_DELETED, "\\Deleted" },
	{ FLAG_DRAFT, "\\Draft" },
};

bool flags_equal(const struct flags *a, const struct flags *b)
{
	struct flags difference = flags_xor(a, b);

	return flags_is_empty(&difference);
}

bool flags_is_empty(const struct flags *flags)
{
	uint64_t any = flags->system;

	for (size_t i = 0; i < WORD_COUNT; i++)
		any |= flags->keywords[i];
	return any == 0;
}

struct flags flags_and(const struct flags *a, const struct flags *b)
{
	struct flags result = *a;

	for (size_t i = 0; i < WORD_COUNT; i++)
		result.keywords[i] &= b->keywords[i];
	result.system &= b->system;
	return result;
}

struct flags flags_or(const struct flags *a, const struct flags *b)
{
	struct flags result = *a;

	for (size_t i = 0; i < WORD_COUNT; i++)
		result.keywords[i] |= b->keywords[i];
	result.system |= b->system;
	return result;
}

struct flags flags_xor(const struct flags *a, const struct flags *b)
{
	struct flags result = *a;

	for (size_t i = 0; i < WORD_COUNT; i++)
		result.keywords[i] ^= b->keywords[i];
	result.system ^= b->system;
	return result;
}

struct flags flags_without(const struct flags *a, const struct flags *b)
{
	struct flags result = *a;

	for (size_t i = 0; i < WORD_COUNT; i++)
		result.keywords[i] &= ~b->keywords[i];
	result.system &= ~b->system;
	return result;
}

bool flags_has_keyword(const struct flags *flags, unsigned keyword)
{
	assert(keyword < KEYWORD_COUNT_MAX);
	return (flags->keywords[keyword / 64] >> keyword % 64 & 1) != 0;
}

void flags_set_keyword(struct flags *flags, unsigned keyword)
{
	assert(keyword < KEYWORD_COUNT_MAX);
	flags->keywords[keyword / 64] |= UINT64_C(1) << keyword % 64;
}

void flags_clear_keyword(struct flags *flags, unsigned keyword)
{
	assert(keyword < KEYWORD_COUNT_MAX);
	flags->keywords[keyword / 64] &= ~(UINT64_C(1) << keyword % 64);
}

int flags_next_keyword(const struct flags *flags, unsigned from)
{
	while (from < KEYWORD_COUNT_MAX) {
		uint64_t rest = flags->keywords[from / 64] >> from % 64;

		if (rest != 0)
			return (int)from + __builtin_ctzll(rest);
		from = (from / 64 + 1) * 64;
	}
	return -1;
}

void keyword_table_init(struct keyword_table *table)
{
	*table = (struct keyword_table){ 0 };
	for (unsigned i = 0; i < KEYWORD_FIXED_COUNT; i++)
		table->names[i] = alloc_text(FIXED_KEYWORDS[i]);
	table->count = KEYWORD_FIXED_COUNT;
}

void keyword_table_finish(struct keyword_table *table)
{
	for (unsigned i = 0; i < table->count; i++)
		free(table->names[i]);
	*table = (struct keyword_table){ 0 };
}

/* flag-keyword = atom = 1*ATOM-CHAR (RFC 9051, 9) */
static bool is_keyword(const char *name)
{
	size_t size = strnlen(name, KEYWORD_SIZE_MAX + 1);

	if (size == 0 || size > KEYWORD_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return true;
}

int keyword_table_intern(struct keyword_table *table, const char *name)
{
	int keyword = keyword_table_find(table, name);

	if (keyword >= 0)
		return keyword;
	if (table->count == KEYWORD_COUNT_MAX || !is_keyword(name))
		return -1;
	table->names[table->count] = alloc_text(name);
	return (int)table->count++;
}

int keyword_table_find(const struct keyword_table *table, const char *name)
{
	for (unsigned i = 0; i < table->count; i++)
		if (text_equal_nocase(table->names[i], name))
			return (int)i;
	return -1;
}

const char *keyword_table_name(
	const struct keyword_table *table, unsigned keyword)
{
	return keyword < table->count ? table->names[keyword] : NULL;
}

uint32_t flag_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(SYSTEM_FLAGS); i++)
		if (text_equal_nocase(SYSTEM_FLAGS[i].name, name))
			return SYSTEM_FLAGS[i].flag;
	return 0;
}

const char *flag_name(uint32_t flag)
{
	for (size_t i = 0; i < ARRAY_LENGTH(SYSTEM_FLAGS); i++)
		if (SYSTEM_FLAGS[i].flag == flag)
			return SYSTEM_FLAGS[i].name;
	assert(false);
	return "";
}
