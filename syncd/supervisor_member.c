#include "syncd/supervisor_member.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "syncd/exit_code.h"
#include "syncd/worker/clock.h"

void member_end(struct member *member, int code)
{
	secret_free(member->secret);
	member->secret = NULL;
	process_free(member->process);
	member->process = NULL;
	member->since = clock_wall_seconds();
	member->code = code;
}

void member_free(struct member *member)
{
	secret_free(member->secret);
	process_free(member->process);
	loop_timer_free(member->loop, member->timer);
	json_decref(member->mailboxes);
	json_decref(member->status);
	free(member->name);
	free(member);
}

void member_set_error(struct member *member, const char *text)
{
	(void)snprintf(member->error, sizeof(member->error), "%s", text);
	text_make_printable(member->error);
}

static const char *state_name(const struct member *member)
{
	switch (member->state) {
	case MEMBER_RUNNING:
		return "starting";
	case MEMBER_WAITING:
		return "offline";
	case MEMBER_OVER:
		break;
	}
	return member->code == CODE_AUTH ? "auth" : "stopped";
}

static const char *code_word(int code)
{
	switch (code) {
	case CODE_UNREACHABLE:
		return "unreachable";
	case CODE_PROTOCOL:
		return "protocol";
	case CODE_AUTH:
		return "auth";
	case CODE_CONFIG:
		return "config";
	case CODE_IO:
	case CODE_CANNOT_CREATE:
		return "system";
	case CODE_TEMPORARY:
		return "stopped";
	default:
		return "internal";
	}
}

static const char *hint(const struct member *member)
{
	if (member->state == MEMBER_WAITING)
		return "it is tried again by itself";
	if (member->code == CODE_AUTH)
		return "check user and password, then 'mailtwin sync'";
	if (member->code == CODE_CONFIG)
		return "correct the configuration, then reload";
	return NULL;
}

static json_t *error_object(const struct member *member)
{
	if (member->code == CODE_IN_SYNC || member->code == CODE_LEFT_OVER ||
		member->state == MEMBER_RUNNING)
		return json_null();
	return json_pack("{s:s, s:s, s:s?}", "code", code_word(member->code),
		"message",
		member->error[0] == '\0' ? "the worker ended" : member->error,
		"hint", hint(member));
}

static const char *tls_name(const struct config_account *account)
{
	switch (account->tls) {
	case CONFIG_TLS_IMPLICIT:
		return "implicit";
	case CONFIG_TLS_STARTTLS:
		return "starttls";
	case CONFIG_TLS_OFF:
		break;
	}
	return "off";
}

/* Nothing was heard of it yet. */
static json_t *first_status(const struct member *member)
{
	const struct config_account *account = member->account;

	return json_pack("{s:s, s:s, s:I, s:n, s:n, s:{s:i, s:i}, "
			 "s:{s:s?, s:s?, s:[]}, s:[]}",
		"name", member->name, "state", "starting", "since",
		(json_int_t)member->since, "last_success", "error", "pending",
		"local", 0, "remote", 0, "server", "host",
		account == NULL ? NULL : account->host, "tls",
		account == NULL ? NULL : tls_name(account), "extensions",
		"mailboxes");
}

json_t *member_status(const struct member *member)
{
	json_t *status;

	if (member->process != NULL && member->status != NULL)
		return json_incref(member->status);
	status = member->status == NULL ? first_status(member)
					: json_copy(member->status);
	(void)json_object_set_new(
		status, "state", json_string(state_name(member)));
	(void)json_object_set_new(
		status, "since", json_integer((json_int_t)member->since));
	/* A run that ends as planned has told its error itself. */
	if (member->status == NULL || member->code > CODE_LEFT_OVER)
		(void)json_object_set_new(
			status, "error", error_object(member));
	return status;
}
