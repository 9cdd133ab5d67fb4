/* Messages of a mailbox: each change has a MODSEQ of its own, and what is gone
   is remembered for good. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/sim/sim_server_internal.h"

/* ---- Bodies: shared by copies ---- */

struct body {
	size_t reference_count;
	uint8_t data[];
};

static struct body *body_of(const struct sim_message *message)
{
	return (struct body *)(uintptr_t)(message->body -
		offsetof(struct body, data));
}

static const uint8_t REWRITTEN[] = "X-Server: was here\r\n";

static void make_body(
	struct sim_message *message, const struct server_draft *draft)
{
	size_t added = draft->is_rewritten &&
			sim_chance(SIM_REWRITES, 2, "a header is added")
		? sizeof(REWRITTEN) - 1
		: 0;
	struct body *body = sim_alloc(1, sizeof(*body) + added + draft->size);

	body->reference_count = 1;
	memcpy(body->data, REWRITTEN, added);
	if (draft->size > 0)
		memcpy(body->data + added, draft->body, draft->size);
	message->body = body->data;
	message->size = added + draft->size;
}

/* ---- Keywords: one block, pointers first ---- */

static char *no_keywords[1];

static int compare_keywords(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

static char **make_keywords(const char *const *keywords, size_t count)
{
	size_t size = (count + 1) * sizeof(char *);
	char **block;
	char *place;

	if (count == 0)
		return no_keywords;
	for (size_t i = 0; i < count; i++)
		size += strlen(keywords[i]) + 1;
	block = sim_alloc(1, size);
	place = (char *)(block + count + 1);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(keywords[i]) + 1;

		block[i] = memcpy(place, keywords[i], length);
		place += length;
	}
	qsort(block, count, sizeof(*block), compare_keywords);
	return block;
}

static size_t count_keywords(char **keywords)
{
	size_t count = 0;

	while (keywords[count] != NULL)
		count++;
	return count;
}

static void free_keywords(char **keywords)
{
	if (keywords != no_keywords)
		free(keywords);
}

static void set_keywords(
	struct sim_message *message, const char *const *keywords, size_t count)
{
	char **before = message->keywords;

	message->keywords = make_keywords(keywords, count);
	free_keywords(before);
}

bool server_has_keyword(const struct sim_message *message, const char *keyword)
{
	for (char **known = message->keywords; *known != NULL; known++)
		if (text_equal_nocase(*known, keyword))
			return true;
	return false;
}

static bool is_listed(const struct sim_flag_list *flags, const char *keyword)
{
	for (size_t i = 0; flags != NULL && i < flags->count; i++)
		if (text_equal_nocase(flags->keywords[i], keyword))
			return true;
	return false;
}

/* Whether anything is different then. */
static bool change_keywords(struct sim_message *message,
	const struct sim_flag_list *add, const struct sim_flag_list *remove)
{
	const char *kept[2 * SIM_KEYWORDS_MAX];
	size_t before = count_keywords(message->keywords);
	size_t count = 0, added = 0;

	for (size_t i = 0; i < before; i++)
		if (!is_listed(remove, message->keywords[i]))
			kept[count++] = message->keywords[i];
	for (size_t i = 0; add != NULL && i < add->count; i++) {
		if (server_has_keyword(message, add->keywords[i]) ||
			count >= SIM_KEYWORDS_MAX)
			continue;
		kept[count++] = add->keywords[i];
		added++;
	}
	if (added == 0 && count == before)
		return false;
	set_keywords(message, kept, count);
	return true;
}

/* ---- Messages ---- */

struct sim_message *server_message(struct server_mailbox *mailbox, uint32_t uid)
{
	size_t low = 0, high = mailbox->shown.message_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mailbox->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < mailbox->shown.message_count &&
		mailbox->messages[low].uid == uid)
		return &mailbox->messages[low];
	return NULL;
}

static uint64_t next_modseq(struct server_mailbox *mailbox)
{
	mailbox->shown.highest_modseq = ++mailbox->clock;
	return mailbox->clock;
}

