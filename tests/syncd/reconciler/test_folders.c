/* Folders as lines: `remote`, `local` and `records` list PATH, #MAILBOXID,
   :UIDVALIDITY, @INODE and !LETTERS in this order; the plan is read back as
   text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "syncd/reconciler/folders.h"

#define FOLDER_COUNT_MAX 16

struct word {
	const char *path, *id, *letters;
	uint32_t validity, inode;
};

struct row {
	const char *remote, *local, *records, *plan;
};

/* The part behind `mark`, or NULL. */
static const char *part(struct arena *arena, const char *word, char mark)
{
	const char *found = strchr(word, mark);

	if (found == NULL)
		return NULL;
	return arena_text_sized(arena, found + 1, strcspn(found + 1, "#:@!"));
}

static uint32_t number_of(const char *text)
{
	uint32_t number = 0;

	for (; text != NULL && *text != 0; text++)
		number = number * 10 + (uint32_t)(*text - '0');
	return number;
}

static size_t split(struct arena *arena, const char *line, struct word *words)
{
	size_t count = 0;

	for (line += strspn(line, " "); *line != 0; line += strspn(line, " ")) {
		size_t size = strcspn(line, " ");
		char *word = arena_text_sized(arena, line, size);
		struct word *out = &words[count++];

		assert_true(count < FOLDER_COUNT_MAX);
		out->path =
			arena_text_sized(arena, word, strcspn(word, "#:@!"));
		out->id = part(arena, word, '#');
		out->validity = number_of(part(arena, word, ':'));
		out->inode = number_of(part(arena, word, '@'));
		out->letters = part(arena, word, '!');
		if (out->letters == NULL)
			out->letters = "";
		line += size;
	}
	return count;
}

static const char *kind_name(enum folder_operation_kind kind)
{
	static const char *const names[] = {
		[FOLDER_ADOPT] = "adopt",
		[FOLDER_CREATE_LOCAL] = "create-local",
		[FOLDER_CREATE_REMOTE] = "create-remote",
		[FOLDER_RENAME_LOCAL] = "rename-local",
		[FOLDER_RENAME_REMOTE] = "rename-remote",
		[FOLDER_EMPTY_LOCAL] = "empty-local",
		[FOLDER_EMPTY_REMOTE] = "empty-remote",
		[FOLDER_FORGET] = "forget",
		[FOLDER_RECORD_RENAME] = "record",
		[FOLDER_HOLD] = "hold",
	};

	return names[kind];
}

static void write_plan(struct buf *buf, const struct folders_plan *plan)
{
	for (size_t i = 0; i < plan->operation_count; i++) {
		const struct folder_operation *operation = &plan->operations[i];

		buf_add_format(buf, "%s%s", i == 0 ? "" : ", ",
			kind_name(operation->kind));
		if (operation->folder_id != 0)
			buf_add_format(buf, " %u", operation->folder_id);
		if (operation->path != NULL)
			buf_add_format(buf, " %s", operation->path);
		if (operation->new_path != NULL)
			buf_add_format(buf, " > %s", operation->new_path);
		if (operation->kind == FOLDER_HOLD)
			assert_non_null(operation->reason);
	}
}

/* Letters of a record: l, r removable there; L, R was never there; o on its way
   out; h held; u undecided; N no agreed path. Of a mailbox: n not selectable.
 */
static struct folders_input read_row(struct arena *arena, const struct row *row)
{
	struct word words[FOLDER_COUNT_MAX] = { 0 };
	struct folder_remote *remote =
		arena_alloc(arena, FOLDER_COUNT_MAX, sizeof(*remote));
	struct folder_local *local =
		arena_alloc(arena, FOLDER_COUNT_MAX, sizeof(*local));
	struct folder_record *records =
		arena_alloc(arena, FOLDER_COUNT_MAX, sizeof(*records));
	struct folders_input input = {
		.remote = remote,
		.local = local,
		.records = records,
		.remote_is_known = true,
		.local_is_known = true,
	};

