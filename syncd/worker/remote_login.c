/* From the greeting to the first useful command (RFC 9051, 3; RFC 8314). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "proto/base64.h"
#include "proto/sasl.h"
#include "syncd/worker/clock.h"
#include "syncd/worker/digest.h"
#include "syncd/worker/remote_internal.h"

#define NONCE_SIZE 24 /* random octets */

/* What is shorter is found in innocent words. */
#define HIDDEN_SIZE_MIN 6

/* ---- Small exchanges ---- */

/* What a server says when it, not the password, is the problem. */
static bool is_passing(const struct remote_answer *answer)
{
	static const char *const WORDS[] = {
		"throttled",
		"temporar",
		"too many simultaneous",
		"too many connections",
		"maximum number of connections",
	};

	if (answer->code == IMAP_CODE_UNAVAILABLE ||
		answer->code == IMAP_CODE_INUSE ||
		answer->code == IMAP_CODE_LIMIT ||
		answer->code == IMAP_CODE_SERVERBUG)
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(WORDS); i++)
		if (remote_text_contains(answer->text, WORDS[i]))
			return true;
	return false;
}

static bool wait_for_greeting(struct remote *remote, struct error *error)
{
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_LOGIN_TIMEOUT_MS;
	flight.waits_for_greeting = true;
	is_done = remote_flight_run(&flight, error);
	remote_flight_finish(&flight);
	if (is_done && remote->has_goodbye)
		return error_set(error, ERROR_UNREACHABLE,
			"server lets nobody in: %s", remote->goodbye.text);
	return is_done;
}

static bool ask_capabilities(struct remote *remote, struct error *error)
{
	return remote_do(remote,
		imap_command_new(IMAP_COMMAND_CAPABILITY, "CAPABILITY"),
		"learn what the server is able to do", error);
}

static bool know_capabilities(struct remote *remote, struct error *error)
{
	return imap_session_knows_capabilities(remote->session) ||
		ask_capabilities(remote, error);
}

/* Never on in plaintext when the user asked for TLS. */
static bool start_tls(struct remote *remote, struct error *error)
{
	if (!know_capabilities(remote, error))
		return false;
	if (!imap_session_has(remote->session, IMAP_CAP_STARTTLS))
		return error_set(error, ERROR_UNREACHABLE,
			"server does not offer STARTTLS: not going on in "
			"plaintext");
	return remote_do(remote,
		       imap_command_new(IMAP_COMMAND_STARTTLS, "STARTTLS"),
		       "start TLS", error) &&
		transport_start_tls(remote->transport, error) &&
		imap_session_tls_started(remote->session, error);
}

/* ---- Choosing a mechanism ---- */

static const struct {
	uint32_t config;
	enum sasl_mechanism mechanism;
} AUTHS[] = {
	{ CONFIG_AUTH_PLAIN, SASL_PLAIN },
	{ CONFIG_AUTH_LOGIN, SASL_LOGIN },
	{ CONFIG_AUTH_SCRAM_SHA_256, SASL_SCRAM_SHA_256 },
	{ CONFIG_AUTH_SCRAM_SHA_1, SASL_SCRAM_SHA_1 },
	{ CONFIG_AUTH_OAUTHBEARER, SASL_OAUTHBEARER },
	{ CONFIG_AUTH_XOAUTH2, SASL_XOAUTH2 },
	{ CONFIG_AUTH_EXTERNAL, SASL_EXTERNAL },
	{ CONFIG_AUTH_CRAM_MD5, SASL_CRAM_MD5 },
};

static bool has_secret(const struct config_account *account)
{
	return account->password != NULL || account->password_command != NULL ||
		account->password_file != NULL ||
		account->token_command != NULL;
}

static struct sasl_offer make_offer(const struct remote *remote)
{
	const struct config_account *account = remote->options.account;
	struct sasl_offer offer = {
		.is_login_disabled = imap_session_has(
			remote->session, IMAP_CAP_LOGINDISABLED),
		.has_token = account->token_command != NULL,
		.is_protected = account->allow_plaintext ||
			transport_is_encrypted(remote->transport) ||
			transport_is_local(remote->transport),
	};

	for (size_t i = 0; i < ARRAY_LENGTH(AUTHS); i++) {
		enum sasl_mechanism mechanism = AUTHS[i].mechanism;

		if (imap_session_has_auth(
			    remote->session, sasl_mechanism_name(mechanism)))
			offer.offered |= SASL_BIT(mechanism);
		if ((account->auth & AUTHS[i].config) != 0)
			offer.wanted |= SASL_BIT(mechanism);
	}
	if (!has_secret(account))
		offer.wanted = SASL_BIT(SASL_EXTERNAL);
	return offer;
}

/* ---- One attempt ---- */

