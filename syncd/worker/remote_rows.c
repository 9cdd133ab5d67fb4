/* What FETCH tells about messages, without their bodies. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "syncd/worker/remote_internal.h"

const char *remote_row_items(const struct remote *remote, bool with_modseq)
{
	static const char *const ITEMS[2][2] = {
		{
			"(UID FLAGS INTERNALDATE RFC822.SIZE)",
			"(UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE)",
		},
		{
			"(UID FLAGS INTERNALDATE RFC822.SIZE EMAILID)",
			"(UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE EMAILID)",
		},
	};

	return ITEMS[remote->abilities.has_object_id][with_modseq];
}

static uint64_t email_id(const struct remote *remote, const char *text)
{
	uint64_t hash =
		hash_keyed(remote->options.hash_key, text, strlen(text));

	return hash == 0 ? 1 : hash;
}

static void read_row(struct remote_rows *rows, const struct imap_fetch *fetch,
	struct remote_message *row)
{
	*row = (struct remote_message){ .uid = fetch->uid };
	row->has_flags = fetch->has_flags;
	if (fetch->has_flags)
		row->flags = remote_read_flags(rows->remote, &fetch->flags);
	if (fetch->has_modseq) {
		row->modseq = fetch->modseq;
		rows->has_zero_modseq |= fetch->modseq == 0;
	}
	if (fetch->has_size) {
		/* A date that cannot be read is 1970: the message counts. */
		row->has_size = true;
		row->size = fetch->size;
		row->internal_date =
			fetch->has_internal_date ? fetch->internal_date : 0;
	}
	if (fetch->email_id != NULL)
		row->email_id = email_id(rows->remote, fetch->email_id);
}

bool remote_rows_add(struct remote_rows *rows, const struct imap_fetch *fetch,
	struct error *error)
{
	if (!fetch->has_uid || fetch->uid == 0)
		return true;
	read_row(rows, fetch,
		arena_push(rows->arena, &rows->items, &rows->count,
			&rows->capacity, sizeof(*rows->items)));
	return rows->hand_over == NULL || rows->count < REMOTE_ROW_CHUNK ||
		rows->hand_over(rows, error);
}

/* ---- Merging ---- */

/* Rows of one UID stay in order of arrival: addresses tell it. */
static int compare_rows(const void *a, const void *b)
{
	const struct remote_message *const *left = a;
	const struct remote_message *const *right = b;

	if ((*left)->uid != (*right)->uid)
		return (*left)->uid < (*right)->uid ? -1 : 1;
	if (*left == *right)
		return 0;
	return *left < *right ? -1 : 1;
}

static bool is_sorted(const struct remote_rows *rows)
{
	for (size_t i = 1; i < rows->count; i++)
		if (rows->items[i - 1].uid >= rows->items[i].uid)
			return false;
	return true;
}

static void merge_row(
	struct remote_message *row, const struct remote_message *later)
{
	if (later->has_flags) {
		row->has_flags = true;
		row->flags = later->flags;
	}
	if (later->has_size) {
		row->has_size = true;
		row->size = later->size;
		row->internal_date = later->internal_date;
	}
	if (later->modseq > row->modseq)
		row->modseq = later->modseq;
	if (later->email_id != 0)
		row->email_id = later->email_id;
}

void remote_rows_merge(struct remote_rows *rows)
{
	struct remote_message **order;
	struct remote_message *merged;
	size_t count = 0;

	if (is_sorted(rows))
		return;
	order = alloc(rows->count, sizeof(struct remote_message *));
	merged = alloc(rows->count, sizeof(*merged));
	for (size_t i = 0; i < rows->count; i++)
		order[i] = &rows->items[i];
	qsort(order, rows->count, sizeof(struct remote_message *),
		compare_rows);
	for (size_t i = 0; i < rows->count; i++) {
		if (count > 0 && merged[count - 1].uid == order[i]->uid)
			merge_row(&merged[count - 1], order[i]);
		else
			merged[count++] = *order[i];
	}
	memcpy(rows->items, merged, count * sizeof(*merged));
	rows->count = count;
	free(merged);
	free(order);
}

/* ---- Fetching ---- */

void remote_add_list(struct uid_set *set, const struct imap_uid_list *list)
{
	for (size_t i = 0; i < list->range_count; i++) {
		uint32_t first = list->ranges[i].first;
		uint32_t last = list->ranges[i].last;

		if (first == 0 || last == 0)
			continue;
		if (first <= last)
			uid_set_add_range(set, first, last);
		else
			uid_set_add_range(set, last, first);
	}
}

bool remote_add_uids(struct imap_command *command, const struct uid_set *uids,
	size_t *range_index, struct uid_set *taken)
{
	size_t from = *range_index;
	bool is_last = imap_command_add_uids(command, uids, range_index);

	for (size_t i = from; i < *range_index; i++)
		uid_set_add_range(
			taken, uids->ranges[i].first, uids->ranges[i].last);
	return is_last;
}

static bool rows_response(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	return response->kind != IMAP_RESPONSE_FETCH ||
		remote_rows_add(flight->data, &response->fetch, error);
}

static void add_fetches(struct remote_flight *flight,
	const struct uid_set *uids, const char *items)
{
	size_t range_index = 0;
	bool is_last = uid_set_is_empty(uids);

	while (!is_last) {
		struct imap_command *command =
			imap_command_new(IMAP_COMMAND_PLAIN, "UID FETCH");
		struct uid_set taken = { 0 };

		is_last = remote_add_uids(command, uids, &range_index, &taken);
		imap_command_add_words(command, items);
		remote_flight_add(flight, command)->uids = taken;
	}
}

static bool fetch_once(struct remote_rows *rows, const struct uid_set *uids,
	const char *items, struct uid_set *rest, struct error *error)
{
	struct remote *remote = rows->remote;
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, remote);
	flight.owned = REMOTE_OWNS_FETCH;
	flight.data = rows;
	flight.on_response = rows_response;
	add_fetches(&flight, uids, items);
	is_done = remote_flight_run(&flight, error);
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		remote_add_unfinished(flight.calls[i], rest);
		is_done = remote_check(
			remote, flight.calls[i], "look at messages", error);
	}
	remote_flight_finish(&flight);
	return is_done;
}

bool remote_rows_fetch(struct remote_rows *rows, const struct uid_set *uids,
	const char *items, struct error *error)
{
	struct uid_set left = { 0 };
	bool is_done = true;

	uid_set_copy(&left, uids);
	while (is_done && !uid_set_is_empty(&left)) {
		struct uid_set rest = { 0 };

		is_done = fetch_once(rows, &left, items, &rest, error);
		uid_set_finish(&left);
		left = rest;
	}
	uid_set_finish(&left);
	return is_done;
}

bool remote_fetch_messages(struct remote *remote, const struct uid_set *uids,
	struct arena *arena, struct remote_message **messages_out,
	size_t *count_out, struct error *error)
{
	struct remote_rows rows = { .remote = remote, .arena = arena };
	bool with_modseq = remote->abilities.has_condstore &&
		!remote->selection.has_no_modseq;

	if (!remote_begin(remote, error) ||
		!remote_rows_fetch(&rows, uids,
			remote_row_items(remote, with_modseq), error))
		return false;
	remote_rows_merge(&rows);
	*messages_out = rows.items;
	*count_out = rows.count;
	return true;
}