	input.remote_count = split(arena, row->remote, words);
	for (size_t i = 0; i < input.remote_count; i++)
		remote[i] = (struct folder_remote){ words[i].path, words[i].id,
			words[i].validity,
			strchr(words[i].letters, 'n') == NULL };
	input.local_count = split(arena, row->local, words);
	for (size_t i = 0; i < input.local_count; i++)
		local[i] = (struct folder_local){ words[i].path, 1,
			words[i].inode };
	input.record_count = split(arena, row->records, words);
	for (size_t i = 0; i < input.record_count; i++) {
		const char *letters = words[i].letters;

		records[i] = (struct folder_record){
			.folder_id = (uint32_t)i + 1,
			.path = strchr(letters, 'N') == NULL ? words[i].path
							     : NULL,
			.mailbox_id = words[i].id,
			.uid_validity = words[i].validity,
			.device = 1,
			.inode = words[i].inode,
			.had_remote = strchr(letters, 'R') == NULL,
			.had_local = strchr(letters, 'L') == NULL,
			.is_removable_local = strchr(letters, 'l') != NULL,
			.is_removable_remote = strchr(letters, 'r') != NULL,
			.is_leaving = strchr(letters, 'o') != NULL,
			.is_undecided = strchr(letters, 'u') != NULL,
			.is_held = strchr(letters, 'h') != NULL,
		};
	}
	return input;
}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena arena = { 0 };
		struct buf buf = { 0 };
		struct folders_input input = read_row(&arena, &rows[i]);
		struct folders_plan plan = folders_plan_make(&arena, &input);

		write_plan(&buf, &plan);
		if (strcmp(buf_text(&buf), rows[i].plan) != 0)
			fail_msg("%s | %s | %s:\n  want: %s\n  have: %s",
				rows[i].remote, rows[i].local, rows[i].records,
				rows[i].plan, buf_text(&buf));
		buf_finish(&buf);
		arena_finish(&arena);
	}
}

