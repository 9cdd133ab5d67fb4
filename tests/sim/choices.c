#include "tests/sim/choices.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"

#define CHOICE_COUNT_MAX (1u << 24)

uint64_t choices_mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

void choices_record(struct choices *choices, uint64_t seed)
{
	memset(choices, 0, sizeof(*choices));
	choices->is_recording = true;
	choices->random = choices_mix(seed);
}

void choices_replay(
	struct choices *choices, const uint32_t *values, size_t count)
{
	memset(choices, 0, sizeof(*choices));
	choices->values = alloc(count, sizeof(*values));
	if (count > 0)
		memcpy(choices->values, values, count * sizeof(*values));
	choices->count = choices->capacity = count;
}

void choices_finish(struct choices *choices)
{
	free(choices->values);
	memset(choices, 0, sizeof(*choices));
}

static void append(struct choices *choices, uint32_t value)
{
	if (choices->count == choices->capacity) {
		choices->capacity =
			choices->capacity == 0 ? 1024 : choices->capacity * 2;
		choices->values = alloc_resize(choices->values,
			choices->capacity, sizeof(*choices->values));
	}
	choices->values[choices->count++] = value;
}

uint32_t choices_take(struct choices *choices, uint32_t limit)
{
	if (choices->is_recording && choices->count < CHOICE_COUNT_MAX) {
		choices->random++;
		append(choices,
			(uint32_t)(choices_mix(choices->random) >> 32) % limit);
	}
	if (choices->next >= choices->count)
		return 0;
	return choices->values[choices->next++] % limit;
}

bool choices_are_over(const struct choices *choices)
{
	return !choices->is_recording && choices->next >= choices->count;
}

bool choices_save(const struct choices *choices, uint64_t seed,
	uint32_t features, const char *path)
{
	FILE *file = fopen(path, "we");
	bool is_good;

	if (file == NULL)
		return false;
	(void)fprintf(file, "%" PRIu64 " %" PRIu32 "\n", seed, features);
	for (size_t i = 0; i < choices->count; i++)
		(void)fprintf(file, "%" PRIu32 "%c", choices->values[i],
			i % 16 == 15 || i + 1 == choices->count ? '\n' : ' ');
	is_good = ferror(file) == 0;
	return fclose(file) == 0 && is_good;
}

/* The next number of the file, white space before it. */
static bool read_number(FILE *file, uint64_t *number_out)
{
	char text[24];

	return fscanf(file, "%23s", text) == 1 &&
		number_parse_u64(text, strlen(text), number_out);
}

bool choices_load(struct choices *choices, uint64_t *seed_out,
	uint32_t *features_out, const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t value;
	bool is_good;

	if (file == NULL)
		return false;
	memset(choices, 0, sizeof(*choices));
	is_good = read_number(file, seed_out) && read_number(file, &value);
	*features_out = is_good ? (uint32_t)value : 0;
	while (is_good && read_number(file, &value))
		append(choices, (uint32_t)value);
	(void)fclose(file);
	return is_good;
}
