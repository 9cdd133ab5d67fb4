/* The Maildir side of an account: what is seen on disk becomes the local state
   of pairs and an entry in the journal. Nothing is decided here. The only
   translator between store's files and the rest. */
#ifndef SYNCD_WORKER_LOCAL_H
#define SYNCD_WORKER_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/pair.h"
#include "store/maildir.h"
#include "syncd/worker/account.h"

/* Is the root the one that was synced before? Sets account->has_local_loss,
   and fails, when it looks unmounted or emptied of folders; notes, when it was
   copied or restored, that what is missing in it is not deleted. */
bool local_check_root(struct account *account, struct error *error) MUST_CHECK;

/* Is it so still? False also when nobody can tell. What was read of the root
   before counts only if so: a directory that was replaced shows nothing. */
bool local_has_root(struct account *account) MUST_CHECK;

/* Now and then after changes, and after the last one: raises the number that
   the root is marked with, so that a Maildir put back to an older state is
   known. */
bool local_raise_generation(
	struct account *account, bool is_last, struct error *error) MUST_CHECK;

/* A person said that the root as it is now is right. */
bool local_approve_root(
	struct account *account, struct error *error) MUST_CHECK;

/* Scans every folder whose rows may be stale, and writes what changed. A
   folder that cannot be read is marked failed and named in its record. */
bool local_observe(struct account *account, struct error *error) MUST_CHECK;

/* Once a pass, after that: looks again at files of which it could not be told
   whether they still are the message, when their time has come or somebody
   asked for a scan. Nothing in their directories tells that they can be read
   now. */
bool local_look_at_held(
	struct account *account, struct error *error) MUST_CHECK;

/* Takes the watch's events in. */
bool local_drain(struct account *account, struct error *error) MUST_CHECK;

/* One watch for every folder, as far as the kernel's limit goes; folders
   without are scanned by the poll timer. */
bool local_watch(struct account *account, struct error *error) MUST_CHECK;
void local_watch_folder(struct account *account, struct account_folder *folder);
void local_unwatch_folder(
	struct account *account, struct account_folder *folder);

/* In an open transaction: the file of the pair is proven gone. */
void local_lose_file(struct account *account, struct pair *pair);

/* All files seen, nothing moved lately: absences may be believed. */
bool local_is_complete(const struct account *account);
/* Milliseconds until absences may be believed; 0 = now. */
uint64_t local_settle_left_ms(const struct account *account);

/* In an open transaction: the pair is on both sides now, and its file was not
   made durable by us. */
void local_doubt(struct account *account, const struct pair *pair);
/* In an open transaction: another file will be the pair's, whose own is gone.
   What took that away, we before a crash or somebody, may not be durable. */
void local_doubt_gone(struct account *account, const struct pair *pair);
/* In an open transaction: the file has another name now, which we may have
   given it before a crash. Undone by a power cut it would look like a change of
   flags, of somebody who wants the old ones. */
void local_doubt_name(struct account *account, const struct pair *pair);

/* Before that transaction is committed: makes all of these durable, data and
   names, or forgets them and fails. */
bool local_make_durable(
	struct account *account, struct error *error) MUST_CHECK;

/* Letters of dovecot-keywords into numbers, read again when it changed. */
bool local_load_letters(struct account *account, struct account_folder *folder,
	struct error *error) MUST_CHECK;
/* Gives the keywords of `flags` letters where they have none and one is free.
   ERROR_REFUSED: dovecot-keywords is locked (the first time after waiting for
   it) or is no file to write to. */
bool local_add_letters(struct account *account, struct account_folder *folder,
	const struct flags *flags, struct error *error) MUST_CHECK;

enum local_read {
	LOCAL_READ_DONE,
	LOCAL_READ_MISSING, /* renamed or removed: observe again */
	LOCAL_READ_BUSY,    /* somebody is writing it */
	LOCAL_READ_FAILED,  /* `error` is set */
};

/* Reads an open file to its end: size, hashes and Message-ID. */
bool local_digest_open(struct account *account, int fd,
	struct content *content_out, struct error *error) MUST_CHECK;

/* Reads the pair's file: size, hashes and Message-ID into pair->content, size
   and time into pair->local. */
enum local_read local_digest(struct account *account, struct pair *pair,
	struct error *error) MUST_CHECK;

/* The file is the one that was seen, and nobody wrote to it: same inode,
   device, size and time. */
bool local_is_file(
	const struct local_state *local, const struct maildir_file *file);

/* Where the pair's file is; borrows from pair and folder. */
struct maildir_place local_place(
	const struct account *account, const struct pair *pair);

#endif
