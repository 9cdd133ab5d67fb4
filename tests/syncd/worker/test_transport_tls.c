#define _GNU_SOURCE
#include "syncd/worker/transport_tls.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/worker/clock.h"
#include "tests/syncd/worker/certificate.h"
#include "tests/syncd/worker/peer.h"
#include "tests/syncd/worker/tls_peer.h"

#define HOST "imap.example.org"

enum which {
	GOOD,
	OTHER_NAME,
	CN_ONLY,
	WILDCARD,
	WIDE_WILDCARD,
	PARTIAL_WILDCARD,
	ADDRESS,
	EXPIRED,
	EARLY,
	OTHER_AUTHORITY,
	SELF_SIGNED,
	SELF_SIGNED_EXPIRED,
	NUL_IN_NAME,
	NUL_IN_CN,
	BELOW_INTERMEDIATE,
	BELOW_OLD_INTERMEDIATE,
	BELOW_LEAF,
	BESIDE_GOOD_LINK,
	AUTHORITY,
	FOREIGN_AUTHORITY,
	INTERMEDIATE,
	OLD_INTERMEDIATE,
	WHICH_COUNT,
};

/* Made once: keys and pins of these are what the rows speak of. */
static struct certificate certificates[WHICH_COUNT];
static char pins[WHICH_COUNT][45];
static char authority_path[] = "/tmp/test_tls_authority_XXXXXX";
static char client_path[] = "/tmp/test_tls_client_XXXXXX";

static void make(enum which which, enum which issuer, const char *names,
	struct certificate_options options)
{
	options.names = names;
	if (issuer != which)
		options.issuer = &certificates[issuer];
	if (options.common_name == NULL)
		options.common_name = "somebody";
	certificate_init(&certificates[which], &options);
	certificate_pin(&certificates[which], pins[which]);
}

/* Names that end early for who takes them for text, and longer chains. */
static void make_tricks(void)
{
	const struct certificate_options plain = { 0 };
	static const char name[] = HOST "\0.evil.example";

	make(NUL_IN_NAME, AUTHORITY, NULL,
		(struct certificate_options){
			.raw_name = name, .raw_name_size = sizeof(name) - 1 });
	make(NUL_IN_CN, AUTHORITY, NULL,
		(struct certificate_options){ .common_name = name,
			.common_name_size = sizeof(name) - 1 });
	make(INTERMEDIATE, AUTHORITY, NULL,
		(struct certificate_options){
			.common_name = "between", .is_authority = true });
	make(OLD_INTERMEDIATE, AUTHORITY, NULL,
		(struct certificate_options){ .common_name = "old between",
			.is_authority = true,
			.valid_from = -1000,
			.valid_to = -10 });
	make(BELOW_INTERMEDIATE, INTERMEDIATE, "DNS:" HOST, plain);
	make(BELOW_OLD_INTERMEDIATE, OLD_INTERMEDIATE, "DNS:" HOST, plain);
	make(BELOW_LEAF, OTHER_NAME, "DNS:" HOST,
		(struct certificate_options){ .common_name = "below" });
	make(BESIDE_GOOD_LINK, FOREIGN_AUTHORITY, "DNS:" HOST, plain);
}

static const struct certificate *sent_with(enum which which)
{
	return which == BELOW_INTERMEDIATE ? &certificates[INTERMEDIATE]
		: which == BELOW_OLD_INTERMEDIATE
		? &certificates[OLD_INTERMEDIATE]
		: which == BELOW_LEAF       ? &certificates[OTHER_NAME]
		: which == BESIDE_GOOD_LINK ? &certificates[INTERMEDIATE]
					    : NULL;
}