struct attempt {
	struct remote *remote;
	enum sasl_mechanism mechanism;
	struct sasl *sasl;
	struct remote_answer answer;
	struct error failure; /* of our half of the exchange */
};

static bool handle_challenge(struct remote_flight *flight,
	const uint8_t *challenge, size_t size, struct error *error)
{
	struct attempt *attempt = flight->data;
	struct imap_session *session = flight->remote->session;
	struct buf answer = { 0 };

	(void)error;
	buf_reserve(&answer, 2 * size + 2 * SASL_CREDENTIAL_MAX);
	if (sasl_step(attempt->sasl, challenge, size, &answer,
		    &attempt->failure) == SASL_FAILED)
		imap_session_cancel_authentication(session);
	else
		imap_session_answer(session, answer.data, answer.size);
	buf_finish_secret(&answer);
	return true;
}

static struct imap_command *authenticate_command(struct attempt *attempt)
{
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_AUTHENTICATE, "AUTHENTICATE");
	struct buf initial = { 0 };

	imap_command_add_words(
		command, sasl_mechanism_name(attempt->mechanism));
	buf_reserve(&initial, 4 * SASL_CREDENTIAL_MAX);
	if (sasl_initial_response(attempt->sasl, &initial))
		imap_command_set_initial_response(
			command, buf_text(&initial), initial.size);
	buf_finish_secret(&initial);
	return command;
}

static struct imap_command *login_command(
	const struct config_account *account, const char *secret)
{
	const char *user = account->user == NULL ? "" : account->user;
	struct imap_command *command =
		imap_command_new(IMAP_COMMAND_LOGIN, "LOGIN");

	assert(secret != NULL);
	imap_command_add_string(command, user, strlen(user));
	imap_command_add_secret(command, secret, strlen(secret));
	return command;
}

static bool make_sasl(
	struct attempt *attempt, const char *secret, struct error *error)
{
	const struct config_account *account = attempt->remote->options.account;
	uint8_t random[NONCE_SIZE];
	struct buf nonce = { 0 };
	struct sasl_options options = {
		.mechanism = attempt->mechanism,
		.user = account->user,
		.secret = secret,
		.host = account->host,
		.port = account->port,
		.md5 = &DIGEST_SASL_MD5,
		.sha1 = &DIGEST_SASL_SHA1,
		.sha256 = &DIGEST_SASL_SHA256,
	};

	random_bytes(random, sizeof(random));
	base64_encode(random, sizeof(random), &nonce);
	options.nonce = buf_text(&nonce);
	attempt->sasl = sasl_new(&options, error);
	buf_finish(&nonce);
	return attempt->sasl != NULL;
}

/* False when the connection is gone. `attempt->answer` has the outcome. */
static bool try_once(
	struct attempt *attempt, const char *secret, struct error *error)
{
	struct remote *remote = attempt->remote;
	struct remote_flight flight;
	struct remote_call *call;
	bool is_done;

	if (attempt->mechanism != SASL_LOGIN_COMMAND &&
		!make_sasl(attempt, secret, error))
		return false;
	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_LOGIN_TIMEOUT_MS;
	flight.data = attempt;
	flight.on_challenge = handle_challenge;
	call = remote_flight_add(&flight,
		attempt->mechanism == SASL_LOGIN_COMMAND
			? login_command(remote->options.account, secret)
			: authenticate_command(attempt));
	is_done = remote_flight_run(&flight, error);
	attempt->answer = call->answer;
	remote_flight_finish(&flight);
	return is_done;
}

static bool is_accepted(const struct attempt *attempt)
{
	return attempt->answer.status == IMAP_STATUS_OK;
}

/* Some say BYE instead of NO to a wrong password. */
static bool bye_error(const struct remote *remote, struct error *error)
{
	return error_set(error,
		is_passing(&remote->goodbye) ? ERROR_UNREACHABLE : ERROR_AUTH,
		"login failed, server said goodbye: %s", remote->goodbye.text);
}

