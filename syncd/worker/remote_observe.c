/* SELECT and what changed since, by three rungs (RFC 7162): QRESYNC tells flags
   and expunges, CONDSTORE tells flags, without both everything is listed. What
   a rung leaves open is found out by a listing of all UIDs; what stays open is
   doubtful, and absences are then not believed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/remote_internal.h"

enum rung {
	RUNG_QRESYNC,
	RUNG_CONDSTORE,
	RUNG_PLAIN,      /* flags of all, the rest of the new ones */
	RUNG_EVERYTHING, /* nothing is known */
};

struct observation {
	struct remote *remote;
	const struct remote_known *known;
	const struct remote_row_sink *sink;
	struct remote_view *view;
	enum rung rung;
	uint32_t low; /* new messages have UIDs from here on */
	struct remote_rows rows;
	struct uid_set present; /* UIDs of all rows, those handed over too */
	struct uid_set told;    /* those told in full */
	/* New ones by a second witness: FETCH may leave some out. */
	struct uid_set searched;
	/* Of the call of SELECT: the call itself ends with its flight. */
	uint32_t selecting_id;
	bool is_selected;       /* the SELECT is done */
	uint64_t expunge_count; /* as of then */
	bool has_broken;
};

/* ---- One flight ---- */

static bool handle_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	struct observation *observation = flight->data;
	bool is_closed = response->kind == IMAP_RESPONSE_STATUS &&
		response->status.code.kind == IMAP_CODE_CLOSED;

	if (!observation->is_selected)
		remote_note_selection(observation->remote, response);
	if (is_closed) {
		observation->rows.count = 0;
		uid_set_clear(&observation->view->vanished);
	}
	if (response->kind == IMAP_RESPONSE_FETCH)
		return remote_rows_add(
			&observation->rows, &response->fetch, error);
	if (response->kind == IMAP_RESPONSE_VANISHED)
		remote_add_list(
			&observation->view->vanished, &response->vanished.uids);
	return true;
}

static bool handle_done(struct remote_flight *flight, struct remote_call *call,
	const struct imap_response *response, struct error *error)
{
	struct observation *observation = flight->data;

	(void)response;
	(void)error;
	if (call->id != observation->selecting_id)
		return true;
	remote_note_selected(
		flight->remote, observation->known->wire_name, call);
	observation->is_selected = true;
	observation->expunge_count = flight->remote->expunge_count;
	return true;
}

static void flight_init(
	struct remote_flight *flight, struct observation *observation)
{
	remote_flight_init(flight, observation->remote);
	flight->owned = REMOTE_OWNS_ALL;
	flight->data = observation;
	flight->on_response = handle_response;
	flight->on_done = handle_done;
}

static struct remote_call *add_select(
	struct remote_flight *flight, struct observation *observation)
{
	const struct remote_known *known = observation->known;
	struct remote_call *call;
	char parameters[80];
	const char *words = NULL;

	if (observation->rung == RUNG_QRESYNC) {
		(void)snprintf(parameters, sizeof(parameters),
			"(QRESYNC (%" PRIu32 " %" PRIu64 "))",
			known->uid_validity, known->highest_modseq);
		words = parameters;
	}
	observation->is_selected = false;
	call = remote_add_select(flight, known->wire_name, words);
	observation->selecting_id = call->id;
	return call;
}

/* Explicit bounds: "*" is the highest UID that is visible, and asked for more
   than there is, "n:*" gives the last message. */
static struct remote_call *add_fetch(struct remote_flight *flight,
	uint32_t first, uint32_t last, const char *items)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_PLAIN, "UID FETCH");
	struct uid_set uids = { 0 };
	struct remote_call *call;
	size_t range_index = 0;

	uid_set_add_range(&uids, first, last);
	if (!imap_command_add_uids(command, &uids, &range_index))
		range_index = 0; /* one range always fits */
	imap_command_add_words(command, items);
	call = remote_flight_add(flight, command);
	call->uids = uids;
	return call;
}