static int make_all(void **state)
{
	const struct certificate_options plain = { 0 };
	const struct certificate_options authority = { .common_name = "root",
		.is_authority = true };
	const struct certificate_options foreign = { .common_name = "foreign",
		.is_authority = true };
	const struct certificate_options old = { .valid_from = -1000,
		.valid_to = -10 };

	(void)state;
	make(AUTHORITY, AUTHORITY, NULL, authority);
	make(FOREIGN_AUTHORITY, FOREIGN_AUTHORITY, NULL, foreign);
	make(GOOD, AUTHORITY, "DNS:" HOST, plain);
	make(OTHER_NAME, AUTHORITY, "DNS:other.example.org", plain);
	make(CN_ONLY, AUTHORITY, NULL,
		(struct certificate_options){ .common_name = HOST });
	make(WILDCARD, AUTHORITY, "DNS:*.example.org", plain);
	make(WIDE_WILDCARD, AUTHORITY, "DNS:*.org", plain);
	make(PARTIAL_WILDCARD, AUTHORITY, "DNS:im*.example.org", plain);
	make(ADDRESS, AUTHORITY, "IP:127.0.0.1", plain);
	make(EXPIRED, AUTHORITY, "DNS:" HOST, old);
	make(EARLY, AUTHORITY, "DNS:" HOST,
		(struct certificate_options){ .valid_from = 3600 });
	make(OTHER_AUTHORITY, FOREIGN_AUTHORITY, "DNS:" HOST, plain);
	make(SELF_SIGNED, SELF_SIGNED, "DNS:" HOST, plain);
	make(SELF_SIGNED_EXPIRED, SELF_SIGNED_EXPIRED, "DNS:" HOST, old);
	make_tricks();
	certificate_save(&certificates[AUTHORITY], authority_path);
	certificate_save(&certificates[GOOD], client_path);
	return 0;
}

static int drop_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < WHICH_COUNT; i++)
		certificate_finish(&certificates[i]);
	unlink(authority_path);
	unlink(client_path);
	return 0;
}

/* ---- Who is let in ---- */

enum pinning {
	NO_PIN,
	RIGHT_PIN,
	WRONG_PIN,
	NEXT_AND_RIGHT_PIN,
};

struct row {
	const char *label;
	enum which which;
	const char *host;
	bool trusts_authority; /* else the system's store */
	bool is_local;
	enum pinning pinning;
	const char *expected; /* in the message; NULL = let in */
};

static const struct row ROWS[] = {
	{ "good", GOOD, HOST, true, false, NO_PIN, NULL },
	{ "root's dot", GOOD, HOST ".", true, false, NO_PIN, NULL },
	{ "case", GOOD, "IMAP.Example.ORG", true, false, NO_PIN, NULL },
	{ "wildcard", WILDCARD, HOST, true, false, NO_PIN, NULL },
	{ "address", ADDRESS, "127.0.0.1", true, true, NO_PIN, NULL },
	{ "wrong name", OTHER_NAME, HOST, true, false, NO_PIN,
		"certificate of '" HOST "' is for another name" },
	{ "CN only", CN_ONLY, HOST, true, false, NO_PIN,
		"is for another name" },
	{ "wildcard over two labels", WILDCARD, "a.b.example.org", true, false,
		NO_PIN, "is for another name" },
	{ "wildcard for a top-level domain", WIDE_WILDCARD, HOST, true, false,
		NO_PIN, "is for another name" },
	{ "partial wildcard", PARTIAL_WILDCARD, HOST, true, false, NO_PIN,
		"is for another name" },
	{ "name for an address", GOOD, "127.0.0.1", true, true, NO_PIN,
		"is for another name" },
	{ "expired", EXPIRED, HOST, true, false, NO_PIN,
		"certificate of '" HOST "' has expired" },
	{ "not yet valid", EARLY, HOST, true, false, NO_PIN,
		"is not valid yet" },
	{ "other authority", OTHER_AUTHORITY, HOST, true, false, NO_PIN,
		"is not signed by a trusted authority" },
	{ "unknown to the system", GOOD, HOST, false, false, NO_PIN,
		"is not signed by a trusted authority" },
	{ "self-signed", SELF_SIGNED, HOST, false, false, NO_PIN,
		"certificate of '" HOST "' is self-signed" },
	{ "self-signed on this machine", SELF_SIGNED, HOST, false, true, NO_PIN,
		"is self-signed" },
	{ "NUL in the name", NUL_IN_NAME, HOST, true, false, NO_PIN,
		"is for another name" },
	{ "NUL in the CN", NUL_IN_CN, HOST, true, false, NO_PIN,
		"is for another name" },
	{ "chain", BELOW_INTERMEDIATE, HOST, true, false, NO_PIN, NULL },
	{ "expired link", BELOW_OLD_INTERMEDIATE, HOST, true, false, NO_PIN,
		"has expired" },
	{ "a link that is no authority", BELOW_LEAF, HOST, true, false, NO_PIN,
		"is not valid: invalid CA certificate" },
	{ "one good link beside the chain", BESIDE_GOOD_LINK, HOST, true, false,
		NO_PIN, "is not signed by a trusted authority" },
	{ "pinned", GOOD, HOST, true, false, RIGHT_PIN, NULL },
	{ "rolled over", GOOD, HOST, true, false, NEXT_AND_RIGHT_PIN, NULL },
	{ "wrong pin", GOOD, HOST, true, false, WRONG_PIN,
		"pin does not match (got " },
	{ "pin does not heal the name", OTHER_NAME, HOST, true, false,
		RIGHT_PIN, "is for another name" },
	{ "pin does not heal the date", EXPIRED, HOST, true, false, RIGHT_PIN,
		"has expired" },
	{ "pin does not heal the chain", OTHER_AUTHORITY, HOST, false, true,
		RIGHT_PIN, "is not signed by a trusted authority" },
	{ "self-signed and pinned far away", SELF_SIGNED, HOST, false, false,
		RIGHT_PIN, "is self-signed" },
	{ "bridge", SELF_SIGNED, HOST, false, true, RIGHT_PIN, NULL },
	{ "bridge by address", SELF_SIGNED, "127.0.0.1", false, true, RIGHT_PIN,
		NULL },
	{ "bridge, wrong pin", SELF_SIGNED, HOST, false, true, WRONG_PIN,
		"pin does not match (got " },
	{ "bridge, expired", SELF_SIGNED_EXPIRED, HOST, false, true, RIGHT_PIN,
		"is self-signed" },
	{ "bridge, other authority", SELF_SIGNED, HOST, true, true, RIGHT_PIN,
		"is self-signed" },
};

