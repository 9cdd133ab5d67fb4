/* What the program ends with, as mailtwin(1) lists it. Of several accounts the
   highest counts. */
#ifndef SYNCD_EXIT_CODE_H
#define SYNCD_EXIT_CODE_H

enum exit_code {
	CODE_IN_SYNC = 0,
	CODE_LEFT_OVER = 1, /* some messages or mailboxes failed or are held */
	CODE_USAGE = 64,
	CODE_UNREACHABLE = 69,
	CODE_INTERNAL = 70,
	CODE_CANNOT_CREATE = 73,
	CODE_IO = 74,
	CODE_TEMPORARY = 75,
	CODE_PROTOCOL = 76,
	CODE_AUTH = 77,
	CODE_CONFIG = 78,
};

#endif
