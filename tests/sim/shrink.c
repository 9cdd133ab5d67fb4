#include "tests/sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/sim/child.h"
#include "tests/sim/world.h"

#define TRY_COUNT_MAX 3000
#define RULE_SIZE     64

/* ---- One try, in a child ---- */

struct finding {
	char rule[RULE_SIZE]; /* "invariant 24"; "" = it went well */
};

static void rule_of(const char *failure, struct finding *finding)
{
	size_t size = strcspn(failure, ":");

	(void)snprintf(finding->rule, sizeof(finding->rule), "%.*s", (int)size,
		failure);
}

static void run(uint64_t seed, struct choices *choices, bool shows,
	struct finding *finding)
{
	static struct world world;

	memset(finding, 0, sizeof(*finding));
	world_begin(&world, seed, NULL, choices);
	world.shows = shows;
	if (!world_run(&world)) {
		rule_of(world.failure, finding);
		if (shows)
			printf("seed %" PRIu64 ": %s\n", seed, world.failure);
	}
}

static struct finding try(
	uint64_t seed, const uint32_t *values, size_t count, bool shows)
{
	struct finding finding = { "a child that died" };
	struct choices choices;
	int ends[2];
	pid_t child;

	if (pipe(ends) == -1)
		abort();
	child = child_start();
	if (child == 0) {
		choices_replay(&choices, values, count);
		run(seed, &choices, shows, &finding);
		(void)fflush(stdout);
		_exit(write(ends[1], &finding, sizeof(finding)) !=
			(ssize_t)sizeof(finding));
	}
	(void)close(ends[1]);
	if (read(ends[0], &finding, sizeof(finding)) !=
		(ssize_t)sizeof(finding))
		(void)snprintf(finding.rule, sizeof(finding.rule), "crash");
	(void)close(ends[0]);
	(void)waitpid(child, NULL, 0);
	return finding;
}

/* ---- Fewer and smaller ---- */

struct search {
	uint64_t seed;
	uint32_t *values;
	size_t count;
	struct finding wanted;
	unsigned tries;
};

static bool accept(struct search *search, const uint32_t *values, size_t count)
{
	struct finding finding;

	if (search->tries++ >= TRY_COUNT_MAX)
		return false;
	finding = try(search->seed, values, count, false);
	if (strcmp(finding.rule, search->wanted.rule) != 0)
		return false;
	memcpy(search->values, values, count * sizeof(*values));
	search->count = count;
	return true;
}

/* Blocks of `size` go, or become 0. */
static bool cut_blocks(struct search *search, size_t size, bool zeroes)
{
	uint32_t *values = alloc(search->count + 1, sizeof(*values));
	bool has_cut = false;

	for (size_t at = 0; at + size <= search->count;) {
		size_t count = search->count;
		bool is_zero = true;

		memcpy(values, search->values, count * sizeof(*values));
		for (size_t i = 0; i < size; i++)
			is_zero = is_zero && values[at + i] == 0;
		if (zeroes) {
			memset(values + at, 0, size * sizeof(*values));
		} else {
			memmove(values + at, values + at + size,
				(count - at - size) * sizeof(*values));
			count -= size;
		}
		if (!(zeroes && is_zero) && accept(search, values, count))
			has_cut = true;
		else
			at += size;
		if (zeroes && has_cut)
			at += size;
	}
	free(values);
	return has_cut;
}

static void search_smaller(struct search *search)
{
	bool has_cut = true;

	while (has_cut && search->tries < TRY_COUNT_MAX) {
		has_cut = false;
		for (size_t size = search->count / 2 + 1; size > 0; size /= 2)
			has_cut |= cut_blocks(search, size, false);
		for (size_t size = 16; size > 0; size /= 4)
			has_cut |= cut_blocks(search, size, true);
	}
}

/* The choices the seed makes; the run itself happens in a child, so they are
   made here once more without one: by recording in the child and sending them
   would need a protocol, a long enough array does not. */
static void record(uint64_t seed, struct search *search)
{
	struct choices choices;

	search->count = 200000;
	search->values = alloc(search->count, sizeof(*search->values));
	choices_record(&choices, seed);
	for (size_t i = 0; i < search->count; i++)
		search->values[i] = choices_take(&choices, UINT32_MAX);
	choices_finish(&choices);
}

bool shrink_seed(uint64_t seed, const char *path)
{
	struct search search = { .seed = seed };
	struct choices kept;

	record(seed, &search);
	search.wanted = try(seed, search.values, search.count, false);
	if (search.wanted.rule[0] == '\0') {
		free(search.values);
		return false;
	}
	search_smaller(&search);
	(void)try(seed, search.values, search.count, true);
	printf("%s with %zu choices, found in %u tries\n", search.wanted.rule,
		search.count, search.tries);
	choices_replay(&kept, search.values, search.count);
	if (path != NULL && !choices_save(&kept, seed, world_features, path))
		perror(path);
	choices_finish(&kept);
	free(search.values);
	return true;
}

bool shrink_replay(const char *path, bool shows)
{
	struct finding finding;
	struct choices choices;
	uint64_t seed;

	if (!choices_load(&choices, &seed, &world_features, path)) {
		perror(path);
		return false;
	}
	finding = try(seed, choices.values, choices.count, shows);
	choices_finish(&choices);
	if (finding.rule[0] != '\0')
		printf("%s: %s\n", path, finding.rule);
	return finding.rule[0] == '\0';
}
