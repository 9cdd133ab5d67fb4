/* A client that says what a test tells it to, octet by octet. Lines are of
   tests, never of a person: "a1 NOOP". */
#ifndef TESTS_SIM_DIALOGUE_H
#define TESTS_SIM_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/sim_server.h"

/* A server with INBOX and "Work", and a seed of 0. */
void dialogue_begin(uint32_t abilities, uint32_t quirks);
void dialogue_end(void);

/* Connected; its greeting is read. */
struct sim_connection *dialogue_connect(void);
/* And logged in, with QRESYNC or CONDSTORE enabled where the server has it. */
struct sim_connection *dialogue_login(void);

/* Sends `line` and CR LF, and returns all that is answered; lives until the
   next call. */
const char *dialogue(struct sim_connection *connection, const char *line);
/* As it stands, for literals. */
const char *dialogue_raw(struct sim_connection *connection, const char *text);

/* Fails the test unless `text` holds `part`, or holds it not. */
void expect_part(const char *text, const char *part);
void expect_no_part(const char *text, const char *part);
/* What is said to the line holds `part`, and nobody counts it as wrong. */
void expect_answer(
	struct sim_connection *connection, const char *line, const char *part);
/* It is BAD, and counted. */
void expect_bad(struct sim_connection *connection, const char *line);

#endif
