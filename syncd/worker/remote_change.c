/* Changes: flags, moves, copies, removals, and mailboxes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/imap_uid_pairs.h"
#include "proto/mailbox_name.h"
#include "syncd/worker/remote_internal.h"

/* ---- A command for some UIDs, in lines of bounded length ---- */

struct uid_job {
	struct remote *remote;
	const char *words; /* "UID STORE" */
	const char *tail;  /* words behind the UIDs, or NULL */
	const char *to;    /* a mailbox behind them, or NULL */
	const char *what;  /* for errors */
	unsigned owned;
	void *data;
	/* Both may be NULL. */
	bool (*on_response)(struct remote_flight *flight,
		const struct imap_response *response, struct error *error);
	bool (*on_done)(struct remote_flight *flight, struct remote_call *call,
		const struct imap_response *response, struct error *error);
	/* A refusal of this kind is none. */
	enum imap_code_kind forgiven;
};

static void add_calls(struct remote_flight *flight, const struct uid_job *job,
	const struct uid_set *uids)
{
	size_t range_index = 0;
	bool is_last = uid_set_is_empty(uids);

	while (!is_last) {
		struct imap_command *command =
			imap_command_new(IMAP_COMMAND_PLAIN, job->words);
		struct uid_set taken = { 0 };

		is_last = remote_add_uids(command, uids, &range_index, &taken);
		if (job->tail != NULL)
			imap_command_add_words(command, job->tail);
		if (job->to != NULL)
			imap_command_add_string(
				command, job->to, strlen(job->to));
		remote_flight_add(flight, command)->uids = taken;
	}
}

static bool run_once(const struct uid_job *job, const struct uid_set *uids,
	struct uid_set *rest, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, job->remote);
	flight.owned = job->owned;
	flight.data = job->data;
	flight.on_response = job->on_response;
	flight.on_done = job->on_done;
	add_calls(&flight, job, uids);
	is_done = remote_flight_run(&flight, error);
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		const struct remote_call *call = flight.calls[i];

		remote_add_unfinished(call, rest);
		if (job->forgiven != IMAP_CODE_NONE &&
			call->answer.code == job->forgiven)
			continue;
		is_done = remote_check(job->remote, call, job->what, error);
	}
	remote_flight_finish(&flight);
	return is_done;
}

static bool run_job(const struct uid_job *job, const struct uid_set *uids,
	struct error *error)
{
	struct uid_set left = { 0 };
	bool is_done = true;

	uid_set_copy(&left, uids);
	while (is_done && !uid_set_is_empty(&left)) {
		struct uid_set rest = { 0 };

		is_done = run_once(job, &left, &rest, error);
		uid_set_finish(&left);
		left = rest;
	}
	uid_set_finish(&left);
	return is_done;
}

/* ---- Flags ---- */

void remote_write_flags(const struct remote *remote, const struct flags *flags,
	struct buf *text)
{
	const char *space = "";
	int keyword = flags_next_keyword(flags, 0);

	buf_add_byte(text, '(');
	for (uint32_t flag = 1; flag <= FLAG_ALL_SYSTEM; flag <<= 1) {
		if ((flags->system & flag) == 0)
			continue;
		buf_add_format(text, "%s%s", space, flag_name(flag));
		space = " ";
	}
	for (; keyword >= 0;
		keyword = flags_next_keyword(flags, (unsigned)keyword + 1)) {
		const char *name = keyword_table_name(
			remote->options.keywords, (unsigned)keyword);

		if (name == NULL)
			continue;
		buf_add_format(text, "%s%s", space, name);
		space = " ";
	}
	buf_add_byte(text, ')');
}

/* What a STORE did. */
struct stored {
	const struct uid_set *uids;
	struct uid_set modified;
	struct uid_set told; /* FETCH came */
};

static bool handle_stored(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	struct stored *stored = flight->data;

	(void)error;
	if (response->kind == IMAP_RESPONSE_FETCH &&
		uid_set_contains(stored->uids, response->fetch.uid))
		uid_set_add(&stored->told, response->fetch.uid);
	return true;
}

