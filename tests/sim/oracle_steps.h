/* The rules about single steps of the product: what must be true before it
   removes, renames or sends something. */
#ifndef TESTS_SIM_ORACLE_STEPS_H
#define TESTS_SIM_ORACLE_STEPS_H

#include "tests/sim/sim_server.h"

/* A file got another name in the Maildir. */
void oracle_step_renamed(const char *path, const char *new_path);
/* A file came out of tmp/. */
void oracle_step_delivered(const char *new_path);
/* A file left the Maildir. */
void oracle_step_removed_here(const char *path, const char *new_path);
/* A message is about to be removed by a command. */
void oracle_step_removes_there(
	const char *mailbox, const struct sim_message *message);
/* A message's flags are about to be changed by a command. */
void oracle_step_marks_there(
	const char *mailbox, const struct sim_message *message);
void oracle_step_command(const struct sim_command *command);

#endif
