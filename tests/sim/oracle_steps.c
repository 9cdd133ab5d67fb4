#include "tests/sim/oracle_steps.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/flags.h"
#include "tests/sim/oracle_guard.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/sim_disk.h"

#define KNOWN_LETTERS "DFPRST"

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* ---- Names ---- */

/* "" when the name has none. */
static const char *letters_of(const char *path)
{
	const char *info = strstr(name_of(path), ":2,");

	return info == NULL ? "" : info + strlen(":2,");
}

static size_t letters_size(const char *letters)
{
	return strcspn(letters, ",");
}

static bool has_letter(const char *letters, char letter)
{
	return memchr(letters, letter, letters_size(letters)) != NULL;
}

/* Sorted, each once: what any reader of mail can parse. */
static void check_form(const char *new_path)
{
	const char *letters = letters_of(new_path);

	for (size_t i = 0; i < letters_size(letters); i++)
		if (!isalpha((unsigned char)letters[i]) ||
			(i > 0 && letters[i - 1] >= letters[i]))
			world_violation(17, "'%s' is no proper name", new_path);
}

static bool is_in_one_folder(const char *path, const char *new_path)
{
	/* ROOT/FOLDER/cur/ and ROOT/FOLDER/new/ */
	size_t size = (size_t)(name_of(path) - path) - strlen("cur/");

	return (size_t)(name_of(new_path) - new_path) - strlen("cur/") ==
		size &&
		strncmp(path, new_path, size) == 0;
}

/* Capitals nobody knows, and what follows the letters, are not ours; and where
   the server has no keywords, it can take none away. */
static bool must_stay(const char *path, const char *new_path, char letter)
{
	if (isupper((unsigned char)letter))
		return strchr(KNOWN_LETTERS, letter) == NULL ||
			(letter == 'P' &&
				(the_world->kind.quirks & SIM_NO_KEYWORDS) !=
					0);
	return (the_world->kind.quirks & SIM_NO_KEYWORDS) != 0 &&
		is_in_one_folder(path, new_path);
}

void oracle_step_renamed(const char *path, const char *new_path)
{
	const char *letters = letters_of(path);
	const char *new_letters = letters_of(new_path);

	check_form(new_path);
	for (size_t i = 0; i < letters_size(letters); i++)
		if (must_stay(path, new_path, letters[i]) &&
			!has_letter(new_letters, letters[i]))
			world_violation(
				strchr(KNOWN_LETTERS, letters[i]) == NULL &&
						isupper((unsigned char)
								letters[i])
					? 17
					: 19,
				"'%c' of '%s' is lost in '%s'", letters[i],
				path, new_path);
	if (strcmp(letters + letters_size(letters),
		    new_letters + letters_size(new_letters)) != 0)
		world_violation(
			17, "the end of '%s' is lost in '%s'", path, new_path);
}

struct found_file {
	bool is_seen;
	unsigned number;
	int64_t mtime_s;
	uint64_t inode;
};

static void note_file(void *data, const struct sim_disk_file *file)
{
	struct found_file *found = data;

	found->is_seen = true;
	found->number = oracle_number(file->data, file->size);
	found->mtime_s = file->mtime_s;
	found->inode = file->inode;
}

/* While one of equal messages was fetched it may have been removed. */
static bool may_be_of_removed(const struct fate *fate)
{
	return fate->made > 1 && fate->removed > 0;
}

/* The date is that of the message on the server, or of one of its equals. */
void oracle_step_delivered(const char *new_path)
{
	struct found_file found = { .is_seen = false };
	bool is_there = false;

	check_form(new_path);
	sim_disk_walk(new_path, false, note_file, &found);
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++) {
			const struct sim_message *message =
				&mailbox->messages[k];

			if (oracle_number(message->body, message->size) !=
				found.number)
				continue;
			if (message->internal_date == found.mtime_s)
				return;
			is_there = true;
		}
	}
	if (is_there && !oracle.is_blurred &&
		!oracle.fates[found.number].shares_uid &&
		!may_be_of_removed(&oracle.fates[found.number]) &&
		(the_world->kind.quirks & SIM_NO_DATE_ON_COPY) == 0)
		world_violation(
			18, "'%s' has a date the server has not", new_path);
}

/* ---- Removals ---- */

static struct state *open_state(void)
{
	return the_world->account == NULL ? NULL : the_world->account->state;
}

