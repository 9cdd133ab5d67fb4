#include "store/state_record.h"

enum {
	HAS_REMOTE = 1 << 0,
	HAS_LOCAL = 1 << 1,
	IS_SELECTABLE = 1 << 2,
	IS_DISCARD = 1 << 3,
	IS_ALL = 1 << 4,
	HAS_NO_MODSEQ = 1 << 5,
	ALLOWS_NEW_KEYWORDS = 1 << 6,
	IS_READ_ONLY = 1 << 7,
	IS_APPROVED = 1 << 8,
	HAS_PATH = 1 << 9,
	HAS_MAILBOX = 1 << 10,
	HAS_MAILBOX_ID = 1 << 11,
	HAS_SPECIAL_USE = 1 << 12,
	HAS_REASON = 1 << 13,
	HAS_ERROR = 1 << 14,
	BITS_ALL = (1 << 15) - 1,
};

static unsigned bit(bool is_set, unsigned value)
{
	return is_set ? value : 0;
}

static unsigned folder_bits(const struct folder *folder)
{
	return bit(folder->has_remote, HAS_REMOTE) |
		bit(folder->has_local, HAS_LOCAL) |
		bit(folder->is_selectable, IS_SELECTABLE) |
		bit(folder->is_discard, IS_DISCARD) |
		bit(folder->is_all, IS_ALL) |
		bit(folder->has_no_modseq, HAS_NO_MODSEQ) |
		bit(folder->allows_new_keywords, ALLOWS_NEW_KEYWORDS) |
		bit(folder->is_read_only, IS_READ_ONLY) |
		bit(folder->is_approved, IS_APPROVED) |
		bit(folder->path != NULL, HAS_PATH) |
		bit(folder->mailbox != NULL, HAS_MAILBOX) |
		bit(folder->mailbox_id != NULL, HAS_MAILBOX_ID) |
		bit(folder->special_use != NULL, HAS_SPECIAL_USE) |
		bit(folder->reason != NULL, HAS_REASON) |
		bit(folder->error != NULL, HAS_ERROR);
}

static bool check_texts(const struct folder *folder, struct error *error)
{
	return record_check_text("folder name", folder->path,
		       RECORD_PATH_SIZE_MAX, error) &&
		record_check_text("mailbox name", folder->mailbox,
			RECORD_PATH_SIZE_MAX, error) &&
		record_check_text("mailbox id", folder->mailbox_id,
			RECORD_ID_SIZE_MAX, error) &&
		record_check_text("special-use attribute", folder->special_use,
			RECORD_ID_SIZE_MAX, error);
}

static void pack_remote_part(struct buf *record, const struct folder *folder)
{
	buf_add_byte(record, (uint8_t)folder->delimiter);
	pack_number(record, folder->uid_validity);
	pack_number(record, folder->uid_next);
	pack_number(record, folder->exists);
	pack_number(record, folder->highest_modseq);
	pack_flags(record, &folder->permanent_flags);
	pack_number(record, folder->append_limit);
}

static void pack_local_part(struct buf *record, const struct folder *folder)
{
	pack_number(record, folder->device);
	pack_number(record, folder->inode);
	pack_signed(record, folder->new_mtime_ns);
	pack_signed(record, folder->cur_mtime_ns);
	pack_signed(record, folder->scanned_at_ns);
	pack_number(record, folder->scan_count);
}

static void pack_deletions(struct buf *record, const struct folder *folder)
{
	pack_signed(record, folder->deletion_slot);
	for (size_t i = 0; i < FOLDER_DELETION_SLOTS; i++) {
		pack_number(record, folder->deleted_remote[i]);
		pack_number(record, folder->deleted_local[i]);
	}
}

static void pack_texts(struct buf *record, const struct folder *folder)
{
	if (folder->path != NULL)
		pack_text(record, folder->path);
	if (folder->mailbox != NULL)
		pack_text(record, folder->mailbox);
	if (folder->mailbox_id != NULL)
		pack_text(record, folder->mailbox_id);
	if (folder->special_use != NULL)
		pack_text(record, folder->special_use);
	if (folder->reason != NULL)
		pack_text_cut(record, folder->reason, RECORD_WORDS_SIZE_MAX);
	if (folder->error != NULL)
		pack_text_cut(record, folder->error, RECORD_WORDS_SIZE_MAX);
}

/* Each range as its distance from the one before and its length. */
static void pack_ranges(struct buf *record, const struct uid_set *set)
{
	uint32_t last = 0;

	pack_number(record, set->range_count);
	for (size_t i = 0; i < set->range_count; i++) {
		const struct uid_range *range = &set->ranges[i];

		pack_number(record, range->first - last);
		pack_number(record, range->last - range->first);
		last = range->last;
	}
}

bool record_folder_pack(
	struct buf *record, const struct folder *folder, struct error *error)
{
	if (!check_texts(folder, error))
		return false;
	if (folder->frontier.range_count > RECORD_RANGE_COUNT_MAX)
		return error_set(error, ERROR_LIMIT,
			"cannot record folder %u: its UIDs are in %zu pieces",
			folder->folder_id, folder->frontier.range_count);

	record_begin(record);
	pack_be16(record, (uint16_t)folder_bits(folder));
	buf_add_byte(record, (uint8_t)folder->state);
	pack_remote_part(record, folder);
	pack_local_part(record, folder);
	pack_deletions(record, folder);
	pack_signed(record, folder->last_success);
	pack_texts(record, folder);
	pack_ranges(record, &folder->frontier);
	return true;
}

