/* Opening and closing of a remote, and what it is able to do. */
#include "syncd/worker/remote.h"

#include <string.h>

#include "base/alloc.h"
#include "proto/base64.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/remote_internal.h"

#define TAG_LETTER_COUNT 4

/* ---- Opening ---- */

static void encode_pins(struct remote *remote)
{
	const struct config_pins *pins = &remote->options.account->tls_pins;

	remote->pins = alloc(pins->count + 1, sizeof(*remote->pins));
	for (size_t i = 0; i < pins->count; i++) {
		struct buf text = { 0 };

		base64_encode(pins->items[i].sha256, CONFIG_PIN_SIZE, &text);
		remote->pins[i] = buf_steal(&text);
	}
}

static enum transport_tls_mode tls_mode(enum config_tls tls)
{
	switch (tls) {
	case CONFIG_TLS_IMPLICIT:
		return TRANSPORT_TLS_IMPLICIT;
	case CONFIG_TLS_STARTTLS:
		return TRANSPORT_TLS_STARTTLS;
	case CONFIG_TLS_OFF:
		break;
	}
	return TRANSPORT_TLS_OFF;
}

static bool open_transport(struct remote *remote, struct error *error)
{
	const struct config_account *account = remote->options.account;
	struct transport_options options = {
		.host = account->host,
		.port = account->port,
		.tls = tls_mode(account->tls),
		.ca_file = account->tls_ca_file,
		.pins = (const char *const *)remote->pins,
		.pin_count = account->tls_pins.count,
		.client_cert_file = account->tls_client_cert,
		.client_key_file = account->tls_client_key,
		.tunnel = account->tunnel,
	};

	remote->transport = transport_open(remote->loop, &options, error);
	return remote->transport != NULL &&
		transport_connect(remote->transport, error);
}

/* Tags nobody can foresee: a server cannot prepare answers to them. */
static void make_session(struct remote *remote)
{
	const struct config_account *account = remote->options.account;
	char prefix[TAG_LETTER_COUNT + 1] = { 0 };
	uint8_t random[TAG_LETTER_COUNT];
	struct imap_session_options options = {
		.tag_prefix = prefix,
		.disable = account->disable.items,
		.disable_count = account->disable.count,
		.is_secure = account->tls == CONFIG_TLS_OFF ||
			transport_is_encrypted(remote->transport),
	};

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		prefix[i] = (char)('a' + random[i] % 26);
	remote->session = imap_session_new(&options);
}

static void note_abilities(struct remote *remote)
{
	const struct imap_session *session = remote->session;
	struct remote_abilities *abilities = &remote->abilities;

	abilities->has_qresync =
		imap_session_is_enabled(session, IMAP_CAP_QRESYNC);
	abilities->has_condstore = abilities->has_qresync ||
		imap_session_has(session, IMAP_CAP_CONDSTORE) ||
		imap_session_has(session, IMAP_CAP_QRESYNC);
	abilities->has_uidplus = imap_session_has(session, IMAP_CAP_UIDPLUS);
	abilities->has_move = imap_session_has(session, IMAP_CAP_MOVE);
	abilities->has_list_status =
		imap_session_has(session, IMAP_CAP_LIST_STATUS);
	abilities->has_idle = imap_session_has(session, IMAP_CAP_IDLE);
	abilities->has_object_id = imap_session_has(session, IMAP_CAP_OBJECTID);
	abilities->has_multiappend =
		imap_session_has(session, IMAP_CAP_MULTIAPPEND);
	abilities->is_gmail = imap_session_has(session, IMAP_CAP_GMAIL);
	abilities->append_limit = imap_session_append_limit(session);
	abilities->message_limit = imap_session_message_limit(session);
	abilities->is_tls = transport_is_encrypted(remote->transport);
}

static bool open_session(struct remote *remote, struct error *error)
{
	if (!open_transport(remote, error))
		return false;
	make_session(remote);
	if (!remote_login(remote, error))
		return false;
	note_abilities(remote);
	remote_idle_init(remote);
	return true;
}

struct remote *remote_open(
	const struct remote_options *options, struct error *error)
{
	struct remote *remote = alloc(1, sizeof(*remote));

	remote->options = *options;
	remote->loop = options->loop;
	remote->input = alloc(1, REMOTE_INPUT_SIZE);
	encode_pins(remote);
	if (open_session(remote, error))
		return remote;
	/* Who has no connection cannot skip one message and go on. */
	if (error->code == ERROR_REFUSED)
		error->code = ERROR_UNREACHABLE;
	remote_close(remote);
	return NULL;
}

void remote_close(struct remote *remote)
{
	if (remote == NULL)
		return;
	remote_idle_finish(remote);
	transport_close(remote->transport);
	imap_session_free(remote->session);
	remote_forget_selection(remote);
	for (char **pin = remote->pins; *pin != NULL; pin++)
		free(*pin);
	free(remote->pins);
	free(remote->input);
	free(remote);
}

void remote_logout(struct remote *remote)
{
	struct error ignored = { 0 };
	struct remote_flight flight;

	if (remote->is_dead || !remote_begin(remote, &ignored))
		return;
	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_GOODBYE_TIMEOUT_MS;
	(void)remote_flight_add(
		&flight, imap_command_new(IMAP_COMMAND_LOGOUT, "LOGOUT"));
	if (!remote_flight_run(&flight, &ignored))
		error_clear(&ignored); /* it is over either way */
	remote_flight_finish(&flight);
}

bool remote_probe(struct remote *remote, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	if (!remote_begin(remote, error))
		return false;
	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_PROBE_TIMEOUT_MS;
	(void)remote_flight_add(
		&flight, imap_command_new(IMAP_COMMAND_PLAIN, "NOOP"));
	is_done = remote_flight_run(&flight, error);
	remote_flight_finish(&flight);
	return is_done;
}

/* ---- Facts ---- */

const struct remote_abilities *remote_abilities(const struct remote *remote)
{
	return &remote->abilities;
}

const char *remote_capabilities(const struct remote *remote)
{
	return imap_session_capabilities(remote->session);
}

const char *remote_tls_name(const struct remote *remote)
{
	return transport_is_encrypted(remote->transport)
		? transport_security(remote->transport)
		: "none";
}

struct remote_traffic remote_traffic(const struct remote *remote)
{
	return (struct remote_traffic){
		.bytes_in = transport_bytes_in(remote->transport),
		.bytes_out = transport_bytes_out(remote->transport),
		.command_count = remote->command_count,
	};
}

bool remote_is_dead(const struct remote *remote)
{
	return remote->is_dead;
}

const struct error *remote_death(const struct remote *remote)
{
	return &remote->death;
}

const char *remote_alert(const struct remote *remote)
{
	return remote->alert[0] == '\0' ? NULL : remote->alert;
}

size_t remote_skipped_count(const struct remote *remote)
{
	return remote->skipped_count;
}