/* "Work/2024" of ROOT/Work/2024/cur/NAME. */
static struct account_folder *folder_of(const char *path)
{
	const char *relative = path + strlen(WORLD_MAILDIR "/");
	size_t size = (size_t)(name_of(path) - relative) - strlen("/cur/");
	char *folder_path = alloc_text_sized(relative, size);
	struct account_folder *folder =
		account_folder_by_path(the_world->account, folder_path);

	free(folder_path);
	return folder;
}

static bool has_open_intent(uint64_t mid, struct intent *intent)
{
	return state_intent_of_mid(open_state(), mid, intent);
}

/* Without MOVE it is there twice for a while; so is what was moved and not
   recognised, or changed by the server that got it, and was transferred a
   second time. Somebody who removed one of the two then removed the message:
   the other only waits for its turn. */
static bool has_lost_copy(const struct fate *fate)
{
	return fate->removed > 0 &&
		(fate->copied > 0 || fate->sent > 1 || fate->fetched > 1);
}

/* Among other copies of one content it cannot be told which one is meant. */
static bool is_only_one(unsigned number)
{
	const struct fate *fate = &oracle.fates[number];

	return number != 0 && fate->made == 1 && !fate->is_blurred &&
		!has_lost_copy(fate) && !fate->shares_uid && !oracle.is_blurred;
}

/* The state that is on the disk when a side is removed: gone on the other side,
   by a proof, and both sides were equal once. Unknown is not gone. */
static void check_proof_here(const struct pair *pair, const char *path)
{
	struct intent intent;

	if (!pair->synced.is_set)
		world_violation(
			5, "'%s' is removed, and was never synced", path);
	if (pair->remote.presence == PRESENCE_UNKNOWN)
		world_violation(16,
			"'%s' is removed, and the server may have it", path);
	if (pair->remote.presence != PRESENCE_ABSENT ||
		pair->remote.absent_since == 0)
		world_violation(
			6, "'%s' is removed without a proof on record", path);
	if (has_open_intent(pair->mid, &intent))
		world_violation(22, "'%s' is removed, and intent %u is open",
			path, (unsigned)intent.kind);
}

static void count_file(void *data, const struct sim_disk_file *file)
{
	unsigned *count = data;

	(void)file;
	*count += 1;
}

static unsigned count_files(const char *folder)
{
	static const char *const PARTS[] = { "cur", "new" };
	unsigned count = 0;

	for (size_t i = 0; i < 2; i++) {
		char *path =
			alloc_format(WORLD_MAILDIR "/%s/%s", folder, PARTS[i]);

		sim_disk_walk(path, false, count_file, &count);
		free(path);
	}
	return count;
}

/* Flagged since both sides were equal, or a mark taken away. */
static bool is_protected(const struct pair *pair, uint32_t flags)
{
	uint32_t added = flags & ~pair->synced.flags.system;
	uint32_t removed = pair->synced.flags.system & ~flags;

	return !the_world->kind.conflict_delete && pair->synced.is_set &&
		!pair->local.is_leftover &&
		((added & FLAG_FLAGGED) != 0 || (removed & FLAG_DELETED) != 0);
}

/* And not only marked, where marked is as good as gone. */
static bool is_on_server(unsigned number)
{
	struct census there;

	census_there(&there, false);
	return there.counts[number] > 0;
}

/* An upload whose UID is not known yet: it has got one from UIDNEXT on. */
static bool is_under_way(
	const struct account_folder *folder, const struct pair *pair)
{
	struct state_cursor cursor = { 0 };
	struct intent intent;
	bool is_one = false;

	while (!is_one && state_next_intent(open_state(), &cursor, &intent))
		is_one = intent.kind == INTENT_UPLOAD &&
			intent.mid != pair->mid &&
			intent.to_folder_id == folder->record.folder_id &&
			intent.uid_validity == folder->record.uid_validity &&
			pair->remote.uid >= intent.uid_next;
	return is_one;
}

/* A mailbox that was made anew gives UIDs once more. What another file was sent
   as is not the message of this one, which is proven gone, equal as it may be.
 */
static bool is_of_another(
	const struct account_folder *folder, const struct pair *pair)
{
	struct arena arena;
	struct pair other;
	bool is_one;

	if (pair->remote.presence != PRESENCE_ABSENT)
		return false;
	arena_init(&arena);
	is_one = state_pair_by_uid(open_state(), folder->record.folder_id,
			 pair->remote.uid, &arena, &other) &&
		other.mid != pair->mid &&
		other.local.presence == PRESENCE_PRESENT;
	arena_finish(&arena);
	return is_one || is_under_way(folder, pair);
}

