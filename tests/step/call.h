/* What the stepper knows of system calls on x86-64: which change something,
   which give a descriptor, memory or an answer, and what they are about. */
#ifndef MAILTWIN_STEP_CALL_H
#define MAILTWIN_STEP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/user.h>

enum call_kind {
	CALL_CHANGE =
		1,     /* of files, names and attributes; bytes to the server */
	CALL_OPEN = 2, /* gives a descriptor */
	CALL_MEMORY = 4, /* gives memory, or a thread, or a process */
	CALL_LOOK = 8,   /* reads files, names and attributes */
};

/* How a call's kinds depend on its arguments. */
enum call_rule {
	RULE_ALWAYS,
	RULE_FILE,     /* its descriptor is a file's or an IMAP connection's */
	RULE_OPEN,     /* its flags say whether it may create or truncate */
	RULE_OPEN_HOW, /* same, behind a pointer */
	RULE_FCNTL,    /* it duplicates a descriptor */
};

/* Where its arguments name a file. */
enum call_subject {
	SUBJECT_NONE,
	SUBJECT_FD,   /* fd */
	SUBJECT_PATH, /* path */
	SUBJECT_PATHS,
	SUBJECT_AT, /* directory, path */
	SUBJECT_ATS,
};

struct call {
	long number;
	const char *name;
	unsigned kinds; /* that it can be of */
	enum call_rule rule;
	enum call_subject subject;
};

#define CALL_SUBJECT_SIZE 1024
#define CALL_MAX          128

extern const struct call CALLS[];
extern const size_t CALL_COUNT;

/* NULL for a call that is none of these. */
const struct call *call_find(long number);

/* What the call is, of which `pid` stands before with these registers. */
unsigned call_kinds(const struct call *call, pid_t pid,
	const struct user_regs_struct *regs);

/* "/path", "/from -> /to", or "-"; cut to CALL_SUBJECT_SIZE. */
void call_describe(const struct call *call, pid_t pid,
	const struct user_regs_struct *regs, char *data);

/* The process of a thread, or `pid` itself when it is gone. */
pid_t call_process(pid_t pid);

#endif
