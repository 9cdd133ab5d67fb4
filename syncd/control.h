/* The control socket: how other runs of the program talk to the daemon. One
   request per connection, as lines of JSON (syncd/ipc.h):

   {"type":"status"}
   {"type":"sync","accounts":[{"name":A}…]}
   {"type":"command","name":"held|approve|undo",
    "accounts":[{"name":A,"mailboxes":[…] or absent}…]}
   {"type":"stop"}

   The answer is any number of
   {"type":"account","account":{…}}            as mailtwin(1) shows it
   {"type":"progress"|"synced"|"line"|"log","account":A,…}  as the worker's
   {"type":"error","text":S}
   and {"type":"done","code":N} at the end. */
#ifndef SYNCD_CONTROL_H
#define SYNCD_CONTROL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/supervisor.h"
#include "syncd/worker/loop.h"

#define CONTROL_NAME             "control" /* in runtime_dir */
#define CONTROL_CLIENT_COUNT_MAX 64
#define CONTROL_STATUS_MS        3000 /* then the last known is shown */

struct control;

/* Listens in `directory`, which exists and is ours alone. `stop` is called for
   a request to stop. Nobody but the user and root is heard. */
struct control *control_new(struct loop *loop, struct supervisor *supervisor,
	const char *directory, void (*stop)(void *data), void *data,
	struct error *error) MUST_CHECK;
/* NULL is fine. */
void control_free(struct control *control);

/* To be called for every event of the supervisor. */
void control_message(struct control *control, const char *account,
	const char *type, const json_t *message);
void control_ended(struct control *control, const char *account, int code);

/* A connected or a listening socket of `directory`, or -1. ERROR_UNREACHABLE
   when nobody listens. */
int control_socket(
	const char *directory, bool is_server, struct error *error) MUST_CHECK;

#endif
