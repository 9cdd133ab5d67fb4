#include "syncd/worker/verify.h"

#include "base/arena.h"
#include "syncd/reconciler/merge.h"
#include "syncd/worker/remote_content.h"

static const struct remote_message *find_message(
	const struct remote_message *messages, size_t count, uint32_t uid)
{
	for (size_t i = 0; i < count; i++)
		if (messages[i].uid == uid)
			return &messages[i];
	return NULL;
}

enum likeness {
	LIKENESS_SAME,
	LIKENESS_OTHER,
	LIKENESS_DOUBTFUL, /* its header tells */
};

/* Is the message under this UID the one the pair stands for? Some servers tell
   sizes or dates that are not those of the message. */
static enum likeness compare(
	const struct pair *pair, const struct remote_message *message)
{
	if (pair->content.email_id != 0 && message->email_id != 0)
		return pair->content.email_id == message->email_id
			? LIKENESS_SAME
			: LIKENESS_OTHER;
	if (message->size == pair->content.size &&
		message->internal_date == pair->content.internal_date)
		return LIKENESS_SAME;
	return pair->content.header_hash == 0 ? LIKENESS_OTHER
					      : LIKENESS_DOUBTFUL;
}

struct verification {
	struct account *account;
	struct account_folder *folder;
	const struct pair *pairs;
	size_t count;
	struct verified *verified;
	struct uid_set doubtful;
	bool has_other; /* nothing here is what it was taken for */
};

static void look_again(const struct verification *verification)
{
	verification->folder->needs_observe = true;
	verification->account->wants_again = true;
}

static void find_other(struct verification *verification, uint32_t uid)
{
	account_log(verification->account, ACCOUNT_LOG_ERROR,
		"%s: UID %u is another message now: not deleted",
		verification->folder->record.path, uid);
	verification->has_other = true;
}

/* A mark may have come meanwhile, our own among them; one that went may mean
   that somebody keeps the message, as a new keyword does. With MODSEQs only
   what the next look is told again: else it would be looked at for ever. */
static bool is_untouched(const struct verification *verification,
	const struct pair *pair, const struct remote_message *message)
{
	uint32_t changed = pair->remote.flags.system ^ message->flags.system;
	struct flags mask = account_remote_mask(verification->folder);
	struct flags flags =
		merge_masked(&message->flags, &pair->synced.flags, &mask);
	bool is_told_again =
		message->modseq == 0 || message->modseq > pair->remote.modseq;

	return (changed & ~(uint32_t)FLAG_DELETED) == 0 &&
		!(is_told_again &&
			merge_is_protecting(&pair->remote.flags, &flags));
}

static void verify_one(struct verification *verification,
	const struct pair *pair, const struct remote_message *message)
{
	if (message == NULL || !message->has_size) {
		look_again(verification);
		return;
	}
	switch (compare(pair, message)) {
	case LIKENESS_OTHER:
		find_other(verification, pair->remote.uid);
		return;
	case LIKENESS_DOUBTFUL:
		uid_set_add(&verification->doubtful, pair->remote.uid);
		break;
	case LIKENESS_SAME:
		break;
	}
	if (!is_untouched(verification, pair, message)) {
		look_again(verification);
		return;
	}
	uid_set_add(&verification->verified->uids, pair->remote.uid);
	if (message->modseq > verification->verified->modseq)
		verification->verified->modseq = message->modseq;
}

static void compare_header(
	void *data, uint32_t uid, const struct content *content)
{
	struct verification *verification = data;

	for (size_t i = 0; i < verification->count; i++) {
		const struct pair *pair = &verification->pairs[i];

		if (pair->remote.uid != uid)
			continue;
		uid_set_remove_range(&verification->doubtful, uid, uid);
		if (pair->content.header_hash != content->header_hash)
			find_other(verification, uid);
	}
}

/* A header that does not come proves nothing: its message stays. */
static bool settle_doubts(
	struct verification *verification, struct error *error)
{
	struct uid_set asked = { 0 };
	bool is_done = true;

	uid_set_add_set(&asked, &verification->doubtful);
	if (!uid_set_is_empty(&asked))
		is_done = remote_content_read(verification->account,
			verification->folder, &asked, REMOTE_CONTENT_HEADER,
			&(struct remote_content_taker){
				compare_header, verification },
			error);
	uid_set_finish(&asked);
	if (is_done && !uid_set_is_empty(&verification->doubtful)) {
		uid_set_remove_set(
			&verification->verified->uids, &verification->doubtful);
		look_again(verification);
	}
	return is_done;
}

static bool verify_all(struct verification *verification, struct arena *arena,
	struct error *error)
{
	struct remote_message *messages = NULL;
	struct uid_set uids = { 0 };
	size_t count = 0;
	bool is_done;

	for (size_t i = 0; i < verification->count; i++)
		uid_set_add(&uids, verification->pairs[i].remote.uid);
	is_done = remote_fetch_messages(verification->account->remote, &uids,
		arena, &messages, &count, error);
	uid_set_finish(&uids);
	for (size_t i = 0; is_done && i < verification->count; i++)
		verify_one(verification, &verification->pairs[i],
			find_message(messages, count,
				verification->pairs[i].remote.uid));
	return is_done && settle_doubts(verification, error);
}

bool verify_before_delete(struct account *account,
	struct account_folder *folder, const struct pair *pairs, size_t count,
	struct verified *verified, struct error *error)
{
	struct verification verification = {
		.account = account,
		.folder = folder,
		.pairs = pairs,
		.count = count,
		.verified = verified,
	};
	struct arena arena;
	bool is_done;

	arena_init(&arena);
	is_done = verify_all(&verification, &arena, error);
	if (verification.has_other) {
		folder->record.uid_validity = 0;
		look_again(&verification);
		uid_set_clear(&verified->uids);
	}
	uid_set_finish(&verification.doubtful);
	arena_finish(&arena);
	return is_done;
}