static bool handle_modified(struct remote_flight *flight,
	struct remote_call *call, const struct imap_response *response,
	struct error *error)
{
	const struct imap_code *code = &response->status.code;
	struct stored *stored = flight->data;

	(void)call;
	(void)error;
	if (code->kind == IMAP_CODE_MODIFIED && code->is_valid)
		remote_add_list(&stored->modified, &code->source);
	return true;
}

static bool is_conditional(
	const struct remote *remote, const struct remote_store *store)
{
	return store->unchanged_since != 0 && remote->abilities.has_condstore &&
		!remote->selection.has_no_modseq;
}

/* A condition has every change told of (RFC 7162, 3.1.3). Without one only the
   answer that .SILENT suppresses shows that there was a message to change. */
static bool is_silent(
	const struct remote *remote, const struct remote_store *store)
{
	return store->told == NULL || is_conditional(remote, store);
}

static void keep_only(struct uid_set *uids, const struct uid_set *kept)
{
	struct uid_set others = { 0 };

	uid_set_copy(&others, uids);
	uid_set_remove_set(&others, kept);
	uid_set_remove_set(uids, &others);
	uid_set_finish(&others);
}

/* What was not done, or not said to be done, is taken out of `uids`. */
static bool store_one(struct remote *remote, const struct remote_store *store,
	struct uid_set *uids, bool is_add, struct uid_set *modified,
	struct error *error)
{
	const struct flags *flags = is_add ? store->add : store->remove;
	struct stored stored = { .uids = uids };
	struct buf tail = { 0 };
	struct uid_job job = {
		.remote = remote,
		.words = "UID STORE",
		.what = "change flags",
		.owned = REMOTE_OWNS_FETCH,
		.data = &stored,
		.on_response = handle_stored,
		.on_done = handle_modified,
		.forgiven = IMAP_CODE_MODIFIED,
	};
	bool is_done;

	if (flags == NULL || flags_is_empty(flags) || uid_set_is_empty(uids))
		return true;
	if (is_conditional(remote, store))
		buf_add_format(&tail, "(UNCHANGEDSINCE %" PRIu64 ") ",
			store->unchanged_since);
	buf_add_format(&tail, "%cFLAGS%s ", is_add ? '+' : '-',
		is_silent(remote, store) ? ".SILENT" : "");
	remote_write_flags(remote, flags, &tail);
	job.tail = buf_text(&tail);
	is_done = run_job(&job, uids, error);
	buf_finish(&tail);
	uid_set_remove_set(uids, &stored.modified);
	uid_set_add_set(modified, &stored.modified);
	if (store->told != NULL)
		keep_only(uids, &stored.told);
	uid_set_finish(&stored.modified);
	uid_set_finish(&stored.told);
	return is_done;
}

bool remote_store(struct remote *remote, const struct remote_store *store,
	struct uid_set *modified, struct error *error)
{
	struct remote_store second = *store;
	struct uid_set left = { 0 }, failed = { 0 };
	bool is_done;

	if (!remote_begin(remote, error))
		return false;
	uid_set_copy(&left, store->uids);
	is_done = store_one(remote, store, &left, true, &failed, error);
	/* Our own change raised the MODSEQ: the condition was checked once. */
	if (store->add != NULL && !flags_is_empty(store->add))
		second.unchanged_since = 0;
	is_done = is_done &&
		store_one(remote, &second, &left, false, &failed, error);
	if (is_done && store->told != NULL)
		uid_set_add_set(store->told, &left);
	if (is_done && modified != NULL)
		uid_set_add_set(modified, &failed);
	uid_set_finish(&failed);
	uid_set_finish(&left);
	return is_done;
}

/* ---- Moves and copies ---- */

struct transfer {
	struct arena *arena;
	struct remote_receipt receipt;
	size_t capacity;
	bool is_void; /* a code came that gives no mapping */
};

static void take_copyuid(
	struct transfer *transfer, const struct imap_code *code)
{
	struct remote_receipt *receipt = &transfer->receipt;
	struct imap_uid_pairs pairs;
	uint32_t from, to;