/* The client's half over a socket that is already connected; blocks. */
static bool shake_hands(int fd, const struct transport_options *options,
	bool is_local, struct error *error)
{
	struct transport_tls *tls = transport_tls_new(options, error);
	bool is_up;

	assert_non_null(tls);
	is_up = transport_tls_start(tls, fd, is_local, error) &&
		transport_tls_handshake(tls, error) == TRANSPORT_DATA;
	transport_tls_free(tls);
	return is_up;
}

struct served {
	struct tls_peer *peer;
	int fd;
};

static void *serve(void *data)
{
	struct served *served = data;
	sigset_t all;

	/* The server gets a SIGPIPE when the client turns away. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	tls_peer_serve(served->fd, served->peer);
	return NULL;
}

static bool try_peer(struct tls_peer *peer,
	const struct transport_options *options, bool is_local,
	struct error *error)
{
	struct served served = { .peer = peer };
	pthread_t thread;
	int pair[2];
	bool is_up;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	served.fd = pair[1];
	assert_int_equal(pthread_create(&thread, NULL, serve, &served), 0);
	is_up = shake_hands(pair[0], options, is_local, error);
	close(pair[0]);
	pthread_join(thread, NULL);
	close(pair[1]);
	return is_up;
}

static bool try_row(const struct row *row, struct error *error)
{
	const char *list[2] = { pins[FOREIGN_AUTHORITY], pins[row->which] };
	struct tls_peer peer = { .certificate = &certificates[row->which],
		.intermediate = sent_with(row->which) };
	struct transport_options options = {
		.host = row->host,
		.ca_file = row->trusts_authority ? authority_path : NULL,
		.pins = row->pinning == RIGHT_PIN ? &list[1] : list,
		.pin_count = row->pinning == NO_PIN          ? 0
			: row->pinning == NEXT_AND_RIGHT_PIN ? 2
							     : 1,
	};

	return try_peer(&peer, &options, row->is_local, error);
}

static void test_only_the_right_certificate_is_let_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
		struct error error = { 0 };
		bool is_up = try_row(&ROWS[i], &error);

		print_message("%s: %s\n", ROWS[i].label, error.message);
		assert_int_equal(is_up, ROWS[i].expected == NULL);
		if (is_up)
			continue;
		assert_int_equal(error.code, ERROR_UNREACHABLE);
		assert_non_null(strstr(error.message, ROWS[i].expected));
	}
}

static void test_the_message_tells_the_pin_to_copy(void **state)
{
	const struct row row = { "", GOOD, HOST, true, false, WRONG_PIN, "" };
	struct error error = { 0 };

	(void)state;
	assert_false(try_row(&row, &error));
	assert_non_null(strstr(error.message, pins[GOOD]));
}

/* ---- Versions and ciphers ---- */

static const struct {
	const char *label;
	int version_max;
	const char *ciphers;
	bool is_fine;
} VERSIONS[] = {
	{ "TLS 1.3", TLS1_3_VERSION, NULL, true },
	{ "TLS 1.2", TLS1_2_VERSION, NULL, true },
	{ "TLS 1.2 with AES-GCM", TLS1_2_VERSION,
		"ECDHE-ECDSA-AES128-GCM-SHA256", true },
	{ "TLS 1.2 with ChaCha20", TLS1_2_VERSION,
		"ECDHE-ECDSA-CHACHA20-POLY1305", true },
	{ "TLS 1.2 with CBC", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
	{ "TLS 1.2 without encryption", TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA",
		false },
	{ "TLS 1.2 without authentication", TLS1_2_VERSION, "AECDH-AES128-SHA",
		false },
	{ "TLS 1.1", TLS1_1_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
	{ "TLS 1.0", TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
};

static void test_old_versions_and_weak_ciphers_are_refused(void **state)
{
	const struct transport_options options = { .host = HOST,
		.ca_file = authority_path };

	(void)state;
	for (size_t i = 0; i < sizeof(VERSIONS) / sizeof(*VERSIONS); i++) {
		struct tls_peer peer = {
			.certificate = &certificates[GOOD],
			.version_max = VERSIONS[i].version_max,
			.ciphers = VERSIONS[i].ciphers,
		};
		struct error error = { 0 };
		bool is_up = try_peer(&peer, &options, false, &error);

		print_message("%s: %s\n", VERSIONS[i].label, error.message);
		assert_int_equal(is_up, VERSIONS[i].is_fine);
		assert_int_equal(
			error.code, is_up ? ERROR_NONE : ERROR_UNREACHABLE);
	}
}

/* ---- Settings ---- */

static void test_bad_settings_are_told_before_connecting(void **state)
{
	static const char *const BAD_PINS[] = { "", "short",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==" };
	struct transport_options options = { .host = HOST };
	struct error error = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(BAD_PINS) / sizeof(*BAD_PINS); i++) {
		options.pins = &BAD_PINS[i];
		options.pin_count = 1;
		error_clear(&error);
		assert_null(transport_tls_new(&options, &error));
		assert_int_equal(error.code, ERROR_CONFIG);
	}
	options.pin_count = 0;
	options.ca_file = "/no/such/file";
	error_clear(&error);
	assert_null(transport_tls_new(&options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.message, "'/no/such/file'"));
	options.ca_file = NULL;
	options.client_cert_file = "/no/client";
	error_clear(&error);
	assert_null(transport_tls_new(&options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	options.client_cert_file = authority_path;
	options.client_key_file = client_path;
	error_clear(&error);
	assert_null(transport_tls_new(&options, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	transport_tls_free(NULL);
}

/* ---- Through the transport, over TCP ---- */

struct fixture {
	struct loop *loop;
	struct peer peer;
	struct tls_peer tls_peer;
	struct transport_options options;
	struct transport *transport;
	struct error error;
	unsigned call_count;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){
		.loop = loop_new(NULL),
		.tls_peer.certificate = &certificates[ADDRESS],
		.options.host = "127.0.0.1",
		.options.ca_file = authority_path,
	};
	assert_non_null(fixture.loop);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	transport_close(fixture->transport);
	peer_finish(&fixture->peer);
	loop_free(fixture->loop);
	return 0;
}

static bool connect_to(struct fixture *fixture,
	void (*serve_one)(int fd, void *data), void *data)
{
	peer_init(&fixture->peer, serve_one, data);
	fixture->options.port = fixture->peer.port;
	fixture->transport = transport_open(
		fixture->loop, &fixture->options, &fixture->error);
	return fixture->transport != NULL &&
		transport_connect(fixture->transport, &fixture->error);
}

static enum transport_result read_until(struct transport *transport,
	uint8_t *data, size_t size, struct error *error)
{
	while (size > 0) {
		size_t got;
		enum transport_result result =
			transport_read(transport, data, size, &got, error);

		if (result == TRANSPORT_AGAIN) {
			assert_int_equal(transport_wait(transport,
						 TRANSPORT_READ, 5000, NULL),
				TRANSPORT_READY);
			continue;
		}
		if (result != TRANSPORT_DATA)
			return result;
		data += got;
		size -= got;
	}
	return TRANSPORT_DATA;
}

static void expect(struct transport *transport, const char *text)
{
	uint8_t data[100] = { 0 };

	assert_int_equal(read_until(transport, data, strlen(text), NULL),
		TRANSPORT_DATA);
	assert_string_equal((char *)data, text);
}

static void exchange_much(struct transport *transport)
{
	size_t size = 2 << 20, sent = 0, received = 0, moved;
	uint8_t *data = malloc(size), *back = malloc(size);

	assert_true(data != NULL && back != NULL);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * i >> 7);
	while (received < size) {
		enum transport_result result = TRANSPORT_AGAIN;

		if (sent < size)
			result = transport_write(transport, data + sent,
				size - sent, &moved, NULL);
		assert_in_range(result, TRANSPORT_DATA, TRANSPORT_AGAIN);
		if (result == TRANSPORT_DATA)
			sent += moved;
		result = transport_read(transport, back + received,
			size - received, &moved, NULL);
		assert_in_range(result, TRANSPORT_DATA, TRANSPORT_AGAIN);
		if (result == TRANSPORT_DATA)
			received += moved;
		else
			assert_int_equal(
				transport_wait(transport,
					TRANSPORT_READ |
						(sent < size ? TRANSPORT_WRITE
							     : 0u),
					5000, NULL),
				TRANSPORT_READY);
	}
	assert_memory_equal(data, back, size);
	free(data);
	free(back);
}

static void test_implicit_tls_carries_data_both_ways(void **state)
{
	struct fixture *fixture = *state;

	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	exchange_much(fixture->transport);
	assert_true(transport_is_encrypted(fixture->transport));
	assert_string_equal(transport_security(fixture->transport),
		"TLSv1.3 TLS_AES_256_GCM_SHA384");
}

static void test_tls_and_compression_go_together(void **state)
{
	struct fixture *fixture = *state;

	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	transport_start_deflate(fixture->transport, NULL, 0);
	exchange_much(fixture->transport);
}

static void test_a_refused_certificate_gets_no_connection(void **state)
{
	struct fixture *fixture = *state;

	fixture->tls_peer.certificate = &certificates[GOOD];
	assert_false(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	assert_int_equal(fixture->error.code, ERROR_UNREACHABLE);
	assert_false(transport_is_encrypted(fixture->transport));
	transport_close(fixture->transport);
	fixture->transport = NULL;
	peer_finish(&fixture->peer);
	assert_false(fixture->tls_peer.is_shaken);
	peer_init(&fixture->peer, peer_say, (char[1]){ 0 });
}

static void test_a_bridge_on_this_machine_goes_by_its_pin(void **state)
{
	static const char *pin = pins[SELF_SIGNED];
	struct fixture *fixture = *state;

	fixture->tls_peer.certificate = &certificates[SELF_SIGNED];
	fixture->options.ca_file = NULL;
	fixture->options.pins = &pin;
	fixture->options.pin_count = 1;
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
}

static void test_a_client_certificate_is_shown(void **state)
{
	struct fixture *fixture = *state;

	fixture->tls_peer.client_authority = &certificates[AUTHORITY];
	fixture->tls_peer.words = "* OK\r\n";
	fixture->options.client_cert_file = client_path;
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	expect(fixture->transport, "* OK\r\n");
}

static void test_a_missing_client_certificate_is_told(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	fixture->tls_peer.client_authority = &certificates[AUTHORITY];
	/* In TLS 1.3 the client is done before the server looks. */
	if (!connect_to(fixture, tls_peer_serve, &fixture->tls_peer))
		return;
	assert_int_equal(
		read_until(fixture->transport, &byte, 1, &fixture->error),
		TRANSPORT_ERROR);
	assert_non_null(strstr(fixture->error.message, "certificate required"));
}

static void test_a_stalled_handshake_ends(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_now_ms();

	fixture->options.tls_timeout_ms = 50;
	assert_false(connect_to(fixture, peer_say, (char[1]){ 0 }));
	assert_int_equal(fixture->error.code, ERROR_UNREACHABLE);
	assert_non_null(strstr(fixture->error.message, "takes too long"));
	assert_in_range(clock_now_ms() - start, 50, 2000);
}

static void test_plaintext_on_a_tls_port_is_told(void **state)
{
	static char greeting[] = "* OK IMAP4rev1 ready\r\n";
	struct fixture *fixture = *state;

	assert_false(connect_to(fixture, peer_say, greeting));
	assert_int_equal(fixture->error.code, ERROR_UNREACHABLE);
	assert_non_null(strstr(fixture->error.message, "does not speak TLS"));
}

static void test_a_peer_that_ends_the_handshake_is_unreachable(void **state)
{
	struct fixture *fixture = *state;

	assert_false(connect_to(fixture, peer_say_and_end, (char[1]){ 0 }));
	assert_int_equal(fixture->error.code, ERROR_UNREACHABLE);
	assert_non_null(strstr(fixture->error.message, "hung up"));
}

static void test_a_goodbye_and_a_hang_up_are_both_closed(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	fixture->tls_peer.words = "* BYE\r\n";
	fixture->tls_peer.hangs_up = true;
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	expect(fixture->transport, "* BYE\r\n");
	assert_int_equal(read_until(fixture->transport, &byte, 1, NULL),
		TRANSPORT_CLOSED);
}

static void record(void *data)
{
	struct fixture *fixture = data;

	fixture->call_count++;
}

static void test_octets_left_in_a_record_make_it_ready(void **state)
{
	struct fixture *fixture = *state;

	fixture->tls_peer.words = "abc";
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	expect(fixture->transport, "a");
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 0, NULL),
		TRANSPORT_READY);
	transport_set_ready_callback(fixture->transport, record, fixture);
	assert_int_equal(fixture->call_count, 1);
	expect(fixture->transport, "bc");
}

static void test_waiting_after_again_waits_for_the_socket(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;
	size_t got;

	fixture->tls_peer.words = "a";
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	expect(fixture->transport, "a");
	assert_int_equal(
		transport_read(fixture->transport, &byte, 1, &got, NULL),
		TRANSPORT_AGAIN);
	assert_int_equal(
		transport_wait(fixture->transport, TRANSPORT_READ, 20, NULL),
		TRANSPORT_TIMEOUT);
}

/* ---- STARTTLS ---- */

static void test_starttls_follows_the_servers_ok(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.tls = TRANSPORT_TLS_STARTTLS;
	fixture->tls_peer.before = "a OK begin\r\n";
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	assert_false(transport_is_encrypted(fixture->transport));
	expect(fixture->transport, "a OK begin\r\n");
	assert_true(transport_start_tls(fixture->transport, &fixture->error));
	assert_true(transport_is_encrypted(fixture->transport));
	exchange_much(fixture->transport);
}

static void test_plaintext_behind_the_ok_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.tls = TRANSPORT_TLS_STARTTLS;
	fixture->tls_peer.before = "a OK begin\r\n* 1 EXISTS\r\n";
	assert_true(connect_to(fixture, tls_peer_serve, &fixture->tls_peer));
	expect(fixture->transport, "a OK begin\r\n");
	assert_false(transport_start_tls(fixture->transport, &fixture->error));
	assert_int_equal(fixture->error.code, ERROR_PROTOCOL);
	assert_false(transport_is_encrypted(fixture->transport));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_right_certificate_is_let_in),
		cmocka_unit_test(test_the_message_tells_the_pin_to_copy),
		cmocka_unit_test(
			test_old_versions_and_weak_ciphers_are_refused),
		cmocka_unit_test(test_bad_settings_are_told_before_connecting),
		TEST(test_implicit_tls_carries_data_both_ways),
		TEST(test_tls_and_compression_go_together),
		TEST(test_a_refused_certificate_gets_no_connection),
		TEST(test_a_bridge_on_this_machine_goes_by_its_pin),
		TEST(test_a_client_certificate_is_shown),
		TEST(test_a_missing_client_certificate_is_told),
		TEST(test_a_stalled_handshake_ends),
		TEST(test_plaintext_on_a_tls_port_is_told),
		TEST(test_a_peer_that_ends_the_handshake_is_unreachable),
		TEST(test_a_goodbye_and_a_hang_up_are_both_closed),
		TEST(test_octets_left_in_a_record_make_it_ready),
		TEST(test_waiting_after_again_waits_for_the_socket),
		TEST(test_starttls_follows_the_servers_ok),
		TEST(test_plaintext_behind_the_ok_is_refused),
	};

	return cmocka_run_group_tests(tests, make_all, drop_all);
}

#undef TEST
