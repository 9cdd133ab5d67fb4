/* What the user asked for: the configuration file read, checked, with defaults
   filled in and paths made absolute. mailtwin.yaml(5) describes the file. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"

#define CONFIG_FILE_SIZE_MAX     (1024 * 1024)
#define CONFIG_ACCOUNT_COUNT_MAX 256
#define CONFIG_LIST_COUNT_MAX    256  /* patterns, pins, names in one list */
#define CONFIG_TEXT_SIZE_MAX     4096 /* octets of one value */
#define CONFIG_NAME_SIZE_MAX     64   /* octets of an account name */
#define CONFIG_PROBLEM_COUNT_MAX 100  /* what comes behind is counted only */
#define CONFIG_PIN_SIZE          32   /* SHA-256 of a SubjectPublicKeyInfo */
#define CONFIG_TYPE_SIZE         192  /* a type in words, for people */

enum config_log_level {
	CONFIG_LOG_ERROR,
	CONFIG_LOG_WARNING,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

enum config_tls {
	CONFIG_TLS_IMPLICIT,
	CONFIG_TLS_STARTTLS,
	CONFIG_TLS_OFF,
};

/* Bits: what may be used, the strongest offered of it wins. */
enum {
	CONFIG_AUTH_AUTO = 0, /* whatever is strongest */
	CONFIG_AUTH_PLAIN = 1 << 0,
	CONFIG_AUTH_LOGIN = 1 << 1,
	CONFIG_AUTH_SCRAM_SHA_256 = 1 << 2,
	CONFIG_AUTH_SCRAM_SHA_1 = 1 << 3,
	CONFIG_AUTH_OAUTHBEARER = 1 << 4,
	CONFIG_AUTH_XOAUTH2 = 1 << 5,
	CONFIG_AUTH_EXTERNAL = 1 << 6,
	CONFIG_AUTH_CRAM_MD5 = 1 << 7,
};

enum config_layout {
	CONFIG_LAYOUT_FS,
	CONFIG_LAYOUT_MAILDIRPP,
};

enum config_keywords {
	CONFIG_KEYWORDS_DOVECOT,
	CONFIG_KEYWORDS_OFF,
};

enum config_conflict {
	CONFIG_CONFLICT_KEEP,
	CONFIG_CONFLICT_DELETE,
};

enum config_compress {
	CONFIG_COMPRESS_AUTO,
	CONFIG_COMPRESS_ON,
	CONFIG_COMPRESS_OFF,
};

struct config_list {
	const char **items;
	size_t count;
};

struct config_pin {
	uint8_t sha256[CONFIG_PIN_SIZE];
};

struct config_pins {
	struct config_pin *items;
	size_t count;
};

/* Text is NULL when not given. Paths are absolute. */
struct config_account {
	const char *name; /* [A-Za-z0-9._-]+, no leading '.' or '-' */

	const char *host;    /* NULL only with a tunnel */
	uint16_t port;       /* never 0 */
	enum config_tls tls; /* with a tunnel OFF unless given */
	bool allow_plaintext;
	const char *tls_ca_file;
	struct config_pins tls_pins;
	const char *tls_client_cert;
	const char *tls_client_key; /* the certificate's file unless given */
	const char *tunnel;

	const char *user;
	const char *password; /* at most one of these four */
	const char *password_command;
	const char *password_file;
	const char *token_command;
	uint32_t auth; /* CONFIG_AUTH_… bits */

	const char *maildir;
	enum config_layout layout;
	struct config_list mailboxes; /* see config/pattern.h */
	enum config_keywords keywords;
	enum config_conflict conflict;
	bool has_delete_limit;
	uint32_t delete_limit_percent;
	uint32_t retention_s; /* 0 = keep nothing */

	uint32_t connections;
	bool idle;
	uint32_t poll_s;
	enum config_compress compress;
	struct config_list disable; /* extension names, as written */
};

struct config {
	const char *path; /* of the file, absolute */
	const char *state_dir;
	const char *runtime_dir;
	enum config_log_level log_level;
	struct config_account *accounts; /* in the order of the file */
	size_t account_count;

	struct arena arena;         /* owns all of the above */
	struct config_list secrets; /* to overwrite at the end */
};

/* One thing wrong. Secrets are masked in `source`, control characters are
   replaced in both texts. */
struct config_problem {
	uint32_t line;   /* from 1; 0 = about the file as a whole */
	uint32_t column; /* from 1, in characters */
	char *message;
	char *source;   /* the line; NULL when there is none */
	uint32_t caret; /* where in `source` the column is, from 0 */
};

/* A zeroed one is valid and empty. */
struct config_problems {
	struct config_problem *items; /* in the order of the file */
	size_t count;
	size_t dropped_count; /* beyond CONFIG_PROBLEM_COUNT_MAX */
	char *path;           /* as given to config_load() */
};

void config_problems_init(struct config_problems *problems);
void config_problems_finish(struct config_problems *problems);

/* Appends every problem, each as
	FILE:LINE:COLUMN: what (did you mean 'x'?)
	the source line
	     ^
   with a newline behind each line. */
void config_problems_write(
	const struct config_problems *problems, struct buf *text);

/* Reads and checks the whole file. False when anything is wrong with it: then
   `problems`, which must be empty before, names all of it. Reads the
   environment (HOME, XDG_…, and what paths in the file refer to). */
bool config_load(const char *path, struct config **config_out,
	struct config_problems *problems) MUST_CHECK;

/* Same for bytes that are in memory. Relative paths are relative to the
   directory of `path`; `mode` is the file's, for who may read it. */
bool config_parse(const char *path, uint32_t mode, const uint8_t *data,
	size_t size, struct config **config_out,
	struct config_problems *problems) MUST_CHECK;

/* All passwords become "": for a process that is to know none. */
void config_wipe_secrets(struct config *config);

/* Overwrites passwords first. NULL is fine. */
void config_free(struct config *config);

/* NULL when there is none of that name. */
const struct config_account *config_find_account(
	const struct config *config, const char *name);

/* $XDG_CONFIG_HOME/mailtwin/config.yaml or ~/.config/…; for root, when that
   does not exist, /etc/mailtwin/config.yaml. The caller frees it. NULL when no
   home directory is known. */
char *config_default_path(void) MUST_CHECK;

/* One key as documentation. */
struct config_key_help {
	const char *name;
	bool is_account_key; /* else top level */
	char type[CONFIG_TYPE_SIZE];
	const char *fallback; /* the default as one would write it, "" = none */
	const char *help;     /* a phrase without full stop */
};

/* Walks the key table: index from 0; false behind the last. */
bool config_key_describe(size_t index, struct config_key_help *help_out);

#endif
