/* A settled pair is what a big account holds a million of, so it is small:
   flags and folders that are equal on all sides are one bit each, and what a
   settled pair does not have (failures, absence) takes no byte. */
#include "store/state_record.h"

enum {
	REMOTE_PRESENCE_SHIFT = 0,
	LOCAL_PRESENCE_SHIFT = 2,
	PRESENCE_MASK = 3,
	HOLD_SHIFT = 4,
	HOLD_MASK = 7,
	IS_SYNCED = 1 << 7,
	IS_NEW = 1 << 8,
	HAS_NAME = 1 << 9,
	HAS_REASON = 1 << 10,
	SAME_REMOTE_FLAGS = 1 << 11, /* as synced */
	SAME_LOCAL_FLAGS = 1 << 12,
	SAME_REMOTE_FOLDER = 1 << 13,
	SAME_LOCAL_FOLDER = 1 << 14,
	HAS_TROUBLE = 1 << 15, /* absence, failed attempts, a leftover */
};

static bool has_trouble(const struct pair *pair)
{
	return pair->remote.absent_since != 0 ||
		pair->local.absent_since != 0 || pair->attempt_count != 0 ||
		pair->retry_at != 0 || pair->local.is_leftover;
}

static unsigned bit(bool is_set, unsigned value)
{
	return is_set ? value : 0;
}

static unsigned pair_bits(const struct pair *pair)
{
	const struct synced_state *synced = &pair->synced;
	const struct remote_state *remote = &pair->remote;
	const struct local_state *local = &pair->local;

	return (unsigned)remote->presence << REMOTE_PRESENCE_SHIFT |
		(unsigned)local->presence << LOCAL_PRESENCE_SHIFT |
		(unsigned)pair->hold << HOLD_SHIFT |
		bit(synced->is_set, IS_SYNCED) | bit(local->is_new, IS_NEW) |
		bit(local->name != NULL, HAS_NAME) |
		bit(pair->reason != NULL, HAS_REASON) |
		bit(flags_equal(&remote->flags, &synced->flags),
			SAME_REMOTE_FLAGS) |
		bit(flags_equal(&local->flags, &synced->flags),
			SAME_LOCAL_FLAGS) |
		bit(remote->folder_id == synced->folder_id,
			SAME_REMOTE_FOLDER) |
		bit(local->folder_id == synced->folder_id, SAME_LOCAL_FOLDER) |
		bit(has_trouble(pair), HAS_TROUBLE);
}

static void pack_remote(
	struct buf *record, const struct remote_state *remote, unsigned bits)
{
	if ((bits & SAME_REMOTE_FOLDER) == 0)
		pack_number(record, remote->folder_id);
	if ((bits & SAME_REMOTE_FLAGS) == 0)
		pack_flags(record, &remote->flags);
	pack_number(record, remote->uid);
	pack_number(record, remote->modseq);
}

static void pack_local(
	struct buf *record, const struct local_state *local, unsigned bits)
{
	if ((bits & SAME_LOCAL_FOLDER) == 0)
		pack_number(record, local->folder_id);
	if ((bits & SAME_LOCAL_FLAGS) == 0)
		pack_flags(record, &local->flags);
	pack_number(record, local->device);
	pack_number(record, local->inode);
	pack_number(record, local->size);
	pack_signed(record, local->mtime);
}

static void pack_trouble(struct buf *record, const struct pair *pair)
{
	pack_number(record, pair->remote.absent_since);
	pack_number(record, pair->local.absent_since);
	pack_number(record, pair->attempt_count);
	pack_signed(record, pair->retry_at);
	pack_number(record, pair->local.is_leftover);
}

bool record_pair_pack(
	struct buf *record, const struct pair *pair, struct error *error)
{
	unsigned bits = pair_bits(pair);

	if (!record_check_text(
		    "file name", pair->local.name, RECORD_NAME_SIZE_MAX, error))
		return false;