/* RFC 9738: goes on where the server stopped. */
static bool fetch_rest(struct observation *observation,
	const struct remote_flight *flight, const char *items,
	struct error *error)
{
	struct uid_set rest = { 0 };
	bool is_done;

	for (size_t i = 0; i < flight->call_count; i++)
		remote_add_unfinished(flight->calls[i], &rest);
	is_done = uid_set_is_empty(&rest) ||
		remote_rows_fetch(&observation->rows, &rest, items, error);
	uid_set_finish(&rest);
	return is_done;
}

/* Some refuse to FETCH where there is nothing. */
static bool has_nothing_new(const struct observation *observation)
{
	const struct remote_selection *selection =
		&observation->remote->selection;

	return observation->remote->exists == 0 ||
		(selection->uid_next != 0 &&
			selection->uid_next <= observation->low);
}

/* ---- Rungs ---- */

static enum rung choose_rung(
	const struct remote *remote, const struct remote_known *known)
{
	if (known->uid_validity == 0 || known->uid_next <= 1)
		return RUNG_EVERYTHING;
	if (known->wants_full_listing || known->highest_modseq == 0 ||
		!remote->abilities.has_condstore)
		return RUNG_PLAIN;
	return remote->abilities.has_qresync ? RUNG_QRESYNC : RUNG_CONDSTORE;
}

static struct remote_call *add_known(
	struct remote_flight *flight, const struct observation *observation)
{
	char items[80] = "(UID FLAGS)";

	if (observation->rung == RUNG_CONDSTORE)
		(void)snprintf(items, sizeof(items),
			"(UID FLAGS MODSEQ) (CHANGEDSINCE %" PRIu64 ")",
			observation->known->highest_modseq);
	else if (observation->rung != RUNG_PLAIN)
		return NULL;
	return add_fetch(flight, 1, observation->low - 1, items);
}

static bool has_witness(const struct observation *observation)
{
	uint32_t witness = observation->known->witness;

	return witness != 0 && witness < observation->low;
}

static struct remote_call *add_fresh(struct remote_flight *flight,
	const struct observation *observation, const char *items)
{
	return add_fetch(flight,
		has_witness(observation) ? observation->known->witness
					 : observation->low,
		REMOTE_UID_MAX, items);
}

static bool has_modseqs(const struct observation *observation)
{
	return observation->rung != RUNG_PLAIN &&
		observation->remote->abilities.has_condstore &&
		!observation->remote->selection.has_no_modseq;
}

/* What flags changed cannot be learned by CHANGEDSINCE here. */
static bool lacks_modseqs(const struct observation *observation)
{
	const struct remote_selection *selection =
		&observation->remote->selection;

	return selection->has_no_modseq || selection->highest_modseq == 0 ||
		observation->rows.has_zero_modseq;
}

static bool is_fresh_told(
	const struct observation *observation, const struct remote_call *fresh)
{
	return remote_is_ok(fresh) || has_nothing_new(observation);
}

static bool needs_plain(const struct observation *observation,
	const struct remote_call *known, const struct remote_call *fresh)
{
	bool tells_changes = observation->rung == RUNG_QRESYNC ||
		observation->rung == RUNG_CONDSTORE;

	if (tells_changes &&
		(lacks_modseqs(observation) ||
			(known != NULL && !remote_is_ok(known))))
		return true;
	/* MODSEQ may have been what it refused. */
	return observation->rung != RUNG_PLAIN &&
		observation->remote->abilities.has_condstore &&
		!is_fresh_told(observation, fresh);
}

static bool check_told(const struct observation *observation,
	const struct remote_call *known, const struct remote_call *fresh,
	struct error *error)
{
	struct remote *remote = observation->remote;

	if (known != NULL && remote->exists > 0 &&
		!remote_check(remote, known, "list messages", error))
		return false;
	return is_fresh_told(observation, fresh) ||
		remote_check(remote, fresh, "list messages", error);
}

