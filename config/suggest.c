#include "config/suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool is_same(char a, char b)
{
	return text_equal_nocase_sized(&a, 1, (char[]){ b, '\0' });
}

/* Optimal string alignment: Levenshtein plus swaps of neighbours, the most
   frequent slip. Three rows of the matrix suffice. */
size_t suggest_distance(const char *a, const char *b)
{
	size_t rows[3][SUGGEST_SIZE_MAX + 1];
	size_t a_size = strnlen(a, SUGGEST_SIZE_MAX + 1);
	size_t b_size = strnlen(b, SUGGEST_SIZE_MAX + 1);

	if (a_size > SUGGEST_SIZE_MAX || b_size > SUGGEST_SIZE_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_size; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			bool same = is_same(a[i - 1], b[j - 1]);

			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + (same ? 0 : 1));
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
				is_same(a[i - 2], b[j - 1]))
				row[j] = least(
					row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return rows[a_size % 3][b_size];
}

void suggest_init(struct suggestion *suggestion, const char *word)
{
	*suggestion = (struct suggestion){
		.word = word,
		.distance = SIZE_MAX,
	};
}

/* A third of the letters may be wrong: else "port" would suggest "poll". */
void suggest_consider(struct suggestion *suggestion, const char *candidate)
{
	size_t distance = suggest_distance(suggestion->word, candidate);
	size_t limit = strlen(candidate) < 6 ? 1 : strlen(candidate) / 3;

	if (distance > limit || distance >= suggestion->distance)
		return;
	suggestion->nearest = candidate;
	suggestion->distance = distance;
}

const char *suggest_hint(struct suggestion *suggestion)
{
	if (suggestion->nearest == NULL)
		return "";
	(void)snprintf(suggestion->hint, sizeof(suggestion->hint),
		" (did you mean '%s'?)", suggestion->nearest);
	return suggestion->hint;
}
