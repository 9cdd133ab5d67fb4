#include "syncd/supervisor.h"

#include <string.h>

#include "base/alloc.h"
#include "syncd/account_equal.h"
#include "syncd/exit_code.h"
#include "syncd/ipc.h"
#include "syncd/log.h"
#include "syncd/process.h"
#include "syncd/secret.h"
#include "syncd/supervisor_member.h"
#include "syncd/worker/backoff.h"
#include "syncd/worker/clock.h"

#define HOUSEKEEPING_MS 10000
/* A worker that lived so long did not die of its start. */
#define STEADY_MS    (60 * 1000)
#define TEMPORARY_MS 1000

struct supervisor {
	struct supervisor_setup setup;
	const struct config *config;
	struct member **members;
	size_t count;
	struct loop_timer *timer;
	bool is_stopping;
	int code;
};

static void start(struct member *member);

static struct member *find(
	const struct supervisor *supervisor, const char *name)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (strcmp(supervisor->members[i]->name, name) == 0)
			return supervisor->members[i];
	return NULL;
}

/* ---- What a worker says ---- */

static void take_log(struct member *member, const json_t *message)
{
	const char *text = ipc_text(message, "text");
	json_int_t level =
		json_integer_value(json_object_get(message, "level"));

	if (text == NULL)
		return;
	if (level <= LOG_ERROR)
		member_set_error(member, text);
	log_account(
		level < LOG_ERROR || level > LOG_DEBUG ? LOG_DEBUG : (int)level,
		member->name, text);
}

static void secret_came(void *data, const char *text, const struct error *error)
{
	struct member *member = data;

	if (text != NULL) {
		json_t *secret = json_string(text);

		if (secret == NULL)
			(void)process_send(member->process,
				json_pack("{s:s, s:s}", "type", "secret",
					"error", "the password is not UTF-8"));
		else
			(void)process_send(member->process,
				json_pack("{s:s, s:o}", "type", "secret",
					"text", secret));
	} else {
		(void)process_send(member->process,
			json_pack("{s:s, s:s}", "type", "secret", "error",
				error->message));
	}
	secret_free(member->secret);
	member->secret = NULL;
}

/* Nothing is kept between two requests, so the worker's "retry" needs no
   looking at: the command runs again in any case. */
static void give_secret(struct member *member)
{
	if (member->secret != NULL || member->account == NULL)
		return;
	member->secret = secret_ask(member->supervisor->setup.loop,
		member->account, secret_came, member);
}

static void take_status(struct member *member, const json_t *message)
{
	json_t *account = json_object_get(message, "account");
	const char *name = ipc_text(account, "name");

	if (name == NULL || strcmp(name, member->name) != 0)
		return;
	json_decref(member->status);
	member->status = json_incref(account);
}

static void message_came(void *data, const char *type, const json_t *message)
{
	struct member *member = data;
	const struct supervisor_setup *setup = &member->supervisor->setup;

	if (strcmp(type, "log") == 0) {
		take_log(member, message);
		return;
	}
	if (strcmp(type, "secret-request") == 0) {
		give_secret(member);
		return;
	}
	if (strcmp(type, "status") == 0)
		take_status(member, message);
	if (setup->message != NULL)
		setup->message(setup->data, member->name, type, message);
}

/* ---- Start and end of one worker ---- */

static void remove_member(struct member *member)
{
	struct supervisor *supervisor = member->supervisor;
	size_t i = 0;

	while (supervisor->members[i] != member)
		i++;
	memmove(&supervisor->members[i], &supervisor->members[i + 1],
		(supervisor->count - i - 1) * sizeof(struct member *));
	supervisor->count--;
	member_free(member);
}

static void restart_later(struct member *member, int code)
{
	uint32_t random;
	uint64_t delay;
	bool is_brief;

	random_bytes(&random, sizeof(random));
	if (clock_now_ms() - member->started_ms >= STEADY_MS)
		backoff_reset(&member->backoff);
	/* Another mailtwin at the same account is mostly through soon. */
	is_brief = code == CODE_TEMPORARY && member->backoff.failure_count == 0;
	delay = backoff_next_ms(&member->backoff, random);
	if (is_brief)
		delay = TEMPORARY_MS;
	member->state = MEMBER_WAITING;
	log_write(LOG_WARNING,
		"%s: the worker ended with %d and is started again in %d s",
		member->name, code, (int)(delay / 1000));
	loop_timer_set(member->supervisor->setup.loop, member->timer, delay);
}

