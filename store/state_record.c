#include "store/state_record.h"

#include <assert.h>
#include <string.h>

enum {
	CONTENT_HAS_HASH = 1 << 0,
	CONTENT_HAS_MESSAGE_ID = 1 << 1,
	CONTENT_HAS_HEADER_HASH = 1 << 2,
	CONTENT_HAS_EMAIL_ID = 1 << 3,
	CONTENT_BITS_ALL = (1 << 4) - 1,
};

enum {
	TOMB_HAS_REASON = 1 << 0,
	TOMB_WAS_UNCERTAIN = 1 << 1,
	TOMB_BITS_ALL = (1 << 2) - 1,
};

enum {
	JOURNAL_IS_REMOTE = 1 << 0,
	JOURNAL_HAS_DETAIL = 1 << 1,
	JOURNAL_HAS_OUTCOME = 1 << 2,
	JOURNAL_BITS_ALL = (1 << 3) - 1,
};

struct record_bytes record_bytes(const struct buf *record)
{
	return (struct record_bytes){ record->data, record->size };
}

void record_begin(struct buf *record)
{
	buf_clear(record);
	buf_add_byte(record, RECORD_VERSION);
}

struct unpacker record_unpacker(struct record_bytes bytes)
{
	struct unpacker unpacker = { bytes.data, bytes.size, false };

	if (unpack_byte(&unpacker) != RECORD_VERSION)
		unpacker.has_failed = true;
	return unpacker;
}

bool record_check_text(const char *what, const char *text, size_t size_max,
	struct error *error)
{
	if (text == NULL || strnlen(text, size_max + 1) <= size_max)
		return true;
	return error_set(error, ERROR_LIMIT,
		"cannot record %s '%.40s...': longer than %zu bytes", what,
		text, size_max);
}

void record_pack_content(struct buf *record, const struct content *content)
{
	uint8_t bits = 0;

	if (content->has_hash)
		bits |= CONTENT_HAS_HASH;
	if (content->message_id != 0)
		bits |= CONTENT_HAS_MESSAGE_ID;
	if (content->header_hash != 0)
		bits |= CONTENT_HAS_HEADER_HASH;
	if (content->email_id != 0)
		bits |= CONTENT_HAS_EMAIL_ID;
	buf_add_byte(record, bits);
	pack_number(record, content->size);
	pack_signed(record, content->internal_date);
	if (content->has_hash)
		buf_add(record, content->hash, CONTENT_HASH_SIZE);
	if (content->message_id != 0)
		pack_be64(record, content->message_id);
	if (content->header_hash != 0)
		pack_be64(record, content->header_hash);
	if (content->email_id != 0)
		pack_be64(record, content->email_id);
}

struct content record_unpack_content(struct unpacker *unpacker)
{
	struct content content = { 0 };
	uint8_t bits = unpack_byte(unpacker);

	if ((bits & ~CONTENT_BITS_ALL) != 0)
		unpacker->has_failed = true;
	content.size = unpack_number(unpacker);
	content.internal_date = unpack_signed(unpacker);
	content.has_hash = (bits & CONTENT_HAS_HASH) != 0;
	if (content.has_hash)
		unpack_bytes(unpacker, content.hash, CONTENT_HASH_SIZE);
	if ((bits & CONTENT_HAS_MESSAGE_ID) != 0)
		content.message_id = unpack_be64(unpacker);
	if ((bits & CONTENT_HAS_HEADER_HASH) != 0)
		content.header_hash = unpack_be64(unpacker);
	if ((bits & CONTENT_HAS_EMAIL_ID) != 0)
		content.email_id = unpack_be64(unpacker);
	return content;
}

void record_intent_pack(struct buf *record, const struct intent *intent)
{
	record_begin(record);
	buf_add_byte(record, (uint8_t)intent->kind);
	buf_add_byte(record, (uint8_t)intent->phase);
	pack_number(record, intent->mid);
	pack_number(record, intent->folder_id);
	pack_number(record, intent->uid);
	pack_number(record, intent->modseq);
	pack_number(record, intent->to_folder_id);
	pack_number(record, intent->uid_validity);
	pack_number(record, intent->uid_next);
	pack_flags(record, &intent->flags);
	record_pack_content(record, &intent->content);
	pack_number(record, intent->attempt_count);
	pack_signed(record, intent->time);
}

bool record_intent_unpack(struct record_bytes bytes, uint64_t intent_id,
	struct intent *intent_out)
{
	struct unpacker unpacker = record_unpacker(bytes);
	unsigned kind = unpack_byte(&unpacker);
	unsigned phase = unpack_byte(&unpacker);
	struct intent intent = { .intent_id = intent_id };

	if (kind > INTENT_DELETE_LOCAL || phase > INTENT_UNBOUND)
		return false;
	intent.kind = (enum intent_kind)kind;
	intent.phase = (enum intent_phase)phase;
	intent.mid = unpack_number(&unpacker);
	intent.folder_id = unpack_u32(&unpacker, UINT32_MAX);
	intent.uid = unpack_u32(&unpacker, UINT32_MAX);
	intent.modseq = unpack_number(&unpacker);
	intent.to_folder_id = unpack_u32(&unpacker, UINT32_MAX);
	intent.uid_validity = unpack_u32(&unpacker, UINT32_MAX);
	intent.uid_next = unpack_u32(&unpacker, UINT32_MAX);
	intent.flags = unpack_flags(&unpacker);
	intent.content = record_unpack_content(&unpacker);
	intent.attempt_count = unpack_u32(&unpacker, UINT32_MAX);
	intent.time = unpack_signed(&unpacker);
	if (!unpack_finish(&unpacker))
		return false;
	*intent_out = intent;
	return true;
}