/* At the end: its UID is the next one. */
static struct sim_message *push(struct server_mailbox *mailbox)
{
	struct sim_message *message;

	if (mailbox->shown.message_count == mailbox->message_capacity) {
		mailbox->message_capacity = mailbox->message_capacity * 2 + 8;
		mailbox->messages = sim_resize(mailbox->messages,
			mailbox->message_capacity, sizeof(*mailbox->messages));
		mailbox->shown.messages = mailbox->messages;
	}
	message = &mailbox->messages[mailbox->shown.message_count++];
	*message = (struct sim_message){
		.uid = mailbox->shown.uid_next++,
		.modseq = next_modseq(mailbox),
		.keywords = no_keywords,
	};
	return message;
}

static bool was_used(const struct server_mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; i < mailbox->shown.gone_count; i++)
		if (mailbox->gone[i].uid == uid)
			return true;
	return false;
}

/* Of a message whose UID another one had. */
static void tell_reuse(
	struct server_mailbox *mailbox, const struct sim_message *message)
{
	if (was_used(mailbox, message->uid))
		sim_call_change_hook("reuse", mailbox, message);
}

uint32_t server_add(
	struct server_mailbox *mailbox, const struct server_draft *draft)
{
	struct sim_message *message = push(mailbox);

	message->internal_date = draft->internal_date;
	message->instance = server.next_instance++;
	message->email_id = server.next_email_id++;
	make_body(message, draft);
	message->system_flags = draft->flags->system;
	(void)change_keywords(message, draft->flags, NULL);
	if (message->size != draft->size)
		sim_call_change_hook("rewrite", mailbox, message);
	tell_reuse(mailbox, message);
	return message->uid;
}

uint32_t server_add_copy(struct server_mailbox *mailbox,
	const struct sim_message *message, bool is_move)
{
	/* It may be a mailbox's own message, and memory may move. */
	const struct sim_message source = *message;
	struct sim_message *copy = push(mailbox);
	bool is_new_date = sim_chance(
		SIM_NO_DATE_ON_COPY, 2, "a copy gets a date of its own");

	body_of(&source)->reference_count++;
	copy->body = source.body;
	copy->size = source.size;
	copy->system_flags = source.system_flags;
	set_keywords(copy, (const char *const *)source.keywords,
		count_keywords(source.keywords));
	copy->internal_date = is_new_date ? seam_wall_ns() / 1000000000
					  : source.internal_date;
	copy->instance = is_move ? source.instance : server.next_instance++;
	copy->email_id = source.email_id;
	tell_reuse(mailbox, copy);
	return copy->uid;
}

static void message_finish(struct sim_message *message)
{
	struct body *body = body_of(message);

	if (--body->reference_count == 0)
		free(body);
	free_keywords(message->keywords);
}

static void note_gone(struct server_mailbox *mailbox, uint32_t uid)
{
	if (mailbox->shown.gone_count == mailbox->gone_capacity) {
		mailbox->gone_capacity = mailbox->gone_capacity * 2 + 8;
		mailbox->gone = sim_resize(mailbox->gone,
			mailbox->gone_capacity, sizeof(*mailbox->gone));
		mailbox->shown.gone = mailbox->gone;
	}
	mailbox->gone[mailbox->shown.gone_count++] =
		(struct sim_gone){ uid, ++mailbox->clock };
	/* RFC 7162, 3.2: only QRESYNC asks for a new HIGHESTMODSEQ here. */
	if (sim_has(SIM_QRESYNC))
		mailbox->shown.highest_modseq = mailbox->clock;
}

void server_expunge(struct server_mailbox *mailbox, uint32_t uid)
{
	struct sim_message *message = server_message(mailbox, uid);
	size_t index;

	if (message == NULL)
		return;
	if (uid + 1 == mailbox->shown.uid_next &&
		sim_chance(SIM_UID_REUSE, 4, "a UID will be used again")) {
		sim_call_change_hook("reuse", mailbox, message);
		mailbox->shown.uid_next = uid;
	}
	index = (size_t)(message - mailbox->messages);
	message_finish(message);
	mailbox->shown.message_count--;
	memmove(message, message + 1,
		(mailbox->shown.message_count - index) * sizeof(*message));
	note_gone(mailbox, uid);
}

