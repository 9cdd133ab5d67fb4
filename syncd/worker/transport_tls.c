#define _GNU_SOURCE
#include "syncd/worker/transport_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/text.h"

/* For TLS 1.2; those of 1.3 are all fit. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL"

/* Octets and base64 text of a pin. */
#define PIN_SIZE      32
#define PIN_TEXT_SIZE 44

struct transport_tls {
	const struct transport_options *options;
	char *name; /* host without the root's dot */
	SSL_CTX *context;
	SSL *connection;
	BIO_METHOD *method; /* send() and recv() on `fd` */
	int fd;
	bool is_local;
	bool is_up;
	bool is_broken;
	bool wants_write;
	bool is_at_end;       /* recv() gave 0 */
	int system_error;     /* of the last send() or recv() that failed */
	struct error refusal; /* why the certificate did not pass */
	char security[96];
};

/* The newest reason in OpenSSL's queue, as words. */
static const char *library_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason == NULL ? "unknown reason" : reason;
}

/* ---- Socket: OpenSSL's own would raise SIGPIPE ---- */

static int note_outcome(BIO *bio, ssize_t size, int retry_flag)
{
	struct transport_tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
	else if (size < 0)
		tls->system_error = errno;
	return (int)size;
}

static int socket_read(BIO *bio, char *data, int size)
{
	struct transport_tls *tls = BIO_get_data(bio);
	ssize_t got = recv(tls->fd, data, (size_t)size, 0);

	tls->is_at_end = got == 0;
	return note_outcome(bio, got, BIO_FLAGS_READ);
}

static int socket_write(BIO *bio, const char *data, int size)
{
	struct transport_tls *tls = BIO_get_data(bio);

	return note_outcome(bio,
		send(tls->fd, data, (size_t)size, MSG_NOSIGNAL),
		BIO_FLAGS_WRITE);
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	struct transport_tls *tls = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return tls->is_at_end;
	return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");

	if (method == NULL || BIO_meth_set_read(method, socket_read) != 1 ||
		BIO_meth_set_write(method, socket_write) != 1 ||
		BIO_meth_set_ctrl(method, socket_control) != 1)
		abort(); /* out of memory */
	return method;
}

/* ---- The certificate ---- */

/* Base64 of the SHA-256 of the key, as openssl and curl print it. */
static bool make_pin(X509 *certificate, char pin[PIN_TEXT_SIZE + 1])
{
	unsigned char *key = NULL;
	unsigned char hash[PIN_SIZE];
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
	bool is_made;

	if (size <= 0)
		return false;
	is_made = EVP_Digest(key, (size_t)size, hash, NULL, EVP_sha256(),
			  NULL) == 1;
	OPENSSL_free(key);
	if (is_made)
		(void)EVP_EncodeBlock((unsigned char *)pin, hash, PIN_SIZE);
	return is_made;
}

static bool has_pin(const struct transport_options *options, const char *pin)
{
	for (size_t i = 0; i < options->pin_count; i++)
		if (strcmp(options->pins[i], pin) == 0)
			return true;
	return false;
}