/* Sets `*is_plain_out` when the mailbox must be listed without MODSEQs. */
static bool fly(struct observation *observation, bool *is_plain_out,
	struct error *error)
{
	struct remote *remote = observation->remote;
	const char *items = remote_row_items(remote, has_modseqs(observation));
	struct remote_flight flight;
	struct remote_call *selecting, *known, *fresh;
	bool is_done;

	flight_init(&flight, observation);
	selecting = add_select(&flight, observation);
	known = add_known(&flight, observation);
	fresh = add_fresh(&flight, observation, items);
	is_done = remote_flight_run(&flight, error) &&
		remote_check(remote, selecting, "select the mailbox", error);
	if (is_done) {
		observation->has_broken |= flight.has_broken;
		*is_plain_out = needs_plain(observation, known, fresh);
		is_done = *is_plain_out ||
			(check_told(observation, known, fresh, error) &&
				fetch_rest(observation, &flight, items, error));
	}
	remote_flight_finish(&flight);
	return is_done;
}

/* In the selected mailbox, without MODSEQs. */
static bool fly_plain(struct observation *observation, struct error *error)
{
	struct remote *remote = observation->remote;
	const char *items = remote_row_items(remote, false);
	struct remote_flight flight;
	struct remote_call *known = NULL;
	struct remote_call *fresh;
	bool is_done;

	observation->rung = observation->low > 1 ? RUNG_PLAIN : RUNG_EVERYTHING;
	flight_init(&flight, observation);
	known = add_known(&flight, observation);
	fresh = add_fresh(&flight, observation, items);
	is_done = remote_flight_run(&flight, error);
	observation->has_broken |= flight.has_broken;
	is_done = is_done && check_told(observation, known, fresh, error) &&
		fetch_rest(observation, &flight, items, error);
	remote_flight_finish(&flight);
	return is_done;
}

/* ---- Epochs ---- */

static uint32_t last_row_uid(const struct observation *observation)
{
	uint32_t last = uid_set_last(&observation->present);

	for (size_t i = 0; i < observation->rows.count; i++)
		if (observation->rows.items[i].uid > last)
			last = observation->rows.items[i].uid;
	return last;
}

/* All from `low` on was enumerated, so UIDNEXT need not be told, nor true. */
static uint32_t find_uid_next(const struct observation *observation)
{
	uint32_t uid_next = observation->remote->selection.uid_next;
	uint32_t last = last_row_uid(observation);

	if (last != UINT32_MAX && last + 1 > uid_next)
		uid_next = last + 1;
	return uid_next;
}

/* Numbers that fall are those of an older state. */
static bool is_put_back(const struct observation *observation)
{
	const struct remote_known *known = observation->known;
	const struct remote_selection *selection =
		&observation->remote->selection;

	if (known->is_put_back)
		return true;
	if (selection->uid_validity != known->uid_validity)
		return selection->uid_validity < known->uid_validity;
	/* Without UIDNEXT its falling cannot be seen. */
	if (selection->uid_next != 0 &&
		(find_uid_next(observation) < known->uid_next ||
			find_uid_next(observation) <= known->last_uid))
		return true;
	return selection->highest_modseq != 0 && known->highest_modseq != 0 &&
		selection->highest_modseq < known->highest_modseq;
}

static bool is_new_epoch(const struct observation *observation)
{
	uint32_t known = observation->known->uid_validity;

	return known != 0 &&
		(observation->remote->selection.uid_validity != known ||
			is_put_back(observation));
}

/* Nothing that came so far is about messages we know; none of it was handed
   over. */
static bool begin_epoch(struct observation *observation, struct error *error)
{
	observation->view->is_new_epoch = true;
	observation->view->is_put_back = is_put_back(observation);
	observation->rows.count = 0;
	observation->rows.has_zero_modseq = false;
	observation->has_broken = false;
	observation->low = 1;
	observation->rung = RUNG_EVERYTHING;
	uid_set_clear(&observation->view->vanished);
	return fly_plain(observation, error);
}

/* ---- Handing over ---- */

