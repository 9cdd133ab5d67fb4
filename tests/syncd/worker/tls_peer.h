/* A TLS server for peer_init(). */
#ifndef TESTS_SYNCD_WORKER_TLS_PEER_H
#define TESTS_SYNCD_WORKER_TLS_PEER_H

#include <stdbool.h>

#include "tests/syncd/worker/certificate.h"

struct tls_peer {
	const struct certificate *certificate;
	const struct certificate *intermediate;     /* sent with it, or NULL */
	const struct certificate *client_authority; /* NULL = no client's */
	int version_max;                            /* 0 = any */
	const char *ciphers; /* of TLS 1.2 and before; NULL = default */
	const char *before;  /* plaintext sent first, or NULL */
	const char *words;   /* said under TLS before echoing, or NULL */
	bool hangs_up;       /* closes after `words`, without a goodbye */
	/* Learned: */
	bool is_shaken; /* the handshake was completed */
};

/* `data` is a struct tls_peer. */
void tls_peer_serve(int fd, void *data);

#endif
