#define _GNU_SOURCE /* memmem */
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tests/sim/oracle_guard.h"
#include "tests/sim/oracle_internal.h"
#include "tests/sim/oracle_quiet.h"
#include "tests/sim/oracle_state.h"
#include "tests/sim/oracle_steps.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_server.h"

#define SUBJECT "Subject: number "

struct oracle oracle;

/* ---- Messages ---- */

bool oracle_is_full(void)
{
	return oracle.number_count + 1 >= ORACLE_NUMBER_MAX;
}

unsigned oracle_new_number(struct world *world)
{
	(void)world;
	return ++oracle.number_count;
}

/* Those that are not as usual. */
static char *own_bodies[ORACLE_NUMBER_MAX];

void oracle_set_body(unsigned number, const char *body)
{
	free(own_bodies[number]);
	own_bodies[number] = body == NULL ? NULL : alloc_text(body);
}

char *oracle_body(struct world *world, unsigned number, size_t *size_out)
{
	struct buf text = { 0 };

	if (own_bodies[number] != NULL) {
		*size_out = strlen(own_bodies[number]);
		return alloc_text(own_bodies[number]);
	}

	buf_add_format(
		&text, "From: a@example.org\r\n" SUBJECT "%u\r\n", number);
	/* Some mail has none. */
	if (number % 5 != 0)
		buf_add_format(&text, "Message-ID: <%u.%" PRIu64 "@sim>\r\n",
			number, world->seed);
	buf_add_format(&text, "\r\n");
	for (unsigned i = 0; i < number % 7; i++)
		buf_add_format(&text, "line %u of message %u\r\n", i, number);
	*size_out = text.size;
	return buf_steal(&text);
}

bool oracle_is_as_made(unsigned number, size_t size)
{
	size_t made_size;

	free(oracle_body(the_world, number, &made_size));
	return size == made_size;
}

bool oracle_has_name(unsigned number)
{
	return number % 5 != 0 && oracle.fates[number].made == 1;
}

unsigned oracle_number(const void *body, size_t size)
{
	const char *text = body;
	const char *found =
		size == 0 ? NULL : memmem(text, size, SUBJECT, strlen(SUBJECT));
	unsigned number = 0;

	if (found == NULL)
		return 0;
	found += strlen(SUBJECT);
	while (found < text + size && *found >= '0' && *found <= '9')
		number = number * 10 + (unsigned)(*found++ - '0');
	return number < ORACLE_NUMBER_MAX ? number : 0;
}

/* ---- Fates ---- */

void oracle_made(unsigned number, bool is_here)
{
	oracle.fates[number].made++;
	if (is_here)
		oracle.fates[number].made_here++;
	else
		oracle.fates[number].made_there++;
}

void oracle_removed(unsigned number)
{
	oracle.fates[number].removed++;
	oracle.fates[number].was_removed_early |=
		!oracle.fates[number].was_settled;
}

void oracle_removed_here(unsigned number)
{
	oracle.fates[number].removed_here++;
	oracle_removed(number);
}

static void may_return(unsigned number)
{
	if (oracle.fates[number].removed > 0)
		oracle.fates[number].was_removed_early = true;
}

static void file_may_return(void *data, const struct sim_disk_file *file)
{
	(void)data;
	may_return(oracle_number(file->data, file->size));
}

void oracle_folder_made(const char *folder, bool is_here)
{
	const struct sim_mailbox *mailbox = sim_mailbox(folder);
	char *path = alloc_format(WORLD_MAILDIR "/%s", folder);

	if (!is_here)
		sim_disk_walk(path, false, file_may_return, NULL);
	for (size_t i = 0;
		is_here && mailbox != NULL && i < mailbox->message_count; i++)
		may_return(oracle_number(
			mailbox->messages[i].body, mailbox->messages[i].size));
	free(path);
}

void oracle_touched(unsigned number)
{
	oracle.fates[number].is_touched = true;
}

