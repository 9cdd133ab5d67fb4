#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* explicit_bzero, malloc_usable_size */
#endif
#include "syncd/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define READ_SIZE 16384

struct ipc {
	int fd;
	bool is_broken; /* the other side is gone or does not read */
	struct buf in;
	size_t in_start; /* octets of `in` that are dealt with */
	size_t in_seen;  /* octets of `in` without a line end */
	struct buf out;
	size_t out_start; /* octets of `out` that are written */
};

/* Passwords travel as JSON: what jansson gives back is overwritten. */
static void free_wiped(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

struct ipc *ipc_new(int fd)
{
	struct ipc *ipc = alloc(1, sizeof(*ipc));
	int flags = fcntl(fd, F_GETFL);

	json_set_alloc_funcs(malloc, free_wiped);
	ipc->fd = fd;
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		ipc->is_broken = true;
	return ipc;
}

void ipc_free(struct ipc *ipc)
{
	if (ipc == NULL)
		return;
	close(ipc->fd);
	buf_finish_secret(&ipc->in);
	buf_finish_secret(&ipc->out);
	free(ipc);
}

int ipc_fd(const struct ipc *ipc)
{
	return ipc->fd;
}

/* Drops the first `size` octets and leaves no copy of them behind. */
static void drop(struct buf *buf, size_t size)
{
	size_t before = buf->size;

	if (size == 0)
		return;
	buf_consume(buf, size);
	explicit_bzero(buf->data + buf->size, before - buf->size);
}

/* ---- Writing ---- */

bool ipc_wants_write(const struct ipc *ipc)
{
	return !ipc->is_broken && ipc->out.size > ipc->out_start;
}

bool ipc_flush(struct ipc *ipc)
{
	while (ipc_wants_write(ipc)) {
		ssize_t size = send(ipc->fd, ipc->out.data + ipc->out_start,
			ipc->out.size - ipc->out_start, MSG_NOSIGNAL);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			break;
		if (size < 0) {
			ipc->is_broken = true;
			break;
		}
		ipc->out_start += (size_t)size;
	}
	if (ipc->is_broken || ipc->out_start == ipc->out.size ||
		ipc->out_start > ipc->out.size / 2) {
		drop(&ipc->out, ipc->out_start);
		ipc->out_start = 0;
	}
	return !ipc->is_broken && ipc->out.size == 0;
}

/* Straight into the queue, so that a secret has one copy. */
static bool queue_line(struct ipc *ipc, const json_t *message)
{
	struct buf *out = &ipc->out;
	size_t size = json_dumpb(message, NULL, 0, JSON_COMPACT);

	if (size == 0 || size > IPC_LINE_MAX)
		return false;
	if (out->size - ipc->out_start > IPC_QUEUE_MAX - size - 1) {
		ipc->is_broken = true;
		return false;
	}
	buf_reserve(out, size + 1);
	if (json_dumpb(message, (char *)out->data + out->size, size,
		    JSON_COMPACT) != size)
		return false;
	out->size += size;
	buf_add_byte(out, '\n');
	return true;
}

bool ipc_send(struct ipc *ipc, json_t *message)
{
	bool is_queued = false;

	if (message != NULL && !ipc->is_broken)
		is_queued = queue_line(ipc, message);
	json_decref(message);
	/* Not all written is no failure. */
	if (is_queued)
		(void)ipc_flush(ipc);
	return is_queued && !ipc->is_broken;
}

/* ---- Reading ---- */

static enum ipc_result take_line(
	struct ipc *ipc, size_t size, json_t **message_out, struct error *error)
{
	const char *line = (const char *)ipc->in.data + ipc->in_start;
	json_error_t problem;
	json_t *message =
		json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem);

	explicit_bzero(ipc->in.data + ipc->in_start, size);
	ipc->in_start += size + 1;
	ipc->in_seen = ipc->in_start;
	if (json_is_object(message)) {
		*message_out = message;
		return IPC_MESSAGE;
	}
	json_decref(message);
	/* Without jansson's text: it quotes what it stumbled over. */
	(void)error_set(error, ERROR_PROTOCOL,
		"a message that is no JSON object came from another process");
	return IPC_ERROR;
}

static enum ipc_result read_more(struct ipc *ipc, struct error *error)
{
	ssize_t size;

	drop(&ipc->in, ipc->in_start);
	ipc->in_start = 0;
	ipc->in_seen = ipc->in.size;
	if (ipc->in.size > IPC_LINE_MAX) {
		(void)error_set(error, ERROR_LIMIT,
			"a message from another process is longer than %d "
			"octets",
			IPC_LINE_MAX);
		return IPC_ERROR;
	}
	buf_reserve(&ipc->in, READ_SIZE);
	do
		size = read(ipc->fd, ipc->in.data + ipc->in.size, READ_SIZE);
	while (size < 0 && errno == EINTR);
	if (size < 0 && errno == EAGAIN)
		return IPC_NONE;
	if (size <= 0)
		return IPC_CLOSED;
	ipc->in.size += (size_t)size;
	return IPC_MESSAGE;
}

enum ipc_result ipc_receive(
	struct ipc *ipc, json_t **message_out, struct error *error)
{
	for (;;) {
		enum ipc_result result;
		const uint8_t *end = NULL;

		if (ipc->in.size > ipc->in_seen)
			end = memchr(ipc->in.data + ipc->in_seen, '\n',
				ipc->in.size - ipc->in_seen);
		if (end != NULL)
			return take_line(ipc,
				(size_t)(end - ipc->in.data) - ipc->in_start,
				message_out, error);
		result = read_more(ipc, error);
		if (result != IPC_MESSAGE)
			return result;
	}
}

const char *ipc_text(const json_t *message, const char *key)
{
	return json_string_value(json_object_get(message, key));
}
