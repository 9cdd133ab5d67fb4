/* What messages on the server are made of: read, digested and thrown away. */
#ifndef SYNCD_WORKER_REMOTE_CONTENT_H
#define SYNCD_WORKER_REMOTE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/pair.h"
#include "base/uid_set.h"
#include "syncd/worker/account.h"

enum remote_content_part {
	REMOTE_CONTENT_HEADER, /* tells message_id and header_hash */
	REMOTE_CONTENT_WHOLE,  /* and size and hash */
};

/* `content` is borrowed during the call. */
struct remote_content_taker {
	void (*take)(void *data, uint32_t uid, const struct content *content);
	void *data;
};

/* Selects the folder's mailbox and calls the taker once for each of these UIDs
   whose part came complete. One that is not told proves nothing. */
bool remote_content_read(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids,
	enum remote_content_part part, const struct remote_content_taker *taker,
	struct error *error) MUST_CHECK;

#endif
