#define _GNU_SOURCE
#include "syncd/worker/transport.h"

#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "syncd/worker/transport_stream.h"
#include "syncd/worker/transport_tcp.h"

/* ---- Connecting ---- */

static bool check_options(
	const struct transport_options *options, struct error *error)
{
	bool has_host = options->host != NULL && *options->host != '\0';

	if (!has_host && options->tunnel == NULL)
		return error_set(error, ERROR_CONFIG,
			"neither a host nor a tunnel to connect to");
	if (!has_host && options->tls != TRANSPORT_TLS_OFF)
		return error_set(error, ERROR_CONFIG,
			"TLS needs a host to check the certificate against");
	return true;
}

struct transport *transport_open(struct loop *loop,
	const struct transport_options *options, struct error *error)
{
	struct transport *transport;

	if (!check_options(options, error))
		return NULL;
	transport = alloc(1, sizeof(*transport));
	transport->loop = loop;
	transport->options = *options;
	transport->fd = -1;
	transport->read_event = LOOP_READ;
	transport->write_event = LOOP_WRITE;
	transport->name = options->tunnel != NULL ? "tunnel" : options->host;
	(void)snprintf(transport->peer, sizeof(transport->peer), "%s",
		transport->name);
	if (options->tls == TRANSPORT_TLS_OFF)
		return transport;
	transport->tls = transport_tls_new(&transport->options, error);
	if (transport->tls != NULL)
		return transport;
	transport_close(transport);
	return NULL;
}

void transport_close(struct transport *transport)
{
	if (transport == NULL)
		return;
	transport_tls_free(transport->tls);
	loop_remove(transport->loop, transport->source);
	if (transport->fd != -1)
		close(transport->fd);
	transport_tunnel_close(transport->tunnel);
	transport_deflate_free(transport->deflate);
	buf_finish(&transport->packed);
	free(transport);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->ss_family == AF_INET6 &&
		IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void note_peer(struct transport *transport)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	char host[NI_MAXHOST], port[8];

	if (getpeername(transport->fd, (struct sockaddr *)&address, &size) ==
			-1 ||
		getnameinfo((struct sockaddr *)&address, size, host,
			sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	transport->is_loopback = is_loopback(&address);
	(void)snprintf(transport->peer, sizeof(transport->peer),
		address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		port);
}

static bool open_stream(
	struct transport *transport, uint64_t deadline_ms, struct error *error)
{
	const struct transport_options *options = &transport->options;

	if (options->tunnel != NULL) {
		transport->tunnel = transport_tunnel_open(
			options->tunnel, &transport->fd, error);
		if (transport->tunnel == NULL)
			return false;
	} else {
		transport->fd = transport_tcp_connect(transport->loop,
			options->host, options->port, deadline_ms, error);
		if (transport->fd == -1)
			return false;
		note_peer(transport);
	}
	transport->source = loop_add(transport->loop, transport->fd, 0,
		transport_stream_handle, transport);
	return true;
}

static bool shake_hands(
	struct transport *transport, uint64_t timeout_ms, struct error *error)
{
	uint64_t deadline_ms = transport_stream_deadline(timeout_ms);

	for (;;) {
		enum transport_result step =
			transport_tls_handshake(transport->tls, error);
		enum loop_result waited;

		if (step != TRANSPORT_AGAIN)
			return step == TRANSPORT_DATA;
		waited = transport_stream_wait(transport,
			transport_tls_wants_write(transport->tls) ? LOOP_WRITE
								  : LOOP_READ,
			deadline_ms);
		if (waited == LOOP_STOPPED)
			return error_set(error, ERROR_STOPPED, "asked to stop");
		if (waited == LOOP_TIMEOUT)
			return error_set(error, ERROR_UNREACHABLE,
				"TLS handshake with '%s' takes too long",
				transport->name);
	}
}

static bool start_tls(struct transport *transport, struct error *error)
{
	uint64_t timeout_ms = transport->options.tls_timeout_ms;

	if (timeout_ms == 0)
		timeout_ms = TRANSPORT_TLS_TIMEOUT_MS;
	if (!transport_tls_start(transport->tls, transport->fd,
		    transport->is_loopback, error) ||
		!shake_hands(transport, timeout_ms, error))
		return false;
	transport->is_encrypted = true;
	return true;
}

bool transport_connect(struct transport *transport, struct error *error)
{
	uint64_t timeout_ms = transport->options.connect_timeout_ms;

	assert(transport->fd == -1);
	if (timeout_ms == 0)
		timeout_ms = TRANSPORT_CONNECT_TIMEOUT_MS;
	if (!open_stream(
		    transport, transport_stream_deadline(timeout_ms), error))
		return false;
	return transport->options.tls != TRANSPORT_TLS_IMPLICIT ||
		start_tls(transport, error);
}

bool transport_start_tls(struct transport *transport, struct error *error)
{
	uint8_t octet;

	assert(transport->tls != NULL && !transport->is_encrypted &&
		transport->deflate == NULL);
	/* A TLS server waits for the client to begin: these octets come from
	   somebody who wants them taken for part of the TLS stream. */
	if (recv(transport->fd, &octet, 1, MSG_PEEK) > 0)
		return error_set(error, ERROR_PROTOCOL,
			"'%s' sent plaintext behind its answer to STARTTLS",
			transport->name);
	return start_tls(transport, error);
}

void transport_start_deflate(
	struct transport *transport, const void *pending, size_t pending_size)
{
	assert(transport->deflate == NULL);
	transport->deflate = transport_deflate_new();
	if (pending_size > 0)
		transport_deflate_feed(
			transport->deflate, pending, pending_size);
	transport->is_read_blocked = false;
}

/* ---- Facts ---- */

uint64_t transport_bytes_in(const struct transport *transport)
{
	return transport->bytes_in;
}

uint64_t transport_bytes_out(const struct transport *transport)
{
	return transport->bytes_out;
}

bool transport_is_encrypted(const struct transport *transport)
{
	return transport->is_encrypted;
}

bool transport_is_local(const struct transport *transport)
{
	return transport->is_loopback || transport->options.tunnel != NULL;
}

const char *transport_security(const struct transport *transport)
{
	return transport->is_encrypted ? transport_tls_security(transport->tls)
				       : "plaintext";
}

const char *transport_peer(const struct transport *transport)
{
	return transport->peer;
}
