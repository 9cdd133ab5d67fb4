#include "tests/sim/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/number.h"
#include "tests/sim/child.h"
#include "tests/sim/scenario.h"

/* Runs in one child, which leaks what dies in it. */
#define BATCH_SIZE 64

static const struct {
	enum event event;
	const char *name;
} KINDS[] = {
	{ EVENT_KILL_BEFORE, "kill-before" },
	{ EVENT_KILL_AFTER, "kill-after" },
	{ EVENT_POWER_BEFORE, "power-before" },
	{ EVENT_POWER_AFTER, "power-after" },
};

#define KIND_COUNT ARRAY_LENGTH(KINDS)

/* One case of a scenario, and the calls of it. */
struct course {
	const struct scenario *scenario;
	unsigned variant;
	uint64_t first_step, last_step;
};

struct sweep {
	unsigned stride, jobs, running;
	uint64_t run_count, bad_batches;
};

/* ---- One crash ---- */

static bool crash(const struct course *course, uint64_t step, size_t kind)
{
	const struct scene_crash crash = {
		.step = step,
		.event = KINDS[kind].event,
	};
	struct scene_result result;

	scenario_run(course->scenario, course->variant, &crash, false, &result);
	if (!result.is_good)
		printf("%s/%u/%" PRIu64 "/%s: %s\n", course->scenario->name,
			course->variant, step, KINDS[kind].name,
			result.failure);
	return result.is_good;
}

/* ---- Many ---- */

/* The `index`-th of all crashes of a course. */
static bool crash_at(const struct course *course, uint64_t index)
{
	return crash(course, course->first_step + 1 + index / KIND_COUNT,
		(size_t)(index % KIND_COUNT));
}

static int run_batch(const struct course *course, uint64_t first, uint64_t end,
	unsigned stride)
{
	int code = 0;

	for (uint64_t i = first; i < end; i += stride)
		if (!crash_at(course, i))
			code = 1;
	(void)fflush(stdout);
	return code;
}