/* The very message: under the UID that stands for the file. A mailbox that was
   given the name of the one it was in has UIDs of its own. */
static bool has_message(const struct account_folder *folder,
	const struct pair *pair, unsigned number)
{
	const struct sim_mailbox *mailbox =
		folder == NULL || folder->record.mailbox == NULL
		? NULL
		: sim_mailbox(folder->record.mailbox);

	if (mailbox == NULL ||
		mailbox->uid_validity != folder->record.uid_validity)
		return false;
	for (size_t i = 0; i < mailbox->message_count; i++) {
		const struct sim_message *message = &mailbox->messages[i];

		if (message->uid == pair->remote.uid)
			return oracle_number(message->body, message->size) ==
				number &&
				!oracle_is_marked(message) &&
				!is_of_another(folder, pair);
	}
	return false;
}

/* A move that was not recognised, as of a mailbox that could not be looked at
   meanwhile, is a copy that came here before the file goes. What a restore of
   the server brings back after it was told to be gone is fetched again. */
static void check_is_gone(const struct account_folder *folder,
	const struct pair *pair, unsigned number, const char *path)
{
	bool is_left = is_only_one(number) && is_on_server(number) &&
		oracle_count_here(number) == 0;

	if (is_left ||
		(!oracle.is_restored_unheard &&
			has_message(folder, pair, number)))
		world_violation(4,
			"message %u is taken out of the Maildir (%s), and the "
			"server has it",
			number, path);
}

void oracle_step_removed_here(const char *path, const char *new_path)
{
	struct account_folder *folder = folder_of(path);
	size_t size;
	const void *data = sim_disk_data(new_path, &size);
	unsigned number = data == NULL ? 0 : oracle_number(data, size);
	struct arena arena;
	struct pair pair;

	if (open_state() == NULL || folder == NULL)
		world_violation(6, "'%s' is removed, nobody knows why", path);
	arena_init(&arena);
	if (!state_pair_by_unique(open_state(), folder->record.folder_id,
		    name_of(path), &arena, &pair))
		world_violation(5, "'%s' is removed, and is not known", path);
	check_proof_here(&pair, path);
	if (is_protected(&pair, view_path_flags(path)))
		world_violation(31,
			"'%s' is removed, and was changed to be kept", path);
	check_is_gone(account_folder(the_world->account, pair.remote.folder_id),
		&pair, number, path);
	arena_finish(&arena);
	oracle_guard_count(
		folder->record.path, true, count_files(folder->record.path));
}

/* ---- Removals on the server ---- */

/* Not one whose mailbox is gone, and another has its name. */
static struct account_folder *folder_of_mailbox(const char *mailbox)
{
	for (size_t i = 0; i < the_world->account->folder_count; i++) {
		struct account_folder *folder = the_world->account->folders[i];

		if (folder->record.has_remote &&
			folder->record.mailbox != NULL &&
			strcmp(folder->record.mailbox, mailbox) == 0)
			return folder;
	}
	return NULL;
}

/* A late copy of an upload that was sent twice: its tomb is the intent. */
static bool is_ghost(const struct pair *pair)
{
	struct state_cursor cursor = { 0 };
	struct arena arena;
	struct tomb tomb;
	bool is_one = false;

	arena_init(&arena);
	while (!is_one && pair->local.presence == PRESENCE_NEVER &&
		state_next_tomb(open_state(), &cursor, &arena, &tomb))
		is_one = tomb.was_uncertain_upload &&
			tomb.folder_id == pair->remote.folder_id &&
			pair->remote.uid >= tomb.uid;
	arena_finish(&arena);
	return is_one;
}

/* Not found, or written anew, or never anybody's file. */
static bool is_proven_gone(const struct pair *pair)
{
	return pair->local.presence == PRESENCE_ABSENT &&
		(pair->local.absent_since != 0 || pair->local.inode == 0 ||
			pair->local.is_leftover);
}

static void check_proof_there(const struct pair *pair, const char *mailbox)
{
	struct intent intent;

	if (!pair->synced.is_set)
		world_violation(5,
			"UID %u in %s is removed, and was never synced",
			pair->remote.uid, mailbox);
	if (pair->local.presence == PRESENCE_UNKNOWN)
		world_violation(16, "UID %u in %s is removed, and may be here",
			pair->remote.uid, mailbox);
	if (!is_proven_gone(pair))
		world_violation(6,
			"UID %u in %s is removed without a proof on record",
			pair->remote.uid, mailbox);
	if (!has_open_intent(pair->mid, &intent) ||
		intent.kind != INTENT_DELETE_REMOTE)
		world_violation(22,
			"UID %u in %s is removed without an intent of that",
			pair->remote.uid, mailbox);
}