void oracle_moved(unsigned number)
{
	oracle.fates[number].is_touched = true;
	oracle.fates[number].is_moved = true;
}

void oracle_flagged(unsigned number, bool is_here, uint32_t flags)
{
	struct fate *fate = &oracle.fates[number];

	if (!fate->was_settled || fate->flagged_sides != 0)
		fate->flagged_sides |= FLAGGED_UNCLEAR;
	fate->flagged_sides |= is_here ? FLAGGED_HERE : FLAGGED_THERE;
	fate->wanted_flags = flags;
}

void oracle_before_restore(void)
{
	struct census here, there;

	census_here(&here);
	census_there(&there, true);
	for (unsigned i = 0; i < ORACLE_NUMBER_MAX; i++) {
		oracle.fates[i].before_here = here.counts[i];
		oracle.fates[i].before_there = there.counts[i];
	}
}

static void blur(struct fate *fate, unsigned before, unsigned now)
{
	if (now > before)
		fate->made = (uint16_t)(fate->made + now - before);
	if (now < before)
		fate->removed = (uint16_t)(fate->removed + before - now);
	if (now != before)
		fate->is_blurred = true;
}

void oracle_after_restore(void)
{
	struct census here, there;

	census_here(&here);
	census_there(&there, true);
	oracle.is_blurred = true;
	for (unsigned i = 0; i < ORACLE_NUMBER_MAX; i++) {
		struct fate *fate = &oracle.fates[i];

		blur(fate, fate->before_here, here.counts[i]);
		blur(fate, fate->before_there, there.counts[i]);
	}
}

void oracle_server_restored(void)
{
	oracle.is_restored_unheard = true;
}

/* ---- Census ---- */

static void count_file(void *data, const struct sim_disk_file *file)
{
	struct census *census = data;

	/* What is being delivered is no message yet. */
	if (strstr(file->path, "/tmp/") == NULL)
		census->counts[oracle_number(file->data, file->size)]++;
}

void census_here(struct census *census)
{
	memset(census, 0, sizeof(*census));
	sim_disk_walk(WORLD_MAILDIR, false, count_file, census);
	census->counts[0] = 0;
}

void census_durable(struct census *census)
{
	memset(census, 0, sizeof(*census));
	sim_disk_walk_kept(SIM_ROOT, count_file, census);
	census->counts[0] = 0;
}

bool oracle_is_marked(const struct sim_message *message)
{
	return (the_world->kind.abilities & SIM_UIDPLUS) == 0 &&
		(message->system_flags & FLAG_DELETED) != 0;
}

void census_there(struct census *census, bool is_all)
{
	memset(census, 0, sizeof(*census));
	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);

		for (size_t k = 0; k < mailbox->message_count; k++)
			/* Marked is as good as gone without UIDPLUS. */
			if (is_all || !oracle_is_marked(&mailbox->messages[k]))
				census->counts[oracle_number(
					mailbox->messages[k].body,
					mailbox->messages[k].size)]++;
	}
	census->counts[0] = 0;
}

unsigned oracle_count_here(unsigned number)
{
	struct census census;

	census_here(&census);
	return census.counts[number];
}

unsigned oracle_count_there(unsigned number)
{
	struct census census;

	census_there(&census, true);
	return census.counts[number];
}

void oracle_before_death(void)
{
	struct census here;

	census_here(&here);
	for (unsigned i = 0; i < ORACLE_NUMBER_MAX; i++)
		oracle.fates[i].before_here = here.counts[i];
}

/* ---- What the product does, as it does it ---- */

static bool is_below(const char *path, const char *root)
{
	size_t size = strlen(root);

	return strncmp(path, root, size) == 0 &&
		(path[size] == '/' || path[size] == '\0');
}

static bool is_message_path(const char *path)
{
	return is_below(path, WORLD_MAILDIR) &&
		(strstr(path, "/cur/") != NULL ||
			strstr(path, "/new/") != NULL);
}