static void settle_rows(struct observation *observation)
{
	struct remote_rows *rows = &observation->rows;

	remote_rows_merge(rows);
	for (size_t i = 0; i < rows->count; i++) {
		struct remote_message *row = &rows->items[i];

		uid_set_add(&observation->present, row->uid);
		if (row->uid == observation->known->witness && row->has_size)
			observation->view->witness = *row;
		if (row->uid < observation->low)
			row->has_size = false;
		else if (row->has_flags && row->has_size)
			uid_set_add(&observation->told, row->uid);
	}
}

/* What is there has not vanished, whatever came first. */
static void settle_all(struct observation *observation)
{
	settle_rows(observation);
	uid_set_remove_set(&observation->view->vanished, &observation->present);
}

static void fill_selection(struct observation *observation)
{
	const struct remote_selection *selection =
		&observation->remote->selection;
	struct remote_view *view = observation->view;

	view->uid_validity = selection->uid_validity;
	view->is_uid_not_sticky = selection->is_uid_not_sticky;
	view->is_read_only = selection->is_read_only;
	view->permanent_flags = selection->permanent_flags;
	view->allows_new_keywords = selection->allows_new_keywords;
	view->mailbox_id = selection->mailbox_id;
}

/* Whose the rows are is certain: not of the mailbox selected before, and not
   of an epoch that only begins to show. Until then they wait. */
static bool can_hand_over(const struct observation *observation)
{
	const struct remote_selection *selection =
		&observation->remote->selection;

	return observation->is_selected && selection->uid_validity != 0 &&
		!selection->is_uid_not_sticky &&
		(observation->view->is_new_epoch || !is_new_epoch(observation));
}

static bool hand_over(struct remote_rows *rows, struct error *error)
{
	struct observation *observation = rows->data;
	const struct remote_row_sink *sink = observation->sink;
	struct remote_view *view = observation->view;
	bool is_taken = true;

	if (!can_hand_over(observation))
		return true;
	settle_rows(observation);
	fill_selection(observation);
	for (size_t i = 0; is_taken && i < rows->count; i += REMOTE_ROW_CHUNK) {
		view->messages = rows->items + i;
		view->message_row_count = rows->count - i;
		if (view->message_row_count > REMOTE_ROW_CHUNK)
			view->message_row_count = REMOTE_ROW_CHUNK;
		is_taken = sink->take(sink->data, view, error);
	}
	view->messages = NULL;
	view->message_row_count = 0;
	rows->count = 0;
	return is_taken;
}

/* ---- Is it all? ---- */

static uint64_t count_new(const struct observation *observation)
{
	struct uid_set fresh = { 0 };
	uint64_t count;

	uid_set_copy(&fresh, &observation->present);
	uid_set_add_set(&fresh, &observation->searched);
	if (observation->low > 1)
		uid_set_remove_range(&fresh, 1, observation->low - 1);
	count = uid_set_count(&fresh);
	uid_set_finish(&fresh);
	return count;
}

/* It was asked for by its UID: there, or gone. */
static bool is_witness_told(const struct observation *observation)
{
	uint32_t witness = observation->known->witness;

	return !has_witness(observation) ||
		uid_set_contains(&observation->present, witness) ||
		uid_set_contains(&observation->view->vanished, witness);
}

/* Engine rule R6: what is known, less what vanished, and what is new, are as
   many as there are. EARLIER may name UIDs we never had: then this is false
   without anything being wrong. One that went without a word and one that is
   said to have gone, and has not, are none in the count. */
static bool counts_agree(const struct observation *observation)
{
	const struct remote_known *known = observation->known;
	uint64_t vanished = uid_set_count(&observation->view->vanished);
	uint64_t fresh = count_new(observation);

	return is_witness_told(observation) &&
		vanished <= known->message_count &&
		known->message_count - vanished + fresh ==
		observation->remote->exists;
}

/* Some went while the others were told: then one that was left out is not
   missed in the count. */
static bool has_shrunk(const struct observation *observation)
{
	return observation->remote->expunge_count != observation->expunge_count;
}

/* Each UID that was given out since is told of, there or gone: no new message
   can have been left out. */
