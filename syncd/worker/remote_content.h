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
typedef void remote_content_fn(
	void *data, uint32_t uid, const struct content *content);

/* Selects the folder's mailbox and calls `take` once for each of these UIDs
   whose part came complete. One that is not told proves nothing. */
bool remote_content_read(struct account *account,
	const struct account_folder *folder, const struct uid_set *uids,
	enum remote_content_part part, remote_content_fn *take, void *data,
	struct error *error) MUST_CHECK;

#endif
