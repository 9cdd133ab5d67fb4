#include "proto/imap_date.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/text.h"

#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01 00:00:00 */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59 */
#define DAY_SECONDS 86400

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct reader {
	const char *text;
	size_t size;
};

struct date {
	uint32_t year, month, day; /* month 1 to 12 */
	uint32_t hour, minute, second;
	int64_t zone; /* seconds east of UTC */
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static void skip(struct reader *reader, size_t size)
{
	reader->text += size;
	reader->size -= size;
}

static bool take(struct reader *reader, char byte)
{
	if (reader->size == 0 || reader->text[0] != byte)
		return false;
	skip(reader, 1);
	return true;
}

static void skip_blanks(struct reader *reader)
{
	while (take(reader, ' ') || take(reader, '\t') || take(reader, '\r') ||
		take(reader, '\n'))
		;
}

/* Blanks and comments: CFWS of RFC 5322, 3.2.2. */
static void skip_comments(struct reader *reader)
{
	size_t depth = 0;

	skip_blanks(reader);
	while (reader->size > 0 && (depth > 0 || reader->text[0] == '(')) {
		if (reader->text[0] == '(')
			depth++;
		if (reader->text[0] == ')')
			depth--;
		if (reader->text[0] == '\\' && reader->size > 1)
			skip(reader, 1);
		skip(reader, 1);
		if (depth == 0)
			skip_blanks(reader);
	}
}

/* One to `size_max` digits; how many, or 0. */
static size_t take_number(
	struct reader *reader, size_t size_max, uint32_t *number_out)
{
	size_t size = 0;

