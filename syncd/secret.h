/* Passwords and tokens: from the configuration, a file or a command, without
   blocking the loop. They are never logged; a command's output appears in no
   error. */
#ifndef SYNCD_SECRET_H
#define SYNCD_SECRET_H

#include "base/compiler.h"
#include "base/error.h"
#include "config/config.h"
#include "syncd/worker/loop.h"

#define SECRET_SIZE_MAX   65536 /* octets of the first line */
#define SECRET_TIMEOUT_MS 60000 /* then the command is killed */

/* One question. The account is borrowed until secret_ask() returns. */
struct secret;

/* Calls `done` once from the loop, later: with the text (borrowed, wiped
   afterwards), or with NULL and the error. */
struct secret *secret_ask(struct loop *loop,
	const struct config_account *account,
	void (*done)(void *data, const char *text, const struct error *error),
	void *data) MUST_CHECK;

/* Kills a command that still runs; no call comes afterwards. To be called in
   every case, from within `done` too. NULL is fine. */
void secret_free(struct secret *secret);

/* Another limit than SECRET_TIMEOUT_MS, from now on. */
void secret_set_timeout(struct secret *secret, uint64_t timeout_ms);

#endif
