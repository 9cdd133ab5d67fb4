/* The course of a script: sessions, and what happens at which call. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/sim/scene_internal.h"
#include "tests/sim/seam.h"

struct scene scene;

/* ---- What happens at which call ---- */

static bool is_meant(
	const struct trigger *trigger, const char *call, bool is_after)
{
	return trigger->is_after == is_after &&
		strcmp(trigger->call.name, call) == 0 &&
		(trigger->call.like == NULL ||
			strstr(scene.command, trigger->call.like) != NULL);
}

static void drop_trigger(size_t index)
{
	scene.trigger_count--;
	memmove(&scene.triggers[index], &scene.triggers[index + 1],
		(scene.trigger_count - index) * sizeof(*scene.triggers));
}

/* One that happens and is not to happen each time is over before its act, which
   may make new ones. */
static bool take_due(size_t index, const char *call, bool is_after,
	struct trigger *trigger_out)
{
	struct trigger *trigger = &scene.triggers[index];

	if (!is_meant(trigger, call, is_after))
		return false;
	if (trigger->left > 1) {
		trigger->left--;
		return false;
	}
	*trigger_out = *trigger;
	if (!trigger->call.is_every)
		drop_trigger(index);
	scene.fired++;
	return true;
}

static enum event follow(const char *call, bool is_after)
{
	enum event event = EVENT_NOTHING;
	struct trigger trigger;
	size_t i = 0;

	while (i < scene.trigger_count) {
		size_t count = scene.trigger_count;

		if (!take_due(i, call, is_after, &trigger)) {
			i++;
			continue;
		}
		if (trigger.act != NULL)
			trigger.act(the_world);
		else
			event = trigger.event;
		the_world->script_errno = trigger.error;
		if (scene.trigger_count >= count)
			i++;
	}
	return event;
}

static void add(const struct scene_call *call, bool is_after, enum event event,
	int error, void (*act)(struct world *world))
{
	assert(scene.trigger_count < SCENE_TRIGGERS_MAX);
	scene.triggers[scene.trigger_count++] = (struct trigger){
		.call = *call,
		.left = call->nth == 0 ? 1 : call->nth,
		.is_after = is_after,
		.event = event,
		.error = error,
		.act = act,
	};
}

void scene_do_before(
	const struct scene_call *call, void (*act)(struct world *world))
{
	add(call, false, EVENT_NOTHING, 0, act);
}

void scene_do_after(
	const struct scene_call *call, void (*act)(struct world *world))
{
	add(call, true, EVENT_NOTHING, 0, act);
}

void scene_kill_before(const struct scene_call *call)
{
	add(call, false, EVENT_KILL_BEFORE, 0, NULL);
}

void scene_kill_after(const struct scene_call *call)
{
	add(call, true, EVENT_KILL_AFTER, 0, NULL);
}

void scene_power_before(const struct scene_call *call)
{
	add(call, false, EVENT_POWER_BEFORE, 0, NULL);
}

void scene_power_after(const struct scene_call *call)
{
	add(call, true, EVENT_POWER_AFTER, 0, NULL);
}

void scene_cut_before(const struct scene_call *call)
{
	add(call, false, EVENT_CUT, 0, NULL);
}

void scene_cut_after(const struct scene_call *call)
{
	add(call, true, EVENT_CUT, 0, NULL);
}

void scene_fail(const struct scene_call *call, int error)
{
	add(call, false, EVENT_FAIL, error, NULL);
}

void scene_forget(void)
{
	scene.trigger_count = 0;
}

unsigned scene_fired(void)
{
	return scene.fired;
}

/* ---- Chance ---- */

void scene_chance(struct world *world, uint64_t seed)
{
	if (scene.is_swept)
		return;
	choices_finish(&world->choices);
	choices_record(&world->choices, choices_mix(seed));
}

void scene_choose(struct world *world, uint32_t value)
{
	if (world->choices.is_recording)
		return;
	choices_finish(&world->choices);
	choices_replay(&world->choices, &value, 1);
}

/* ---- The transcript ---- */

static void listen(const char *line)
{
	const char *sent = strstr(line, ": ");

	buf_add_format(&scene.log, "%s\n", line);
	/* Not the answers, which begin with their tag. */
	if (strncmp(line, "imap ", 5) == 0 && sent != NULL && sent[2] >= 'A' &&
		sent[2] <= 'Z') {
		size_t size = strlen(sent + 2);

		if (size >= sizeof(scene.command))
			size = sizeof(scene.command) - 1;
		memcpy(scene.command, sent + 2, size);
		scene.command[size] = '\0';
	}
}