	record_begin(record);
	pack_be16(record, (uint16_t)bits);
	pack_number(record, pair->synced.folder_id);
	pack_flags(record, &pair->synced.flags);
	pack_remote(record, &pair->remote, bits);
	pack_local(record, &pair->local, bits);
	if ((bits & HAS_TROUBLE) != 0)
		pack_trouble(record, pair);
	record_pack_content(record, &pair->content);
	if (pair->local.name != NULL)
		pack_text(record, pair->local.name);
	if (pair->reason != NULL)
		pack_text_cut(record, pair->reason, RECORD_WORDS_SIZE_MAX);
	return true;
}

static void unpack_remote(
	struct unpacker *unpacker, struct pair *pair, unsigned bits)
{
	struct remote_state *remote = &pair->remote;

	remote->presence =
		(enum presence)(bits >> REMOTE_PRESENCE_SHIFT & PRESENCE_MASK);
	remote->folder_id = pair->synced.folder_id;
	remote->flags = pair->synced.flags;
	if ((bits & SAME_REMOTE_FOLDER) == 0)
		remote->folder_id = unpack_u32(unpacker, UINT32_MAX);
	if ((bits & SAME_REMOTE_FLAGS) == 0)
		remote->flags = unpack_flags(unpacker);
	remote->uid = unpack_u32(unpacker, UINT32_MAX);
	remote->modseq = unpack_number(unpacker);
}

static void unpack_local(
	struct unpacker *unpacker, struct pair *pair, unsigned bits)
{
	struct local_state *local = &pair->local;

	local->presence =
		(enum presence)(bits >> LOCAL_PRESENCE_SHIFT & PRESENCE_MASK);
	local->is_new = (bits & IS_NEW) != 0;
	local->folder_id = pair->synced.folder_id;
	local->flags = pair->synced.flags;
	if ((bits & SAME_LOCAL_FOLDER) == 0)
		local->folder_id = unpack_u32(unpacker, UINT32_MAX);
	if ((bits & SAME_LOCAL_FLAGS) == 0)
		local->flags = unpack_flags(unpacker);
	local->device = unpack_number(unpacker);
	local->inode = unpack_number(unpacker);
	local->size = unpack_number(unpacker);
	local->mtime = unpack_signed(unpacker);
}

static void unpack_trouble(struct unpacker *unpacker, struct pair *pair)
{
	pair->remote.absent_since = unpack_number(unpacker);
	pair->local.absent_since = unpack_number(unpacker);
	pair->attempt_count = unpack_u32(unpacker, UINT32_MAX);
	pair->retry_at = unpack_signed(unpacker);
	pair->local.is_leftover = unpack_number(unpacker) != 0;
}

bool record_pair_unpack(struct record_bytes bytes, uint64_t mid,
	struct arena *arena, struct pair *pair_out)
{
	struct unpacker unpacker = record_unpacker(bytes);
	unsigned bits = unpack_be16(&unpacker);
	unsigned hold = bits >> HOLD_SHIFT & HOLD_MASK;
	struct pair pair = { .mid = mid };

	if (hold > HOLD_MAYBE_MOVED)
		return false;
	pair.hold = (enum hold)hold;
	pair.synced.is_set = (bits & IS_SYNCED) != 0;
	pair.synced.folder_id = unpack_u32(&unpacker, UINT32_MAX);
	pair.synced.flags = unpack_flags(&unpacker);
	unpack_remote(&unpacker, &pair, bits);
	unpack_local(&unpacker, &pair, bits);
	if ((bits & HAS_TROUBLE) != 0)
		unpack_trouble(&unpacker, &pair);
	pair.content = record_unpack_content(&unpacker);
	if ((bits & HAS_NAME) != 0)
		pair.local.name =
			unpack_text(&unpacker, arena, RECORD_NAME_SIZE_MAX);
	if ((bits & HAS_REASON) != 0)
		pair.reason =
			unpack_text(&unpacker, arena, RECORD_WORDS_SIZE_MAX);
	if (!unpack_finish(&unpacker))
		return false;
	*pair_out = pair;
	return true;
}
