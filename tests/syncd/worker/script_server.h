/* A server that knows its lines: what it expects to read, and what it says
   then. */
#ifndef TESTS_SYNCD_WORKER_SCRIPT_SERVER_H
#define TESTS_SYNCD_WORKER_SCRIPT_SERVER_H

#include <stdbool.h>

#include "peer.h"

struct script_step {
	/* What the client's next line must contain; NULL = reads nothing. */
	const char *wants;
	/* Sent then; "%" is the tag of the last command, "\x01" is NUL. NULL =
	   nothing. */
	const char *says;
	/* Octets of a literal to swallow before the line. */
	size_t octets;
	bool is_untagged; /* the line is no command, the tag stays */
};

#define SCRIPT_STEP_MAX 40

struct script {
	struct peer peer;
	struct script_step steps[SCRIPT_STEP_MAX];
	unsigned count;
	char failure[300]; /* "" while all lines were as expected */
};

/* The greeting and a login that offer `capabilities`. */
void script_init(struct script *script, const char *capabilities);
void script_add(struct script *script, const char *wants, const char *says);
void script_add_step(struct script *script, struct script_step step);
/* Begins to serve; after the last step it hangs up. */
void script_start(struct script *script);
/* Fails the test when the client said something else than expected. */
void script_finish(struct script *script);

#endif
