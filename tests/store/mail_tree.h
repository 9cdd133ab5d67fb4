/* Maildirs in a temporary directory, for the tests of store. */
#ifndef TESTS_STORE_MAIL_TREE_H
#define TESTS_STORE_MAIL_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/maildir.h"

struct mail_tree {
	char top[64];       /* everything below is in here */
	char root[80];      /* of the Maildir */
	char retention[80]; /* not made */
	struct maildir *maildir;
};

/* An open, empty Maildir with INBOX. Under $TMPDIR, else /tmp. */
void mail_tree_setup(struct mail_tree *tree, enum maildir_layout layout);
void mail_tree_teardown(struct mail_tree *tree);

/* Closes and opens the Maildir again, with retention or without. */
void mail_tree_reopen(
	struct mail_tree *tree, enum maildir_layout layout, bool has_retention);

/* `file` is relative to the root. */
void mail_tree_write(
	const struct mail_tree *tree, const char *file, const char *text);
void mail_tree_mkdir(const struct mail_tree *tree, const char *directory);
bool mail_tree_has(const struct mail_tree *tree, const char *file);
void mail_tree_unlink(const struct mail_tree *tree, const char *file);
void mail_tree_rename(
	const struct mail_tree *tree, const char *from, const char *to);
/* Sets the times of a file to `seconds` since 1970. */
void mail_tree_touch(
	const struct mail_tree *tree, const char *file, long seconds);
/* The whole file as text; the caller's. */
char *mail_tree_read(const struct mail_tree *tree, const char *file);

#endif
