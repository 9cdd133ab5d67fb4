/* Where chance comes from: an array of numbers. A run is a function of its
   world's number and this array, so a run can be kept, cut down and played
   again: whatever is done to the array, it is a valid run. */
#ifndef TESTS_SIM_CHOICES_H
#define TESTS_SIM_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choices {
	uint32_t *values; /* owned */
	size_t count, capacity;
	size_t next;       /* the one to be used */
	bool is_recording; /* new ones come from `random` and are appended */
	uint64_t random;
};

/* Everything by chance, from the seed. */
void choices_record(struct choices *choices, uint64_t seed);
/* A copy of these; behind the last every choice is 0. */
void choices_replay(
	struct choices *choices, const uint32_t *values, size_t count);
void choices_finish(struct choices *choices);

/* Below `limit` (at least 1). */
uint32_t choices_take(struct choices *choices, uint32_t limit);
/* Played to the end. */
bool choices_are_over(const struct choices *choices);

/* A good scrambling of a number: seeds that are neighbours get worlds that are
   not. */
uint64_t choices_mix(uint64_t value);

/* Seed and features (world.h) on the first line, then the numbers: what a kept
   run is. */
bool choices_save(const struct choices *choices, uint64_t seed,
	uint32_t features, const char *path);
bool choices_load(struct choices *choices, uint64_t *seed_out,
	uint32_t *features_out, const char *path);

#endif
