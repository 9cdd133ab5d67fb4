/* TLS 1.2 and later over a non-blocking socket; the only place that knows
   OpenSSL's. */
#ifndef SYNCD_WORKER_TRANSPORT_TLS_H
#define SYNCD_WORKER_TRANSPORT_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "syncd/worker/transport.h"

struct transport_tls;

/* Where the system's authorities are; static, or of the environment. */
const char *transport_tls_store_file(void);
const char *transport_tls_store_directory(void);

/* Reads the certificate files and checks the pins: ERROR_CONFIG. `options` is
   borrowed until free. */
struct transport_tls *transport_tls_new(const struct transport_options *options,
	struct error *error) MUST_CHECK;

/* Says goodbye if it can at once. Leaves the socket open. NULL is fine. */
void transport_tls_free(struct transport_tls *tls);

/* From now on `fd` (borrowed) speaks TLS. `is_local`: the peer is on this
   machine. Once. */
bool transport_tls_start(struct transport_tls *tls, int fd, bool is_local,
	struct error *error) MUST_CHECK;

/* TRANSPORT_DATA when done, then the certificate is verified. ERROR_UNREACHABLE
   otherwise: no credential may be sent, another attempt may succeed. */
enum transport_result transport_tls_handshake(
	struct transport_tls *tls, struct error *error) MUST_CHECK;

enum transport_result transport_tls_read(struct transport_tls *tls, void *data,
	size_t size, size_t *got_out, struct error *error) MUST_CHECK;
enum transport_result transport_tls_write(struct transport_tls *tls,
	const void *data, size_t size, size_t *written_out,
	struct error *error) MUST_CHECK;

/* What the last TRANSPORT_AGAIN waits for: the socket writable, or readable. */
bool transport_tls_wants_write(const struct transport_tls *tls);

/* A read may give something without the socket being readable. */
bool transport_tls_has_more(const struct transport_tls *tls);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384". Borrowed. */
const char *transport_tls_security(const struct transport_tls *tls);

#endif
