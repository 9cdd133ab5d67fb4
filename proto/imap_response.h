/* What a server said, as a value (RFC 9051, 7, and the extensions named
   below). Made by imap_parser; every pointer is borrowed from the parser's
   arena and lives until the parser's next call. Text is NUL-terminated; names
   are upper-cased where RFC 9051 compares without case. A NULL pointer or a
   has_… of false means "the server did not say". */
#ifndef PROTO_IMAP_RESPONSE_H
#define PROTO_IMAP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uid_set.h"

enum imap_response_kind {
	IMAP_RESPONSE_TAGGED,       /* status, code, text, tag */
	IMAP_RESPONSE_STATUS,       /* untagged OK NO BAD BYE PREAUTH */
	IMAP_RESPONSE_CONTINUATION, /* "+ text" */
	IMAP_RESPONSE_CAPABILITY,
	IMAP_RESPONSE_ENABLED,
	IMAP_RESPONSE_ID,
	IMAP_RESPONSE_LIST,
	IMAP_RESPONSE_MAILBOX_STATUS, /* STATUS name (…) */
	IMAP_RESPONSE_NAMESPACE,
	IMAP_RESPONSE_FLAGS,
	IMAP_RESPONSE_EXISTS,
	IMAP_RESPONSE_RECENT,
	IMAP_RESPONSE_EXPUNGE,
	IMAP_RESPONSE_VANISHED,
	IMAP_RESPONSE_FETCH,
	IMAP_RESPONSE_SEARCH, /* both * SEARCH and * ESEARCH */
	/* Skipped: `name`, is_broken. A broken response of a kind we know
	   proves nothing: what it would have told stays unknown, not absent. */
	IMAP_RESPONSE_UNKNOWN,
};

enum imap_status {
	IMAP_STATUS_OK,
	IMAP_STATUS_NO,
	IMAP_STATUS_BAD,
	IMAP_STATUS_BYE,
	IMAP_STATUS_PREAUTH,
};

enum imap_code_kind {
	IMAP_CODE_NONE,
	IMAP_CODE_ALERT,
	IMAP_CODE_CAPABILITY,     /* words */
	IMAP_CODE_PERMANENTFLAGS, /* words; "\*" is one of them */
	IMAP_CODE_UIDNEXT,        /* number */
	IMAP_CODE_UIDVALIDITY,    /* number */
	IMAP_CODE_HIGHESTMODSEQ,  /* number */
	IMAP_CODE_NOMODSEQ,
	IMAP_CODE_MODIFIED,     /* source = the UIDs */
	IMAP_CODE_APPENDUID,    /* uid_validity, destination */
	IMAP_CODE_COPYUID,      /* uid_validity, source, destination */
	IMAP_CODE_MAILBOXID,    /* atom */
	IMAP_CODE_MESSAGELIMIT, /* number, last_uid */
	IMAP_CODE_UIDNOTSTICKY,
	IMAP_CODE_READ_ONLY,
	IMAP_CODE_READ_WRITE,
	IMAP_CODE_TRYCREATE,
	IMAP_CODE_CLOSED,
	IMAP_CODE_AUTHENTICATIONFAILED,
	IMAP_CODE_AUTHORIZATIONFAILED,
	IMAP_CODE_EXPIRED,
	IMAP_CODE_PRIVACYREQUIRED,
	IMAP_CODE_CONTACTADMIN,
	IMAP_CODE_NOPERM,
	IMAP_CODE_INUSE,
	IMAP_CODE_UNAVAILABLE,
	IMAP_CODE_SERVERBUG,
	IMAP_CODE_CLIENTBUG,
	IMAP_CODE_CANNOT,
	IMAP_CODE_LIMIT,
	IMAP_CODE_OVERQUOTA,
	IMAP_CODE_TOOBIG,
	IMAP_CODE_ALREADYEXISTS,
	IMAP_CODE_NONEXISTENT,
	IMAP_CODE_EXPUNGEISSUED,
	IMAP_CODE_HASCHILDREN,
	IMAP_CODE_OTHER, /* name; atom = its raw payload, or NULL */
};

/* UIDs in the order the server wrote them: pairs of COPYUID match by position
   and may descend (Gmail). A range with first > last counts down. */