static void test_folders_appear_on_the_side_that_lacks_them(void **state)
{
	static const struct row rows[] = {
		{ "INBOX", "INBOX@1", "", "adopt INBOX" },
		{ "INBOX A", "", "", "create-local A, create-local INBOX" },
		{ "INBOX", "INBOX@1 W/2@3 W@2", "INBOX@1",
			"create-remote W, create-remote W/2" },
		{ "INBOX A", "INBOX A", "INBOX A", "" },
		/* A parent that cannot be selected is no folder. */
		{ "P!n P/c", "", "", "create-local P/c" },
		/* INBOX is never made on the server. */
		{ "", "INBOX@1", "", "" },
		/* Another directory, another mailbox in its place. */
		{ "A", "A@2", "A@1", "adopt 1 A" },
		{ "A#j", "A@1", "A#i@1", "adopt 1 A" },
		/* Half made, and again. */
		{ "A", "", "A!L", "create-local 1 A" },
		{ "", "A@1", "A@1!R", "create-remote 1 A" },
		{ "A", "A@1", "A@1!R", "adopt 1 A" },
		/* Gone on one side, and there again. */
		{ "A", "A@1", "A@1!o", "adopt 1 A" },
		{ "A#i", "A@1", "A#i@1!N", "adopt 1 A" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_a_rename_is_followed(void **state)
{
	static const struct row rows[] = {
		{ "A", "B@1", "A@1", "rename-remote 1 A > B" },
		{ "B#i", "A@1", "A#i@1", "rename-local 1 A > B" },
		{ "B:7", "A@1", "A:7@1", "rename-local 1 A > B" },
		{ "B#i", "B@1", "A#i@1", "record 1 A > B" },
		/* Both, differently: the server's name. */
		{ "C#i", "B@1", "A#i@1", "rename-local 1 B > C" },
		/* Children go with it. */
		{ "A A/x A/y", "B@1 B/x@2 B/y@3", "A@1 A/x@2 A/y@3",
			"rename-remote 1 A > B" },
		{ "B#i B/x#j", "A@1 A/x@2", "A#i@1 A/x#j@2",
			"rename-local 1 A > B" },
		{ "A A/x", "B@1 B/z@2", "A@1 A/x@2",
			"rename-remote 1 A > B, rename-remote 2 B/x > B/z" },
		{ "A A/x", "B@1 x@2", "A@1 A/x@2",
			"rename-remote 1 A > B, rename-remote 2 B/x > x" },
		/* A validity that others share says nothing. */
		{ "B:7 C:7", "A@1 C@2", "A:7@1!l C:7@2",
			"create-local B, empty-local 1 A" },
		{ "B:7", "A@1 C@2", "A:7@1!l C:7@2!l",
			"create-local B, empty-local 2 C, empty-local 1 A" },
		/* An id that contradicts says it is another mailbox. */
		{ "B#j:7", "A@1", "A#i:7@1!l",
			"create-local B, empty-local 1 A" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_swaps_and_cycles_go_through_a_temporary_name(void **state)
{
	static const struct row rows[] = {
		{ "A B", "B@1 A@2", "A@1 B@2",
			"rename-remote 2 B > B-renaming-1, "
			"rename-remote 1 A > B, "
			"rename-remote 2 B-renaming-1 > A" },
		{ "B#i A#j", "A@1 B@2", "A#i@1 B#j@2",
			"rename-local 2 B > B-renaming-1, "
			"rename-local 1 A > B, "
			"rename-local 2 B-renaming-1 > A" },
		{ "A B C", "B@1 C@2 A@3", "A@1 B@2 C@3",
			"rename-remote 3 C > C-renaming-1, "
			"rename-remote 2 B > C, rename-remote 1 A > B, "
			"rename-remote 3 C-renaming-1 > A" },
		/* A child that may not move along. */
		{ "b#i b/c#j b/a/c#k", "b/a@1 b/c@2 b/a/c@3",
			"b/a#i@1 b/c#j@2 b/a/c#k@3",
			"rename-local 3 b/a/c > b/a/c-renaming-1, "
			"rename-local 1 b/a > b, "
			"rename-local 3 b/c-renaming-1 > b/a/c" },
		/* A chain needs none. */
		{ "A B", "B@1 C@2", "A@1 B@2",
			"rename-remote 2 B > C, rename-remote 1 A > B" },
		/* Below itself, and above. */
		{ "A", "A/B@1", "A@1",
			"rename-remote 1 A > A-renaming-1, "
			"rename-remote 1 A-renaming-1 > A/B" },
		{ "A/B", "A@1", "A/B@1", "rename-remote 1 A/B > A" },
		/* Parent and child change places. */
		{ "A A/B", "A/B@1 A@2", "A@1 A/B@2",
			"rename-remote 1 A > A-renaming-1, "
			"rename-remote 2 A-renaming-1/B > A, "
			"rename-remote 1 A-renaming-1 > A/B" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_an_interrupted_rename_is_finished(void **state)
{
	static const struct row rows[] = {
		{ "A-renaming-1#i B#j", "B@1 A@2", "A#i@1 B#j@2",
			"rename-remote 2 B > A, "
			"rename-remote 1 A-renaming-1 > B" },
		{ "A#i", "A-renaming-1@1", "A#i@1",
			"rename-local 1 A-renaming-1 > A" },
		{ "A-renaming-1#i", "A@1", "A#i@1",
			"rename-remote 1 A-renaming-1 > A" },
		/* What is below it went along. */
		{ "A#i A/x#j", "A-renaming-1@1 A-renaming-1/x@2",
			"A#i@1 A/x#j@2", "rename-local 1 A-renaming-1 > A" },
		/* The second of three was carried out, not recorded. Looked at
		   under the old names they would seem undecided. */
		{ "B-renaming-1#j B#i", "B@1 A@2", "A#i@1!u B-renaming-1#j@2!u",
			"record 1 A > B, rename-remote 2 B-renaming-1 > A" },
		/* Carried out here, not recorded, and the server gives no
		   identity: by then both have the new name. */
		{ "B:8", "B@1", "A:7@1", "record 1 A > B" },
		{ "B:8 C", "B@1 C@2", "A:7@1", "record 1 A > B, adopt C" },
		{ "B", "B@2", "A@1", "adopt B, forget 1 A" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_a_folder_that_is_gone_goes_only_when_it_may(void **state)
{
	static const struct row rows[] = {
		{ "", "A@1", "A@1!l", "empty-local 1 A" },
		{ "", "A@1", "A@1", "create-remote 1 A" },
		{ "A", "", "A@1!r", "empty-remote 1 A" },
		{ "A", "", "A@1", "create-local 1 A" },
		{ "", "", "A@1", "forget 1 A" },
		{ "A!n", "A@1", "A@1!l", "empty-local 1 A" },
		{ "", "A@1 A/x@2", "A@1!l A/x@2!l",
			"empty-local 2 A/x, empty-local 1 A" },
		/* Renamed where it still is: under its new name. */
		{ "B#i", "", "A#i@1!r", "record 1 A > B, empty-remote 1 B" },
		{ "B#i", "", "A#i@1", "record 1 A > B, create-local 1 B" },
		{ "", "B@1", "A#i@1!l", "record 1 A > B, empty-local 1 B" },
		{ "", "B@1", "A#i@1", "record 1 A > B, create-remote 1 B" },
		/* When that name is on record for another, later. */
		{ "B#i", "", "A#i@1!r B#j@2", "forget 2 B, empty-remote 1 B" },
		/* What the other side has is not known yet. */
		{ "", "A@1", "A@1!ul", "" },
		{ "A", "", "A@1!ur", "" },
		{ "B#i", "", "A#i@1!u", "" },
		/* The record says it was never there. */
		{ "", "A@1", "A@1!lR", "create-remote 1 A" },
		{ "A", "", "A!rL", "create-local 1 A" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_inbox_stays_where_it_is(void **state)
{
	static const struct row rows[] = {
		/* RENAME INBOX: a new mailbox, INBOX is still there. */
		{ "INBOX#j Old#i", "INBOX@1", "INBOX#i@1",
			"adopt 1 INBOX, create-local Old" },
		/* The directory was renamed here: INBOX is made again. */
		{ "INBOX#i", "Old@1", "INBOX#i@1",
			"create-local 1 INBOX, create-remote Old" },
		{ "INBOX", "", "INBOX@1!r", "create-local 1 INBOX" },
		{ "", "INBOX@1", "INBOX@1!l", "" },
		{ "", "", "INBOX@1", "" },
		/* A folder does not become INBOX. */
		{ "INBOX#k A#i", "INBOX@1", "INBOX#k@9 A#i@1!r",
			"adopt 1 INBOX, empty-remote 2 A" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_a_taken_name_is_never_merged(void **state)
{
	static const struct row rows[] = {
		/* Renamed here to what is new there: the server's names. */
		{ "A#i B#j", "B@1", "A#i@1",
			"rename-local 1 B > A, create-local B" },
		{ "A A", "A@1", "A@1", "hold A" },
		/* The name belongs to a folder that is still to be emptied. */
		{ "B#j", "B@2 A@1", "A#j@1 B#k@2!l",
			"hold 1 B, empty-local 2 B" },
		/* A held folder keeps its names. */
		{ "A", "B@1", "A@1!h", "" },
		{ "A C", "A@2 C@1", "A@1!h C@2", "hold 2 C" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_a_folder_goes_on_with_the_mailbox_of_its_name(void **state)
{
	static const struct row rows[] = {
		/* Renamed there to what is new here. */
		{ "B#i", "A@1 B@2", "A#i@1", "adopt B, create-remote 1 A" },
		{ "B#i", "A@1 B@2", "A#i@1!l", "adopt B, empty-local 1 A" },
		/* Removed there, and the name given to another. */
		{ "B#i", "A@1 B@2", "A#i@1!l B#j@2",
			"adopt 2 B, empty-local 1 A" },
		{ "B#i", "B@2", "A#i@1!l B#j@2", "adopt 2 B, forget 1 A" },
		/* Nothing new is in it: it goes first. */
		{ "B#i", "A@1 B@2", "A#i@1!l B#j@2!l",
			"hold 1 B, empty-local 2 B" },
		{ "B#i", "A@1", "A#i@1!l B#j@2",
			"rename-local 1 A > B, forget 2 B" },
		/* One after the other. */
		{ "B#i C#j", "A@1 B@2 C@3", "A#i@1!l B#j@2!l C#k@3",
			"hold 1 B, adopt 3 C, empty-local 2 B" },
	};

	(void)state;
	check_rows(rows, ARRAY_LENGTH(rows));
}

static void test_of_an_unknown_side_nothing_follows(void **state)
{
	const struct row row = { "", "", "A@1!lr B@2", "" };
	struct arena arena = { 0 };
	struct folders_input input = read_row(&arena, &row);

	(void)state;
	input.remote_is_known = false;
	assert_int_equal(folders_plan_make(&arena, &input).operation_count, 0);
	input.remote_is_known = true;
	input.local_is_known = false;
	assert_int_equal(folders_plan_make(&arena, &input).operation_count, 0);
	input.local_is_known = true;
	assert_int_equal(folders_plan_make(&arena, &input).operation_count, 2);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_folders_appear_on_the_side_that_lacks_them),
		cmocka_unit_test(test_a_rename_is_followed),
		cmocka_unit_test(
			test_swaps_and_cycles_go_through_a_temporary_name),
		cmocka_unit_test(test_an_interrupted_rename_is_finished),
		cmocka_unit_test(
			test_a_folder_that_is_gone_goes_only_when_it_may),
		cmocka_unit_test(test_inbox_stays_where_it_is),
		cmocka_unit_test(test_a_taken_name_is_never_merged),
		cmocka_unit_test(
			test_a_folder_goes_on_with_the_mailbox_of_its_name),
		cmocka_unit_test(test_of_an_unknown_side_nothing_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