	while (size < reader->size && is_digit(reader->text[size]))
		size++;
	if (size == 0 || size > size_max ||
		!number_parse_u32(reader->text, size, number_out))
		return 0;
	skip(reader, size);
	return size;
}

static bool take_month(struct reader *reader, uint32_t *month_out)
{
	char name[4] = { 0 };

	if (reader->size < 3)
		return false;
	memcpy(name, reader->text, 3);
	for (uint32_t month = 0; month < 12; month++) {
		if (text_equal_nocase_sized(
			    MONTHS + month * (size_t)3, 3, name)) {
			*month_out = month + 1;
			skip(reader, 3);
			return true;
		}
	}
	return false;
}

/* zone = ("+" / "-") 4DIGIT */
static bool take_zone(struct reader *reader, int64_t *zone_out)
{
	bool is_west = reader->size > 0 && reader->text[0] == '-';
	uint32_t zone;

	if (!take(reader, '+') && !take(reader, '-'))
		return false;
	if (take_number(reader, 4, &zone) != 4 || zone % 100 > 59)
		return false;
	*zone_out = (int64_t)(zone / 100) * 3600 + (int64_t)(zone % 100) * 60;
	if (is_west)
		*zone_out = -*zone_out;
	return true;
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
	static const uint8_t DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && is_leap ? 29 : DAYS[month - 1];
}

/* Days from 1970-01-01 in the Gregorian calendar; years begin in March here,
   so that the leap day is the last of its year. */
static int64_t days_from_date(const struct date *date)
{
	int64_t year = (int64_t)date->year - (date->month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month = (date->month + 9) % 12;
	int64_t day = (153 * month + 2) / 5 + date->day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
		year_of_era / 100 + day - 719468;
}

static bool to_seconds(const struct date *date, int64_t *seconds_out)
{
	if (date->year == 0 || date->month == 0 || date->month > 12 ||
		date->day == 0 ||
		date->day > month_days(date->year, date->month))
		return false;
	/* 60 is a leap second. */
	if (date->hour > 23 || date->minute > 59 || date->second > 60)
		return false;
	*seconds_out = days_from_date(date) * DAY_SECONDS +
		(int64_t)date->hour * 3600 + (int64_t)date->minute * 60 +
		date->second - date->zone;
	return true;
}

/* time = 2DIGIT ":" 2DIGIT [":" 2DIGIT] */
static bool take_time(struct reader *reader, struct date *date)
{
	if (take_number(reader, 2, &date->hour) == 0 || !take(reader, ':') ||
		take_number(reader, 2, &date->minute) == 0)
		return false;
	return !take(reader, ':') || take_number(reader, 2, &date->second) != 0;
}

bool imap_date_parse(const char *text, size_t size, int64_t *seconds_out)
{
	struct reader reader = { .text = text, .size = size };
	struct date date = { 0 };

	skip_blanks(&reader);
	if (take_number(&reader, 2, &date.day) == 0 || !take(&reader, '-') ||
		!take_month(&reader, &date.month) || !take(&reader, '-') ||
		take_number(&reader, 4, &date.year) != 4)
		return false;
	skip_blanks(&reader);
	if (!take_time(&reader, &date))
		return false;
	skip_blanks(&reader);
	if (reader.size > 0 && !take_zone(&reader, &date.zone))
		return false;
	skip_blanks(&reader);
	return reader.size == 0 && to_seconds(&date, seconds_out);
}

/* obs-year: two digits since 2000 up to 49, three digits count from 1900. */
static bool take_year(struct reader *reader, uint32_t *year_out)
{
	size_t size = take_number(reader, 4, year_out);

	if (size == 2 && *year_out < 50)
		*year_out += 2000;
	else if (size == 2 || size == 3)
		*year_out += 1900;
	return size >= 2;
}

/* obs-zone; unknown names count as UTC (RFC 5322, 4.3). */
static void take_named_zone(struct reader *reader, int64_t *zone_out)
{
	static const struct {
		const char *name;
		int64_t hours;
	} ZONES[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
		{ "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 },
		{ "PDT", -7 } };
	size_t size = 0;

	while (size < reader->size && is_letter(reader->text[size]))
		size++;
	*zone_out = 0;
	for (size_t i = 0; i < sizeof(ZONES) / sizeof(ZONES[0]); i++) {
		if (text_equal_nocase_sized(reader->text, size, ZONES[i].name))
			*zone_out = ZONES[i].hours * 3600;
	}
	skip(reader, size);
}

static void skip_day_name(struct reader *reader)
{
	skip_comments(reader);
	while (reader->size > 0 && is_letter(reader->text[0]))
		skip(reader, 1);
	skip_comments(reader);
	(void)take(reader, ',');
	skip_comments(reader);
}

/* date-time = [day-of-week ","] date time [CFWS] */
bool imap_date_parse_header(const char *text, size_t size, int64_t *seconds_out)
{
	struct reader reader = { .text = text, .size = size };
	struct date date = { 0 };

	skip_day_name(&reader);
	if (take_number(&reader, 2, &date.day) == 0)
		return false;
	skip_comments(&reader);
	if (!take_month(&reader, &date.month))
		return false;
	skip_comments(&reader);
	if (!take_year(&reader, &date.year))
		return false;
	skip_comments(&reader);
	if (!take_time(&reader, &date))
		return false;
	skip_comments(&reader);
	if (!take_zone(&reader, &date.zone))
		take_named_zone(&reader, &date.zone);
	return to_seconds(&date, seconds_out);
}

/* The inverse of days_from_date(). */
static struct date date_from_days(int64_t days)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			day_of_era / 146096) /
		365;
	int64_t day_of_year = day_of_era -
		(365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct date date = { 0 };

	date.day = (uint32_t)(day_of_year - (153 * month + 2) / 5 + 1);
	date.month = (uint32_t)(month < 10 ? month + 3 : month - 9);
	date.year = (uint32_t)(year_of_era + era * 400 + (date.month <= 2));
	return date;
}

void imap_date_format(int64_t seconds, char text_out[IMAP_DATE_SIZE])
{
	struct date date;
	uint32_t rest;
	int64_t days;

	if (seconds < SECONDS_MIN)
		seconds = SECONDS_MIN;
	if (seconds > SECONDS_MAX)
		seconds = SECONDS_MAX;
	days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
	rest = (uint32_t)(seconds - days * DAY_SECONDS);
	date = date_from_days(days);

	(void)snprintf(text_out, IMAP_DATE_SIZE,
		"\"%2u-%.3s-%04u %02u:%02u:%02u +0000\"", date.day % 100,
		MONTHS + (date.month - 1) * (size_t)3, date.year % 10000,
		rest / 3600 % 100, rest / 60 % 60, rest % 60);
}
