#include "syncd/worker/observe_witness.h"

#include "syncd/worker/remote_content.h"

uint32_t observe_witness(struct account *account, const struct folder *record)
{
	uint32_t uid = uid_set_last(&record->frontier);
	struct arena arena;
	struct pair pair;
	bool is_known;

	if (uid == 0 || record->uid_validity == 0)
		return 0;
	arena_init(&arena);
	is_known = state_pair_by_uid(account->state, record->folder_id, uid,
			   &arena, &pair) &&
		pair.remote.presence == PRESENCE_PRESENT;
	arena_finish(&arena);
	return is_known ? uid : 0;
}

/* Of a row whose MODSEQ fell all UIDs are as void as of another message's. */
enum likeness {
	LIKENESS_SAME,
	LIKENESS_OTHER,
	LIKENESS_DOUBTFUL, /* its header tells */
};

static enum likeness compare(
	const struct pair *pair, const struct remote_message *told)
{
	const struct content *content = &pair->content;

	if (told->modseq != 0 && told->modseq < pair->remote.modseq)
		return LIKENESS_OTHER;
	if (content->email_id != 0 && told->email_id != 0)
		return content->email_id == told->email_id ? LIKENESS_SAME
							   : LIKENESS_OTHER;
	if (pair->local.presence == PRESENCE_NEVER)
		return content->size == told->size ? LIKENESS_SAME
						   : LIKENESS_OTHER;
	if (content->message_id == 0 ||
		(content->size == told->size &&
			content->internal_date == told->internal_date))
		return LIKENESS_SAME;
	return LIKENESS_DOUBTFUL;
}

static void take_header(void *data, uint32_t uid, const struct content *content)
{
	uint64_t *message_id = data;

	(void)uid;
	*message_id = content->message_id;
}

/* Some servers tell sizes or dates that are not those of the message, and some
   change what they store: but never whose message it is. */
static bool compare_headers(struct account *account,
	struct account_folder *folder, const struct pair *pair,
	bool *is_other_out, struct error *error)
{
	uint64_t message_id = 0;
	struct uid_set uids = { 0 };
	struct error failure = { 0 };
	bool is_done;

	uid_set_add(&uids, pair->remote.uid);
	is_done = remote_content_read(account, folder, &uids,
			  REMOTE_CONTENT_HEADER,
			  &(struct remote_content_taker){
				  take_header, &message_id },
			  &failure) ||
		failure.code == ERROR_REFUSED;
	uid_set_finish(&uids);
	if (!is_done)
		*error = failure;
	else
		*is_other_out = message_id != 0 &&
			message_id != pair->content.message_id;
	return is_done;
}

static bool is_alike(
	const struct remote_message *a, const struct remote_message *b)
{
	return a->uid == b->uid && a->size == b->size &&
		a->internal_date == b->internal_date;
}

bool observe_witness_check(struct account *account,
	struct account_folder *folder, const struct remote_message *told,
	bool *is_other_out, struct error *error)
{
	enum likeness likeness = LIKENESS_SAME;
	struct arena arena;
	struct pair pair;
	bool is_done = true;

	arena_init(&arena);
	if (told->uid != 0 &&
		state_pair_by_uid(account->state, folder->record.folder_id,
			told->uid, &arena, &pair))
		likeness = compare(&pair, told);
	*is_other_out = likeness == LIKENESS_OTHER;
	if (likeness == LIKENESS_DOUBTFUL &&
		!is_alike(told, &folder->witness)) {
		is_done = compare_headers(
			account, folder, &pair, is_other_out, error);
		if (is_done && !*is_other_out)
			folder->witness = *told;
	}
	arena_finish(&arena);
	return is_done;
}
