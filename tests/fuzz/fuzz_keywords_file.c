/* Any bytes as a dovecot-keywords file: adding a name changes no other. */
#include <stdlib.h>
#include <string.h>

#include "store/keywords_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct arena arena = { .block = NULL };
	struct buf longer = { .data = NULL };
	struct keywords_file before, after;
	unsigned letter;

	keywords_file_parse(text, size, &arena, &before);
	if (keywords_file_add_line(text, size, "added", &longer, &letter)) {
		keywords_file_parse(
			buf_text(&longer), longer.size, &arena, &after);
		require(is_same(after.names[letter], "added"));
		require(after.taken == (before.taken | UINT32_C(1) << letter));
		for (unsigned i = 0; i < KEYWORD_LETTER_COUNT; i++)
			require(i == letter ||
				is_same(before.names[i], after.names[i]));
	} else {
		require(before.taken == (UINT32_C(1) << 26) - 1);
	}
	buf_finish(&longer);
	arena_finish(&arena);
	return 0;
}