/* A file leaves the Maildir by our hand: somebody must have removed a message
   like it. */
static void check_local_removal(const char *path, const char *new_path)
{
	size_t size;
	const void *data = sim_disk_data(new_path, &size);
	unsigned number = data == NULL ? 0 : oracle_number(data, size);
	const struct fate *fate = &oracle.fates[number];

	if (number == 0 || fate->removed > 0 || oracle.is_blurred ||
		fate->shares_uid || oracle_count_here(number) > 0)
		return;
	world_violation(5,
		"message %u is taken out of the Maildir (%s), and "
		"nobody removed it",
		number, path);
}

/* The file that left the Maildir last: it is judged with the next thing that
   happens, for the product looks at what it took, and may put it back. */
static struct {
	char *path, *new_path;
} taken;

static struct fate *fate_of_file(const char *path)
{
	size_t size;
	const void *data = sim_disk_data(path, &size);

	return &oracle.fates[data == NULL ? 0 : oracle_number(data, size)];
}

static void forget_taken(void)
{
	free(taken.path);
	free(taken.new_path);
	taken.path = taken.new_path = NULL;
}

static void judge_taken(void)
{
	if (taken.path == NULL)
		return;
	check_local_removal(taken.path, taken.new_path);
	forget_taken();
}

static bool is_put_back(
	const char *change, const char *path, const char *new_path)
{
	return taken.path != NULL && strcmp(change, "rename") == 0 &&
		strcmp(path, taken.new_path) == 0 && new_path != NULL &&
		is_message_path(new_path);
}

static void file_renamed(const char *path, const char *new_path)
{
	if (is_message_path(path) && !is_below(new_path, WORLD_MAILDIR)) {
		taken.path = alloc_text(path);
		taken.new_path = alloc_text(new_path);
		fate_of_file(new_path)->put_away++;
		oracle_step_removed_here(path, new_path);
	} else if (is_message_path(path) && is_message_path(new_path)) {
		oracle_step_renamed(path, new_path);
	} else if (is_message_path(new_path)) {
		oracle_step_delivered(new_path);
	}
}

/* Out of tmp: a message comes from the server. */
static void note_fetched(const char *path, const char *new_path)
{
	if (strstr(path, "/tmp/") != NULL && is_message_path(new_path))
		fate_of_file(new_path)->fetched++;
}

static void disk_changed(const char *change, const char *path,
	const char *new_path, bool replaced)
{
	if (is_put_back(change, path, new_path)) {
		seam_log("disk: %s is put back", new_path);
		fate_of_file(new_path)->put_away--;
		forget_taken();
		return;
	}
	judge_taken();
	/* A lock on an inode that no name leads to protects nothing. */
	if (strcmp(path, WORLD_STATE "/home/lock") == 0 &&
		(strcmp(change, "unlink") == 0 ||
			strcmp(change, "rename") == 0))
		world_violation(20, "the lock is gone");
	if (!is_below(path, WORLD_MAILDIR))
		return;
	oracle.maildir_changes++;
	if (strcmp(change, "rename") == 0) {
		seam_log("disk: %s becomes %s", path, new_path);
		note_fetched(path, new_path);
	}
	if (replaced && new_path != NULL && is_message_path(new_path))
		world_violation(9, "'%s' is overwritten", new_path);
	if (strcmp(change, "unlink") == 0 && is_message_path(path))
		world_violation(9, "'%s' is unlinked", path);
	if (strcmp(change, "rename") == 0 && new_path != NULL)
		file_renamed(path, new_path);
}

void oracle_lose(unsigned number)
{
	struct fate *fate = &oracle.fates[number];

	fate->is_lost_sight_of |= fate->rewritten > 0 &&
		(!fate->is_known_rewritten || !oracle_has_name(number));
}

/* A UIDNEXT that falls is that of a server put back to what it was: no UID is
   trusted. */
