/* Another client of the same account. */
#include <stdlib.h>
#include <string.h>

#include "base/flags.h"
#include "tests/sim/actors.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_time.h"

static const char *const KEYWORDS[] = { "work", "todo", "$Label1" };

void deliver_there(struct world *world, const char *mailbox, uint32_t flags)
{
	size_t size;
	unsigned number;
	char *body;

	if (oracle_is_full())
		return;
	body = any_new_message(world, &size, &number);
	if (sim_deliver(mailbox, body, size, flags,
		    seam_wall_ns() / 1000000000 - 86400) != 0) {
		oracle_made(number, false);
		seam_log("there: message %u arrives in %s", number, mailbox);
	}
	free(body);
}

/* Any message of the mailbox; NULL = it is empty. */
static const struct sim_message *any_message(
	struct world *world, const char *name)
{
	const struct sim_mailbox *mailbox = sim_mailbox(name);

	if (mailbox == NULL || mailbox->message_count == 0)
		return NULL;
	return &mailbox->messages[world_choose(
		world, (unsigned)mailbox->message_count)];
}

static unsigned number_of(const struct sim_message *message)
{
	return oracle_number(message->body, message->size);
}

static void set_flag(struct world *world, const char *mailbox,
	const struct sim_message *message)
{
	uint32_t flag = UINT32_C(1) << world_choose(world, 5);
	bool has_it = (message->system_flags & flag) != 0;

	oracle_touched(number_of(message));
	seam_log("there: message %u in %s %s %s", number_of(message), mailbox,
		has_it ? "loses" : "gets", flag_name(flag));
	oracle_flagged(number_of(message), false, message->system_flags ^ flag);
	(void)sim_store(mailbox, message->uid, has_it ? 0 : flag,
		has_it ? flag : 0, NULL, NULL);
}

static bool has_keyword(const struct sim_message *message, const char *keyword)
{
	for (char **name = message->keywords; *name != NULL; name++)
		if (strcmp(*name, keyword) == 0)
			return true;
	return false;
}

static void set_keyword(struct world *world, const char *mailbox,
	const struct sim_message *message)
{
	const char *keyword = KEYWORDS[world_choose(world, 3)];
	bool has_it = has_keyword(message, keyword);

	oracle_touched(number_of(message));
	seam_log("there: message %u in %s %s %s", number_of(message), mailbox,
		has_it ? "loses" : "gets", keyword);
	(void)sim_store(mailbox, message->uid, 0, 0, has_it ? NULL : keyword,
		has_it ? keyword : NULL);
}

static void move(struct world *world, const char *mailbox,
	const struct sim_message *message)
{
	const char *to = any_folder(world);

	if (sim_mailbox(to) == NULL || strcmp(to, mailbox) == 0)
		return;
	oracle_moved(number_of(message));
	seam_log("there: message %u moves from %s to %s", number_of(message),
		mailbox, to);
	(void)sim_move(mailbox, message->uid, to);
}

static void copy(struct world *world, const char *mailbox,
	const struct sim_message *message)
{
	const char *to = any_folder(world);
	unsigned number = number_of(message);

	if (sim_mailbox(to) == NULL)
		return;
	oracle_made(number, false);
	oracle_touched(number);
	seam_log("there: message %u is copied from %s to %s", number, mailbox,
		to);
	(void)sim_copy(mailbox, message->uid, to);
}

static void expunge(const char *mailbox, const struct sim_message *message)
{
	oracle_removed(number_of(message));
	seam_log("there: message %u is removed from %s", number_of(message),
		mailbox);
	(void)sim_expunge(mailbox, message->uid);
}

/* All of INBOX, or every other message. */
static void sweep(struct world *world)
{
	const struct sim_mailbox *mailbox = sim_mailbox("INBOX");
	unsigned step = 1 + world_choose(world, 2);

	for (size_t i = 0; mailbox != NULL && i < mailbox->message_count;
		i += step - 1)
		expunge("INBOX", &mailbox->messages[i]);
}

static void act_on_message(struct world *world)
{
	const char *mailbox = any_folder(world);
	const struct sim_message *message = any_message(world, mailbox);

	if (message == NULL)
		return;
	switch (world_choose(world, 8)) {
	case 0:
	case 1:
	case 2:
		set_flag(world, mailbox, message);
		break;
	case 3:
	case 4:
		move(world, mailbox, message);
		break;
	case 5:
		expunge(mailbox, message);
		break;
	case 6:
		copy(world, mailbox, message);
		break;
	default:
		if (world->kind.has_keywords)
			set_keyword(world, mailbox, message);
		break;
	}
}

/* Every message in it is gone with it. */
static void delete_mailbox(const char *name)
{
	const struct sim_mailbox *mailbox = sim_mailbox(name);

	if (mailbox == NULL)
		return;
	for (size_t i = 0; i < mailbox->message_count; i++)
		oracle_removed(number_of(&mailbox->messages[i]));
	seam_log("there: mailbox %s is deleted", name);
	(void)sim_mailbox_delete(name);
}

/* What is below it goes along. */
static void note_renamed(const char *from)
{
	size_t size = strlen(from);

	for (size_t i = 0; i < sim_mailbox_count(); i++) {
		const struct sim_mailbox *mailbox = sim_mailbox_at(i);
		const char *rest = mailbox->name + size;

		if (strncmp(mailbox->name, from, size) != 0 ||
			(*rest != '\0' && *rest != '/'))
			continue;
		for (size_t k = 0; k < mailbox->message_count; k++)
			oracle_moved(number_of(&mailbox->messages[k]));
	}
}

static void rename_mailbox(const char *from, const char *to)
{
	if (!sim_mailbox_can_rename(from, to))
		return;
	note_renamed(from);
	seam_log("there: mailbox %s is renamed to %s", from, to);
	oracle_folder_made(to, false);
	(void)sim_mailbox_rename(from, to);
}

static void act_on_mailbox(struct world *world)
{
	const char *mailbox = any_folder(world);

	if (strcmp(mailbox, "INBOX") == 0)
		return;
	switch (world_choose(world, 4)) {
	case 0:
		if (sim_mailbox(mailbox) == NULL) {
			seam_log("there: mailbox %s is made", mailbox);
			oracle_folder_made(mailbox, false);
			(void)sim_mailbox_create(mailbox, NULL);
		}
		break;
	case 1:
		delete_mailbox(mailbox);
		break;
	default:
		rename_mailbox(mailbox, any_folder(world));
		break;
	}
}

void act_there(struct world *world)
{
	if (world->kind.has_folder_acts && is_one_in(world, 8))
		act_on_mailbox(world);
	else if (world->kind.is_crowded && is_one_in(world, 8))
		sweep(world);
	else if (is_one_in(world, 4))
		deliver_there(world, any_folder(world), world_choose(world, 4));
	else
		act_on_message(world);
}