	if (code->kind != IMAP_CODE_COPYUID)
		return;
	if (!code->is_valid || code->uid_validity == 0 ||
		(receipt->has_uids &&
			receipt->uid_validity != code->uid_validity) ||
		!imap_uid_pairs_start(
			&pairs, &code->source, &code->destination)) {
		transfer->is_void = true;
		return;
	}
	receipt->has_uids = true;
	receipt->uid_validity = code->uid_validity;
	while (imap_uid_pairs_next(&pairs, &from, &to)) {
		void *pair = arena_push(transfer->arena, &receipt->pairs,
			&receipt->pair_count, &transfer->capacity,
			sizeof(*receipt->pairs));

		(void)pair;
		receipt->pairs[receipt->pair_count - 1].from = from;
		receipt->pairs[receipt->pair_count - 1].to = to;
	}
}

static bool transfer_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	(void)error;
	/* MOVE tells it before the messages go (RFC 6851, 4.3). */
	if (response->kind == IMAP_RESPONSE_STATUS)
		take_copyuid(flight->data, &response->status.code);
	return true;
}

static bool transfer_done(struct remote_flight *flight,
	struct remote_call *call, const struct imap_response *response,
	struct error *error)
{
	(void)call;
	(void)error;
	take_copyuid(flight->data, &response->status.code);
	return true;
}

static bool run_transfer(const struct uid_job *move_or_copy,
	const struct uid_set *uids, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	struct transfer transfer = { .arena = arena };
	struct uid_job job = *move_or_copy;

	job.data = &transfer;
	job.on_response = transfer_response;
	job.on_done = transfer_done;
	if (!remote_begin(job.remote, error) || !run_job(&job, uids, error))
		return false;
	if (transfer.is_void)
		transfer.receipt = (struct remote_receipt){ 0 };
	*receipt_out = transfer.receipt;
	return true;
}

bool remote_move(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	const struct uid_job job = {
		.remote = remote,
		.words = "UID MOVE",
		.to = to_wire_name,
		.what = "move messages",
		.owned = REMOTE_OWNS_EXPUNGE,
	};

	return run_transfer(&job, uids, arena, receipt_out, error);
}

bool remote_copy(struct remote *remote, const struct uid_set *uids,
	const char *to_wire_name, struct arena *arena,
	struct remote_receipt *receipt_out, struct error *error)
{
	const struct uid_job job = {
		.remote = remote,
		.words = "UID COPY",
		.to = to_wire_name,
		.what = "copy messages",
	};

	return run_transfer(&job, uids, arena, receipt_out, error);
}

static bool handle_vanished(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	(void)error;
	if (response->kind == IMAP_RESPONSE_VANISHED &&
		!response->vanished.is_earlier)
		remote_add_list(flight->data, &response->vanished.uids);
	return true;
}

/* EXPUNGE tells of no UIDs, and may be of others; VANISHED not of what went
   before. */
static bool add_absent(struct remote *remote, const struct uid_set *uids,
	struct uid_set *gone, struct error *error)
{
	struct uid_set absent = { 0 }, present = { 0 };
	struct error refusal = { 0 };
	bool is_listed = remote_search_range(remote, uid_set_next(uids, 1),
		uid_set_last(uids), &present, &refusal);

	if (is_listed) {
		uid_set_copy(&absent, uids);
		uid_set_remove_set(&absent, &present);
		uid_set_add_set(gone, &absent);
	}
	uid_set_finish(&absent);
	uid_set_finish(&present);
	if (!is_listed && refusal.code != ERROR_REFUSED) {
		*error = refusal;
		return false;
	}
	return true;
}

bool remote_expunge(struct remote *remote, const struct uid_set *uids,
	struct uid_set *gone, struct error *error)
{
	struct uid_set told = { 0 }, untold = { 0 };
	struct uid_job job = {
		.remote = remote,
		.words = "UID EXPUNGE",
		.what = "remove messages",
		.owned = REMOTE_OWNS_EXPUNGE,
		.data = &told,
		.on_response = handle_vanished,
	};
	bool is_done =
		remote_begin(remote, error) && run_job(&job, uids, error);

