#include "store/maildir_name.h"

#include <string.h>

#include "base/number.h"
#include "base/pair.h"

/* In ASCII order, as letters are written. */
static const struct system_letter {
	char letter;
	uint32_t flag; /* 0 = $Forwarded */
} SYSTEM_LETTERS[] = {
	{ 'D', FLAG_DRAFT },
	{ 'F', FLAG_FLAGGED },
	{ 'P', 0 },
	{ 'R', FLAG_ANSWERED },
	{ 'S', FLAG_SEEN },
	{ 'T', FLAG_DELETED },
};

static const char DIGITS[] = "0123456789";

void keyword_letters_init(struct keyword_letters *letters)
{
	for (size_t i = 0; i < KEYWORD_LETTER_COUNT; i++)
		letters->keywords[i] = -1;
}

bool keyword_letters_has(const struct keyword_letters *letters, int keyword)
{
	for (size_t i = 0; i < KEYWORD_LETTER_COUNT; i++)
		if (letters->keywords[i] == keyword)
			return true;
	return false;
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static size_t letters_span(const char *text)
{
	size_t size = 0;

	while (is_upper(text[size]) || is_lower(text[size]))
		size++;
	return size;
}

void maildir_name_parse(const char *name, struct maildir_name *parts_out)
{
	size_t unique_size = pair_unique_size(name);
	const char *info = name + unique_size;
	bool has_info = *info == ':';
	bool has_flags;
	size_t letters_size = 0;

	if (has_info)
		info++;
	has_flags = has_info && strncmp(info, "2,", 2) == 0;
	if (has_flags) {
		info += 2;
		letters_size = letters_span(info);
	}

	parts_out->unique_size = unique_size;
	parts_out->has_info = has_info;
	parts_out->has_flags = has_flags;
	parts_out->letters = info;
	parts_out->letters_size = letters_size;
	parts_out->rest = info + letters_size;
}

bool maildir_name_is_valid(const char *name)
{
	return *name != '\0' && *name != '.' && strchr(name, '/') == NULL &&
		strlen(name) <= MAILDIR_NAME_SIZE_MAX;
}

bool maildir_name_same_unique(const char *a, const char *b)
{
	size_t size = pair_unique_size(a);

	return size == pair_unique_size(b) && memcmp(a, b, size) == 0;
}

static const struct system_letter *find_system_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_LENGTH(SYSTEM_LETTERS); i++) {
		if (SYSTEM_LETTERS[i].letter == letter)
			return &SYSTEM_LETTERS[i];
	}
	return NULL;
}

/* The keyword a small letter stands for, or -1. */
static int letter_keyword(const struct keyword_letters *letters, char letter)
{
	if (letters == NULL || !is_lower(letter))
		return -1;
	return letters->keywords[letter - 'a'];
}

static void add_letter(
	struct flags *flags, const struct keyword_letters *letters, char letter)
{
	const struct system_letter *system = find_system_letter(letter);
	int keyword = letter_keyword(letters, letter);

	if (system != NULL && system->flag == 0)
		keyword = KEYWORD_FORWARDED;
	else if (system != NULL)
		flags->system |= system->flag;
	if (keyword >= 0)
		flags_set_keyword(flags, (unsigned)keyword);
}

void maildir_name_flags(const char *name, const struct keyword_letters *letters,
	struct flags *flags_out)
{
	struct flags flags = { .system = 0 };
	struct maildir_name parts;

	maildir_name_parse(name, &parts);
	for (size_t i = 0; i < parts.letters_size; i++)
		add_letter(&flags, letters, parts.letters[i]);
	*flags_out = flags;
}

struct flags maildir_name_flags_mask(const struct keyword_letters *letters)
{
	struct flags mask = { .system = FLAG_ALL_SYSTEM };

	flags_set_keyword(&mask, KEYWORD_FORWARDED);
	for (size_t i = 0; letters != NULL && i < KEYWORD_LETTER_COUNT; i++) {
		if (letters->keywords[i] >= 0)
			flags_set_keyword(
				&mask, (unsigned)letters->keywords[i]);
	}
	return mask;
}

/* A letter as bit 0-25 for A-Z, 26-51 for a-z. */
static uint64_t letter_bit(char letter)
{
	if (is_upper(letter))
		return UINT64_C(1) << (letter - 'A');
	return UINT64_C(1) << (letter - 'a' + 26);
}

