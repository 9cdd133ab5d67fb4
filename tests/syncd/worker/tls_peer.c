#include "tests/syncd/worker/tls_peer.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/syncd/worker/peer.h"

static SSL_CTX *make_context(const struct tls_peer *peer)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL)
		abort();
	/* Old versions and ciphers need the lowest level. */
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(context, peer->version_max);
	if ((peer->ciphers != NULL &&
		    SSL_CTX_set_cipher_list(context, peer->ciphers) != 1) ||
		SSL_CTX_use_certificate(context, peer->certificate->x509) !=
			1 ||
		SSL_CTX_use_PrivateKey(context, peer->certificate->key) != 1)
		abort();
	if (peer->intermediate != NULL &&
		SSL_CTX_add1_chain_cert(context, peer->intermediate->x509) != 1)
		abort();
	if (peer->client_authority != NULL) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
			peer->client_authority->x509);
		SSL_CTX_set_verify(context,
			SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			NULL);
	}
	return context;
}

static void echo(SSL *connection)
{
	char data[4096];
	int size;

	while ((size = SSL_read(connection, data, sizeof(data))) > 0)
		if (SSL_write(connection, data, size) <= 0)
			return;
}

void tls_peer_serve(int fd, void *data)
{
	struct tls_peer *peer = data;
	SSL_CTX *context = make_context(peer);
	SSL *connection = SSL_new(context);

	if (peer->before != NULL)
		peer_write_all(fd, peer->before, strlen(peer->before));
	SSL_set_fd(connection, fd);
	peer->is_shaken = SSL_accept(connection) == 1;
	if (peer->is_shaken && peer->words != NULL)
		(void)SSL_write(
			connection, peer->words, (int)strlen(peer->words));
	if (peer->is_shaken && !peer->hangs_up) {
		echo(connection);
		(void)SSL_shutdown(connection);
	}
	if (!peer->hangs_up)
		peer_drain(fd);
	SSL_free(connection);
	SSL_CTX_free(context);
}