struct search {
	uint64_t inode;
	unsigned number;
	bool is_found;
};

static void compare_file(void *data, const struct sim_disk_file *file)
{
	struct search *search = data;

	search->is_found |= file->inode == search->inode &&
		oracle_number(file->data, file->size) == search->number;
}

/* The very file, wherever it is now. */
static bool has_file(const struct pair *pair, unsigned number)
{
	struct search search = { pair->local.inode, number, false };

	sim_disk_walk(WORLD_MAILDIR, false, compare_file, &search);
	return search.is_found;
}

void oracle_step_removes_there(
	const char *mailbox, const struct sim_message *message)
{
	unsigned number = oracle_number(message->body, message->size);
	struct account_folder *folder;
	struct arena arena;
	struct pair pair;

	if (open_state() == NULL)
		return; /* carried out for a process that is dead */
	folder = folder_of_mailbox(mailbox);
	arena_init(&arena);
	if (folder == NULL ||
		!state_pair_by_uid(open_state(), folder->record.folder_id,
			message->uid, &arena, &pair))
		world_violation(5, "UID %u in %s is removed, and is not known",
			message->uid, mailbox);
	if (!is_ghost(&pair)) {
		check_proof_there(&pair, mailbox);
		if (!pair.local.is_leftover)
			oracle_guard_count(mailbox, false,
				(unsigned)sim_mailbox(mailbox)->message_count -
					1);
		if (is_only_one(number) && !pair.local.is_leftover &&
			has_file(&pair, number))
			world_violation(4,
				"message %u is removed in %s, and is here",
				number, mailbox);
	}
	arena_finish(&arena);
}

/* Between the mark and EXPUNGE nobody can be asked again; before the mark, only
   a server with CONDSTORE can. */
void oracle_step_marks_there(
	const char *mailbox, const struct sim_message *message)
{
	struct account_folder *folder;
	struct intent intent;
	struct arena arena;
	struct pair pair;

	if (open_state() == NULL ||
		(the_world->kind.abilities & SIM_CONDSTORE) == 0 ||
		(the_world->kind.quirks & SIM_NO_MODSEQ) != 0)
		return;
	folder = folder_of_mailbox(mailbox);
	arena_init(&arena);
	if (folder != NULL &&
		state_pair_by_uid(open_state(), folder->record.folder_id,
			message->uid, &arena, &pair) &&
		has_open_intent(pair.mid, &intent) &&
		intent.kind == INTENT_DELETE_REMOTE &&
		is_protected(&pair, message->system_flags))
		world_violation(31,
			"UID %u in %s is to be removed, and was changed to be "
			"kept",
			message->uid, mailbox);
	arena_finish(&arena);
}

/* ---- Commands ---- */

static bool starts_with_word(const char *text, size_t size)
{
	return size > 0 && *text != '\\';
}

/* Flags the server told that it cannot store are not sent. */
static void check_keywords(const struct sim_command *command)
{
	const char *list = strstr(command->line, "FLAGS");

	if (strcmp(command->name, "APPEND") == 0)
		list = command->line;
	if (list == NULL || (list = strchr(list, '(')) == NULL)
		return;
	for (list++; *list != ')' && *list != '\0';) {
		size_t size = strcspn(list, " )");

		if (starts_with_word(list, size))
			world_violation(19,
				"a keyword for a server without: %s",
				command->line);
		list += size + (list[size] == ' ');
	}
}

/* Nor is anything moved or copied that is not on record as such. */
static void check_transfer(const struct sim_command *command)
{
	enum intent_kind kind = strcmp(command->name, "UID MOVE") == 0
		? INTENT_MOVE
		: INTENT_COPY;
	struct state_cursor cursor = { 0 };
	struct intent intent;

	if (open_state() == NULL)
		return;
	while (state_next_intent(open_state(), &cursor, &intent))
		if (intent.kind == kind)
			return;
	world_violation(14, "%s without an intent", command->line);
}

void oracle_step_command(const struct sim_command *command)
{
	bool sends_flags = strstr(command->name, "STORE") != NULL ||
		strcmp(command->name, "APPEND") == 0;

	if (strcmp(command->name, "UID MOVE") == 0 ||
		strcmp(command->name, "UID COPY") == 0)
		check_transfer(command);
	if (sends_flags && (the_world->kind.quirks & SIM_NO_KEYWORDS) != 0)
		check_keywords(command);
}
