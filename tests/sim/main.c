/* The simulator's command line: runs of whole accounts, each decided by a
   seed. Runs happen in children, because a worker that dies in the middle of
   something leaves its memory behind. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "tests/sim/child.h"
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
		"       simulate --crash NAME/CASE/STEP|CALL:N/KIND [--show]\n"
		"WHAT: nothing, or some of equal, lesser, quirks, operator,\n"
		"      failures, folders, in-place, daemon; with\n"
		"      commas\n",
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
	/* The next one may end the process. */
	(void)fflush(stdout);
	world_end(&world);
	return is_good;
}

/* The same seed must do the same: each run of a batch's first seed twice. */
static int run_batch(uint64_t first, uint64_t last, uint64_t *seed_now)
{
	uint64_t hash, again;
	int code = 0;

	for (uint64_t seed = first; seed <= last; seed++) {
		*seed_now = seed;
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

struct batch {
	pid_t child; /* 0 = none */
	uint64_t first, last;
	uint64_t *seed_now; /* shared with the child */
};

static void start_batch(struct batch *batch)
{
	batch->child = child_start();
	if (batch->child == 0)
		_exit(run_batch(batch->first, batch->last, batch->seed_now));
}

/* Of a child that died the seed is told, and what it left is run. */
static bool end_batch(struct batch *batch, int status)
{
	batch->child = 0;
	if (!WIFSIGNALED(status))
		return WIFEXITED(status) && WEXITSTATUS(status) == 0;
	printf("seed %" PRIu64 ": ended by signal %d\n", *batch->seed_now,
		WTERMSIG(status));
	batch->first = *batch->seed_now + 1;
	if (batch->first <= batch->last)
		start_batch(batch);
	return false;
}

static struct batch *find_batch(
	struct batch *batches, unsigned jobs, pid_t child)
{
	for (unsigned i = 0; i < jobs; i++)
		if (batches[i].child == child)
			return &batches[i];
	return NULL;
}

static struct batch *new_batches(unsigned jobs)
{
	struct batch *batches = alloc(jobs, sizeof(*batches));
	uint64_t *seeds = mmap(NULL, jobs * sizeof(*seeds),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (seeds == MAP_FAILED) {
		perror("mmap");
		exit(71);
	}
	for (unsigned i = 0; i < jobs; i++)
		batches[i].seed_now = &seeds[i];
	return batches;
}

static int run_seeds(uint64_t first, uint64_t last, unsigned jobs)
{
	struct batch *batches = new_batches(jobs);
	uint64_t bad = 0;

	for (;;) {
		struct batch *batch = find_batch(batches, jobs, 0);
		int status = 0;
		pid_t child;

		if (batch != NULL && first <= last) {
			batch->first = first;
			batch->last = first + BATCH_SIZE - 1;
			if (batch->last > last)
				batch->last = last;
			first = batch->last + 1;
			start_batch(batch);
			continue;
		}
		child = wait(&status);
		if (child == -1)
			break;
		batch = find_batch(batches, jobs, child);
		if (batch != NULL && !end_batch(batch, status))
			bad++;
	}
	free(batches);
	printf("%" PRIu64 " batches with failures\n", bad);
	return bad == 0 ? 0 : 1;
}

static uint32_t parse_feature(const char *text, size_t size)
{
	static const char *const NAMES[] = { "equal", "lesser", "quirks",
		"operator", "failures", "folders", "in-place", "daemon" };

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

/* What the command line asks for. */
struct request {
	uint64_t first, last, seed, shrink;
	const char *replay, *output, *scenario, *swept, *crash;
	unsigned jobs, stride;
	bool shows, lists, runs_scenarios;
};

static void take_number(struct request *request, int option)
{
	if (option == 's')
		request->seed = parse_number(optarg);
	else if (option == 'k')
		request->shrink = parse_number(optarg);
	else if (option == 'j')
		request->jobs = (unsigned)parse_number(optarg);
	else if (option == 'd')
		request->stride = (unsigned)parse_number(optarg);
	else if (!parse_range(optarg, &request->first, &request->last))
		usage();
}

static void take_option(struct request *request, int option)
{
	switch (option) {
	case 'n':
	case 's':
	case 'j':
	case 'k':
	case 'd':
		take_number(request, option);
		break;
	case 'v':
		request->shows = true;
		break;
	case 'r':
		request->replay = optarg;
		break;
	case 'o':
		request->output = optarg;
		break;
	case 'f':
		world_features = parse_features(optarg);
		break;
	case 'l':
		request->lists = true;
		break;
	case 'c':
		request->scenario = optarg;
		break;
	case 'a':
		request->runs_scenarios = true;
		break;
	case 'w':
		request->swept = optarg;
		break;
	case 'x':
		request->crash = optarg;
		break;
	default:
		usage();
	}
}

static int carry_out(const struct request *request)
{
	unsigned jobs = request->jobs == 0 ? 1 : request->jobs;
	uint64_t hash;

	if (request->lists)
		return scenario_list();
	if (request->scenario != NULL)
		return scenario_run_one(request->scenario, request->shows);
	if (request->runs_scenarios)
		return scenario_run_all(jobs);
	if (request->swept != NULL)
		return sweep_run(request->swept, request->stride, jobs);
	if (request->crash != NULL)
		return sweep_run_one(request->crash, request->shows);
	if (request->replay != NULL)
		return shrink_replay(request->replay, request->shows) ? 0 : 1;
	if (request->shrink != 0)
		return shrink_seed(request->shrink, request->output) ? 0 : 1;
	if (request->seed != 0)
		return run_seed(request->seed, request->shows, &hash) ? 0 : 1;
	return run_seeds(request->first, request->last, jobs);
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
	struct request request = {
		.first = 1,
		.last = 100,
		.jobs = 1,
		.stride = 1,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
		take_option(&request, option);
	return carry_out(&request);
}
