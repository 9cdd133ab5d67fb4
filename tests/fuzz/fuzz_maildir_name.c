/* Any bytes as the name of a message file: flags written are the flags read,
   and nothing else of the name changes. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/maildir_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_flags(const char *name, const struct keyword_letters *letters,
	const struct flags *flags)
{
	struct flags mask = maildir_name_flags_mask(letters);
	struct flags wanted = flags_and(flags, &mask);
	struct flags read;
	struct buf once = { .data = NULL };
	struct buf twice = { .data = NULL };

	if (maildir_name_with_flags(name, letters, flags, &once, NULL)) {
		maildir_name_flags(buf_text(&once), letters, &read);
		require(flags_equal(&read, &wanted));
		require(maildir_name_same_unique(name, buf_text(&once)));
		require(maildir_name_with_flags(
			buf_text(&once), letters, flags, &twice, NULL));
		require(strcmp(buf_text(&once), buf_text(&twice)) == 0);
	}
	buf_finish(&once);
	buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keyword_letters letters;
	struct flags flags = { .system = 0 };
	uint64_t token;
	char *name;

	if (size < 3 || size > 1024)
		return 0;
	keyword_letters_init(&letters);
	letters.keywords[data[0] % KEYWORD_LETTER_COUNT] = data[1];
	flags.system = data[2] & FLAG_ALL_SYSTEM;
	if ((data[2] & 0x80) != 0)
		flags_set_keyword(&flags, data[1]);
	name = alloc_text_sized((const char *)data + 3, size - 3);
	check_flags(name, &letters, &flags);
	check_flags(name, NULL, &flags);
	if (maildir_unique_token(name, &token))
		require(strlen(name) > 20);
	free(name);
	return 0;
}