static void unpack_bits(struct folder *folder, unsigned bits)
{
	folder->has_remote = (bits & HAS_REMOTE) != 0;
	folder->has_local = (bits & HAS_LOCAL) != 0;
	folder->is_selectable = (bits & IS_SELECTABLE) != 0;
	folder->is_discard = (bits & IS_DISCARD) != 0;
	folder->is_all = (bits & IS_ALL) != 0;
	folder->has_no_modseq = (bits & HAS_NO_MODSEQ) != 0;
	folder->allows_new_keywords = (bits & ALLOWS_NEW_KEYWORDS) != 0;
	folder->is_read_only = (bits & IS_READ_ONLY) != 0;
	folder->is_approved = (bits & IS_APPROVED) != 0;
}

static void unpack_remote_part(struct unpacker *unpacker, struct folder *folder)
{
	folder->delimiter = (char)unpack_byte(unpacker);
	folder->uid_validity = unpack_u32(unpacker, UINT32_MAX);
	folder->uid_next = unpack_u32(unpacker, UINT32_MAX);
	folder->exists = unpack_u32(unpacker, UINT32_MAX);
	folder->highest_modseq = unpack_number(unpacker);
	folder->permanent_flags = unpack_flags(unpacker);
	folder->append_limit = unpack_number(unpacker);
}

static void unpack_local_part(struct unpacker *unpacker, struct folder *folder)
{
	folder->device = unpack_number(unpacker);
	folder->inode = unpack_number(unpacker);
	folder->new_mtime_ns = unpack_signed(unpacker);
	folder->cur_mtime_ns = unpack_signed(unpacker);
	folder->scanned_at_ns = unpack_signed(unpacker);
	folder->scan_count = unpack_number(unpacker);
}

static void unpack_deletions(struct unpacker *unpacker, struct folder *folder)
{
	folder->deletion_slot = unpack_signed(unpacker);
	for (size_t i = 0; i < FOLDER_DELETION_SLOTS; i++) {
		folder->deleted_remote[i] = unpack_u32(unpacker, UINT32_MAX);
		folder->deleted_local[i] = unpack_u32(unpacker, UINT32_MAX);
	}
}

static const char *unpack_optional(struct unpacker *unpacker,
	struct arena *arena, bool is_there, size_t size_max)
{
	return is_there ? unpack_text(unpacker, arena, size_max) : NULL;
}

static void unpack_texts(struct unpacker *unpacker, struct arena *arena,
	struct folder *folder, unsigned bits)
{
	folder->path = unpack_optional(
		unpacker, arena, (bits & HAS_PATH) != 0, RECORD_PATH_SIZE_MAX);
	folder->mailbox = unpack_optional(unpacker, arena,
		(bits & HAS_MAILBOX) != 0, RECORD_PATH_SIZE_MAX);
	folder->mailbox_id = unpack_optional(unpacker, arena,
		(bits & HAS_MAILBOX_ID) != 0, RECORD_ID_SIZE_MAX);
	folder->special_use = unpack_optional(unpacker, arena,
		(bits & HAS_SPECIAL_USE) != 0, RECORD_ID_SIZE_MAX);
	folder->reason = unpack_optional(unpacker, arena,
		(bits & HAS_REASON) != 0, RECORD_WORDS_SIZE_MAX);
	folder->error = unpack_optional(unpacker, arena,
		(bits & HAS_ERROR) != 0, RECORD_WORDS_SIZE_MAX);
}

/* False on a range that touches, overlaps or precedes the one before. */
static bool unpack_range(struct unpacker *unpacker, struct uid_set *set)
{
	uint64_t last = uid_set_last(set);
	uint64_t first = last + unpack_u32(unpacker, UINT32_MAX);
	uint64_t end = first + unpack_u32(unpacker, UINT32_MAX);

	if (unpacker->has_failed || end > UINT32_MAX)
		return false;
	if (first == 0 || (last != 0 && first < last + 2))
		return false;
	uid_set_add_range(set, (uint32_t)first, (uint32_t)end);
	return true;
}

static bool unpack_ranges(struct unpacker *unpacker, struct uid_set *set)
{
	uint32_t count = unpack_u32(unpacker, RECORD_RANGE_COUNT_MAX);

	for (uint32_t i = 0; i < count; i++)
		if (!unpack_range(unpacker, set))
			return false;
	return unpack_finish(unpacker);
}

bool record_folder_unpack(struct record_bytes bytes, uint32_t folder_id,
	struct arena *arena, struct folder *folder_out)
{
	struct unpacker unpacker = record_unpacker(bytes);
	unsigned bits = unpack_be16(&unpacker);
	unsigned folder_state = unpack_byte(&unpacker);
	struct folder folder = { .folder_id = folder_id };

	if ((bits & ~(unsigned)BITS_ALL) != 0 ||
		folder_state > FOLDER_EMPTYING_REMOTE)
		return false;
	folder.state = (enum folder_state)folder_state;
	unpack_bits(&folder, bits);
	unpack_remote_part(&unpacker, &folder);
	unpack_local_part(&unpacker, &folder);
	unpack_deletions(&unpacker, &folder);
	folder.last_success = unpack_signed(&unpacker);
	unpack_texts(&unpacker, arena, &folder, bits);
	if (!unpack_ranges(&unpacker, &folder.frontier)) {
		uid_set_finish(&folder.frontier);
		return false;
	}
	*folder_out = folder;
	return true;
}
