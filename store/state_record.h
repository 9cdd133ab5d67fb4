/* The values in the database: one version byte, fixed bits, then numbers and
   texts. Keys are not part of them, nor is the checksum (state_db.h).

   Packing replaces what `record` held, and fails with ERROR_LIMIT on a name
   longer than it can be; words to people are cut to size. Unpacking takes any
   bytes and fails on all but a whole, well-formed record of a known version;
   texts go into `arena`. */
#ifndef STORE_STATE_RECORD_H
#define STORE_STATE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/pair.h"
#include "store/state.h"
#include "store/state_pack.h"

#define RECORD_VERSION 1

#define RECORD_NAME_SIZE_MAX   255  /* of a file */
#define RECORD_PATH_SIZE_MAX   4096 /* of a folder, and a mailbox name */
#define RECORD_ID_SIZE_MAX     255  /* MAILBOXID, special-use attribute */
#define RECORD_WORDS_SIZE_MAX  1000 /* reasons, errors, details: cut */
#define RECORD_RANGE_COUNT_MAX ((size_t)1024 * 1024) /* of a frontier */

struct record_bytes {
	const uint8_t *data; /* borrowed */
	size_t size;
};

struct record_bytes record_bytes(const struct buf *record);

/* The shared parts: version byte; content; a text when `is_there`. */
void record_begin(struct buf *record);
struct unpacker record_unpacker(struct record_bytes bytes);
void record_pack_content(struct buf *record, const struct content *content);
struct content record_unpack_content(struct unpacker *unpacker);
bool record_check_text(const char *what, const char *text, size_t size_max,
	struct error *error) MUST_CHECK;

bool record_pair_pack(struct buf *record, const struct pair *pair,
	struct error *error) MUST_CHECK;
bool record_pair_unpack(struct record_bytes bytes, uint64_t mid,
	struct arena *arena, struct pair *pair_out) MUST_CHECK;

bool record_folder_pack(struct buf *record, const struct folder *folder,
	struct error *error) MUST_CHECK;
/* uid_set_finish() the frontier. */
bool record_folder_unpack(struct record_bytes bytes, uint32_t folder_id,
	struct arena *arena, struct folder *folder_out) MUST_CHECK;

void record_intent_pack(struct buf *record, const struct intent *intent);
bool record_intent_unpack(struct record_bytes bytes, uint64_t intent_id,
	struct intent *intent_out) MUST_CHECK;

void record_tomb_pack(struct buf *record, const struct tomb *tomb);
bool record_tomb_unpack(struct record_bytes bytes, uint64_t mid,
	struct arena *arena, struct tomb *tomb_out) MUST_CHECK;

void record_journal_pack(struct buf *record, const struct journal_entry *entry);
bool record_journal_unpack(struct record_bytes bytes, uint64_t sequence,
	struct arena *arena, struct journal_entry *entry_out) MUST_CHECK;

void record_keywords_pack(
	struct buf *record, const struct keyword_table *table);
/* Replaces what `table` held, which was zeroed or initialised. */
bool record_keywords_unpack(
	struct record_bytes bytes, struct keyword_table *table) MUST_CHECK;

#endif