bool server_change_flags(struct server_mailbox *mailbox,
	struct sim_message *message, const struct sim_flag_list *add,
	const struct sim_flag_list *remove)
{
	uint32_t system = message->system_flags;
	bool has_changed;

	if (add != NULL)
		system |= add->system;
	if (remove != NULL)
		system &= ~remove->system;
	has_changed = system != message->system_flags;
	message->system_flags = system;
	has_changed |= change_keywords(message, add, remove);
	if (has_changed)
		message->modseq = next_modseq(mailbox);
	return has_changed;
}

void server_reissue(struct server_mailbox *mailbox, uint32_t uid)
{
	struct sim_message *message = server_message(mailbox, uid);
	struct sim_message moved, *place;
	size_t left;

	if (message == NULL)
		return;
	sim_call_change_hook("renumber", mailbox, message);
	moved = *message;
	mailbox->shown.message_count--;
	left = mailbox->shown.message_count -
		(size_t)(message - mailbox->messages);
	memmove(message, message + 1, left * sizeof(*message));
	note_gone(mailbox, uid);
	place = push(mailbox);
	moved.uid = place->uid;
	moved.modseq = place->modseq;
	*place = moved;
	tell_reuse(mailbox, place);
}

void server_renumber(struct server_mailbox *mailbox)
{
	mailbox->shown.uid_validity = server.next_uid_validity++;
	mailbox->shown.uid_next = 1;
	mailbox->shown.gone_count = 0;
	mailbox->clock = 0;
	for (size_t i = 0; i < mailbox->shown.message_count; i++) {
		sim_call_change_hook(
			"renumber", mailbox, &mailbox->messages[i]);
		mailbox->messages[i].uid = mailbox->shown.uid_next++;
		mailbox->messages[i].modseq = next_modseq(mailbox);
	}
	if (mailbox->shown.message_count == 0)
		(void)next_modseq(mailbox);
}

/* ---- Mailboxes as a whole ---- */

void server_mailbox_free(struct server_mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	for (size_t i = 0; i < mailbox->shown.message_count; i++)
		message_finish(&mailbox->messages[i]);
	free(mailbox->messages);
	free(mailbox->gone);
	free(mailbox->special_use);
	free((char *)(uintptr_t)mailbox->shown.name);
	free(mailbox);
}

static void copy_messages(
	struct server_mailbox *copy, const struct server_mailbox *mailbox)
{
	size_t count = mailbox->shown.message_count;

	copy->messages = sim_alloc(count, sizeof(*copy->messages));
	copy->message_capacity = count;
	for (size_t i = 0; i < count; i++) {
		struct sim_message *message = &copy->messages[i];

		*message = mailbox->messages[i];
		body_of(message)->reference_count++;
		message->keywords =
			make_keywords((const char *const *)message->keywords,
				count_keywords(message->keywords));
	}
	copy->shown.messages = copy->messages;
}

struct server_mailbox *server_mailbox_copy(const struct server_mailbox *mailbox)
{
	struct server_mailbox *copy = sim_alloc(1, sizeof(*copy));
	size_t gone_count = mailbox->shown.gone_count;

	*copy = *mailbox;
	copy->shown.name = sim_copy_text(mailbox->shown.name);
	if (mailbox->special_use != NULL)
		copy->special_use = sim_copy_text(mailbox->special_use);
	copy_messages(copy, mailbox);
	copy->gone = sim_alloc(gone_count, sizeof(*copy->gone));
	copy->gone_capacity = gone_count;
	if (gone_count > 0)
		memcpy(copy->gone, mailbox->gone,
			gone_count * sizeof(*copy->gone));
	copy->shown.gone = copy->gone;
	return copy;
}
