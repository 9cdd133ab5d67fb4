/* What a worker that was taken over may tell the supervisor: lines are
   messages or an error, and what is shown of them drives no terminal. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "syncd/ipc.h"
#include "syncd/progress.h"
#include "syncd/status.h"

#define INPUT_SIZE_MAX 65536 /* a socket takes that much at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_shown(const struct buf *text)
{
	const char *shown = buf_text(text);

	require(strlen(shown) == text->size);
	for (size_t i = 0; i < text->size; i++)
		require((unsigned char)shown[i] >= ' ' || shown[i] == '\n');
	require(text_is_utf8(shown, text->size));
}

static void show(json_t *message)
{
	const struct status_style style = { .has_all = true, .now = 1000 };
	json_t *accounts = json_pack("[O]", message);
	struct buf text = { 0 };
	struct progress_numbers numbers = { .mailbox =
						    ipc_text(message, "text") };

	status_write(accounts, &style, &text);
	progress_write_summary(message, &text);
	progress_write(&numbers, &text);
	check_shown(&text);
	require(status_code(accounts) >= 0);
	buf_finish(&text);
	json_decref(accounts);
}

static void receive(int fd)
{
	struct ipc *ipc = ipc_new(fd);
	enum ipc_result result;

	do {
		struct error error = { 0 };
		json_t *message = NULL;

		result = ipc_receive(ipc, &message, &error);
		require((result == IPC_MESSAGE) == (message != NULL));
		require((result == IPC_ERROR) == (error.code != ERROR_NONE));
		if (message != NULL)
			show(message);
		json_decref(message);
	} while (result == IPC_MESSAGE);
	ipc_free(ipc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (size == 0 || size > INPUT_SIZE_MAX ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 0;
	require(send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	close(pair[1]);
	receive(pair[0]);
	return 0;
}