/* ---- The course ---- */

void scene_begin(struct world *world)
{
	oracle_check_all(world);
	scene_note_places();
	sim_server_counts(&scene.counts);
	buf_clear(&scene.log);
	scene.fired = 0;
	seam_log("==== given");
	if (scene.first_step != 0)
		return;
	scene.first_step = world->step;
	world->sweep_call = scene.crash->call;
	world->sweep_left = scene.crash->nth;
}

void scene_given(struct world *world)
{
	if (!world_calm_session(world))
		world_violation(
			0, "the first sync fails: %s", world->error.message);
	if (!oracle_is_equal(world)) {
		oracle_explain(world);
		world_violation(0, "not equal after the first sync");
	}
	scene_begin(world);
}

/* The crash that is tried came since then: whoever it killed is started again.
 */
static bool has_crashed(const struct world *world, uint64_t since)
{
	return world->sweep_step > since && world->sweep_step <= world->step;
}

bool scene_sync(struct world *world)
{
	uint64_t start = world->step;
	bool is_good = world_calm_session(world);

	if (has_crashed(world, start))
		is_good = world_calm_session(world);
	oracle_check_all(world);
	return is_good;
}

bool scene_daemon(struct world *world, unsigned passes)
{
	uint64_t start = world->step;
	bool is_good;

	world->kind.is_one_pass = false;
	is_good = world_session(world, passes);
	if (has_crashed(world, start))
		is_good = world_session(world, passes);
	oracle_check_all(world);
	return is_good;
}

bool scene_is_undisturbed(void)
{
	return !scene.is_swept;
}

static bool has_trigger_left(void)
{
	for (size_t i = 0; i < scene.trigger_count; i++)
		if (!scene.triggers[i].call.is_every)
			return true;
	return false;
}

void scene_end(struct world *world)
{
	scene.last_step = world->step;
	if (scene_is_undisturbed() && has_trigger_left())
		world_violation(
			0, "no %s ever came", scene.triggers[0].call.name);
	scene_forget();
	if (world->sweep_call != NULL)
		world_violation(0, "no %s to crash in", world->sweep_call);
	/* It would be too late. */
	world->sweep_step = 0;
	seam_log("==== quiet");
	oracle_check_all(world);
}

void scene_settle(struct world *world)
{
	world_become_quiet(world);
	scene_end(world);
	oracle_check_rest(world);
}

/* ---- A run ---- */

static struct world_kind usual_kind(void)
{
	return (struct world_kind){
		.abilities = SIM_ABILITIES_ALL,
		.sessions = 1,
		.has_keywords = true,
		.is_one_pass = true,
		.has_in_place = true,
		.granularity_ns = 1,
		.has_attributes = true,
		.has_birth_times = true,
		.event_queue_max = 16384,
		/* Scripts do what operators do, and say themselves what must
		   stay as it is. */
		.weights = { [EVENT_OPERATOR] = 1 },
	};
}

static const struct scenario *playing;
static unsigned playing_variant;

static void play(struct world *world)
{
	/* The first start makes the Maildir. */
	if (!playing->has_no_maildir)
		(void)world_calm_session(world);
	playing->play(world, playing_variant);
}

static void begin(const struct scene_crash *crash)
{
	scene.trigger_count = 0;
	scene.fired = 0;
	scene.command[0] = '\0';
	scene.first_step = scene.last_step = 0;
	scene.crash = crash;
	scene.is_swept = crash->step != 0 || crash->call != NULL;
	buf_clear(&scene.log);
	scene_forget_places();
}

void scenario_run(const struct scenario *scenario, unsigned variant,
	const struct scene_crash *crash, bool shows,
	struct scene_result *result_out)
{
	static struct world world;
	struct world_kind kind = usual_kind();
	struct choices none;

	if (scenario->prepare != NULL)
		scenario->prepare(&kind, variant);
	choices_replay(&none, NULL, 0);
	begin(crash);
	world_begin(&world, scenario->number * 100 + variant, &kind, &none);
	world.shows = shows;
	world.sweep_step = crash->step;
	world.sweep_call = NULL;
	world.sweep_event = crash->event;
	world.script = follow;
	world.listener = listen;
	playing = scenario;
	playing_variant = variant;
	result_out->is_good = world_play(&world, play);
	memcpy(result_out->failure, world.failure, sizeof(world.failure));
	result_out->first_step = scene.first_step;
	result_out->last_step = scene.last_step;
	world_end(&world);
}
