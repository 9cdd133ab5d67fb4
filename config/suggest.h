/* "did you mean 'x'?": the candidate nearest to a misspelt word. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stddef.h>

#define SUGGEST_SIZE_MAX 32 /* longer words have no neighbour */

struct suggestion {
	const char *word;
	const char *nearest; /* borrowed from the candidates; NULL = none */
	size_t distance;
	char hint[SUGGEST_SIZE_MAX + 32];
};

void suggest_init(struct suggestion *suggestion, const char *word);
void suggest_consider(struct suggestion *suggestion, const char *candidate);

/* " (did you mean 'x'?)", or "" when nothing is near. Lives in `suggestion`. */
const char *suggest_hint(struct suggestion *suggestion);

/* Edits that make one word of the other: a letter added, dropped, replaced or
   swapped with its neighbour, where case does not count. SIZE_MAX when a word
   is longer than SUGGEST_SIZE_MAX. */
size_t suggest_distance(const char *a, const char *b);

#endif