void record_tomb_pack(struct buf *record, const struct tomb *tomb)
{
	uint8_t bits = 0;

	if (tomb->reason != NULL)
		bits |= TOMB_HAS_REASON;
	if (tomb->was_uncertain_upload)
		bits |= TOMB_WAS_UNCERTAIN;
	record_begin(record);
	buf_add_byte(record, bits);
	pack_number(record, tomb->folder_id);
	pack_number(record, tomb->uid);
	if (tomb->was_uncertain_upload)
		pack_number(record, tomb->uid_validity);
	pack_signed(record, tomb->time);
	record_pack_content(record, &tomb->content);
	if (tomb->reason != NULL)
		pack_text_cut(record, tomb->reason, RECORD_WORDS_SIZE_MAX);
}

bool record_tomb_unpack(struct record_bytes bytes, uint64_t mid,
	struct arena *arena, struct tomb *tomb_out)
{
	struct unpacker unpacker = record_unpacker(bytes);
	unsigned bits = unpack_byte(&unpacker);
	struct tomb tomb = { .mid = mid };

	if ((bits & ~(unsigned)TOMB_BITS_ALL) != 0)
		return false;
	tomb.was_uncertain_upload = (bits & TOMB_WAS_UNCERTAIN) != 0;
	tomb.folder_id = unpack_u32(&unpacker, UINT32_MAX);
	tomb.uid = unpack_u32(&unpacker, UINT32_MAX);
	if (tomb.was_uncertain_upload)
		tomb.uid_validity = unpack_u32(&unpacker, UINT32_MAX);
	tomb.time = unpack_signed(&unpacker);
	tomb.content = record_unpack_content(&unpacker);
	if ((bits & TOMB_HAS_REASON) != 0)
		tomb.reason =
			unpack_text(&unpacker, arena, RECORD_WORDS_SIZE_MAX);
	if (!unpack_finish(&unpacker))
		return false;
	*tomb_out = tomb;
	return true;
}

void record_journal_pack(struct buf *record, const struct journal_entry *entry)
{
	uint8_t bits = 0;

	if (entry->side == JOURNAL_REMOTE)
		bits |= JOURNAL_IS_REMOTE;
	if (entry->detail != NULL)
		bits |= JOURNAL_HAS_DETAIL;
	if (entry->outcome != NULL)
		bits |= JOURNAL_HAS_OUTCOME;
	record_begin(record);
	buf_add_byte(record, bits);
	pack_signed(record, entry->time);
	pack_number(record, entry->mid);
	pack_number(record, entry->folder_id);
	pack_text_cut(record, entry->change, RECORD_WORDS_SIZE_MAX);
	if (entry->detail != NULL)
		pack_text_cut(record, entry->detail, RECORD_WORDS_SIZE_MAX);
	if (entry->outcome != NULL)
		pack_text_cut(record, entry->outcome, RECORD_WORDS_SIZE_MAX);
}

bool record_journal_unpack(struct record_bytes bytes, uint64_t sequence,
	struct arena *arena, struct journal_entry *entry_out)
{
	struct unpacker unpacker = record_unpacker(bytes);
	unsigned bits = unpack_byte(&unpacker);
	struct journal_entry entry = { .sequence = sequence };

	if ((bits & ~(unsigned)JOURNAL_BITS_ALL) != 0)
		return false;
	if ((bits & JOURNAL_IS_REMOTE) != 0)
		entry.side = JOURNAL_REMOTE;
	entry.time = unpack_signed(&unpacker);
	entry.mid = unpack_number(&unpacker);
	entry.folder_id = unpack_u32(&unpacker, UINT32_MAX);
	entry.change = unpack_text(&unpacker, arena, RECORD_WORDS_SIZE_MAX);
	if ((bits & JOURNAL_HAS_DETAIL) != 0)
		entry.detail =
			unpack_text(&unpacker, arena, RECORD_WORDS_SIZE_MAX);
	if ((bits & JOURNAL_HAS_OUTCOME) != 0)
		entry.outcome =
			unpack_text(&unpacker, arena, RECORD_WORDS_SIZE_MAX);
	if (!unpack_finish(&unpacker))
		return false;
	*entry_out = entry;
	return true;
}

/* The fixed names are the program's, only the others are recorded. */
void record_keywords_pack(struct buf *record, const struct keyword_table *table)
{
	assert(table->count >= KEYWORD_FIXED_COUNT);
	record_begin(record);
	pack_number(record, table->count - KEYWORD_FIXED_COUNT);
	for (unsigned i = KEYWORD_FIXED_COUNT; i < table->count; i++)
		pack_text(record, table->names[i]);
}

static bool unpack_keywords(struct unpacker *unpacker, struct arena *arena,
	struct keyword_table *table)
{
	uint32_t count =
		unpack_u32(unpacker, KEYWORD_COUNT_MAX - KEYWORD_FIXED_COUNT);

	for (uint32_t i = 0; i < count; i++) {
		const char *name =
			unpack_text(unpacker, arena, KEYWORD_SIZE_MAX);
		int number = (int)(KEYWORD_FIXED_COUNT + i);

		/* A name met twice would shift the numbers behind it. */
		if (name == NULL || keyword_table_intern(table, name) != number)
			return false;
	}
	return unpack_finish(unpacker);
}

bool record_keywords_unpack(
	struct record_bytes bytes, struct keyword_table *table)
{
	struct unpacker unpacker = record_unpacker(bytes);
	struct keyword_table fresh;
	struct arena arena = { 0 };
	bool is_whole;

	keyword_table_init(&fresh);
	is_whole = unpack_keywords(&unpacker, &arena, &fresh);
	arena_finish(&arena);
	if (!is_whole) {
		keyword_table_finish(&fresh);
		return false;
	}
	keyword_table_finish(table);
	*table = fresh;
	return true;
}
