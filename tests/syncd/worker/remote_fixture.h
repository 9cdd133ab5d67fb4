/* What a remote needs to be opened in a test. */
#ifndef TESTS_SYNCD_WORKER_REMOTE_FIXTURE_H
#define TESTS_SYNCD_WORKER_REMOTE_FIXTURE_H

#include "config/config.h"
#include "syncd/worker/remote.h"

struct fixture {
	struct loop *loop;
	struct config_account account;
	struct keyword_table keywords;
	struct remote_options options;
	struct arena arena;
	const char *secret;
	const char *fresh_secret; /* on retry; NULL = the same */
	unsigned secret_count;    /* how often it was asked for */
	const char *disable[8];
};

/* Account "user" with password "pass" on 127.0.0.1, without TLS. */
void fixture_init(struct fixture *fixture, uint16_t port);
void fixture_finish(struct fixture *fixture);
/* An extension to do without. */
void fixture_disable(struct fixture *fixture, const char *word);

/* Fails the test when it cannot be opened. */
struct remote *fixture_open(struct fixture *fixture);

/* The code that opening fails with; its message goes to `message_out`. */
enum error_code fixture_open_error(
	struct fixture *fixture, char message_out[ERROR_MESSAGE_SIZE]);

/* Fails the test, with the message, unless `is_done`. */
void expect(bool is_done, const struct error *error);
/* Fails the test unless the call failed in this way. */
void expect_error(
	bool is_done, const struct error *error, enum error_code code);

/* Runs the loop until `*flag`, ten seconds at most. */
bool fixture_wait(struct fixture *fixture, const bool *flag);

#endif
