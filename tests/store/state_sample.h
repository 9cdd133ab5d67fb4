/* What the tests of the state share: a file to work on, random records, and
   comparison field by field. */
#ifndef TESTS_STORE_STATE_SAMPLE_H
#define TESTS_STORE_STATE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/pair.h"
#include "store/state.h"

/* A path in a fresh directory; sample_remove() takes both away. */
char *sample_path(void);
void sample_remove(char *path);

/* xorshift64*: the same numbers everywhere. */
struct sample_random {
	uint64_t seed;
};
uint64_t sample_number(struct sample_random *random);
uint64_t sample_below(struct sample_random *random, uint64_t limit);
bool sample_chance(struct sample_random *random, unsigned percent);

/* Any value a field can have, the odd ones more often than in life. Texts live
   in `arena`, frontiers must be finished. */
struct pair sample_pair(
	struct sample_random *random, struct arena *arena, uint64_t mid);
struct folder sample_folder(
	struct sample_random *random, struct arena *arena, uint32_t folder_id);
struct intent sample_intent(struct sample_random *random, uint64_t intent_id);
struct tomb sample_tomb(
	struct sample_random *random, struct arena *arena, uint64_t mid);
struct journal_entry sample_entry(
	struct sample_random *random, struct arena *arena, uint64_t sequence);
/* Settled, in folder 1, as a first sync leaves it: uid and inode are the mid.
 */
struct pair sample_settled(struct arena *arena, uint64_t mid);

bool sample_pairs_equal(const struct pair *a, const struct pair *b);
bool sample_folders_equal(const struct folder *a, const struct folder *b);
bool sample_intents_equal(const struct intent *a, const struct intent *b);
bool sample_tombs_equal(const struct tomb *a, const struct tomb *b);
bool sample_entries_equal(
	const struct journal_entry *a, const struct journal_entry *b);

/* These fail the test. */
struct state *sample_open(const char *path);
void sample_begin(struct state *state);
void sample_commit(struct state *state);
void sample_check(struct state *state);

#endif
