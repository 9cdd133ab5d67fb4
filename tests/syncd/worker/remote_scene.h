/* A remote opened on a server that knows its lines. */
#ifndef TESTS_SYNCD_WORKER_REMOTE_SCENE_H
#define TESTS_SYNCD_WORKER_REMOTE_SCENE_H

#include "remote_fixture.h"
#include "script_server.h"

/* What SELECT tells, with a line about modification sequences. */
#define SELECTED(modseq)                                                       \
	"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 20] n\r\n"      \
	"* OK [PERMANENTFLAGS (\\Seen \\*)] f\r\n" modseq
#define MODSEQ_50 "* OK [HIGHESTMODSEQ 50] m\r\n"

struct scene {
	struct script script; /* script_init() and its steps come first */
	struct fixture fixture;
	struct remote *remote;
	struct error error;
};

void scene_open(struct scene *scene);
void scene_close(struct scene *scene);

#endif