static void lose_all(void)
{
	for (unsigned i = 1; i <= oracle.number_count; i++)
		oracle_lose(i);
}

static void server_changed(const char *change, const char *mailbox,
	const struct sim_message *message)
{
	unsigned number = oracle_number(message->body, message->size);
	struct fate *fate = &oracle.fates[number];

	if (strcmp(change, "append") == 0 || strcmp(change, "late") == 0)
		fate->sent++;
	if (strcmp(change, "rewrite") == 0)
		fate->rewritten++;
	if (strcmp(change, "copy") == 0)
		fate->copied++;
	if (strcmp(change, "renumber") == 0) {
		oracle_lose(number);
		fate->renumbered++;
		if (fate->copied > 0 && oracle_count_there(number) > 1)
			fate->split++;
	}
	if (strcmp(change, "reuse") == 0) {
		fate->shares_uid = true;
		lose_all();
	}
	seam_log("server: %s %s UID %u (message %u)", change, mailbox,
		message->uid, number);
	if (strcmp(change, "discard") == 0)
		oracle_removed(number);
	if (strcmp(change, "store") == 0)
		oracle_step_marks_there(mailbox, message);
	if (strcmp(change, "expunge") != 0)
		return;
	oracle_step_removes_there(mailbox, message);
	if (number == 0 || fate->removed > 0 || oracle.is_blurred ||
		fate->shares_uid || oracle_count_there(number) > 1)
		return;
	world_violation(4,
		"message %u is expunged in %s, and nobody removed "
		"it",
		number, mailbox);
}

static bool has_text(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* An APPEND without an intent is a double after the next crash. */
static void check_intent(const struct sim_command *command)
{
	struct state *state = the_world->account->state;
	struct state_cursor cursor = { 0 };
	struct intent intent;

	if (state_is_writing(state))
		world_violation(14, "%s within a transaction", command->name);
	while (state_next_intent(state, &cursor, &intent))
		if (intent.kind == INTENT_UPLOAD &&
			intent.content.size == command->body_size)
			return;
	world_violation(
		14, "APPEND to %s without an intent", command->destination);
}

/* The SELECT before told it. */
static void note_fall(void)
{
	struct sim_server_counts counts;

	sim_server_counts(&counts);
	if (counts.falls > oracle.falls)
		lose_all();
	oracle.falls = counts.falls;
}

static void check_command(const struct sim_command *command)
{
	const char *name = command->name;

	judge_taken();
	note_fall();
	oracle.is_restored_unheard = false;
	if (strcmp(name, "EXPUNGE") == 0 || strcmp(name, "CLOSE") == 0)
		world_violation(7, "%s on the wire", name);
	if (has_text(name, "STORE") && !has_text(command->line, "+FLAGS") &&
		!has_text(command->line, "-FLAGS"))
		world_violation(8, "STORE replaces flags: %s", command->line);
	if (strcmp(name, "DELETE") == 0 && command->destination != NULL) {
		const struct sim_mailbox *mailbox =
			sim_mailbox(command->destination);

		if (mailbox != NULL && mailbox->message_count > 0 &&
			!oracle.is_blurred)
			seam_log("DELETE of %s with %zu messages",
				command->destination, mailbox->message_count);
	}
	if (strcmp(name, "APPEND") == 0 && the_world->account != NULL)
		check_intent(command);
	oracle_step_command(command);
}

void oracle_begin(struct world *world)
{
	(void)world;
	memset(&oracle, 0, sizeof(oracle));
	forget_taken();
	for (unsigned i = 0; i < ORACLE_NUMBER_MAX; i++)
		oracle_set_body(i, NULL);
	sim_disk_set_change_hook(disk_changed);
	sim_server_set_change_hook(server_changed);
	sim_server_set_command_hook(check_command);
	oracle_state_begin();
	oracle_quiet_begin();
	oracle_guard_begin();
}
