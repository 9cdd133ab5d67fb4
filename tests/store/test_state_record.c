#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "state_sample.h"
#include "store/state_record.h"

#define ROUND_COUNT 3000

/* The record in memory of exactly its size, so that reading behind it shows. */
static struct record_bytes exact(const struct buf *record, uint8_t **memory)
{
	*memory = alloc(record->size, 1);
	if (record->size > 0)
		memcpy(*memory, record->data, record->size);
	return (struct record_bytes){ *memory, record->size };
}

static void test_every_pair_comes_back_as_it_was(void **fixture)
{
	struct sample_random random = { 1 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (uint64_t mid = 1; mid < ROUND_COUNT; mid++) {
		struct pair pair = sample_pair(&random, &arena, mid);
		struct pair read;
		uint8_t *memory;

		assert_true(record_pair_pack(&record, &pair, NULL));
		assert_true(record_pair_unpack(
			exact(&record, &memory), mid, &arena, &read));
		assert_true(sample_pairs_equal(&pair, &read));
		free(memory);
		arena_reset(&arena);
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_every_folder_comes_back_as_it_was(void **fixture)
{
	struct sample_random random = { 2 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (uint32_t i = 1; i < ROUND_COUNT; i++) {
		struct folder folder = sample_folder(&random, &arena, i);
		struct folder read;
		uint8_t *memory;

		assert_true(record_folder_pack(&record, &folder, NULL));
		assert_true(record_folder_unpack(
			exact(&record, &memory), i, &arena, &read));
		assert_true(sample_folders_equal(&folder, &read));
		uid_set_finish(&folder.frontier);
		uid_set_finish(&read.frontier);
		free(memory);
		arena_reset(&arena);
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_every_intent_tomb_and_entry_comes_back_as_it_was(
	void **fixture)
{
	struct sample_random random = { 3 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (uint64_t i = 1; i < ROUND_COUNT; i++) {
		struct intent intent = sample_intent(&random, i);
		struct tomb tomb = sample_tomb(&random, &arena, i);
		struct journal_entry entry = sample_entry(&random, &arena, i);
		struct intent intent_read;
		struct tomb tomb_read;
		struct journal_entry entry_read;

		record_intent_pack(&record, &intent);
		assert_true(record_intent_unpack(
			record_bytes(&record), i, &intent_read));
		assert_true(sample_intents_equal(&intent, &intent_read));
		record_tomb_pack(&record, &tomb);
		assert_true(record_tomb_unpack(
			record_bytes(&record), i, &arena, &tomb_read));
		assert_true(sample_tombs_equal(&tomb, &tomb_read));
		record_journal_pack(&record, &entry);
		assert_true(record_journal_unpack(
			record_bytes(&record), i, &arena, &entry_read));
		assert_true(sample_entries_equal(&entry, &entry_read));
		arena_reset(&arena);
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static bool unpack_any(
	unsigned kind, struct record_bytes bytes, struct arena *arena)
{
	struct pair pair;
	struct folder folder;
	struct intent intent;
	struct tomb tomb;
	struct journal_entry entry;
	bool is_whole;

	switch (kind) {
	case 0:
		return record_pair_unpack(bytes, 1, arena, &pair);
	case 1:
		is_whole = record_folder_unpack(bytes, 1, arena, &folder);
		if (is_whole)
			uid_set_finish(&folder.frontier);
		return is_whole;
	case 2:
		return record_intent_unpack(bytes, 1, &intent);
	case 3:
		return record_tomb_unpack(bytes, 1, arena, &tomb);
	default:
		return record_journal_unpack(bytes, 1, arena, &entry);
	}
}

static void pack_any(struct sample_random *random, unsigned kind,
	struct arena *arena, struct buf *record)
{
	struct pair pair = sample_pair(random, arena, 1);
	struct folder folder = sample_folder(random, arena, 1);
	struct intent intent = sample_intent(random, 1);
	struct tomb tomb = sample_tomb(random, arena, 1);
	struct journal_entry entry = sample_entry(random, arena, 1);

	if (kind == 0)
		assert_true(record_pair_pack(record, &pair, NULL));
	else if (kind == 1)
		assert_true(record_folder_pack(record, &folder, NULL));
	else if (kind == 2)
		record_intent_pack(record, &intent);
	else if (kind == 3)
		record_tomb_pack(record, &tomb);
	else
		record_journal_pack(record, &entry);
	uid_set_finish(&folder.frontier);
}

static void test_a_record_too_short_or_too_long_is_refused(void **fixture)
{
	struct sample_random random = { 4 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (unsigned i = 0; i < 100; i++) {
		unsigned kind = i % 5;

		pack_any(&random, kind, &arena, &record);
		for (size_t size = 0; size < record.size; size++) {
			struct buf cut = { 0 };
			uint8_t *memory;

			buf_add(&cut, record.data, size);
			assert_false(
				unpack_any(kind, exact(&cut, &memory), &arena));
			free(memory);
			buf_finish(&cut);
		}
		buf_add_byte(&record, 0);
		assert_false(unpack_any(kind, record_bytes(&record), &arena));
		arena_reset(&arena);
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_damaged_bytes_are_never_read_beyond_their_end(void **fixture)
{
	struct sample_random random = { 5 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *memory;
		struct record_bytes bytes;

		pack_any(&random, i % 5, &arena, &record);
		bytes = exact(&record, &memory);
		for (unsigned flip = 0; flip < 3; flip++)
			memory[sample_below(&random, bytes.size)] ^=
				(uint8_t)(1 << sample_below(&random, 8));
		(void)unpack_any(i % 5, bytes, &arena);
		free(memory);
		arena_reset(&arena);
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_another_version_is_refused(void **fixture)
{
	struct sample_random random = { 6 };
	struct arena arena = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	for (unsigned kind = 0; kind < 5; kind++) {
		pack_any(&random, kind, &arena, &record);
		record.data[0]++;
		assert_false(unpack_any(kind, record_bytes(&record), &arena));
	}
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_a_settled_pair_is_small(void **fixture)
{
	struct arena arena = { 0 };
	struct buf record = { 0 };
	struct pair pair = sample_settled(&arena, 123456);

	(void)fixture;
	assert_true(record_pair_pack(&record, &pair, NULL));
	assert_in_range(record.size, 100, 142); /* and 8 of checksum */
	buf_finish(&record);
	arena_finish(&arena);
}

static void test_a_name_that_is_too_long_is_an_error(void **fixture)
{
	char name[300];
	struct buf record = { 0 };
	struct pair pair = { .mid = 1 };
	struct error error = { 0 };

	(void)fixture;
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	pair.local.name = name;
	assert_false(record_pair_pack(&record, &pair, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	name[255] = '\0';
	assert_true(record_pair_pack(&record, &pair, NULL));
	buf_finish(&record);
}

static void test_words_to_people_are_cut_between_characters(void **fixture)
{
	static const struct {
		const char *text;
		size_t size_max;
		const char *expected;
	} CASES[] = {
		{ "abc", 3, "abc" },
		{ "abcd", 3, "abc" },
		{ "ab\xc3\xa4", 4, "ab\xc3\xa4" },
		{ "ab\xc3\xa4", 3, "ab" },
		{ "\xf0\x9f\x93\xa7x", 3, "" },
		{ "\xf0\x9f\x93\xa7x", 4, "\xf0\x9f\x93\xa7" },
		{ "", 0, "" },
	};
	struct arena arena = { 0 };

	(void)fixture;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct buf record = { 0 };
		struct unpacker unpacker;

		pack_text_cut(&record, CASES[i].text, CASES[i].size_max);
		unpacker = (struct unpacker){ record.data, record.size, false };
		assert_string_equal(
			unpack_text(&unpacker, &arena, 100), CASES[i].expected);
		assert_true(unpack_finish(&unpacker));
		buf_finish(&record);
	}
	arena_finish(&arena);
}

static void test_numbers_have_one_spelling(void **fixture)
{
	static const struct {
		uint8_t bytes[11];
		size_t size;
		bool is_good;
		uint64_t number;
	} CASES[] = {
		{ { 0x00 }, 1, true, 0 }, { { 0x7f }, 1, true, 127 },
		{ { 0x81, 0x00 }, 2, true, 128 },
		{ { 0x80, 0x01 }, 2, false, 0 }, /* leading zero */
		{ { 0x81 }, 1, false, 0 },       /* cut */
		{ { 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0x7f },
			10, true, UINT64_MAX },
		{ { 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			  0x00 },
			10, false, 0 }, /* 2^64 */
	};

	(void)fixture;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct unpacker unpacker = { CASES[i].bytes, CASES[i].size,
			false };
		uint64_t number = unpack_number(&unpacker);

		assert_int_equal(unpack_finish(&unpacker), CASES[i].is_good);
		if (CASES[i].is_good)
			assert_true(number == CASES[i].number);
	}
}

static void test_keywords_come_back_with_their_numbers(void **fixture)
{
	struct keyword_table table, read = { 0 };
	struct buf record = { 0 };

	(void)fixture;
	keyword_table_init(&table);
	assert_int_equal(
		keyword_table_intern(&table, "Work"), KEYWORD_FIXED_COUNT);
	assert_int_equal(keyword_table_intern(&table, "$label1"),
		KEYWORD_FIXED_COUNT + 1);
	record_keywords_pack(&record, &table);
	assert_true(record_keywords_unpack(record_bytes(&record), &read));
	assert_int_equal(read.count, table.count);
	for (unsigned i = 0; i < table.count; i++)
		assert_string_equal(read.names[i], table.names[i]);

	/* The second name becomes the first: its number would shift. */
	memcpy(record.data + 3, "$label1", 4);
	for (size_t size = 0; size < record.size; size++)
		assert_false(record_keywords_unpack(
			(struct record_bytes){ record.data, size }, &read));
	assert_int_equal(read.count, table.count);
	keyword_table_finish(&table);
	keyword_table_finish(&read);
	buf_finish(&record);
}

static void set_pieces(struct uid_set *set, size_t count)
{
	for (size_t i = (size_t)uid_set_count(set); i < count; i++)
		uid_set_add(set, (uint32_t)(2 * i + 1));
}

static void test_a_frontier_has_so_many_pieces(void **fixture)
{
	struct folder folder = { .folder_id = 1, .path = "INBOX" };
	struct folder read;
	struct arena arena = { 0 };
	struct buf record = { 0 };
	struct error error = { 0 };
	uint8_t *memory;

	(void)fixture;
	set_pieces(&folder.frontier, RECORD_RANGE_COUNT_MAX);
	assert_true(record_folder_pack(&record, &folder, &error));
	assert_true(record_folder_unpack(
		exact(&record, &memory), 1, &arena, &read));
	assert_true(uid_set_equal(&folder.frontier, &read.frontier));
	free(memory);
	set_pieces(&folder.frontier, RECORD_RANGE_COUNT_MAX + 1);
	assert_false(record_folder_pack(&record, &folder, &error));
	assert_int_equal(error.code, ERROR_LIMIT);
	uid_set_finish(&folder.frontier);
	uid_set_finish(&read.frontier);
	buf_finish(&record);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_comes_back_as_it_was),
		cmocka_unit_test(test_every_folder_comes_back_as_it_was),
		cmocka_unit_test(
			test_every_intent_tomb_and_entry_comes_back_as_it_was),
		cmocka_unit_test(
			test_a_record_too_short_or_too_long_is_refused),
		cmocka_unit_test(
			test_damaged_bytes_are_never_read_beyond_their_end),
		cmocka_unit_test(test_another_version_is_refused),
		cmocka_unit_test(test_a_settled_pair_is_small),
		cmocka_unit_test(test_a_name_that_is_too_long_is_an_error),
		cmocka_unit_test(
			test_words_to_people_are_cut_between_characters),
		cmocka_unit_test(test_numbers_have_one_spelling),
		cmocka_unit_test(test_keywords_come_back_with_their_numbers),
		cmocka_unit_test(test_a_frontier_has_so_many_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
