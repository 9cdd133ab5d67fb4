/* Which mailbox is selected, and what SELECT told about it (RFC 9051, 6.3.2).
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/mailbox_name.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/remote_internal.h"

void remote_forget_selection(struct remote *remote)
{
	free(remote->selection.name);
	free(remote->selection.mailbox_id);
	remote->selection = (struct remote_selection){ 0 };
	remote->exists = 0;
}

struct flags remote_read_flags(
	struct remote *remote, const struct imap_words *words)
{
	struct flags flags = { 0 };

	for (size_t i = 0; i < words->count; i++) {
		uint32_t flag = flag_from_name(words->words[i]);
		int keyword;

		flags.system |= flag;
		if (flag != 0)
			continue;
		/* -1: "\Recent", "\*", or one more than the table holds. */
		keyword = keyword_table_intern(
			remote->options.keywords, words->words[i]);
		if (keyword >= 0)
			flags_set_keyword(&flags, (unsigned)keyword);
	}
	return flags;
}

/* ---- SELECT ---- */

struct remote_call *remote_add_select(struct remote_flight *flight,
	const char *wire_name, const char *parameters)
{
	struct remote *remote = flight->remote;
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_SELECT, "SELECT");

	remote_forget_selection(remote);
	imap_command_add_string(command, wire_name, strlen(wire_name));
	/* Also after ENABLE CONDSTORE: some told us nothing about that. */
	if (parameters == NULL && remote->abilities.has_condstore &&
		!remote->abilities.has_qresync)
		parameters = "(CONDSTORE)";
	if (parameters != NULL)
		imap_command_add_words(command, parameters);
	return remote_flight_add(flight, command);
}

static bool has_word(const struct imap_words *words, const char *word)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->words[i], word) == 0)
			return true;
	return false;
}

static void note_permanent_flags(
	struct remote *remote, const struct imap_words *words)
{
	struct remote_selection *selection = &remote->selection;

	selection->has_permanent_flags = true;
	selection->permanent_flags = remote_read_flags(remote, words);
	selection->allows_new_keywords = has_word(words, "\\*");
}

static void note_code(struct remote *remote, const struct imap_code *code)
{
	struct remote_selection *selection = &remote->selection;
	enum imap_code_kind kind = code->kind;

	/* All before it was about the mailbox we left (RFC 7162, 3.2.11). */
	if (kind == IMAP_CODE_CLOSED)
		remote_forget_selection(remote);
	else if (kind == IMAP_CODE_NOMODSEQ)
		selection->has_no_modseq = true;
	else if (kind == IMAP_CODE_UIDNOTSTICKY)
		selection->is_uid_not_sticky = true;
	else if (kind == IMAP_CODE_READ_ONLY)
		selection->is_read_only = true;
	if (!code->is_valid)
		return;
	if (kind == IMAP_CODE_UIDVALIDITY && code->number <= UINT32_MAX)
		selection->uid_validity = (uint32_t)code->number;
	else if (kind == IMAP_CODE_UIDNEXT && code->number <= UINT32_MAX)
		selection->uid_next = (uint32_t)code->number;
	else if (kind == IMAP_CODE_HIGHESTMODSEQ)
		selection->highest_modseq = code->number;
	else if (kind == IMAP_CODE_PERMANENTFLAGS)
		note_permanent_flags(remote, &code->words);
	else if (kind == IMAP_CODE_MAILBOXID && code->atom != NULL) {
		free(selection->mailbox_id);
		selection->mailbox_id = alloc_text(code->atom);
	}
}

void remote_note_selection(
	struct remote *remote, const struct imap_response *response)
{
	if (response->kind == IMAP_RESPONSE_STATUS)
		note_code(remote, &response->status.code);
	else if (response->kind == IMAP_RESPONSE_FLAGS)
		remote->selection.flags =
			remote_read_flags(remote, &response->words);
}

void remote_note_selected(struct remote *remote, const char *wire_name,
	const struct remote_call *call)
{
	struct remote_selection *selection = &remote->selection;

	if (!remote_is_ok(call)) {
		remote_forget_selection(remote);
		return;
	}
	if (call->answer.code == IMAP_CODE_READ_ONLY)
		selection->is_read_only = true;
	/* RFC 9051, 7.1: without the code all flags are permanent. */
	if (!selection->has_permanent_flags) {
		selection->permanent_flags = selection->flags;
		selection->allows_new_keywords = true;
	}
	selection->name = alloc_text(wire_name);
}

static bool select_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	(void)error;
	remote_note_selection(flight->remote, response);
	return true;
}

static bool is_selected(const struct remote *remote, const char *wire_name)
{
	return remote->selection.name != NULL &&
		mailbox_name_equal(remote->selection.name, wire_name) &&
		imap_session_state(remote->session) == IMAP_SESSION_SELECTED;
}

bool remote_select_any(struct remote *remote, const char *wire_name,
	uint64_t timeout_ms, struct error *error)
{
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	if (is_selected(remote, wire_name))
		return true;
	remote_flight_init(&flight, remote);
	flight.timeout_ms = timeout_ms;
	flight.owned = REMOTE_OWNS_ALL;
	flight.on_response = select_response;
	call = remote_add_select(&flight, wire_name, NULL);
	is_done = remote_flight_run(&flight, error);
	if (is_done) {
		remote_note_selected(remote, wire_name, call);
		is_done =
			remote_check(remote, call, "select the mailbox", error);
	}
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_select(struct remote *remote, const char *wire_name,
	uint32_t uid_validity, struct error *error)
{
	if (!remote_begin(remote, error) ||
		!remote_select_any(remote, wire_name, REMOTE_TIMEOUT_MS, error))
		return false;
	if (remote->selection.uid_validity == uid_validity)
		return true;
	return error_set(error, ERROR_REFUSED,
		"the mailbox has another UIDVALIDITY now: %u, not %u",
		(unsigned)remote->selection.uid_validity,
		(unsigned)uid_validity);
}

/* ---- Leaving ---- */

/* CLOSE would expunge. A mailbox that cannot be examined leaves none selected
   (RFC 9051, 6.3.2). */
static struct imap_command *examine_nothing(void)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_SELECT, "EXAMINE");
	uint8_t random[8];
	char name[40] = "mailtwin-none-";
	size_t size = strlen(name);

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		name[size++] = (char)('a' + random[i] % 26);
	imap_command_add_string(command, name, size);
	return command;
}

static bool run_unselect(struct remote *remote, struct error *error)
{
	struct error refusal = { 0 };

	if (imap_session_has(remote->session, IMAP_CAP_UNSELECT))
		return remote_do(remote,
			imap_command_new(IMAP_COMMAND_UNSELECT, "UNSELECT"),
			"leave the mailbox", error);
	if (remote_do(
		    remote, examine_nothing(), "leave the mailbox", &refusal) ||
		refusal.code == ERROR_REFUSED)
		return true;
	*error = refusal;
	return false;
}

bool remote_unselect(struct remote *remote, struct error *error)
{
	if (!remote_begin(remote, error))
		return false;
	if (imap_session_state(remote->session) != IMAP_SESSION_SELECTED) {
		remote_forget_selection(remote);
		return true;
	}
	if (!run_unselect(remote, error))
		return false;
	remote_forget_selection(remote);
	return true;
}
