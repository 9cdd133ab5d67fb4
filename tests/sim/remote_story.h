/* A random story of two devices and one account, told by the worker's own
   remote. What a server answers is written down, so that servers can be
   compared: MODSEQs and UIDVALIDITYs only by how they change. */
#ifndef TESTS_SIM_REMOTE_STORY_H
#define TESTS_SIM_REMOTE_STORY_H

#include "base/buf.h"
#include "tests/syncd/worker/remote_fixture.h"

enum story_rung {
	STORY_QRESYNC,
	STORY_CONDSTORE,
	STORY_PLAIN,
	STORY_BARE, /* nothing but RFC 3501, UIDPLUS and MOVE */
	STORY_RUNG_COUNT,
};

/* The account must be new, with INBOX and a Trash. One line per answer is
   added to `text`. Fails the test where a call fails that must not. */
void story_tell(struct fixture *fixture, enum story_rung rung, uint64_t seed,
	unsigned step_count, struct buf *text);

#endif
