/* Any octets as a message and as a date: the Message-ID does not depend on the
   pieces, and a date that is read is written and read again. The first octet
   is the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "proto/imap_date.h"
#include "proto/message_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void feed(struct message_header *header, const uint8_t *data,
	size_t size, size_t step)
{
	message_header_init(header);
	for (size_t from = 0; from < size; from += step) {
		message_header_feed(header, data + from,
			step < size - from ? step : size - from);
		require(header->id.size <= MESSAGE_HEADER_ID_MAX);
	}
}

static void check_header(const uint8_t *data, size_t size, size_t step)
{
	struct message_header whole, pieces;
	const char *id, *again;

	feed(&whole, data, size, size);
	feed(&pieces, data, size, step);
	id = message_header_id(&whole);
	again = message_header_id(&pieces);
	require((id == NULL) == (again == NULL));
	require(message_header_is_complete(&whole) ==
		message_header_is_complete(&pieces));
	if (id != NULL) {
		require(strcmp(id, again) == 0 && id[0] != '\0');
		require(strpbrk(id, "\r\n") == NULL);
	}
	message_header_finish(&whole);
	message_header_finish(&pieces);
}

static void check_dates(const char *text, size_t size)
{
	char written[IMAP_DATE_SIZE];
	int64_t seconds, again;

	if (!imap_date_parse(text, size, &seconds) &&
		!imap_date_parse_header(text, size, &seconds))
		return;
	imap_date_format(seconds, written);
	require(imap_date_parse(written + 1, strlen(written) - 2, &again));
	require(again == seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	check_header(data + 1, size - 1, (size_t)data[0] + 1);
	check_dates((const char *)data + 1, size - 1);
	return 0;
}