static bool refuse_for(
	const struct transport_tls *tls, int reason, struct error *error)
{
	const char *words = X509_verify_cert_error_string(reason);

	if (reason == X509_V_ERR_HOSTNAME_MISMATCH ||
		reason == X509_V_ERR_IP_ADDRESS_MISMATCH)
		words = "is for another name";
	else if (reason == X509_V_ERR_CERT_HAS_EXPIRED)
		words = "has expired";
	else if (reason == X509_V_ERR_CERT_NOT_YET_VALID)
		words = "is not valid yet (check the clock)";
	else if (reason == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
		words = "is self-signed";
	else if (reason == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
		reason == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		reason == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)
		words = "is not signed by a trusted authority";
	else
		return error_set(error, ERROR_UNREACHABLE,
			"certificate of '%s' is not valid: %s", tls->name,
			words);
	return error_set(error, ERROR_UNREACHABLE, "certificate of '%s' %s",
		tls->name, words);
}

/* A bridge on this machine makes its own certificate; nobody else can vouch
   for it, but its key is pinned and the way to it is not the network. */
static bool is_valid_by_pin(
	const struct transport_tls *tls, X509 *certificate, int reason)
{
	const struct transport_options *options = tls->options;

	return reason == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT &&
		tls->is_local && options->ca_file == NULL &&
		X509_cmp_timeframe(NULL, X509_get0_notBefore(certificate),
			X509_get0_notAfter(certificate)) == 0;
}

static bool check_certificate(const struct transport_tls *tls,
	X509_STORE_CTX *chain, struct error *error)
{
	X509 *certificate = X509_STORE_CTX_get0_cert(chain);
	bool is_valid = X509_verify_cert(chain) == 1;
	int reason = X509_STORE_CTX_get_error(chain);
	char pin[PIN_TEXT_SIZE + 1];
	bool is_pinned = tls->options->pin_count > 0;

	if (!make_pin(certificate, pin))
		return error_set(error, ERROR_UNREACHABLE,
			"certificate of '%s' has no usable key", tls->name);
	if (!is_valid &&
		!(is_pinned && is_valid_by_pin(tls, certificate, reason)))
		return refuse_for(tls, reason, error);
	if (is_pinned && !has_pin(tls->options, pin))
		return error_set(error, ERROR_UNREACHABLE,
			"certificate of '%s': pin does not match (got %s)",
			tls->name, pin);
	return true;
}

/* In place of OpenSSL's verification, so that a wrong pin too ends the
   handshake before our client certificate is shown. */
static int verify(X509_STORE_CTX *chain, void *data)
{
	struct transport_tls *tls = data;

	if (check_certificate(tls, chain, &tls->refusal)) {
		X509_STORE_CTX_set_error(chain, X509_V_OK);
		return 1;
	}
	if (X509_STORE_CTX_get_error(chain) == X509_V_OK)
		X509_STORE_CTX_set_error(
			chain, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* ---- Settings ---- */

static bool check_pins(
	const struct transport_options *options, struct error *error)
{
	unsigned char hash[PIN_SIZE + 1]; /* the padding decodes to one more */

	for (size_t i = 0; i < options->pin_count; i++) {
		const char *pin = options->pins[i];

		if (strlen(pin) != PIN_TEXT_SIZE ||
			pin[PIN_TEXT_SIZE - 1] != '=' ||
			pin[PIN_TEXT_SIZE - 2] == '=' ||
			EVP_DecodeBlock(hash, (const unsigned char *)pin,
				PIN_TEXT_SIZE) != PIN_SIZE + 1)
			return error_set(error, ERROR_CONFIG,
				"pin '%s' is not a SHA-256 hash in base64",
				pin);
	}
	return true;
}

static const char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value == NULL ? fallback : value;
}

const char *transport_tls_store_file(void)
{
	return setting(
		X509_get_default_cert_file_env(), X509_get_default_cert_file());
}

const char *transport_tls_store_directory(void)
{
	return setting(
		X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
}

static bool load_authorities(
	SSL_CTX *context, const char *file, struct error *error)
{
	if (file == NULL && SSL_CTX_set_default_verify_paths(context) != 1)
		return error_set(error, ERROR_CONFIG,
			"cannot use the system's certificate store: %s",
			library_reason());
	if (file != NULL && SSL_CTX_load_verify_file(context, file) != 1)
		return error_set(error, ERROR_CONFIG,
			"cannot read certificates from '%s': %s", file,
			library_reason());
	return true;
}

static bool load_client(SSL_CTX *context,
	const struct transport_options *options, struct error *error)
{
	const char *file = options->client_cert_file;
	const char *key = options->client_key_file;

	if (file == NULL)
		return true;
	if (SSL_CTX_use_certificate_chain_file(context, file) != 1)
		return error_set(error, ERROR_CONFIG,
			"cannot read the client certificate '%s': %s", file,
			library_reason());
	if (key == NULL)
		key = file;
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return error_set(error, ERROR_CONFIG,
			"cannot use the client key '%s': %s", key,
			library_reason());
	return true;
}

/* A key file that needs a passphrase is an error, not a prompt. */
static int no_passphrase(char *text, int size, int is_writing, void *data)
{
	(void)is_writing;
	(void)data;
	if (size > 0)
		text[0] = '\0';
	return -1;
}

static bool make_context(struct transport_tls *tls, struct error *error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	tls->context = context;
	if (context == NULL ||
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(context, CIPHERS) != 1)
		return error_set(error, ERROR_SYSTEM, "cannot set up TLS: %s",
			library_reason());
	SSL_CTX_set_options(
		context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_clear_options(context,
		SSL_OP_LEGACY_SERVER_CONNECT |
			SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
	SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, verify, tls);
	return load_authorities(context, tls->options->ca_file, error) &&
		load_client(context, tls->options, error);
}

struct transport_tls *transport_tls_new(
	const struct transport_options *options, struct error *error)
{
	struct transport_tls *tls = alloc(1, sizeof(*tls));
	size_t size = strlen(options->host);

	if (size > 0 && options->host[size - 1] == '.')
		size--;
	tls->options = options;
	tls->name = alloc_text_sized(options->host, size);
	ERR_clear_error();
	if (check_pins(options, error) && make_context(tls, error))
		return tls;
	transport_tls_free(tls);
	return NULL;
}

void transport_tls_free(struct transport_tls *tls)
{
	if (tls == NULL)
		return;
	if (tls->is_up && !tls->is_broken)
		(void)SSL_shutdown(tls->connection);
	SSL_free(tls->connection);
	BIO_meth_free(tls->method);
	SSL_CTX_free(tls->context);
	ERR_clear_error();
	free(tls->name);
	free(tls);
}

/* ---- The connection ---- */

/* The name, or the address, that the certificate must be for. */
static bool expect_name(struct transport_tls *tls)
{
	X509_VERIFY_PARAM *expected = SSL_get0_param(tls->connection);
	unsigned char address[sizeof(struct in6_addr)];

	SSL_set_hostflags(tls->connection,
		X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
			X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (inet_pton(AF_INET, tls->name, address) == 1 ||
		inet_pton(AF_INET6, tls->name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(expected, tls->name) == 1;
	return SSL_set1_host(tls->connection, tls->name) == 1 &&
		SSL_set_tlsext_host_name(tls->connection, tls->name) == 1;
}

bool transport_tls_start(
	struct transport_tls *tls, int fd, bool is_local, struct error *error)
{
	BIO *bio;

	tls->fd = fd;
	tls->is_local = is_local;
	tls->method = make_method();
	tls->connection = SSL_new(tls->context);
	bio = BIO_new(tls->method);
	if (tls->connection == NULL || bio == NULL)
		abort(); /* out of memory */
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->connection, bio, bio);
	if (!expect_name(tls))
		return error_set(error, ERROR_CONFIG,
			"'%s' is no name a certificate can have", tls->name);
	SSL_set_connect_state(tls->connection);
	return true;
}

/* For a call that moved nothing. */
static enum transport_result sort_out(
	struct transport_tls *tls, int result, struct error *error)
{
	int reason = SSL_get_error(tls->connection, result);

	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
		tls->wants_write = reason == SSL_ERROR_WANT_WRITE;
		return TRANSPORT_AGAIN;
	}
	if (reason == SSL_ERROR_ZERO_RETURN)
		return TRANSPORT_CLOSED;
	tls->is_broken = true;
	/* Many servers hang up without a goodbye. IMAP tells by itself whether
	   its last response was complete. */
	if (tls->is_at_end)
		return TRANSPORT_CLOSED;
	errno = tls->system_error;
	if (reason == SSL_ERROR_SYSCALL && errno != 0)
		(void)error_set_errno(
			error, "connection to '%s' is broken", tls->name);
	else
		(void)error_set(error, ERROR_NONE, "TLS with '%s' failed: %s",
			tls->name, library_reason());
	if (error != NULL)
		error->code = ERROR_DISCONNECTED;
	return TRANSPORT_ERROR;
}

static void note_security(struct transport_tls *tls)
{
	(void)snprintf(tls->security, sizeof(tls->security), "%s %s",
		SSL_get_version(tls->connection),
		SSL_get_cipher_name(tls->connection));
}

static void explain_handshake(struct transport_tls *tls,
	enum transport_result result, struct error *error)
{
	if (error == NULL)
		return;
	if (tls->refusal.code != ERROR_NONE)
		*error = tls->refusal;
	else if (result == TRANSPORT_CLOSED)
		(void)error_set(error, ERROR_NONE,
			"'%s' hung up during the TLS handshake", tls->name);
	else if (ERR_GET_REASON(ERR_peek_last_error()) ==
		SSL_R_WRONG_VERSION_NUMBER)
		(void)error_set(error, ERROR_NONE,
			"'%s' does not speak TLS on this port", tls->name);
	error->code = ERROR_UNREACHABLE;
}

enum transport_result transport_tls_handshake(
	struct transport_tls *tls, struct error *error)
{
	enum transport_result result;
	int outcome;

	ERR_clear_error();
	tls->system_error = 0;
	outcome = SSL_do_handshake(tls->connection);
	if (outcome == 1) {
		tls->is_up = true;
		note_security(tls);
		return TRANSPORT_DATA;
	}
	result = sort_out(tls, outcome, error);
	if (result == TRANSPORT_AGAIN)
		return result;
	explain_handshake(tls, result, error);
	return TRANSPORT_ERROR;
}

enum transport_result transport_tls_read(struct transport_tls *tls, void *data,
	size_t size, size_t *got_out, struct error *error)
{
	ERR_clear_error();
	tls->system_error = 0;
	if (SSL_read_ex(tls->connection, data, size, got_out) == 1)
		return TRANSPORT_DATA;
	return sort_out(tls, 0, error);
}

enum transport_result transport_tls_write(struct transport_tls *tls,
	const void *data, size_t size, size_t *written_out, struct error *error)
{
	enum transport_result result;

	ERR_clear_error();
	tls->system_error = 0;
	if (SSL_write_ex(tls->connection, data, size, written_out) == 1)
		return TRANSPORT_DATA;
	result = sort_out(tls, 0, error);
	if (result != TRANSPORT_CLOSED)
		return result;
	(void)error_set(error, ERROR_DISCONNECTED, "'%s' hung up", tls->name);
	return TRANSPORT_ERROR;
}

bool transport_tls_wants_write(const struct transport_tls *tls)
{
	return tls->wants_write;
}

bool transport_tls_has_more(const struct transport_tls *tls)
{
	return SSL_has_pending(tls->connection) == 1;
}

const char *transport_tls_security(const struct transport_tls *tls)
{
	return tls->security;
}
