/* A session under test and the server it talks to: what goes out is compared,
   what comes out of the session is written down as text. */
#ifndef TESTS_PROTO_DIALOGUE_H
#define TESTS_PROTO_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/imap_session.h"

struct dialogue {
	struct imap_session *session;
	size_t piece;      /* octets fed at a time; 0 = all at once */
	struct buf events; /* "GREETING OK; DONE 1 OK; …" */
	struct error error;
};

/* Tags are "t1", "t2", … */
void dialogue_open(
	struct dialogue *dialogue, const struct imap_session_options *options);
/* Secure, greeted with these capabilities (NULL = none told). */
void dialogue_open_greeted(struct dialogue *dialogue, const char *capabilities);
void dialogue_close(struct dialogue *dialogue);

/* The server says `text`; events are noted until there are none left. */
void dialogue_serve(struct dialogue *dialogue, const char *text);
void dialogue_serve_octets(
	struct dialogue *dialogue, const void *data, size_t size);
/* Notes what comes without new bytes. */
void dialogue_run(struct dialogue *dialogue);

/* All that is to be written now is `text`, and gets written. */
void dialogue_expect_output(struct dialogue *dialogue, const char *text);
/* All that happened since the last call. */
void dialogue_expect_events(struct dialogue *dialogue, const char *events);

/* Both return the id. */
uint32_t dialogue_send(struct dialogue *dialogue, struct imap_command *command);
uint32_t dialogue_submit(struct dialogue *dialogue, enum imap_command_kind kind,
	const char *words);
/* APPEND INBOX with one literal to stream. */
void dialogue_append(struct dialogue *dialogue, uint64_t size);

#endif
