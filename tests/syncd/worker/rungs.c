#include "tests/syncd/worker/rungs.h"

#include "tests/syncd/worker/fake_server.h"

const struct rung RUNGS[RUNG_COUNT] = {
	{ "QRESYNC", true, true, true, true, true, false, false },
	{ "CONDSTORE", false, true, true, true, true, false, false },
	{ "no MOVE", true, true, true, false, true, false, false },
	{ "no receipts", true, true, true, true, false, false, false },
	{ "no MOVE, no receipts", true, true, true, false, false, false,
		false },
	{ "UIDPLUS only", false, false, true, false, true, false, false },
	{ "MULTIAPPEND", true, true, true, true, true, true, false },
	{ "MULTIAPPEND, no receipts", true, true, true, true, false, true,
		false },
	{ "late uploads", true, true, true, true, true, true, true },
};

void use_rung(const struct rung *rung)
{
	server.late_in = rung->late ? 30 : 0;
	server.has_qresync = rung->qresync;
	server.has_condstore = rung->condstore;
	server.has_uidplus = rung->uidplus;
	server.has_move = rung->move;
	server.has_receipts = rung->receipts;
	server.has_multiappend = rung->multiappend;
}
