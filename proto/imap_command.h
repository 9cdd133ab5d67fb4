/* Commands on their way to a server (RFC 9051, 6). Built from typed parts, so
   that no argument can end a line or a string: CR, LF and NUL travel only in
   literals. */
#ifndef PROTO_IMAP_COMMAND_H
#define PROTO_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/uid_set.h"

#define IMAP_COMMAND_LINE_MAX 8000 /* octets (RFC 2683, 3.2.1.5) */

/* What the session must know about a command beyond its bytes. */
enum imap_command_kind {
	IMAP_COMMAND_PLAIN,
	IMAP_COMMAND_CAPABILITY,
	IMAP_COMMAND_STARTTLS, /* nothing may follow until its end */
	IMAP_COMMAND_COMPRESS, /* same */
	IMAP_COMMAND_LOGIN,
	IMAP_COMMAND_AUTHENTICATE,
	IMAP_COMMAND_ENABLE,
	IMAP_COMMAND_SELECT, /* SELECT or EXAMINE: changes the state */
	IMAP_COMMAND_UNSELECT,
	IMAP_COMMAND_IDLE,
	IMAP_COMMAND_LOGOUT,
};

struct imap_command;

/* `words` is the command and fixed syntax: trusted text of ours, printable
   ASCII, no CR or LF ("UID FETCH"). */
struct imap_command *imap_command_new(
	enum imap_command_kind kind, const char *words);
void imap_command_free(struct imap_command *command);

/* Each adds a space first, unless the command ends with '('. */
void imap_command_add_words(struct imap_command *command, const char *words);
/* astring: atom, quoted or literal, whichever is safe (RFC 9051, 4). */
void imap_command_add_string(
	struct imap_command *command, const void *data, size_t size);
/* Same, never written to logs: passwords. */
void imap_command_add_secret(
	struct imap_command *command, const void *data, size_t size);
void imap_command_add_number(struct imap_command *command, uint64_t number);
/* The ranges from `*range_index` on that fit under IMAP_COMMAND_LINE_MAX;
   false when some are left for another command. */
bool imap_command_add_uids(struct imap_command *command,
	const struct uid_set *uids, size_t *range_index) MUST_CHECK;
/* No space: ")" and its like. */
void imap_command_append_text(struct imap_command *command, const char *text);
/* A literal whose `size` bytes the caller streams when the session asks. Some
   may follow each other (MULTIAPPEND): each is asked for in its turn. */
void imap_command_add_stream(struct imap_command *command, uint64_t size);
/* Octets of the whole command at most, tag included, what is in literals left
   out: to stay under IMAP_COMMAND_LINE_MAX where a command can be split. */
size_t imap_command_text_size(const struct imap_command *command);
/* The initial response of AUTHENTICATE, as raw bytes: sent at once with
   SASL-IR (and while the line stays under IMAP_COMMAND_LINE_MAX), else as the
   answer to the first challenge. */
void imap_command_set_initial_response(
	struct imap_command *command, const void *data, size_t size);

#endif