struct imap_uid_list {
	const struct uid_range *ranges;
	size_t range_count;
};

struct imap_words {
	const char *const *words;
	size_t count;
};

struct imap_code {
	enum imap_code_kind kind;
	const char *name; /* upper case; NULL for IMAP_CODE_NONE */
	bool is_valid;    /* false: payload missing or junk; treat as absent */
	uint64_t number;
	uint32_t uid_validity;
	uint32_t last_uid;
	const char *atom;
	struct imap_words words;
	struct imap_uid_list source;
	struct imap_uid_list destination;
};

struct imap_status_response {
	enum imap_status status;
	struct imap_code code;
	const char *text; /* never NULL; raw bytes of the server */
};

struct imap_list {
	struct imap_words attributes; /* "\Noselect", as sent */
	char delimiter;               /* 0 = NIL */
	const char *name;             /* raw, as sent: often modified UTF-7 */
	size_t name_size;
	const char *old_name; /* OLDNAME (RFC 5465), or NULL */
	const char *mailbox_id;
};

struct imap_mailbox_status {
	const char *name; /* raw, as sent */
	size_t name_size;
	bool has_messages, has_uid_next, has_uid_validity, has_unseen;
	bool has_highest_modseq, has_append_limit, has_size;
	uint32_t messages, uid_next, uid_validity, unseen;
	uint64_t highest_modseq, append_limit, size;
	const char *mailbox_id;
};

struct imap_namespace {
	const char *prefix;
	char delimiter; /* 0 = NIL */
};

struct imap_namespaces {
	const struct imap_namespace *personal;
	size_t personal_count;
	const struct imap_namespace *other;
	size_t other_count;
	const struct imap_namespace *shared;
	size_t shared_count;
};

/* Body sections come as streamed literals (IMAP_PARSE_LITERAL) before the
   response is complete; only their outcome is told here. */
enum imap_body {
	IMAP_BODY_NONE,     /* the response has no body item */
	IMAP_BODY_NIL,      /* NIL or no value at all: no data, not empty */
	IMAP_BODY_STREAMED, /* a literal was handed out, or a quoted string */
};

struct imap_fetch {
	uint32_t seqno;
	bool has_uid, has_flags, has_modseq, has_size, has_internal_date;
	uint32_t uid;
	uint64_t modseq;
	uint64_t size; /* RFC822.SIZE: may lie, never a literal length */
	int64_t internal_date;   /* seconds since 1970 */
	struct imap_words flags; /* as sent, in order */
	const char *email_id;    /* EMAILID (RFC 8474), else X-GM-MSGID */
	/* Of the whole-body item if there is one, else of the last one. */
	enum imap_body body;
	bool is_whole_body; /* BODY[] or RFC822, no partial origin */
	bool is_header;     /* BODY[HEADER…] or RFC822.HEADER */
	uint64_t body_size; /* octets streamed */
};

struct imap_search {
	bool is_esearch;
	bool is_uid;
	const char *search_tag; /* ESEARCH correlator, or NULL */
	bool has_all, has_count, has_modseq, has_min, has_max;
	struct imap_uid_list all; /* SEARCH numbers too */
	uint64_t count, modseq;
	uint32_t min, max;
};

struct imap_response {
	enum imap_response_kind kind;
	const char *tag;  /* TAGGED */
	const char *name; /* UNKNOWN: upper-case keyword, or NULL */
	bool is_broken;   /* UNKNOWN: a known kind that makes no sense */
	bool has_nul;     /* is_broken: NUL is in it */
	uint32_t number;  /* EXISTS, RECENT, EXPUNGE */
	/* CAPABILITY, ENABLED, FLAGS; ID: key value … */
	struct imap_words words;
	union {
		/* TAGGED, STATUS, CONTINUATION */
		struct imap_status_response status;
		struct imap_list list;
		struct imap_mailbox_status mailbox_status;
		struct imap_namespaces namespaces;
		struct imap_fetch fetch;
		struct imap_search search;
		struct {
			bool is_earlier;
			/* "*" as an end is clamped to 4294967295 */
			struct imap_uid_list uids;
		} vanished;
	};
};

#endif
