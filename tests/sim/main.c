/* The simulator's command line: runs of whole accounts, each decided by a
   seed. Runs happen in children, because a worker that dies in the middle of
   something leaves its memory behind. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "tests/sim/scenario.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sweep.h"
#include "tests/sim/world.h"

#define BATCH_SIZE 16

/* A worker that was killed leaves its memory behind. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void usage(void)
{
	(void)fputs(
		"usage: simulate [--only WHAT] [--seeds FROM-TO] [--jobs N]\n"
		"       simulate [--only WHAT] --seed N [--show]\n"
		"       simulate [--only WHAT] --shrink N --output FILE\n"
		"       simulate --replay FILE [--show]\n"
		"       simulate --list\n"
		"       simulate --scenario NAME|NUMBER [--show]\n"
		"       simulate --scenarios [--jobs N]\n"
		"       simulate --sweep NAME|all [--stride K] [--jobs N]\n"
		"       simulate --crash NAME/CASE/STEP/KIND [--show]\n"
		"WHAT: nothing, or some of equal, lesser, quirks, operator,\n"
		"      failures, folders, in-place; with commas\n",
		stderr);
	exit(64);
}

/* ---- One run ---- */

static bool run_seed(uint64_t seed, bool shows, uint64_t *hash_out)
{
	static struct world world;
	struct choices choices;
	bool is_good;

	choices_record(&choices, seed);
	world_begin(&world, seed, NULL, &choices);
	world.shows = shows;
	is_good = world_run(&world);
	*hash_out = world.hash;
	if (!is_good)
		printf("seed %" PRIu64 ": %s\n", seed, world.failure);
	world_end(&world);
	return is_good;
}

/* The same seed must do the same: each run of a batch's first seed twice. */
static int run_batch(uint64_t first, uint64_t last)
{
	uint64_t hash, again;
	int code = 0;

	for (uint64_t seed = first; seed <= last; seed++) {
		if (!run_seed(seed, false, &hash)) {
			code = 1;
			continue;
		}
		if (seed == first && run_seed(seed, false, &again) &&
			again != hash) {
			printf("seed %" PRIu64
			       ": invariant 34: two runs differ\n",
				seed);
			code = 1;
		}
	}
	(void)fflush(stdout);
	return code;
}

/* ---- Many ---- */

static pid_t start_batch(uint64_t first, uint64_t last)
{
	pid_t child;

	(void)fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(run_batch(first, last));
	if (child == -1) {
		perror("fork");
		exit(71);
	}
	return child;
}

static bool end_batch(unsigned *running)
{
	int status = 0;
	pid_t child = wait(&status);

	*running -= 1;
	if (child == -1)
		return false;
	if (WIFSIGNALED(status))
		printf("a batch ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int run_seeds(uint64_t first, uint64_t last, unsigned jobs)
{
	unsigned running = 0;
	uint64_t bad = 0;

	while (first <= last || running > 0) {
		if (first <= last && running < jobs) {
			uint64_t end = first + BATCH_SIZE - 1;

			(void)start_batch(first, end < last ? end : last);
			running++;
			first = end + 1;
			continue;
		}
		if (!end_batch(&running))
			bad++;
	}
	printf("%" PRIu64 " batches with failures\n", bad);
	return bad == 0 ? 0 : 1;
}

static uint32_t parse_feature(const char *text, size_t size)
{
	static const char *const NAMES[] = { "equal", "lesser", "quirks",
		"operator", "failures", "folders", "in-place" };

	for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++)
		if (strlen(NAMES[i]) == size &&
			strncmp(text, NAMES[i], size) == 0)
			return UINT32_C(1) << i;
	usage();
	return 0;
}

static uint32_t parse_features(const char *text)
{
	uint32_t features = 0;

	if (strcmp(text, "nothing") == 0)
		return 0;
	for (;;) {
		size_t size = strcspn(text, ",");

		features |= parse_feature(text, size);
		if (text[size] == '\0')
			return features;
		text += size + 1;
	}
}

static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(text, '-');

	if (dash == NULL)
		return false;
	return number_parse_u64(text, (size_t)(dash - text), first) &&
		number_parse_u64(dash + 1, strlen(dash + 1), last);
}

static uint64_t parse_number(const char *text)
{
	uint64_t value;

	if (!number_parse_u64(text, strlen(text), &value))
		usage();
	return value;
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "show", no_argument, NULL, 'v' },
		{ "replay", required_argument, NULL, 'r' },
		{ "shrink", required_argument, NULL, 'k' },
		{ "output", required_argument, NULL, 'o' },
		{ "only", required_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ "scenario", required_argument, NULL, 'c' },
		{ "scenarios", no_argument, NULL, 'a' },
		{ "sweep", required_argument, NULL, 'w' },
		{ "stride", required_argument, NULL, 'd' },
		{ "crash", required_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t first = 1, last = 100, seed = 0, shrink = 0, hash;
	const char *replay = NULL, *output = NULL, *scenario = NULL;
	const char *swept = NULL, *crash = NULL;
	unsigned jobs = 1, stride = 1;
	bool shows = false, runs_scenarios = false;
	int option;

	while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
		switch (option) {
		case 'n':
			if (!parse_range(optarg, &first, &last))
				usage();
			break;
		case 's':
			seed = parse_number(optarg);
			break;
		case 'j':
			jobs = (unsigned)parse_number(optarg);
			break;
		case 'v':
			shows = true;
			break;
		case 'r':
			replay = optarg;
			break;
		case 'k':
			shrink = parse_number(optarg);
			break;
		case 'o':
			output = optarg;
			break;
		case 'f':
			world_features = parse_features(optarg);
			break;
		case 'l':
			return scenario_list();
		case 'c':
			scenario = optarg;
			break;
		case 'w':
			swept = optarg;
			break;
		case 'd':
			stride = (unsigned)parse_number(optarg);
			break;
		case 'x':
			crash = optarg;
			break;
		case 'a':
			runs_scenarios = true;
			break;
		default:
			usage();
		}
	}
	if (scenario != NULL)
		return scenario_run_one(scenario, shows);
	if (jobs == 0)
		jobs = 1;
	if (runs_scenarios)
		return scenario_run_all(jobs);
	if (swept != NULL)
		return sweep_run(swept, stride, jobs);
	if (crash != NULL)
		return sweep_run_one(crash, shows);
	if (replay != NULL)
		return shrink_replay(replay, shows) ? 0 : 1;
	if (shrink != 0)
		return shrink_seed(shrink, output) ? 0 : 1;
	if (seed != 0)
		return run_seed(seed, shows, &hash) ? 0 : 1;
	return run_seeds(first, last, jobs);
}
