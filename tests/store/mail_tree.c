#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/store/mail_tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static int remove_one(
	const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

void mail_tree_reopen(
	struct mail_tree *tree, enum maildir_layout layout, bool has_retention)
{
	const struct maildir_options options = {
		.root = tree->root,
		.layout = layout,
		.retention_path = has_retention ? tree->retention : NULL,
		.host = "test",
	};
	struct error error;

	maildir_close(tree->maildir);
	if (!maildir_create_root(&options, &error))
		fail_msg("%s", error.message);
	tree->maildir = maildir_open(&options, &error);
	if (tree->maildir == NULL)
		fail_msg("%s", error.message);
}

void mail_tree_setup(struct mail_tree *tree, enum maildir_layout layout)
{
	const char *base = getenv("TMPDIR");

	*tree = (struct mail_tree){ .maildir = NULL };
	if (base == NULL || strlen(base) > 40)
		base = "/tmp";
	(void)snprintf(tree->top, sizeof(tree->top), "%s/mtXXXXXX", base);
	assert_non_null(mkdtemp(tree->top));
	(void)snprintf(tree->root, sizeof(tree->root), "%s/m", tree->top);
	(void)snprintf(
		tree->retention, sizeof(tree->retention), "%s/r", tree->top);
	mail_tree_reopen(tree, layout, true);
}

void mail_tree_teardown(struct mail_tree *tree)
{
	maildir_close(tree->maildir);
	assert_int_equal(
		nftw(tree->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int open_root(const struct mail_tree *tree)
{
	int fd = open(tree->root, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	return fd;
}

void mail_tree_write(
	const struct mail_tree *tree, const char *file, const char *text)
{
	int root = open_root(tree);
	int fd = openat(root, file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	close(root);
}

void mail_tree_mkdir(const struct mail_tree *tree, const char *directory)
{
	int root = open_root(tree);

	assert_int_equal(mkdirat(root, directory, 0700), 0);
	close(root);
}

bool mail_tree_has(const struct mail_tree *tree, const char *file)
{
	int root = open_root(tree);
	struct stat stat;
	bool has = fstatat(root, file, &stat, AT_SYMLINK_NOFOLLOW) == 0;

	close(root);
	return has;
}

void mail_tree_unlink(const struct mail_tree *tree, const char *file)
{
	int root = open_root(tree);

	assert_int_equal(unlinkat(root, file, 0), 0);
	close(root);
}

void mail_tree_rename(
	const struct mail_tree *tree, const char *from, const char *to)
{
	int root = open_root(tree);

	assert_int_equal(renameat(root, from, root, to), 0);
	close(root);
}

void mail_tree_touch(
	const struct mail_tree *tree, const char *file, long seconds)
{
	const struct timespec times[2] = { { .tv_sec = seconds },
		{ .tv_sec = seconds } };
	int root = open_root(tree);

	assert_int_equal(utimensat(root, file, times, 0), 0);
	close(root);
}

char *mail_tree_read(const struct mail_tree *tree, const char *file)
{
	int root = open_root(tree);
	int fd = openat(root, file, O_RDONLY);
	struct stat stat;
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &stat), 0);
	text = alloc((size_t)stat.st_size + 1, 1);
	assert_int_equal(
		read(fd, text, (size_t)stat.st_size), (ssize_t)stat.st_size);
	close(fd);
	close(root);
	return text;
}
