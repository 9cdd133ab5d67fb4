/* Any text as a mailbox name and as a directory: what is accepted comes back,
   and leads nowhere else. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/folder_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_safe(const char *directory)
{
	const char *level = directory;

	for (;;) {
		size_t size = strcspn(level, "/");

		require(size > 0 && size <= FOLDER_COMPONENT_SIZE_MAX);
		require(*level != '.');
		require(!(size == 3 && memcmp(level, "cur", 3) == 0));
		require(!(size == 3 && memcmp(level, "new", 3) == 0));
		require(!(size == 3 && memcmp(level, "tmp", 3) == 0));
		if (level[size] == '\0')
			return;
		level += size + 1;
	}
}

static void check_directory(const char *path, enum maildir_layout layout)
{
	struct buf directory = { .data = NULL };
	struct buf back = { .data = NULL };

	if (folder_path_to_directory(path, layout, &directory, NULL)) {
		require(folder_path_from_directory(
			buf_text(&directory), layout, &back, NULL));
		require(strcmp(buf_text(&back), path) == 0);
		if (layout == MAILDIR_LAYOUT_FS)
			check_safe(buf_text(&directory));
		else
			require(strchr(buf_text(&directory), '/') == NULL);
	}
	buf_finish(&directory);
	buf_finish(&back);
}

static void check_mailbox(const char *mailbox, char delimiter)
{
	struct buf path = { .data = NULL };
	struct buf back = { .data = NULL };

	if (folder_path_from_mailbox(mailbox, delimiter, &path, NULL)) {
		require(folder_path_to_mailbox(
			buf_text(&path), delimiter, &back, NULL));
		if (strcmp(buf_text(&path), FOLDER_INBOX) != 0)
			require(strcmp(buf_text(&back), mailbox) == 0);
		check_directory(buf_text(&path), MAILDIR_LAYOUT_FS);
		check_directory(buf_text(&path), MAILDIR_LAYOUT_PLUSPLUS);
	}
	buf_finish(&path);
	buf_finish(&back);
}

static void check_found(const char *directory, enum maildir_layout layout)
{
	struct buf path = { .data = NULL };
	struct buf back = { .data = NULL };

	if (folder_path_from_directory(directory, layout, &path, NULL)) {
		require(folder_path_to_directory(
			buf_text(&path), layout, &back, NULL));
		require(strcmp(buf_text(&back), directory) == 0);
	}
	buf_finish(&path);
	buf_finish(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name;

	if (size < 1 || size > 4096)
		return 0;
	name = alloc_text_sized((const char *)data + 1, size - 1);
	check_mailbox(name, (char)(data[0] & 0x7f));
	check_found(name, MAILDIR_LAYOUT_FS);
	check_found(name, MAILDIR_LAYOUT_PLUSPLUS);
	free(name);
	return 0;
}