static bool is_new_range_told(const struct observation *observation)
{
	uint32_t uid_next = observation->remote->selection.uid_next;
	struct uid_set told = { 0 };
	uint64_t count;

	if (observation->remote->exists == 0)
		return true;
	if (uid_next == 0 || uid_next <= observation->low)
		return uid_next != 0;
	uid_set_copy(&told, &observation->present);
	uid_set_add_set(&told, &observation->view->vanished);
	if (observation->low > 1)
		uid_set_remove_range(&told, 1, observation->low - 1);
	uid_set_remove_range(&told, uid_next, UINT32_MAX);
	count = uid_set_count(&told);
	uid_set_finish(&told);
	return count == uid_next - observation->low;
}

/* One that was left out and one that went without a word are none in the
   count. False: only a listing tells. */
static bool search_new(struct observation *observation)
{
	struct error ignored = { 0 };

	return is_new_range_told(observation) ||
		(remote_search(observation->remote, observation->low,
			 &observation->searched, &ignored) &&
			counts_agree(observation));
}

static bool take_listing(struct observation *observation, struct uid_set *uids)
{
	struct remote_view *view = observation->view;

	if (uid_set_count(uids) != observation->remote->exists)
		return false;
	uid_set_copy(&view->listing, uids);
	view->has_listing = true;
	uid_set_remove_set(&view->vanished, uids);
	return true;
}

static bool note_uids(struct remote_rows *rows, struct error *error)
{
	(void)error;
	for (size_t i = 0; i < rows->count; i++)
		uid_set_add(rows->data, rows->items[i].uid);
	rows->count = 0;
	return true;
}

/* Where SEARCH is not to be had or not to be trusted. */
static bool list_by_fetch(struct observation *observation, struct error *error)
{
	struct uid_set all = { 0 }, uids = { 0 };
	struct remote_rows rows = {
		.remote = observation->remote,
		.arena = observation->rows.arena,
		.hand_over = note_uids,
		.data = &uids,
	};
	bool is_done;

	uid_set_add_range(&all, 1, REMOTE_UID_MAX);
	observation->expunge_count = observation->remote->expunge_count;
	is_done = remote_rows_fetch(&rows, &all, "(UID)", error) &&
		note_uids(&rows, error) && !has_shrunk(observation) &&
		take_listing(observation, &uids);
	uid_set_finish(&uids);
	uid_set_finish(&all);
	return is_done;
}

static bool list_by_search(struct observation *observation, struct error *error)
{
	struct uid_set uids = { 0 };
	bool is_done = remote_search(observation->remote, 1, &uids, error) &&
		take_listing(observation, &uids);

	uid_set_finish(&uids);
	return is_done;
}

/* False when the connection is gone. */
static bool make_listing(struct observation *observation, struct error *error)
{
	bool lists_all = observation->rung == RUNG_PLAIN ||
		observation->rung == RUNG_EVERYTHING;
	struct error failure = { 0 };

	if (!has_shrunk(observation)) {
		if (lists_all &&
			take_listing(observation, &observation->present))
			return true;
		if (!lists_all && !observation->has_broken &&
			counts_agree(observation) && search_new(observation))
			return true;
	}
	if (list_by_search(observation, &failure) ||
		(!observation->remote->is_dead &&
			list_by_fetch(observation, &failure)))
		return true;
	observation->view->is_doubtful = true;
	if (!observation->remote->is_dead)
		return true;
	*error = failure;
	return false;
}

/* New messages that were not told in full. */
static void find_missing(
	const struct observation *observation, struct uid_set *missing)
{
	uid_set_copy(missing, &observation->present);
	uid_set_add_set(missing, &observation->searched);
	if (observation->view->has_listing)
		uid_set_add_set(missing, &observation->view->listing);
	if (observation->low > 1)
		uid_set_remove_range(missing, 1, observation->low - 1);
	uid_set_remove_set(missing, &observation->told);
}

/* Asks once more; what is still missing then is left to the next time: the
   frontier does not pass it. */