static void give_up(struct member *member, int code)
{
	member->state = MEMBER_OVER;
	if (member->supervisor->setup.is_lasting &&
		!member->supervisor->is_stopping)
		log_write(LOG_WARNING,
			"%s: given up with %d until the configuration is "
			"reloaded or a sync is asked for",
			member->name, code);
}

static bool is_final(const struct supervisor *supervisor, int code)
{
	return !supervisor->setup.is_lasting || supervisor->is_stopping ||
		code == CODE_AUTH || code == CODE_CONFIG;
}

static void ended(void *data, int code, const struct error *error)
{
	struct member *member = data;
	struct supervisor *supervisor = member->supervisor;
	bool is_stale = member->is_stale;

	loop_timer_cancel(supervisor->setup.loop, member->timer);
	if (error->code != ERROR_NONE) {
		member_set_error(member, error->message);
		log_account(LOG_ERROR, member->name, error->message);
	}
	member_end(member, code); /* the error goes with the process */
	/* A stop that was asked for is no outcome. */
	if (code > supervisor->code && !supervisor->setup.is_lasting)
		supervisor->code = code;
	if (member->account == NULL)
		member->state = MEMBER_OVER;
	else if (is_stale && !supervisor->is_stopping)
		start(member);
	else if (is_final(supervisor, code))
		give_up(member, code);
	else
		restart_later(member, code);
	if (supervisor->setup.ended != NULL)
		supervisor->setup.ended(
			supervisor->setup.data, member->name, code);
	if (member->account == NULL)
		remove_member(member);
}

static json_t *start_message(const struct member *member)
{
	const struct supervisor *supervisor = member->supervisor;

	return json_pack("{s:s, s:s, s:s, s:s, s:O*, s:b}", "type", "start",
		"config", supervisor->config->path, "account", member->name,
		"mode", supervisor->setup.mode, "mailboxes", member->mailboxes,
		"verbose", supervisor->setup.is_verbose);
}

static void start(struct member *member)
{
	const struct supervisor_setup *setup = &member->supervisor->setup;
	const struct process_events events = {
		.message = message_came,
		.ended = ended,
		.data = member,
	};
	struct error error = { 0 };

	loop_timer_cancel(setup->loop, member->timer);
	member->is_stale = false;
	member->started_ms = clock_now_ms();
	member->since = clock_wall_seconds();
	member->state = MEMBER_RUNNING;
	member->process = process_start(
		setup->loop, setup->program, member->name, &events, &error);
	if (member->process != NULL) {
		(void)process_send(member->process, start_message(member));
		return;
	}
	log_account(LOG_ERROR, member->name, error.message);
	member_set_error(member, error.message);
	if (setup->is_lasting) {
		restart_later(member, CODE_TEMPORARY);
		return;
	}
	member_end(member, CODE_TEMPORARY);
	member->state = MEMBER_OVER;
	if (member->supervisor->code < CODE_TEMPORARY)
		member->supervisor->code = CODE_TEMPORARY;
}

/* Waiting: time to start. Running: it was asked to stop, and did not. */
static void member_timer_fired(void *data)
{
	struct member *member = data;

	if (member->process == NULL) {
		start(member);
		return;
	}
	log_write(LOG_WARNING, "%s: the worker does not stop and is killed",
		member->name);
	process_kill(member->process);
}

static void stop(struct member *member)
{
	loop_timer_cancel(member->supervisor->setup.loop, member->timer);
	if (member->process == NULL) {
		member->state = MEMBER_OVER;
		return;
	}
	(void)process_send(member->process, json_pack("{s:s}", "type", "stop"));
	loop_timer_set(member->supervisor->setup.loop, member->timer,
		SUPERVISOR_STOP_MS);
}

/* ---- All of them ---- */

static bool is_silent(const struct member *member, uint64_t limit_ms)
{
	return member->process != NULL &&
		clock_now_ms() - process_heard_ms(member->process) > limit_ms;
}

static void keep_house(void *data)
{
	struct supervisor *supervisor = data;

	for (size_t i = 0; i < supervisor->count; i++) {
		struct member *member = supervisor->members[i];

		if (!is_silent(member, SUPERVISOR_SILENCE_MS))
			continue;
		log_write(LOG_ERROR, "%s: the worker hangs and is killed",
			member->name);
		process_kill(member->process);
	}
	loop_timer_set(
		supervisor->setup.loop, supervisor->timer, HOUSEKEEPING_MS);
}

