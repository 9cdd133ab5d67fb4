/* A byte stream to an IMAP server: TCP or a command's stdin and stdout, TLS
   and compression on top. Never blocks; what takes time pumps the loop.

     transport_open(), transport_connect(), then read, write and wait;
     transport_start_tls() for STARTTLS; transport_close() at any time.

   A transport that reported CLOSED or ERROR can only be closed. */
#ifndef SYNCD_WORKER_TRANSPORT_H
#define SYNCD_WORKER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/loop.h"

#define TRANSPORT_CONNECT_TIMEOUT_MS 30000 /* name resolution included */
#define TRANSPORT_TLS_TIMEOUT_MS     30000

/* TCP gives up on a peer that stays silent this long (keep-alive). */
#define TRANSPORT_DEAD_PEER_MS 50000

/* COMPRESS=DEFLATE: more than this many octets out of one, counted once that
   many came out, is an attack (ERROR_LIMIT). */
#define TRANSPORT_INFLATE_RATIO_MAX  200
#define TRANSPORT_INFLATE_RATIO_FROM (UINT64_C(1024) * 1024)

struct transport;

enum transport_tls_mode {
	TRANSPORT_TLS_IMPLICIT, /* from the first octet */
	TRANSPORT_TLS_STARTTLS, /* by transport_start_tls(), later */
	TRANSPORT_TLS_OFF,
};

/* Everything is borrowed until transport_close(). */
struct transport_options {
	/* Where to connect, and the name the certificate must have. */
	const char *host;
	uint16_t port;
	enum transport_tls_mode tls;
	/* PEM file of the authorities to trust; NULL = the system's. */
	const char *ca_file;
	/* Base64 SHA-256 of the SubjectPublicKeyInfo: the certificate must be
	   valid and have one of these keys. A self-signed certificate of a
	   server on this machine is valid by its pin when `ca_file` is NULL. */
	const char *const *pins;
	size_t pin_count;
	const char *client_cert_file; /* PEM, or NULL */
	const char *client_key_file;  /* PEM; NULL = in client_cert_file */
	/* Shell command whose stdin and stdout are the connection; NULL = TCP.
	   With TLS `host` is still the name that is checked. */
	const char *tunnel;
	uint64_t connect_timeout_ms; /* 0 = TRANSPORT_CONNECT_TIMEOUT_MS */
	uint64_t tls_timeout_ms;     /* 0 = TRANSPORT_TLS_TIMEOUT_MS */
};

enum transport_result {
	TRANSPORT_DATA,   /* at least one octet moved */
	TRANSPORT_AGAIN,  /* none now: transport_wait() */
	TRANSPORT_CLOSED, /* read: the server closed its side */
	TRANSPORT_ERROR,  /* `error` is set */
};

enum {
	TRANSPORT_READ = 1 << 0,
	TRANSPORT_WRITE = 1 << 1,
};

enum transport_ready {
	TRANSPORT_READY,
	TRANSPORT_TIMEOUT, /* `error`: ERROR_DISCONNECTED */
	TRANSPORT_STOPPED, /* `error`: ERROR_STOPPED */
};

/* Checks the options and reads the certificate files (ERROR_CONFIG); no
   connection yet. */
struct transport *transport_open(struct loop *loop,
	const struct transport_options *options,
	struct error *error) MUST_CHECK;

/* Drops the connection at once, ends the tunnel command. NULL is fine. */
void transport_close(struct transport *transport);

/* Pumps the loop until connected, with implicit TLS until that is verified.
   ERROR_UNREACHABLE (also for a certificate that does not pass),
   ERROR_STOPPED. Once. */
bool transport_connect(
	struct transport *transport, struct error *error) MUST_CHECK;

/* `size` is at least 1. */
enum transport_result transport_read(struct transport *transport, void *data,
	size_t size, size_t *got_out, struct error *error) MUST_CHECK;

/* Takes the first `*written_out` octets. After TRANSPORT_AGAIN call again with
   octets that begin with the same ones. With compression some of what was
   taken may stay here until the loop runs. */
enum transport_result transport_write(struct transport *transport,
	const void *data, size_t size, size_t *written_out,
	struct error *error) MUST_CHECK;

/* Pumps the loop until one of `wanted` is worth trying, or the connection is
   broken (the next read or write says how). */
enum transport_ready transport_wait(struct transport *transport,
	unsigned wanted, uint64_t timeout_ms, struct error *error) MUST_CHECK;

/* Called, while nobody waits on this transport, once there may be something to
   read; then not again until a read has returned TRANSPORT_AGAIN. May be
   called from within this function. It only records. NULL removes it. */
void transport_set_ready_callback(
	struct transport *transport, void (*callback)(void *data), void *data);

/* Pumps the loop until TLS is up and verified. Refused when the server has
   sent anything behind its OK (RFC 9051, 6.2.1; CVE-2020-14954). */
bool transport_start_tls(
	struct transport *transport, struct error *error) MUST_CHECK;

/* From now on both directions are compressed (RFC 4978). `pending` is what was
   read behind the OK, already compressed; copied. Once. */
void transport_start_deflate(
	struct transport *transport, const void *pending, size_t pending_size);

/* Octets moved since connecting: before decompression, without what TLS
   adds. */
uint64_t transport_bytes_in(const struct transport *transport);
uint64_t transport_bytes_out(const struct transport *transport);

/* TLS is up and verified. */
bool transport_is_encrypted(const struct transport *transport);

/* The server is on this machine, or behind a tunnel command. */
bool transport_is_local(const struct transport *transport);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or "plaintext". Borrowed. */
const char *transport_security(const struct transport *transport);

/* "192.0.2.1:993", or "tunnel". Borrowed. */
const char *transport_peer(const struct transport *transport);

#endif