	keep_only(&told, uids);
	uid_set_copy(&untold, uids);
	uid_set_remove_set(&untold, &told);
	if (is_done && !uid_set_is_empty(&untold))
		is_done = add_absent(remote, &untold, gone, error);
	if (is_done)
		uid_set_add_set(gone, &told);
	uid_set_finish(&told);
	uid_set_finish(&untold);
	return is_done;
}

/* ---- Mailboxes ---- */

/* One command; a refusal with this code is none. */
static bool do_forgiving(struct remote *remote, struct imap_command *command,
	enum imap_code_kind forgiven, const char *what, struct error *error)
{
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	remote_flight_init(&flight, remote);
	call = remote_flight_add(&flight, command);
	is_done = remote_flight_run(&flight, error);
	if (is_done &&
		(forgiven == IMAP_CODE_NONE || call->answer.code != forgiven))
		is_done = remote_check(remote, call, what, error);
	remote_flight_finish(&flight);
	return is_done;
}

static const char *encode_name(
	const char *name, struct arena *arena, struct error *error)
{
	struct buf wire = { 0 };
	const char *text = NULL;

	if (mailbox_name_encode(name, strlen(name), &wire))
		text = arena_text(arena, buf_text(&wire));
	else
		error_set(error, ERROR_REFUSED,
			"'%s' cannot be the name of a mailbox", name);
	buf_finish(&wire);
	return text;
}

bool remote_create(struct remote *remote, const char *name, struct arena *arena,
	const char **wire_name_out, struct error *error)
{
	const char *wire_name = encode_name(name, arena, error);
	struct imap_command *command;

	if (wire_name == NULL || !remote_begin(remote, error))
		return false;
	command = imap_command_new(IMAP_COMMAND_PLAIN, "CREATE");
	imap_command_add_string(command, wire_name, strlen(wire_name));
	if (!do_forgiving(remote, command, IMAP_CODE_ALREADYEXISTS,
		    "create the mailbox", error))
		return false;
	*wire_name_out = wire_name;
	return true;
}

static bool leave(
	struct remote *remote, const char *wire_name, struct error *error)
{
	const char *selected = remote->selection.name;

	if (selected == NULL || !mailbox_name_equal(selected, wire_name))
		return true;
	return remote_unselect(remote, error);
}

bool remote_rename(struct remote *remote, const char *wire_name,
	const char *new_name, struct arena *arena, const char **wire_name_out,
	struct error *error)
{
	const char *new_wire_name = encode_name(new_name, arena, error);
	struct imap_command *command;

	if (new_wire_name == NULL || !remote_begin(remote, error) ||
		!leave(remote, wire_name, error))
		return false;
	command = imap_command_new(IMAP_COMMAND_PLAIN, "RENAME");
	imap_command_add_string(command, wire_name, strlen(wire_name));
	imap_command_add_string(command, new_wire_name, strlen(new_wire_name));
	if (!remote_do(remote, command, "rename the mailbox", error))
		return false;
	*wire_name_out = new_wire_name;
	return true;
}

bool remote_delete_empty(
	struct remote *remote, const char *wire_name, struct error *error)
{
	struct remote_mailbox mailbox;
	struct imap_command *command;
	struct arena arena;
	bool is_told;

	if (!remote_begin(remote, error) || !leave(remote, wire_name, error))
		return false;
	arena_init(&arena);
	is_told = remote_status(remote, wire_name, &arena, &mailbox, error);
	arena_finish(&arena);
	if (!is_told)
		return false;
	if (mailbox.message_count != 0)
		return error_set(error, ERROR_REFUSED,
			"the mailbox holds %u messages: not deleted",
			(unsigned)mailbox.message_count);
	command = imap_command_new(IMAP_COMMAND_PLAIN, "DELETE");
	imap_command_add_string(command, wire_name, strlen(wire_name));
	return do_forgiving(remote, command, IMAP_CODE_NONEXISTENT,
		"delete the mailbox", error);
}