struct supervisor *supervisor_new(const struct supervisor_setup *setup)
{
	struct supervisor *supervisor = alloc(1, sizeof(*supervisor));

	supervisor->setup = *setup;
	supervisor->timer = loop_timer_new(setup->loop, keep_house, supervisor);
	if (setup->is_lasting)
		loop_timer_set(setup->loop, supervisor->timer, HOUSEKEEPING_MS);
	return supervisor;
}

void supervisor_free(struct supervisor *supervisor)
{
	if (supervisor == NULL)
		return;
	for (size_t i = 0; i < supervisor->count; i++)
		member_free(supervisor->members[i]);
	free(supervisor->members);
	loop_timer_free(supervisor->setup.loop, supervisor->timer);
	free(supervisor);
}

void supervisor_add(struct supervisor *supervisor, const struct config *config,
	const struct config_account *account, json_t *mailboxes)
{
	struct member *member = alloc(1, sizeof(*member));

	member->supervisor = supervisor;
	member->loop = supervisor->setup.loop;
	member->name = alloc_text(account->name);
	member->account = account;
	member->mailboxes = json_incref(mailboxes);
	member->timer = loop_timer_new(
		supervisor->setup.loop, member_timer_fired, member);
	supervisor->config = config;
	supervisor->members = alloc_resize(supervisor->members,
		supervisor->count + 1, sizeof(struct member *));
	supervisor->members[supervisor->count++] = member;
	start(member);
}

static void reload_member(struct member *member, const struct config *config)
{
	const struct config_account *account =
		config_find_account(config, member->name);
	bool is_same =
		account != NULL && account_equal(account, member->account);

	member->account = account;
	if (account == NULL) {
		stop(member);
	} else if (member->process == NULL) {
		backoff_reset(&member->backoff);
		start(member);
	} else if (!is_same) {
		member->is_stale = true;
		stop(member);
	}
}

void supervisor_reload(
	struct supervisor *supervisor, const struct config *config)
{
	size_t i = 0;

	supervisor->config = config;
	while (i < supervisor->count) {
		struct member *member = supervisor->members[i];

		/* On its way out already. */
		if (member->account != NULL)
			reload_member(member, config);
		if (member->account == NULL && member->process == NULL)
			remove_member(member);
		else
			i++;
	}
	for (i = 0; i < config->account_count; i++)
		if (find(supervisor, config->accounts[i].name) == NULL)
			supervisor_add(
				supervisor, config, &config->accounts[i], NULL);
}

bool supervisor_send(
	struct supervisor *supervisor, const char *account, json_t *message)
{
	struct member *member = find(supervisor, account);

	if (member != NULL && member->process == NULL &&
		member->account != NULL && !supervisor->is_stopping)
		start(member);
	if (member == NULL || member->process == NULL) {
		json_decref(message);
		return false;
	}
	return process_send(member->process, message);
}

void supervisor_send_all(struct supervisor *supervisor, json_t *message)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (supervisor->members[i]->process != NULL)
			(void)process_send(supervisor->members[i]->process,
				json_incref(message));
}

void supervisor_stop(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++) {
		struct member *member = supervisor->members[i];

		if (!supervisor->is_stopping)
			stop(member);
		else if (member->process != NULL)
			process_kill(member->process);
	}
	supervisor->is_stopping = true;
}

bool supervisor_is_done(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (supervisor->members[i]->state != MEMBER_OVER)
			return false;
	return !supervisor->setup.is_lasting || supervisor->is_stopping;
}

bool supervisor_is_alive(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->count; i++)
		if (is_silent(supervisor->members[i],
			    SUPERVISOR_SILENCE_MS + 2 * HOUSEKEEPING_MS))
			return false;
	return true;
}

int supervisor_code(const struct supervisor *supervisor)
{
	return supervisor->code;
}

const char *supervisor_name(const struct supervisor *supervisor, size_t index)
{
	return index < supervisor->count ? supervisor->members[index]->name
					 : NULL;
}

bool supervisor_is_running(
	const struct supervisor *supervisor, const char *account)
{
	const struct member *member = find(supervisor, account);

	return member != NULL && member->process != NULL;
}

json_t *supervisor_status(
	const struct supervisor *supervisor, const char *account)
{
	const struct member *member = find(supervisor, account);

	return member == NULL ? NULL : member_status(member);
}
