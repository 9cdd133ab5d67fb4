#include "proto/sasl.h"

/* Strongest first: the less a listener or a false server learns, the better.
   `needs_name`: used only when the user lists it. */
static const struct {
	enum sasl_mechanism mechanism;
	bool takes_token;
	bool takes_password;
	bool shows_secret;
	bool needs_name;
} RANKING[] = {
	{ SASL_EXTERNAL, true, true, false, true },
	{ SASL_SCRAM_SHA_256, false, true, false, false },
	{ SASL_SCRAM_SHA_1, false, true, false, false },
	{ SASL_CRAM_MD5, false, true, false, true },
	{ SASL_OAUTHBEARER, true, false, true, false },
	{ SASL_XOAUTH2, true, false, true, false },
	{ SASL_PLAIN, false, true, true, false },
	{ SASL_LOGIN, false, true, true, false },
	{ SASL_LOGIN_COMMAND, false, true, true, false },
};

static bool is_offered(
	const struct sasl_offer *offer, enum sasl_mechanism mechanism)
{
	/* LOGIN the command is not announced, only forbidden. */
	if (mechanism == SASL_LOGIN_COMMAND)
		return !offer->is_login_disabled;
	return (offer->offered & SASL_BIT(mechanism)) != 0;
}

static bool is_wanted(const struct sasl_offer *offer,
	enum sasl_mechanism mechanism, bool needs_name)
{
	uint32_t wanted = offer->wanted;

	if (wanted == 0)
		return !needs_name;
	if ((wanted & SASL_BIT(SASL_LOGIN)) != 0)
		wanted |= SASL_BIT(SASL_LOGIN_COMMAND);
	return (wanted & SASL_BIT(mechanism)) != 0;
}

bool sasl_choose(const struct sasl_offer *offer,
	enum sasl_mechanism *mechanism_out, struct error *error)
{
	bool was_unprotected = false;

	for (size_t i = 0; i < ARRAY_LENGTH(RANKING); i++) {
		enum sasl_mechanism mechanism = RANKING[i].mechanism;

		if (!is_wanted(offer, mechanism, RANKING[i].needs_name) ||
			!is_offered(offer, mechanism))
			continue;
		if (!(offer->has_token ? RANKING[i].takes_token
				       : RANKING[i].takes_password))
			continue;
		if (RANKING[i].shows_secret && !offer->is_protected) {
			was_unprotected = true;
			continue;
		}
		*mechanism_out = mechanism;
		return true;
	}
	if (was_unprotected)
		return error_set(error, ERROR_AUTH,
			"server offers only mechanisms that would show the "
			"secret without TLS");
	return error_set(error, ERROR_AUTH,
		"server offers no mechanism that is allowed and takes a %s",
		offer->has_token ? "token" : "password");
}
