/* Three names of one folder, each reversible into the others:

   mailbox     the server's name, decoded to UTF-8, with its delimiter
   path        canonical: '/' between levels, unsafe components percent-encoded;
	       what the state keeps and everybody passes around
   directory   relative to the Maildir's root, by layout; "" is the root

   Encoded (%XX, upper case) are: the first byte of "cur", "new", "tmp" and of
   a leading '.', control characters (also U+0080 to U+009F), '/' where it is no
   delimiter, '%' before two hex digits. Whatever is not the encoding of
   something is refused, so that two names never meet in one directory. */
#ifndef STORE_FOLDER_PATH_H
#define STORE_FOLDER_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

#define FOLDER_COMPONENT_SIZE_MAX 255  /* bytes, encoded */
#define FOLDER_DEPTH_MAX          64   /* levels */
#define FOLDER_PATH_SIZE_MAX      1000 /* bytes, encoded */
#define FOLDER_INBOX              "INBOX"

enum maildir_layout {
	MAILDIR_LAYOUT_FS,       /* INBOX/cur, Work/2024/cur */
	MAILDIR_LAYOUT_PLUSPLUS, /* cur is INBOX, .Work.2024/cur */
};

/* All append to `*_out`, and append nothing when they fail. Failures are
   ERROR_REFUSED (this name cannot be represented; hold it with the message) or
   ERROR_LIMIT (too long or too deep). */

/* `delimiter` 0 = none: the name is one level. INBOX in any case, as the whole
   name, becomes "INBOX". */
bool folder_path_from_mailbox(const char *mailbox, char delimiter,
	struct buf *path_out, struct error *error) MUST_CHECK;

/* Fails when a level contains the delimiter, when there are several levels and
   no delimiter, and for "inbox" in a case other than "INBOX". */
bool folder_path_to_mailbox(const char *path, char delimiter,
	struct buf *mailbox_out, struct error *error) MUST_CHECK;

bool folder_path_to_directory(const char *path, enum maildir_layout layout,
	struct buf *directory_out, struct error *error) MUST_CHECK;
bool folder_path_from_directory(const char *directory,
	enum maildir_layout layout, struct buf *path_out,
	struct error *error) MUST_CHECK;

/* A path one of the functions above could have made. */
bool folder_path_check(const char *path, struct error *error) MUST_CHECK;

#endif
