/* Dates of IMAP and mail: INTERNALDATE (RFC 9051, 9, date-time) and the Date
   header (RFC 5322, 3.3 and 4.3), as seconds since 1970. Forgiving about what
   servers and mail really hold; a date that cannot exist is refused. */
#ifndef PROTO_IMAP_DATE_H
#define PROTO_IMAP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Quotes and NUL included. */
#define IMAP_DATE_SIZE 29

/* " 9-Feb-2007 01:02:03 +0800" without its quotes; one-digit days, months in
   any case and a missing zone (UTC) are taken. False for everything else, the
   zero date of Domino ("00-Jan-0000 00:00:00 +0000") included. */
bool imap_date_parse(
	const char *text, size_t size, int64_t *seconds_out) MUST_CHECK;

/* The value of a Date header: optional day name, comments, named zones, years
   of two digits. */
bool imap_date_parse_header(
	const char *text, size_t size, int64_t *seconds_out) MUST_CHECK;

/* date-time for APPEND, quotes included: "\" 9-Feb-2007 01:02:03 +0000\"".
   Seconds outside of the years 1 to 9999 become the nearest inside. */
void imap_date_format(int64_t seconds, char text_out[IMAP_DATE_SIZE]);

#endif
