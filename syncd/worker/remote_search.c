/* UID SEARCH as a complete listing (RFC 9051, 6.4.4; RFC 4731). */
#include <stdio.h>
#include <string.h>

#include "syncd/worker/remote_internal.h"

struct searching {
	struct uid_set *uids;
	bool is_answered;
};

/* ESEARCH without ALL is empty only when it says so. */
static bool is_answer(const struct imap_search *search, struct uid_set *uids)
{
	if (search->has_all)
		remote_add_list(uids, &search->all);
	if (!search->is_esearch)
		return true;
	if (!search->has_count)
		return search->has_all;
	return search->count == 0 ||
		(search->has_all && uid_set_count(uids) == search->count);
}

static bool handle_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	struct searching *searching = flight->data;

	(void)error;
	/* DavMail has sent a line per hit. */
	if (response->kind == IMAP_RESPONSE_SEARCH)
		searching->is_answered |=
			is_answer(&response->search, searching->uids);
	return true;
}

static struct imap_command *search_command(
	const struct remote *remote, uint32_t first, uint32_t last)
{
	struct imap_command *command = imap_command_new(IMAP_COMMAND_PLAIN,
		imap_session_has(remote->session, IMAP_CAP_ESEARCH)
			? "UID SEARCH RETURN (ALL COUNT)"
			: "UID SEARCH");
	char criterion[32] = "ALL";

	if (first > 1 || last < UINT32_MAX)
		(void)snprintf(criterion, sizeof(criterion), "UID %u:%u",
			(unsigned)first, (unsigned)last);
	imap_command_add_words(command, criterion);
	return command;
}

bool remote_search_range(struct remote *remote, uint32_t first, uint32_t last,
	struct uid_set *uids_out, struct error *error)
{
	struct uid_set uids = { 0 };
	struct searching searching = { .uids = &uids };
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	if (!remote_begin(remote, error))
		return false;
	remote_flight_init(&flight, remote);
	flight.data = &searching;
	flight.on_response = handle_response;
	call = remote_flight_add(&flight, search_command(remote, first, last));
	is_done = remote_flight_run(&flight, error) &&
		remote_check(remote, call, "list the messages", error);
	if (is_done &&
		(!searching.is_answered || flight.has_broken ||
			call->answer.code == IMAP_CODE_MESSAGELIMIT))
		is_done = error_set(error, ERROR_REFUSED,
			"server's list of messages is not complete");
	remote_flight_finish(&flight);
	if (is_done && first > 1)
		uid_set_remove_range(&uids, 1, first - 1);
	if (is_done && last < UINT32_MAX)
		uid_set_remove_range(&uids, last + 1, UINT32_MAX);
	if (is_done)
		uid_set_copy(uids_out, &uids);
	uid_set_finish(&uids);
	return is_done;
}

bool remote_search(struct remote *remote, uint32_t first,
	struct uid_set *uids_out, struct error *error)
{
	return remote_search_range(remote, first, UINT32_MAX, uids_out, error);
}
