#include "syncd/worker/remote_content.h"

#include "syncd/worker/digest.h"
#include "syncd/worker/remote.h"

struct reading {
	const struct uid_set *uids;
	struct canonical_digest *digest;
	enum remote_content_part part;
	const struct remote_content_taker *taker;
};

/* Servers also tell of what they were not asked for. */
static bool begin(void *data, uint32_t uid, uint64_t size)
{
	struct reading *reading = data;

	(void)size;
	canonical_digest_reset(reading->digest);
	return uid_set_contains(reading->uids, uid);
}

static bool feed(
	void *data, const uint8_t *bytes, size_t size, struct error *error)
{
	struct reading *reading = data;

	(void)error;
	canonical_digest_feed(reading->digest, bytes, size);
	return true;
}

static bool end(void *data, uint32_t uid, bool is_complete, struct error *error)
{
	struct reading *reading = data;
	struct content content = { 0 };

	(void)error;
	if (!is_complete || !uid_set_contains(reading->uids, uid))
		return true;
	canonical_digest_finish(reading->digest, &content);
	if (reading->part == REMOTE_CONTENT_HEADER) {
		content.has_hash = false;
		content.size = 0;
	}
	reading->taker->take(reading->taker->data, uid, &content);
	return true;
}

bool remote_content_read(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids,
	enum remote_content_part part, const struct remote_content_taker *taker,
	struct error *error)
{
	struct reading reading = {
		.uids = uids,
		.digest = canonical_digest_new(state_secret(account->state)),
		.part = part,
		.taker = taker,
	};
	const struct remote_sink sink = { begin, feed, end, &reading };
	bool is_done = remote_select(account->remote, folder->record.mailbox,
		folder->record.uid_validity, error);

	if (is_done && part == REMOTE_CONTENT_HEADER)
		is_done = remote_fetch_headers(
			account->remote, uids, &sink, NULL, error);
	else if (is_done)
		is_done = remote_fetch_bodies(
			account->remote, uids, &sink, NULL, error);
	canonical_digest_free(reading.digest);
	return is_done;
}
