#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/state_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unpacks a record of the kind and packs what it says into `record`. */
static bool repack(unsigned kind, struct record_bytes bytes,
	struct arena *arena, struct buf *record)
{
	struct pair pair;
	struct folder folder;
	struct intent intent;
	struct tomb tomb;
	struct journal_entry entry;
	struct keyword_table table = { 0 };
	bool is_whole = false;

	if (kind == 0 && record_pair_unpack(bytes, 1, arena, &pair)) {
		is_whole = record_pair_pack(record, &pair, NULL);
	} else if (kind == 1 &&
		record_folder_unpack(bytes, 1, arena, &folder)) {
		is_whole = record_folder_pack(record, &folder, NULL);
		uid_set_finish(&folder.frontier);
	} else if (kind == 2 && record_intent_unpack(bytes, 1, &intent)) {
		record_intent_pack(record, &intent);
		is_whole = true;
	} else if (kind == 3 && record_tomb_unpack(bytes, 1, arena, &tomb)) {
		record_tomb_pack(record, &tomb);
		is_whole = true;
	} else if (kind == 4 &&
		record_journal_unpack(bytes, 1, arena, &entry)) {
		record_journal_pack(record, &entry);
		is_whole = true;
	} else if (kind == 5 && record_keywords_unpack(bytes, &table)) {
		record_keywords_pack(record, &table);
		keyword_table_finish(&table);
		is_whole = true;
	}
	return is_whole;
}

/* The first byte is the kind. What can be read can be written, and says the
   same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct buf first = { 0 };
	struct buf second = { 0 };

	if (size > 0 &&
		repack(data[0], (struct record_bytes){ data + 1, size - 1 },
			&arena, &first)) {
		if (!repack(data[0], record_bytes(&first), &arena, &second) ||
			first.size != second.size ||
			memcmp(first.data, second.data, first.size) != 0)
			abort();
	}
	buf_finish(&first);
	buf_finish(&second);
	arena_finish(&arena);
	return 0;
}