static void end_batch(struct sweep *sweep)
{
	int status = 0;

	if (wait(&status) == -1)
		return;
	sweep->running--;
	if (WIFSIGNALED(status))
		printf("a batch ended by signal %d\n", WTERMSIG(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		sweep->bad_batches++;
}

static void start_batch(struct sweep *sweep, const struct course *course,
	uint64_t first, uint64_t end)
{
	pid_t child;

	while (sweep->running >= sweep->jobs)
		end_batch(sweep);
	child = child_start();
	if (child == 0)
		_exit(run_batch(course, first, end, sweep->stride));
	sweep->running++;
}

/* `phase`: with a stride each case begins elsewhere. */
static void run_course(
	struct sweep *sweep, const struct course *course, unsigned phase)
{
	uint64_t count = (course->last_step - course->first_step) * KIND_COUNT;
	uint64_t length = (uint64_t)BATCH_SIZE * sweep->stride;

	for (uint64_t first = phase % sweep->stride; first < count;
		first += length) {
		uint64_t end = first + length < count ? first + length : count;

		start_batch(sweep, course, first, end);
		sweep->run_count +=
			(end - first + sweep->stride - 1) / sweep->stride;
	}
}

/* In a child, too: it may die in the middle of something. */
static bool measure(struct course *course)
{
	const struct scene_crash none = { 0 };
	struct scene_result result;
	int ends[2];
	bool is_good;
	pid_t child;

	if (pipe(ends) != 0)
		return false;
	child = child_start();
	if (child == 0) {
		scenario_run(course->scenario, course->variant, &none, false,
			&result);
		_exit(write(ends[1], &result, sizeof(result)) ==
					(ssize_t)sizeof(result)
				? 0
				: 1);
	}
	(void)close(ends[1]);
	is_good = read(ends[0], &result, sizeof(result)) ==
		(ssize_t)sizeof(result);
	(void)close(ends[0]);
	if (child != -1)
		(void)waitpid(child, NULL, 0);
	if (!is_good || !result.is_good)
		return false;
	course->first_step = result.first_step;
	course->last_step = result.last_step;
	return true;
}

static void run_scenario(struct sweep *sweep, const struct scenario *scenario)
{
	unsigned count = scenario->swept_count != 0
		? scenario->swept_count
		: scenario_variants(scenario);

	for (unsigned i = 0; i < count; i++) {
		struct course course = { .scenario = scenario, .variant = i };

		/* Its batches are waited for by nobody else. */
		while (sweep->running > 0)
			end_batch(sweep);
		if (measure(&course)) {
			run_course(sweep, &course, scenario->number + i * 7);
			continue;
		}
		printf("%s/%u fails without a crash\n", scenario->name, i);
		sweep->bad_batches++;
	}
}

int sweep_run(const char *name, unsigned stride, unsigned jobs)
{
	struct sweep sweep = { .stride = stride == 0 ? 1 : stride,
		.jobs = jobs };
	bool is_all = strcmp(name, "all") == 0;
	const struct scenario *scenario = is_all ? NULL : scenario_find(name);

	if (!is_all && scenario == NULL) {
		(void)fprintf(stderr, "no scenario '%s'\n", name);
		return 64;
	}
	if (scenario != NULL)
		run_scenario(&sweep, scenario);
	for (size_t i = 0; is_all && scenario_at(i) != NULL; i++) {
		scenario = scenario_at(i);
		if (scenario->not_swept == NULL)
			run_scenario(&sweep, scenario);
		else
			printf("%s is left out: %s\n", scenario->name,
				scenario->not_swept);
	}
	while (sweep.running > 0)
		end_batch(&sweep);
	printf("%" PRIu64 " crashes, %" PRIu64 " batches with failures\n",
		sweep.run_count, sweep.bad_batches);
	return sweep.bad_batches == 0 ? 0 : 1;
}

/* ---- One again ---- */

static size_t find_kind(const char *name)
{
	size_t kind = 0;

	while (kind < KIND_COUNT && strcmp(KINDS[kind].name, name) != 0)
		kind++;
	return kind;
}

/* The next part of "a/b/c"; `*text` goes on behind it. */
static char *take_part(char **text)
{
	char *part = *text;
	size_t size = strcspn(part, "/");

	*text = part + size + (part[size] == '/');
	part[size] = '\0';
	return part;
}

/* "CALL:N", or a number. */
static bool read_place(char *text, struct scene_crash *crash)
{
	char *colon = strrchr(text, ':');
	uint64_t nth;

	if (colon == NULL)
		return number_parse_u64(text, strlen(text), &crash->step);
	*colon = '\0';
	if (!number_parse_u64(colon + 1, strlen(colon + 1), &nth) || nth == 0)
		return false;
	crash->call = text;
	crash->nth = (unsigned)nth;
	return true;
}

int sweep_run_one(const char *crash_name, bool shows)
{
	char *text = alloc_text(crash_name), *rest = text;
	const struct scenario *scenario = scenario_find(take_part(&rest));
	const char *variant = take_part(&rest);
	char *place = take_part(&rest);
	size_t kind = find_kind(rest);
	uint64_t number = 0;
	struct scene_crash crash = { 0 };
	struct scene_result result = { 0 };
	bool is_known = scenario != NULL && kind < KIND_COUNT &&
		number_parse_u64(variant, strlen(variant), &number) &&
		number < scenario_variants(scenario) &&
		read_place(place, &crash);

	if (is_known) {
		crash.event = KINDS[kind].event;
		scenario_run(
			scenario, (unsigned)number, &crash, shows, &result);
	} else {
		(void)fprintf(stderr, "no crash '%s'\n", crash_name);
	}
	free(text);
	if (is_known && !result.is_good)
		printf("%s: %s\n", crash_name, result.failure);
	if (!is_known)
		return 64;
	return result.is_good ? 0 : 1;
}