static bool refused_error(const struct attempt *attempt, struct error *error)
{
	const char *reason =
		attempt->sasl == NULL ? NULL : sasl_failure_text(attempt->sasl);

	if (attempt->failure.code != ERROR_NONE)
		return error_set(error, ERROR_AUTH, "%s login failed: %s",
			sasl_mechanism_name(attempt->mechanism),
			attempt->failure.message);
	return error_set(error,
		is_passing(&attempt->answer) ? ERROR_UNREACHABLE : ERROR_AUTH,
		"%s login refused: %s%s%.200s",
		sasl_mechanism_name(attempt->mechanism), attempt->answer.text,
		reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
}

/* Tagged OK from a server that never proved to know the password. */
static bool check_server(const struct attempt *attempt, struct error *error)
{
	if (attempt->sasl == NULL ||
		(attempt->failure.code == ERROR_NONE &&
			sasl_is_verified(attempt->sasl)))
		return true;
	return error_set(error, ERROR_AUTH,
		"server did not prove that it knows the password: %s",
		attempt->failure.code == ERROR_NONE ? "its signature is missing"
						    : attempt->failure.message);
}

static void attempt_finish(struct attempt *attempt)
{
	sasl_free(attempt->sasl);
	attempt->sasl = NULL;
	error_clear(&attempt->failure);
}

/* ---- Attempts ---- */

/* A token that is merely old, as the server's JSON says (RFC 7628, 3.2.2). */
static bool is_stale_token(const struct attempt *attempt)
{
	const char *reason =
		attempt->sasl == NULL ? NULL : sasl_failure_text(attempt->sasl);
	const char *status;

	if (reason == NULL || is_passing(&attempt->answer))
		return false;
	status = strstr(reason, "\"status\"");
	if (status == NULL)
		return true;
	status += strcspn(status, ":");
	status += strspn(status, ": \t\"");
	return strspn(status, "0123456789") != 3 ||
		strncmp(status, "400", 3) == 0 ||
		strncmp(status, "401", 3) == 0;
}

/* Office 365 has taken by LOGIN what it refused by PLAIN. Where the server
   said outright that the password is wrong, a second try only counts towards
   locking the account. */
static bool is_login_worth_a_try(const struct attempt *attempt)
{
	const struct remote *remote = attempt->remote;

	return attempt->mechanism == SASL_PLAIN &&
		remote->options.account->auth == CONFIG_AUTH_AUTO &&
		!imap_session_has(remote->session, IMAP_CAP_LOGINDISABLED) &&
		attempt->answer.code != IMAP_CODE_AUTHENTICATIONFAILED &&
		attempt->answer.code != IMAP_CODE_AUTHORIZATIONFAILED &&
		attempt->answer.code != IMAP_CODE_EXPIRED &&
		!is_passing(&attempt->answer);
}

static bool try_secret(
	struct attempt *attempt, const char *secret, struct error *error)
{
	if (!try_once(attempt, secret, error))
		return false;
	if (is_accepted(attempt) || !is_login_worth_a_try(attempt))
		return true;
	attempt_finish(attempt);
	attempt->mechanism = SASL_LOGIN_COMMAND;
	return try_once(attempt, secret, error);
}

static bool get_secret(struct remote *remote, bool is_retry, char **secret,
	struct error *error)
{
	const struct remote_options *options = &remote->options;

	free_secret(*secret);
	*secret = NULL;
	if (!has_secret(options->account))
		return true;
	*secret = options->get_secret(options->data, is_retry, error);
	return *secret != NULL;
}

static bool authenticate_with(
	struct attempt *attempt, char **secret, struct error *error)
{
	struct remote *remote = attempt->remote;
	bool has_token = remote->options.account->token_command != NULL;

	if (!get_secret(remote, false, secret, error) ||
		!try_secret(attempt, *secret, error))
		return false;
	if (!is_accepted(attempt) && has_token && is_stale_token(attempt)) {
		attempt_finish(attempt);
		if (!get_secret(remote, true, secret, error) ||
			!try_once(attempt, *secret, error))
			return false;
	}
	return is_accepted(attempt) ? check_server(attempt, error)
				    : refused_error(attempt, error);
}

/* ---- What a server repeats ---- */

static bool has_inside(const void *data, size_t size, const char *secret)
{
	return size > 0 && memmem(data, size, secret, strlen(secret)) != NULL;
}

/* As it was sent, or in the base64 of an exchange. */
static bool repeats(const char *text, const char *secret)
{
	static const char ENCODED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+/=";
	bool is_found = has_inside(text, strlen(text), secret);

	while (*text != '\0' && !is_found) {
		size_t size = strspn(text, ENCODED);
		struct buf data = { 0 };

		is_found = base64_decode(text, size, &data) &&
			has_inside(data.data, data.size, secret);
		buf_finish_secret(&data);
		text += size;
		text += strcspn(text, ENCODED);
	}
	return is_found;
}

/* A server that quotes the command it did not like would have the secret in
   the log and in status. */
static void hide_repeated(
	struct remote *remote, const char *secret, struct error *error)
{
	if (secret == NULL || strlen(secret) < HIDDEN_SIZE_MIN)
		return;
	if (repeats(remote->alert, secret))
		remote->alert[0] = '\0';
	if (repeats(remote->goodbye.text, secret))
		remote->goodbye.text[0] = '\0';
	if (repeats(error->message, secret))
		(void)error_set(error, error->code,
			"login refused, in words that are not shown here, as "
			"they repeat the secret");
}

static bool authenticate(struct remote *remote, struct error *error)
{
	struct sasl_offer offer = make_offer(remote);
	struct attempt attempt = { .remote = remote };
	char *secret = NULL;
	bool is_done;

	if (!sasl_choose(&offer, &attempt.mechanism, error))
		return false;
	is_done = authenticate_with(&attempt, &secret, error);
	if (!is_done && remote->has_goodbye &&
		error->code == ERROR_DISCONNECTED)
		bye_error(remote, error);
	if (!is_done)
		hide_repeated(remote, secret, error);
	attempt_finish(&attempt);
	free_secret(secret);
	return is_done;
}

/* ---- After the login ---- */

/* iCloud's proxy damages literals until it has seen a CAPABILITY. */
static bool is_icloud(const struct config_account *account)
{
	return account->host != NULL &&
		(text_ends_with(account->host, ".me.com") ||
			text_ends_with(account->host, ".icloud.com"));
}

static struct imap_command *id_command(void)
{
	return imap_command_new(IMAP_COMMAND_PLAIN,
		"ID (\"name\" \"mailtwin\" \"version\" \"" MAILTWIN_VERSION
		"\")");
}

static bool note_id(struct remote_flight *flight,
	const struct imap_response *response, struct error *error)
{
	const struct imap_words *words = &response->words;

	(void)error;
	if (response->kind != IMAP_RESPONSE_ID)
		return true;
	for (size_t i = 0; i + 1 < words->count; i += 2)
		if (text_equal_nocase(words->words[i], "name"))
			flight->remote->is_cyrus =
				text_starts_with(words->words[i + 1], "Cyrus");
	return true;
}

static const char *enable_words(const struct imap_session *session)
{
	if (!imap_session_has(session, IMAP_CAP_ENABLE))
		return NULL;
	if (imap_session_has(session, IMAP_CAP_QRESYNC))
		return "ENABLE QRESYNC";
	if (imap_session_has(session, IMAP_CAP_CONDSTORE))
		return "ENABLE CONDSTORE";
	return NULL;
}

/* The first commands of the authenticated state, all of which may be refused:
   but Exchange says here that the login was worth nothing. */
static bool introduce(struct remote *remote, struct error *error)
{
	const char *enable = enable_words(remote->session);
	struct remote_flight flight;
	bool is_done;

	remote_flight_init(&flight, remote);
	flight.timeout_ms = REMOTE_LOGIN_TIMEOUT_MS;
	flight.on_response = note_id;
	if (imap_session_has(remote->session, IMAP_CAP_ID))
		(void)remote_flight_add(&flight, id_command());
	if (enable != NULL)
		(void)remote_flight_add(
			&flight, imap_command_new(IMAP_COMMAND_ENABLE, enable));
	is_done = remote_flight_run(&flight, error);
	for (size_t i = 0; is_done && i < flight.call_count; i++) {
		struct error failure = { 0 };

		if (remote_check(remote, flight.calls[i], "begin", &failure) ||
			failure.code == ERROR_REFUSED)
			continue;
		*error = failure;
		is_done = false;
	}
	remote_flight_finish(&flight);
	return is_done;
}

static bool wants_compression(const struct remote *remote)
{
	enum config_compress compress = remote->options.account->compress;

	if (!imap_session_has(remote->session, IMAP_CAP_COMPRESS_DEFLATE))
		return false;
	return compress == CONFIG_COMPRESS_ON ||
		(compress == CONFIG_COMPRESS_AUTO &&
			!transport_is_local(remote->transport));
}

static bool compress(struct remote *remote, struct error *error)
{
	const uint8_t *pending;
	size_t pending_size;

	if (!wants_compression(remote))
		return true;
	if (!remote_do(remote,
		    imap_command_new(IMAP_COMMAND_COMPRESS, "COMPRESS DEFLATE"),
		    "compress", error)) {
		if (remote->is_dead)
			return false;
		error_clear(error);
		return true;
	}
	pending_size = imap_session_take_pending(remote->session, &pending);
	transport_start_deflate(remote->transport, pending, pending_size);
	return true;
}

bool remote_login(struct remote *remote, struct error *error)
{
	const struct config_account *account = remote->options.account;
	bool has_capabilities;

	if (!wait_for_greeting(remote, error))
		return false;
	if (account->tls == CONFIG_TLS_STARTTLS && !start_tls(remote, error))
		return false;
	/* PREAUTH skips this. */
	if (imap_session_state(remote->session) ==
			IMAP_SESSION_NOT_AUTHENTICATED &&
		(!know_capabilities(remote, error) ||
			!authenticate(remote, error)))
		return false;
	has_capabilities = is_icloud(account)
		? ask_capabilities(remote, error)
		: know_capabilities(remote, error);
	return has_capabilities && introduce(remote, error) &&
		compress(remote, error);
}
