/* An IMAP server in memory, spoken to through syncd/worker/remote.h: the seam
   is the header, this is another implementation of it. Linked in place of
   remote*.c, it lets whole passes run without a network, on a server that can
   do more or less, and that can be cut off at any call. */
#ifndef TESTS_SYNCD_WORKER_FAKE_SERVER_H
#define TESTS_SYNCD_WORKER_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/flags.h"
#include "base/uid_set.h"

#define FAKE_MAILBOX_MAX 32
#define FAKE_MESSAGE_MAX 512
#define FAKE_ROW_CHUNK   ((size_t)2)

struct fake_message {
	uint32_t uid;
	uint64_t modseq;
	struct flags flags;
	int64_t date;
	uint64_t email_id; /* kept by a move or copy */
	char *body;        /* CRLF line ends, NUL-terminated */
};

struct fake_gone {
	uint32_t uid;
	uint64_t modseq;
};

struct fake_mailbox {
	char *name;      /* NULL = slot free */
	uint32_t number; /* its MAILBOXID, for ever */
	uint32_t uid_validity, uid_next;
	uint64_t modseq;
	struct fake_message messages[FAKE_MESSAGE_MAX];
	size_t count;
	struct fake_gone gone[FAKE_MESSAGE_MAX * 4];
	size_t gone_count;
};

struct fake_server {
	struct fake_mailbox mailboxes[FAKE_MAILBOX_MAX];
	uint32_t next_validity;
	/* What it offers. */
	bool has_qresync, has_condstore, has_uidplus, has_move, has_receipts;
	bool has_multiappend; /* batches of three */
	bool has_email_ids;
	bool has_mailbox_ids;
	uint64_t last_email_id;
	uint64_t message_limit; /* 0 = none; a COPY of more is refused */
	bool lists_nothing;
	bool keeps_expunged; /* UID EXPUNGE is OK, and removes nothing */
	const char *hides;   /* this mailbox is not listed; or NULL */
	/* Listed, and no mailbox: others are below it; or NULL. */
	const char *only_name;
	size_t unreadable_count; /* mailboxes whose names nobody can read */
	const char *refuses;     /* this mailbox cannot be selected; or NULL */
	const char *silent;      /* this mailbox gives no STATUS; or NULL */
	/* Of this one a listing ends with NO, after its chunks; or NULL. */
	const char *breaks_off;
	/* Of this one no UIDs can be listed; or NULL. */
	const char *doubtful;
	bool hides_stores;   /* a STORE is OK, without a word of what it did */
	bool ignores_stores; /* and does nothing */
	bool says_modified;  /* of every STORE with a condition */
	bool rewrites;       /* what is uploaded gets one header more */
	bool miscounts;      /* RFC822.SIZE has one octet less */
	bool loses_copies;   /* a COPY is OK, and does nothing */
	/* Messages that contain it are left out of a FETCH; or NULL. */
	const char *withholds;
	const char *poison; /* messages that contain it are refused; or NULL */
	/* Called in between, as a second client would act. */
	void (*interfere)(void *data);
	void *data;
	const char *call; /* the function at work, for interfere() */
	/* The connection breaks at this call (1 = the next); 0 = never. */
	unsigned cut_in;
	bool cut_after_effect; /* else before */
	/* What an APPEND cut off before its effect had sent is stored so many
	   calls later; 0 = never. */
	unsigned late_in;
	/* What went over the wire. */
	unsigned call_count, change_count, body_count, append_count;
	unsigned batch_count; /* commands with several messages */
};

extern struct fake_server server;

void fake_server_init(void);
void fake_server_finish(void);
struct fake_mailbox *fake_mailbox(const char *name); /* NULL = none */
struct fake_mailbox *fake_create(const char *name);
struct fake_message *fake_deliver(
	struct fake_mailbox *mailbox, const char *body, uint32_t system_flags);
struct fake_message *fake_find(struct fake_mailbox *mailbox, uint32_t uid);
void fake_touch(struct fake_mailbox *mailbox, struct fake_message *message);
void fake_expunge(struct fake_mailbox *mailbox, uint32_t uid);
void fake_move(
	struct fake_mailbox *from, uint32_t uid, struct fake_mailbox *to);
void fake_rename(const char *from, const char *to);
void fake_delete(const char *name);
/* Stores at once what would come late. */
void fake_arrive(void);
/* All messages get new UIDs under a new UIDVALIDITY. */
void fake_renumber(struct fake_mailbox *mailbox);

#endif
