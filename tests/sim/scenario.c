/* The scenarios as a list, and runs of them in children: a worker that is
   killed leaves its memory behind. */
#include "tests/sim/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "tests/sim/child.h"

static const struct scenario *const SECTIONS[] = { scenarios_crash,
	scenarios_maildir, scenarios_files, scenarios_server,
	scenarios_conflict, scenarios_folder, scenarios_limit };

const struct scenario *scenario_at(size_t index)
{
	for (size_t i = 0; i < ARRAY_LENGTH(SECTIONS); i++) {
		const struct scenario *scenario = SECTIONS[i];

		for (; scenario->name != NULL; scenario++)
			if (index-- == 0)
				return scenario;
	}
	return NULL;
}

const struct scenario *scenario_find(const char *text)
{
	const struct scenario *scenario;
	uint64_t number;

	if (!number_parse_u64(text, strlen(text), &number))
		number = 0;
	for (size_t i = 0; (scenario = scenario_at(i)) != NULL; i++)
		if (scenario->number == number ||
			strcmp(scenario->name, text) == 0)
			return scenario;
	return NULL;
}

unsigned scenario_variants(const struct scenario *scenario)
{
	return scenario->variant_count == 0 ? 1 : scenario->variant_count;
}

int scenario_list(void)
{
	const struct scenario *scenario;

	for (size_t i = 0; (scenario = scenario_at(i)) != NULL; i++)
		printf("%2u %s (%u)\n", scenario->number, scenario->name,
			scenario_variants(scenario));
	return 0;
}

/* ---- Runs ---- */

static int run(const struct scenario *scenario, bool shows)
{
	const struct scene_crash none = { 0 };
	int code = 0;

	for (unsigned i = 0; i < scenario_variants(scenario); i++) {
		struct scene_result result;

		if (shows)
			printf("---- %s, case %u\n", scenario->name, i);
		scenario_run(scenario, i, &none, shows, &result);
		if (result.is_good)
			continue;
		printf("%u %s, case %u: %s\n", scenario->number, scenario->name,
			i, result.failure);
		code = 1;
	}
	return code;
}

int scenario_run_one(const char *text, bool shows)
{
	const struct scenario *scenario = scenario_find(text);

	if (scenario == NULL) {
		(void)fprintf(stderr, "no scenario '%s'\n", text);
		return 64;
	}
	return run(scenario, shows);
}

static pid_t start(const struct scenario *scenario)
{
	pid_t child = child_start();

	if (child == 0) {
		int code = run(scenario, false);

		(void)fflush(stdout);
		_exit(code);
	}
	return child;
}

/* Whether it went well. */
static bool end(void)
{
	int status = 0;

	if (wait(&status) == -1)
		return false;
	if (WIFSIGNALED(status))
		printf("a scenario ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int scenario_run_all(unsigned jobs)
{
	const struct scenario *scenario;
	unsigned running = 0, bad = 0;
	size_t count = 0;

	while ((scenario = scenario_at(count)) != NULL || running > 0) {
		if (scenario != NULL && running < jobs) {
			(void)start(scenario);
			running++;
			count++;
			continue;
		}
		if (!end())
			bad++;
		running--;
	}
	printf("%zu scenarios, %u with failures\n", count, bad);
	return bad == 0 ? 0 : 1;
}