static bool fetch_missing(struct observation *observation, struct error *error)
{
	struct remote *remote = observation->remote;
	struct remote_view *view = observation->view;
	struct uid_set missing = { 0 };
	struct error refusal = { 0 };
	bool is_done = true;

	find_missing(observation, &missing);
	if (!uid_set_is_empty(&missing)) {
		is_done = remote_rows_fetch(&observation->rows, &missing,
				  remote_row_items(remote, false), &refusal) ||
			refusal.code == ERROR_REFUSED;
		settle_all(observation);
		find_missing(observation, &missing);
	}
	if (!is_done)
		*error = refusal;
	view->uid_next = find_uid_next(observation);
	if (!uid_set_is_empty(&missing))
		view->uid_next = uid_set_next(&missing, 1);
	view->untold_count = uid_set_count(&missing);
	uid_set_finish(&missing);
	return is_done;
}

/* ---- The view ---- */

static uint64_t anchor(const struct observation *observation)
{
	const struct remote_known *known = observation->known;

	if (lacks_modseqs(observation) ||
		!observation->remote->abilities.has_condstore)
		return 0;
	/* What could not be read is told again next time. */
	if (observation->has_broken && known->highest_modseq != 0 &&
		!observation->view->is_new_epoch)
		return known->highest_modseq;
	return observation->remote->selection.highest_modseq;
}

static void fill_view(struct observation *observation)
{
	const struct remote_selection *selection =
		&observation->remote->selection;
	struct remote_view *view = observation->view;

	fill_selection(observation);
	view->message_count = observation->remote->exists;
	view->highest_modseq = anchor(observation);
	view->has_no_modseq = view->highest_modseq == 0;
	if (selection->mailbox_id != NULL)
		view->mailbox_id = arena_text(
			observation->rows.arena, selection->mailbox_id);
	view->messages = observation->rows.items;
	view->message_row_count = observation->rows.count;
	if (view->uid_next == 0)
		view->uid_next = observation->low;
}

static bool observe(struct observation *observation, struct error *error)
{
	bool is_plain = false;

	if (!fly(observation, &is_plain, error))
		return false;
	if (observation->remote->selection.uid_validity == 0)
		return error_set(error, ERROR_REFUSED,
			"the server gives no UIDVALIDITY here");
	if (is_new_epoch(observation)) {
		if (!begin_epoch(observation, error))
			return false;
	} else if (is_plain && !fly_plain(observation, error)) {
		return false;
	}
	settle_all(observation);
	if (!make_listing(observation, error) ||
		!fetch_missing(observation, error))
		return false;
	/* Those that had to wait are more than a chunk. */
	if (observation->rows.count > REMOTE_ROW_CHUNK &&
		!hand_over(&observation->rows, error))
		return false;
	fill_view(observation);
	return true;
}

bool remote_observe(struct remote *remote, const struct remote_known *known,
	const struct remote_row_sink *sink, struct arena *arena,
	struct remote_view *view_out, struct error *error)
{
	struct remote_view view = { 0 };
	struct observation observation = {
		.remote = remote,
		.known = known,
		.sink = sink,
		.view = &view,
	};
	bool is_done = false;

	observation.rows = (struct remote_rows){
		.remote = remote,
		.arena = arena,
		.items = arena_alloc(arena, REMOTE_ROW_CHUNK,
			sizeof(*observation.rows.items)),
		.capacity = REMOTE_ROW_CHUNK,
		.hand_over = hand_over,
		.data = &observation,
	};
	if (remote_begin(remote, error)) {
		observation.rung = choose_rung(remote, known);
		observation.low = observation.rung == RUNG_EVERYTHING
			? 1
			: known->uid_next;
		is_done = observe(&observation, error);
	}
	uid_set_finish(&observation.present);
	uid_set_finish(&observation.told);
	uid_set_finish(&observation.searched);
	if (is_done)
		*view_out = view;
	else
		remote_view_finish(&view);
	return is_done;
}

void remote_view_finish(struct remote_view *view)
{
	uid_set_finish(&view->vanished);
	uid_set_finish(&view->listing);
}