/* The letters that stand for nothing we know, and so are not ours to drop. */
static uint64_t foreign_letters(
	const struct maildir_name *parts, const struct keyword_letters *letters)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < parts->letters_size; i++) {
		char letter = parts->letters[i];

		if (find_system_letter(letter) == NULL &&
			letter_keyword(letters, letter) < 0)
			bits |= letter_bit(letter);
	}
	return bits;
}

static uint64_t flag_letters(
	const struct flags *flags, const struct keyword_letters *letters)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(SYSTEM_LETTERS); i++) {
		if ((flags->system & SYSTEM_LETTERS[i].flag) != 0)
			bits |= letter_bit(SYSTEM_LETTERS[i].letter);
	}
	for (size_t i = 0; letters != NULL && i < KEYWORD_LETTER_COUNT; i++) {
		int keyword = letters->keywords[i];

		if (keyword >= 0 && flags_has_keyword(flags, (unsigned)keyword))
			bits |= letter_bit((char)('a' + i));
	}
	/* In one way only: who takes one away would leave the other. */
	if (flags_has_keyword(flags, KEYWORD_FORWARDED) &&
		(letters == NULL ||
			!keyword_letters_has(letters, KEYWORD_FORWARDED)))
		bits |= letter_bit('P');
	return bits;
}

static void write_letters(uint64_t bits, struct buf *out)
{
	for (unsigned i = 0; i < 52; i++) {
		if ((bits >> i & 1) != 0)
			buf_add_byte(out,
				(uint8_t)(i < 26 ? 'A' + i : 'a' + i - 26));
	}
}

static bool check_size(
	const char *name, size_t start, struct buf *out, struct error *error)
{
	if (out->size - start <= MAILDIR_NAME_SIZE_MAX)
		return true;
	buf_truncate(out, start);
	return error_set(error, ERROR_LIMIT,
		"no room for more flags in the name '%s'", name);
}

/* An info of another kind than "2," is kept as a field behind ours. */
static void write_rest(const struct maildir_name *parts, struct buf *out)
{
	if (parts->has_info && !parts->has_flags && *parts->rest != '\0')
		buf_add_byte(out, ',');
	buf_add_text(out, parts->rest);
}

bool maildir_name_for_cur(const char *name,
	const struct keyword_letters *letters, const struct flags *flags,
	struct buf *name_out, struct error *error)
{
	size_t start = name_out->size;
	struct maildir_name parts;

	maildir_name_parse(name, &parts);
	buf_add(name_out, name, parts.unique_size);
	buf_add_text(name_out, ":2,");
	write_letters(
		foreign_letters(&parts, letters) | flag_letters(flags, letters),
		name_out);
	write_rest(&parts, name_out);
	return check_size(name, start, name_out, error);
}

bool maildir_name_with_flags(const char *name,
	const struct keyword_letters *letters, const struct flags *flags,
	struct buf *name_out, struct error *error)
{
	size_t start = name_out->size;
	struct maildir_name parts;

	maildir_name_parse(name, &parts);
	if (parts.has_flags || flag_letters(flags, letters) != 0)
		return maildir_name_for_cur(
			name, letters, flags, name_out, error);
	buf_add_text(name_out, name);
	return check_size(name, start, name_out, error);
}

static bool is_host_byte(char c)
{
	return is_upper(c) || is_lower(c) || (c >= '0' && c <= '9') ||
		c == '-' || c == '_' || c == '.';
}

/* "\057" for '/', as the Maildir specification has it. */
static void write_host(const char *host, struct buf *out)
{
	size_t start = out->size;

	for (const char *c = host; *c != '\0'; c++) {
		if (out->size - start + 4 > MAILDIR_HOST_SIZE_MAX)
			break;
		if (is_host_byte(*c))
			buf_add_byte(out, (uint8_t)*c);
		else
			buf_add_format(out, "\\%03o", (unsigned)(uint8_t)*c);
	}
	if (out->size == start)
		buf_add_text(out, "localhost");
}

void maildir_unique_format(
	int64_t seconds, uint64_t token, const char *host, struct buf *name_out)
{
	unsigned long long shown =
		seconds > 0 ? (unsigned long long)seconds : 0;

	buf_add_format(
		name_out, "%llu.R%016llx.", shown, (unsigned long long)token);
	write_host(host, name_out);
}

bool maildir_unique_token(const char *name, uint64_t *token_out)
{
	size_t seconds_size = strspn(name, DIGITS);
	const char *token = name + seconds_size + 2;

	if (seconds_size == 0 || strncmp(token - 2, ".R", 2) != 0)
		return false;
	if (strnlen(token, 18) < 18 || token[16] != '.')
		return false;
	return number_parse_hex64(token, 16, token_out);
}
