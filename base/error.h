/* One error value, carried up: what happened, in words, and what the caller
   can do about it, as a code. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "base/compiler.h"

#define ERROR_MESSAGE_SIZE 512

enum error_code {
	ERROR_NONE,
	ERROR_REFUSED,      /* server said NO: skip, remember, retry later */
	ERROR_SYSTEM,       /* a system call failed: back off this mailbox */
	ERROR_DISCONNECTED, /* close, reconnect with back-off */
	ERROR_PROTOCOL,     /* same; the server broke the grammar */
	ERROR_LIMIT,        /* same; a named limit was exceeded */
	ERROR_UNREACHABLE,  /* no connection: retry with back-off */
	ERROR_AUTH,         /* stop the account until the user acts */
	ERROR_CORRUPT,      /* stop the account, keep the evidence */
	ERROR_CONFIG,       /* the user must edit something */
	ERROR_STOPPED,      /* we were asked to stop */
};

struct error {
	enum error_code code;
	int system_error;                 /* errno, or 0 */
	char message[ERROR_MESSAGE_SIZE]; /* no capital, no full stop */
};

/* All return false, so that failing is one statement. `error` may be NULL.
   Control characters in the formatted text are replaced by '?', so that a
   server's words cannot drive a terminal. */
bool error_set(struct error *error, enum error_code code, const char *format,
	...) PRINTF_LIKE(3, 4);

/* ERROR_SYSTEM, and ": " and strerror(errno) behind the message. */
bool error_set_errno(struct error *error, const char *format, ...)
	PRINTF_LIKE(2, 3);

/* Puts "text: " before the message there is. */
bool error_prefix(struct error *error, const char *format, ...)
	PRINTF_LIKE(2, 3);

void error_clear(struct error *error);

/* "refused", "system", … for status and logs; static. */
const char *error_code_name(enum error_code code);

#endif
