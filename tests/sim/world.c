#include "tests/sim/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "config/config.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/local.h"
#include "syncd/worker/pass.h"
#include "tests/sim/actors.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_daemon.h"
#include "tests/sim/sim_db.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_time.h"
#include "tests/sim/sim_transport.h"

/* A run that takes more steps than this does not end. */
#define STEP_COUNT_MAX UINT64_C(2000000)
#define CALM_COUNT_MAX 40
#define HOUR_MS        UINT64_C(3600000)
#define DAY_MS         (25 * HOUR_MS) /* and what is looked at once a day was */
/* So many syncs wait for a person before he comes. */
#define ANSWER_COUNT 3
/* More mail takes more calls, and where something happens every few calls, more
   calls bring more mail: without an end, some worlds would grow for ever. */
#define HAPPENED_COUNT_MAX 1000
#define LINE_SIZE          600

struct world *the_world;

/* ---- Findings ---- */

void seam_log(const char *format, ...)
{
	struct world *world = the_world;
	char line[LINE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	for (const char *c = line; *c != '\0'; c++)
		world->hash =
			(world->hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
	if (world->listener != NULL)
		world->listener(line);
	if (world->shows)
		printf("%7llu %s\n", (unsigned long long)world->step, line);
}

void world_violation(unsigned rule, const char *format, ...)
{
	struct world *world = the_world;
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (rule == 0)
		(void)snprintf(world->failure, sizeof(world->failure),
			"not as expected: %s", text);
	else
		(void)snprintf(world->failure, sizeof(world->failure),
			"invariant %u: %s", rule, text);
	seam_log("VIOLATION %s", world->failure);
	world->is_product = false;
	if (!world->can_fail)
		abort();
	longjmp(world->failed, 1);
}

void world_require(bool is_good, unsigned rule, const char *what)
{
	if (!is_good)
		world_violation(rule, "%s", what);
}

/* ---- The seam ---- */

unsigned world_choose(struct world *world, unsigned limit)
{
	return choices_take(&world->choices, limit);
}

uint32_t seam_choose(uint32_t limit)
{
	return choices_take(&the_world->choices, limit);
}

static void plan_next_event(struct world *world)
{
	if (world->kind.gap == 0 || choices_are_over(&world->choices) ||
		world->happened_count >= HAPPENED_COUNT_MAX)
		world->next_event_step = UINT64_MAX;
	else
		world->next_event_step = world->step + 1 +
			world_choose(world, 2 * world->kind.gap);
}

static enum event choose_event(struct world *world)
{
	unsigned total = 0;
	unsigned value;

	for (unsigned i = 0; i < EVENT_COUNT; i++)
		total += world->kind.weights[i];
	if (total == 0)
		return EVENT_NOTHING;
	value = world_choose(world, total);
	for (unsigned i = 0; i < EVENT_COUNT; i++) {
		if (value < world->kind.weights[i])
			return (enum event)i;
		value -= world->kind.weights[i];
	}
	return EVENT_NOTHING;
}

static void die(struct world *world, bool is_power_cut, const char *call)
{
	seam_log("%s in %s", is_power_cut ? "POWER CUT" : "KILL -9", call);
	world->is_product = false;
	world->is_power_cut = is_power_cut;
	longjmp(world->death, 1);
}

static int choose_errno(struct world *world, enum seam seam)
{
	static const int ERRORS[] = { EIO, ENOSPC, EMFILE, ENOMEM, EACCES };

	return seam == SEAM_DISK
		? ERRORS[world_choose(world, ARRAY_LENGTH(ERRORS))]
		: EIO;
}

static int happen(struct world *world, enum event event, enum seam seam,
	const char *call, bool can_fail)
{
	int error = 0;

	switch (event) {
	case EVENT_KILL_BEFORE:
	case EVENT_POWER_BEFORE:
		die(world, event == EVENT_POWER_BEFORE, call);
		break;
	case EVENT_KILL_AFTER:
	case EVENT_POWER_AFTER:
		world->pending = event;
		break;
	case EVENT_CUT:
		seam_log("CUT in %s", call);
		sim_server_drop_connections();
		break;
	case EVENT_FAIL:
		if (!can_fail)
			break;
		error = world->script_errno != 0 ? world->script_errno
						 : choose_errno(world, seam);
		seam_log("FAIL %s: %s", call, strerror(error));
		break;
	case EVENT_NOTHING:
	case EVENT_THERE:
	case EVENT_HERE:
	case EVENT_OPERATOR:
	case EVENT_TIME:
	case EVENT_COUNT:
		actors_act(world, event);
		break;
	}
	return error;
}

/* What a crash leaves, and what comes after it, is by chance. */
static void sweep(struct world *world)
{
	choices_finish(&world->choices);
	choices_record(&world->choices,
		choices_mix(world->seed ^ world->step) + world->sweep_event);
}

/* Chosen by its name, it is one of its number from here on. */
static void find_swept_call(struct world *world, const char *call)
{
	if (world->sweep_call == NULL || strcmp(world->sweep_call, call) != 0 ||
		--world->sweep_left > 0)
		return;
	world->sweep_call = NULL;
	world->sweep_step = world->step;
}

static int follow_script(
	struct world *world, enum seam seam, const char *call, bool can_fail)
{
	int error;

	world->is_product = false;
	error = happen(world, world->script(call, false), seam, call, can_fail);
	world->is_product = true;
	return error;
}

int seam_before(enum seam seam, const char *call, bool can_fail)
{
	struct world *world = the_world;
	int error = 0;

	if (world == NULL || !world->is_product)
		return 0;
	world->step++;
	if (world->step > STEP_COUNT_MAX)
		world_violation(25, "no end after %llu steps",
			(unsigned long long)world->step);
	world->pending = EVENT_NOTHING;
	find_swept_call(world, call);
	if (world->sweep_step == world->step) {
		sweep(world);
		error = happen(world, world->sweep_event, seam, call, can_fail);
	} else if (world->script != NULL) {
		error = follow_script(world, seam, call, can_fail);
	} else if (!world->is_calm && world->step >= world->next_event_step) {
		world->is_product = false;
		world->happened_count++;
		error = happen(
			world, choose_event(world), seam, call, can_fail);
		world->is_product = true;
		plan_next_event(world);
	}
	return error;
}

void seam_after(enum seam seam, const char *call)
{
	struct world *world = the_world;

	if (world == NULL || !world->is_product)
		return;
	if (world->pending == EVENT_NOTHING && world->script != NULL) {
		world->is_product = false;
		(void)happen(
			world, world->script(call, true), seam, call, false);
		world->is_product = true;
	}
	if (world->pending == EVENT_NOTHING)
		return;
	die(world, world->pending == EVENT_POWER_AFTER, call);
}

static void state_hook(const char *call)
{
	static const char DONE[] = " done";
	const char *done = strstr(call, DONE);
	char name[16];

	if (done == NULL) {
		(void)seam_before(SEAM_STATE, call, false);
		return;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)(done - call), call);
	seam_after(SEAM_STATE, name);
}

/* ---- What kind of world ---- */

static unsigned draw(uint64_t *random, unsigned limit)
{
	*random += 1;
	return (unsigned)((choices_mix(*random) >> 33) % limit);
}

static uint32_t draw_bits(uint64_t *random, uint32_t all, unsigned one_in)
{
	uint32_t bits = 0;

	for (uint32_t bit = 1; bit != 0 && bit <= all; bit <<= 1)
		if ((all & bit) != 0 && draw(random, one_in) == 0)
			bits |= bit;
	return bits;
}

static uint32_t draw_abilities(uint64_t *random)
{
	switch (draw(random, 4)) {
	case 0:
		return SIM_ABILITIES_ALL;
	case 1:
		return 0;
	default:
		return draw_bits(random, SIM_ABILITIES_ALL, 2);
	}
}

static void draw_weights(uint64_t *random, struct world_kind *kind)
{
	static const unsigned USUAL[EVENT_COUNT] = {
		[EVENT_THERE] = 12,
		[EVENT_HERE] = 12,
		[EVENT_OPERATOR] = 1,
		[EVENT_KILL_BEFORE] = 1,
		[EVENT_KILL_AFTER] = 1,
		[EVENT_POWER_BEFORE] = 1,
		[EVENT_POWER_AFTER] = 1,
		[EVENT_CUT] = 2,
		[EVENT_FAIL] = 2,
		[EVENT_TIME] = 1,
	};

	/* Some things happen often in some worlds and never in others, so that
	   rare combinations are met. */
	for (unsigned i = 0; i < EVENT_COUNT; i++)
		kind->weights[i] = draw(random, 3) == 0
			? 0
			: USUAL[i] * (1 + draw(random, 4));
	/* Most worlds have no operator: what he does blurs what is right. */
	if (draw(random, 4) != 0)
		kind->weights[EVENT_OPERATOR] = 0;
}

/* The first of them are drawn before anything else: when others were thought
   of, worlds without them stayed what they were. */
#define FIRST_QUIRKS ((UINT32_C(1) << 20) - 1)

uint32_t world_features = FEATURES_ALL;

static bool has_feature(enum feature feature)
{
	return (world_features & (uint32_t)feature) != 0;
}

static void take_features_out(struct world_kind *kind)
{
	if (!has_feature(FEATURE_LESSER))
		kind->abilities |= SIM_UIDPLUS | SIM_MOVE;
	if (!has_feature(FEATURE_QUIRKS))
		kind->quirks = 0;
	if (!has_feature(FEATURE_EQUAL))
		kind->has_twins = false;
	if (!has_feature(FEATURE_FOLDERS))
		kind->has_folder_acts = false;
	if (!has_feature(FEATURE_OPERATOR))
		kind->weights[EVENT_OPERATOR] = 0;
	if (!has_feature(FEATURE_FAILURES))
		kind->weights[EVENT_FAIL] = 0;
	if (!has_feature(FEATURE_DAEMON))
		kind->is_daemon = false;
	kind->has_in_place = has_feature(FEATURE_IN_PLACE);
}

struct world_kind world_kind_from_seed(uint64_t seed)
{
	static const unsigned GAPS[] = { 12, 40, 120, 400 };
	uint64_t random = choices_mix(seed ^ UINT64_C(0x6d61696c7477696e));
	struct world_kind kind = {
		.abilities = draw_abilities(&random),
		.quirks = draw(&random, 2) == 0
			? 0
			: draw_bits(&random, FIRST_QUIRKS, 6),
		.gap = GAPS[draw(&random, ARRAY_LENGTH(GAPS))],
		.sessions = 2 + draw(&random, 6),
		.messages = 2 + draw(&random, 12),
		.has_twins = draw(&random, 4) == 0,
		.has_keywords = draw(&random, 3) == 0,
		.has_folder_acts = draw(&random, 3) == 0,
		.is_one_pass = draw(&random, 2) == 0,
		.conflict_delete = draw(&random, 8) == 0,
		.granularity_ns = draw(&random, 3) == 0 ? 1000000000
			: draw(&random, 2) == 0         ? 4000000
							: 1,
		.has_attributes = draw(&random, 4) != 0,
		.reuses_inodes = draw(&random, 2) == 0,
		.has_birth_times = draw(&random, 4) != 0,
		.event_queue_max = draw(&random, 6) == 0 ? 8 : 16384,
	};

	draw_weights(&random, &kind);
	kind.is_crowded = draw(&random, 16) == 0;
	if (kind.is_crowded)
		kind.messages = 36;
	kind.is_daemon = draw(&random, 2) == 0;
	if (kind.is_daemon && draw(&random, 4) != 0)
		kind.abilities |= SIM_IDLE;
	if (kind.quirks != 0)
		kind.quirks |=
			draw_bits(&random, SIM_QUIRKS_ALL & ~FIRST_QUIRKS, 6);
	take_features_out(&kind);
	return kind;
}

/* ---- Begin and end ---- */

static void load_config(struct world *world)
{
	struct config_problems problems = { 0 };
	char *yaml = alloc_format("state_dir: " WORLD_STATE "\n"
				  "runtime_dir: /sim/run\n"
				  "accounts:\n"
				  "  home:\n"
				  "    host: 127.0.0.1\n"
				  "    tls: off\n"
				  "    user: me\n"
				  "    password: x\n"
				  "    maildir: " WORLD_MAILDIR "\n"
				  "    delete_limit: %s\n"
				  "    conflict: %s\n",
		world->kind.delete_limit != NULL ? world->kind.delete_limit
			: world->kind.is_crowded ? "50%"
						 : "off",
		world->kind.conflict_delete ? "delete" : "keep");

	if (!config_parse("/etc/mailtwin/config.yaml", 0600,
		    (const uint8_t *)yaml, strlen(yaml), &world->config,
		    &problems))
		abort();
	config_problems_finish(&problems);
	free(yaml);
}

void world_begin(struct world *world, uint64_t seed,
	const struct world_kind *kind, const struct choices *choices)
{
	memset(world, 0, sizeof(*world));
	the_world = world;
	world->seed = seed;
	world->choices = *choices;
	world->kind = kind != NULL ? *kind : world_kind_from_seed(seed);
	world->hash = UINT64_C(14695981039346656037);
	sim_time_init(choices_mix(seed));
	sim_disk_init(&(struct sim_disk_options){
		.granularity_ns = world->kind.granularity_ns,
		.has_attributes = world->kind.has_attributes,
		.reuses_inodes = world->kind.reuses_inodes,
		.has_birth_times = world->kind.has_birth_times,
		.readdir_chunk = 4,
	});
	sim_watch_set_queue_max(world->kind.event_queue_max);
	/* What a server does always, it does from the first day on: nobody's
	   sizes are wrong from some moment on only. */
	sim_server_init(
		world->kind.abilities, world->kind.quirks & SIM_QUIRKS_LASTING);
	sim_db_remove_all();
	sim_db_hook = state_hook;
	load_config(world);
	oracle_begin(world);
	actors_begin(world);
}

void world_end(struct world *world)
{
	/* A run that broke a rule was left in the middle. */
	world->is_product = false;
	sim_transport_kill();
	sim_db_crash(false);
	sim_disk_kill();
	actors_end(world);
	sim_server_finish();
	sim_db_remove_all();
	sim_disk_finish();
	config_free(world->config);
	choices_finish(&world->choices);
	the_world = NULL;
}

/* ---- The worker ---- */

static void tell(void *data, int level, const char *text)
{
	struct world *world = data;
	bool was_product = world->is_product;

	seam_log("<%d> %s", level, text);
	world->is_product = was_product;
}

static char *tell_secret(void *data, bool is_retry, struct error *error)
{
	(void)data;
	(void)is_retry;
	(void)error;
	return alloc_text("secret");
}

static bool start(struct world *world)
{
	struct account_report report = {
		.log = tell,
		.get_secret = tell_secret,
		.data = world,
	};
	world->loop = loop_new(&world->error);
	world->account =
		account_open(world->config, &world->config->accounts[0],
			&report, world->loop, &world->error);
	if (world->account == NULL)
		return false;
	return true;
}

static void stop(struct world *world)
{
	account_close(world->account);
	world->account = NULL;
	loop_free(world->loop);
	world->loop = NULL;
}

/* What is left of a process that is no more. Its memory is leaked: the program
   that runs many worlds does so in children that end. */
static void bury(struct world *world)
{
	world->account = NULL;
	world->loop = NULL;
	sim_transport_kill();
	sim_db_crash(false);
	sim_server_drop_connections();
	oracle_before_death();
	if (world->is_power_cut) {
		sim_disk_power_cut();
		sim_time_start();
	} else {
		sim_disk_kill();
	}
	oracle_after_death(world);
}

/* After a failed write the state refuses everything until it is opened anew. */
static bool is_state_usable(struct world *world)
{
	struct error error = { 0 };

	if (!state_begin(world->account->state, &error))
		return false;
	state_abort(world->account->state);
	return true;
}

static bool one_pass(struct world *world, bool to_end)
{
	error_clear(&world->error);
	if (to_end ? pass_run_to_end(world->account, &world->error)
		   : pass_run(world->account, &world->error))
		return true;
	seam_log("pass ends: %s", world->error.message);
	return false;
}

static void wait_between(struct world *world)
{
	uint64_t end = clock_now_ms() + 200 + world_choose(world, 3000);

	while (clock_now_ms() < end)
		(void)loop_run_once(world->loop, 250);
}

static bool make_passes(struct world *world, unsigned passes, bool to_end)
{
	struct error ignored = { 0 };
	bool is_good = true;

	world->account->wants_sweep = true;
	if (!local_watch(world->account, &ignored))
		seam_log("no watch: %s", ignored.message);
	for (unsigned i = 0; i < passes; i++) {
		is_good = one_pass(world, to_end);
		if (!is_state_usable(world))
			break;
		if (!is_good) {
			remote_close(world->account->remote);
			world->account->remote = NULL;
		}
		if (i + 1 < passes)
			wait_between(world);
	}
	return is_good;
}

static bool live(struct world *world, unsigned passes, bool to_end)
{
	bool is_good = false;

	if (!start(world))
		seam_log("no start: %s", world->error.message);
	else if (world->kind.is_daemon && !world->is_calm)
		is_good = sim_daemon_run(world, passes);
	else
		is_good = make_passes(world, passes, to_end);
	stop(world);
	return is_good;
}

static bool session(struct world *world, unsigned passes, bool to_end)
{
	bool is_good;

	seam_log("---- starts");
	if (setjmp(world->death) != 0) {
		bury(world);
		return false;
	}
	world->is_product = true;
	is_good = live(world, passes, to_end);
	world->is_product = false;
	sim_watch_kill();
	seam_log("---- ends");
	return is_good;
}

bool world_session(struct world *world, unsigned passes)
{
	world->is_calm = false;
	plan_next_event(world);
	return session(world, passes, world->kind.is_one_pass);
}

bool world_calm_session(struct world *world)
{
	world->is_calm = true;
	return session(world, 1, true);
}

/* ---- The run ---- */

/* Until both sides are equal, with all the time that retries may need. */
/* A folder whose directory is as it was is looked at once a day: what was
   written anew in place may be found no sooner. The sides may seem equal
   before, for of a server that cannot expunge what is marked there is left out.
 */
static bool is_found_later(const struct world *world)
{
	return world->kind.has_in_place;
}

void world_become_quiet(struct world *world)
{
	sim_server_set_quirks(world->kind.quirks & SIM_QUIRKS_LASTING);
	actors_calm(world);
	sim_server_settle();
	for (unsigned i = 0; i < CALM_COUNT_MAX; i++) {
		bool is_good = world_calm_session(world);

		if (is_good && oracle_is_equal(world) &&
			(i > 0 || !is_found_later(world)))
			return;
		if (i >= ANSWER_COUNT)
			operator_approve_missing();
		sim_time_pass(
			i == 0 && is_found_later(world) ? DAY_MS : HOUR_MS);
	}
	oracle_explain(world);
	world_violation(24, "the two sides do not become equal");
}

void world_settle(struct world *world)
{
	world_become_quiet(world);
	oracle_check_end(world);
}

static unsigned choose_pass_count(struct world *world)
{
	if (world->kind.is_daemon)
		return 2 + world_choose(world, 12);
	return world->kind.is_one_pass ? 1 : 1 + world_choose(world, 4);
}

static void play_by_chance(struct world *world)
{
	actors_populate(world);
	(void)world_calm_session(world);
	oracle_check_all(world);
	sim_server_set_quirks(world->kind.quirks);
	for (unsigned i = 0; i < world->kind.sessions; i++) {
		(void)world_session(world, choose_pass_count(world));
		oracle_check_all(world);
		if (world->kind.weights[EVENT_THERE] > 0)
			actors_act(world, EVENT_THERE);
		if (world->kind.weights[EVENT_HERE] > 0)
			actors_act(world, EVENT_HERE);
	}
	world_settle(world);
}

bool world_play(struct world *world, void (*play)(struct world *world))
{
	world->can_fail = true;
	if (setjmp(world->failed) == 0)
		play(world);
	world->can_fail = false;
	return world->failure[0] == '\0';
}

bool world_run(struct world *world)
{
	return world_play(world, play_by_chance);
}
