#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/compiler.h"
#include "proto/sasl.h"

static void digest(
	const EVP_MD *type, const uint8_t *data, size_t size, uint8_t *out)
{
	assert_true(EVP_Digest(data, size, out, NULL, type, NULL) == 1);
}

static void hmac(const EVP_MD *type, const uint8_t *key, size_t key_size,
	const uint8_t *data, size_t size, uint8_t *out)
{
	assert_non_null(HMAC(type, key, (int)key_size, data, size, out, NULL));
}

static void sha1(const uint8_t *data, size_t size, uint8_t *out)
{
	digest(EVP_sha1(), data, size, out);
}

static void sha1_hmac(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *out)
{
	hmac(EVP_sha1(), key, key_size, data, size, out);
}

static void sha256(const uint8_t *data, size_t size, uint8_t *out)
{
	digest(EVP_sha256(), data, size, out);
}

static void sha256_hmac(const uint8_t *key, size_t key_size,
	const uint8_t *data, size_t size, uint8_t *out)
{
	hmac(EVP_sha256(), key, key_size, data, size, out);
}

static void md5(const uint8_t *data, size_t size, uint8_t *out)
{
	digest(EVP_md5(), data, size, out);
}

static void md5_hmac(const uint8_t *key, size_t key_size, const uint8_t *data,
	size_t size, uint8_t *out)
{
	hmac(EVP_md5(), key, key_size, data, size, out);
}

static const struct sasl_hash SHA1 = { 20, sha1, sha1_hmac };
static const struct sasl_hash SHA256 = { 32, sha256, sha256_hmac };
static const struct sasl_hash MD5_HASH = { 16, md5, md5_hmac };

static struct sasl_options options_for(enum sasl_mechanism mechanism)
{
	return (struct sasl_options){
		.mechanism = mechanism,
		.user = "user",
		.secret = "pencil",
		.nonce = "fyko+d2lbbFgONRv9qkxdawL",
		.md5 = &MD5_HASH,
		.sha1 = &SHA1,
		.sha256 = &SHA256,
	};
}

static struct sasl *open_sasl(const struct sasl_options *options)
{
	struct error error = { 0 };
	struct sasl *sasl = sasl_new(options, &error);

	if (sasl == NULL)
		fail_msg("%s", error.message);
	return sasl;
}

/* The client speaks first, and says this. */
static void expect_first(struct sasl *sasl, const char *expected, size_t size)
{
	struct buf out = { 0 };

	assert_true(sasl_initial_response(sasl, &out));
	assert_int_equal(out.size, size);
	if (size > 0)
		assert_memory_equal(out.data, expected, size);
	buf_finish_secret(&out);
}

static void expect_answer(struct sasl *sasl, const char *challenge,
	enum sasl_result result, const char *expected)
{
	struct buf answer = { 0 };
	struct error error = { 0 };

	assert_int_equal(sasl_step(sasl, (const uint8_t *)challenge,
				 strlen(challenge), &answer, &error),
		result);
	assert_string_equal(buf_text(&answer), expected);
	assert_int_equal(
		error.code, result == SASL_FAILED ? ERROR_AUTH : ERROR_NONE);
	buf_finish_secret(&answer);
}

#define SHA1_SERVER_NONCE "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define SHA1_SERVER_FIRST "r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=4096"
#define SHA1_CLIENT_FINAL                                                      \
	"c=biws,r=" SHA1_SERVER_NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="

/* RFC 5802, 5. */
static void test_scram_sha_1_as_in_the_rfc(void **state)
{
	struct sasl_options options = options_for(SASL_SCRAM_SHA_1);
	struct sasl *sasl = open_sasl(&options);

	(void)state;
	expect_first(sasl, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", 36);
	expect_answer(
		sasl, SHA1_SERVER_FIRST, SASL_CONTINUE, SHA1_CLIENT_FINAL);
	assert_false(sasl_is_verified(sasl));
	expect_answer(sasl, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", SASL_DONE, "");
	assert_true(sasl_is_verified(sasl));
	expect_answer(sasl, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", SASL_FAILED, "");
	sasl_free(sasl);
}

/* RFC 7677, 3. */
static void test_scram_sha_256_as_in_the_rfc(void **state)
{
	struct sasl_options options = options_for(SASL_SCRAM_SHA_256);
	struct sasl *sasl;

	(void)state;
	options.nonce = "rOprNGfwEbeRWgbNEkqO";
	sasl = open_sasl(&options);
	expect_first(sasl, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", 32);
	expect_answer(sasl,
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		SASL_CONTINUE,
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	expect_answer(sasl,
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SASL_DONE,
		"");
	assert_true(sasl_is_verified(sasl));
	sasl_free(sasl);
}

static void test_scram_names_are_escaped(void **state)
{
	struct sasl_options options = options_for(SASL_SCRAM_SHA_1);
	struct sasl *sasl;

	(void)state;
	options.user = "a=b,c";
	options.authzid = "d,e";
	options.nonce = "N";
	sasl = open_sasl(&options);
	expect_first(sasl, "n,a=d=2Ce,n=a=3Db=2Cc,r=N", 25);
	sasl_free(sasl);
}

static void test_scram_refuses_a_bad_first_message(void **state)
{
	static const char *const BAD[] = {
		"",
		"r=",
		"garbage",
		/* not our nonce, or nothing added to it */
		"r=other,s=QSXCR+Q6sek8bf92,i=4096",
		"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",
		"r=Fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4096",
		/* a part missing, empty, doubled or out of order */
		"r=" SHA1_SERVER_NONCE,
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92",
		"r=" SHA1_SERVER_NONCE ",i=4096",
		"s=QSXCR+Q6sek8bf92,i=4096",
		"r=" SHA1_SERVER_NONCE ",s=,i=4096",
		"r=" SHA1_SERVER_NONCE ",i=4096,s=QSXCR+Q6sek8bf92",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf9*,i=4096",
		/* a demand we do not know */
		"m=x,r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=4096",
		/* too weak, or an attack on our CPU */
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=4095",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=0",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=-1",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=600001",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=2147483648",
		"r=" SHA1_SERVER_NONCE ",s=QSXCR+Q6sek8bf92,i=4294971392",
		"e=unknown-user",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++) {
		struct sasl_options options = options_for(SASL_SCRAM_SHA_1);
		struct sasl *sasl = open_sasl(&options);
		struct buf out = { 0 };

		assert_true(sasl_initial_response(sasl, &out));
		expect_answer(sasl, BAD[i], SASL_FAILED, "");
		assert_false(sasl_is_verified(sasl));
		buf_finish_secret(&out);
		sasl_free(sasl);
	}
}

static void test_scram_refuses_a_server_that_cannot_prove_itself(void **state)
{
	static const char *const BAD[] = {
		"",
		"v=",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKR=", /* not canonical */
		"v=rmF9pqV8S7suAoZWja4dJRkFsKU=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		"v=rmF9",
		"e=invalid-proof",
		"garbage",
		SHA1_SERVER_FIRST,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++) {
		struct sasl_options options = options_for(SASL_SCRAM_SHA_1);
		struct sasl *sasl = open_sasl(&options);
		struct buf out = { 0 };

		assert_true(sasl_initial_response(sasl, &out));
		expect_answer(sasl, SHA1_SERVER_FIRST, SASL_CONTINUE,
			SHA1_CLIENT_FINAL);
		expect_answer(sasl, BAD[i], SASL_FAILED, "");
		assert_false(sasl_is_verified(sasl));
		buf_finish_secret(&out);
		sasl_free(sasl);
	}
}

static void test_scram_keeps_the_servers_reason(void **state)
{
	struct sasl_options options = options_for(SASL_SCRAM_SHA_1);
	struct sasl *sasl = open_sasl(&options);
	struct buf out = { 0 };

	(void)state;
	assert_true(sasl_initial_response(sasl, &out));
	expect_answer(
		sasl, SHA1_SERVER_FIRST, SASL_CONTINUE, SHA1_CLIENT_FINAL);
	expect_answer(sasl, "e=invalid-proof,x=y", SASL_FAILED, "");
	assert_string_equal(sasl_failure_text(sasl), "invalid-proof");
	buf_finish_secret(&out);
	sasl_free(sasl);
}

static void test_mechanisms_of_one_message(void **state)
{
	struct sasl_options options = options_for(SASL_PLAIN);
	struct sasl *sasl = open_sasl(&options);

	(void)state;
	expect_first(sasl, "\0user\0pencil", 12);
	expect_answer(sasl, "", SASL_FAILED, "");
	assert_true(sasl_is_verified(sasl));
	sasl_free(sasl);

	options.authzid = "boss";
	sasl = open_sasl(&options);
	expect_first(sasl, "boss\0user\0pencil", 16);
	sasl_free(sasl);

	options = (struct sasl_options){ .mechanism = SASL_EXTERNAL };
	sasl = open_sasl(&options);
	expect_first(sasl, "", 0);
	expect_answer(sasl, "who?", SASL_FAILED, "");
	sasl_free(sasl);

	options.user = "user";
	sasl = open_sasl(&options);
	expect_first(sasl, "user", 4);
	sasl_free(sasl);
}

static void test_login_answers_two_prompts(void **state)
{
	struct sasl_options options = options_for(SASL_LOGIN);
	struct sasl *sasl = open_sasl(&options);
	struct buf out = { 0 };

	(void)state;
	assert_false(sasl_initial_response(sasl, &out));
	expect_answer(sasl, "Username:", SASL_CONTINUE, "user");
	expect_answer(sasl, "whatever", SASL_DONE, "pencil");
	expect_answer(sasl, "Username:", SASL_FAILED, "");
	buf_finish(&out);
	sasl_free(sasl);
}

/* RFC 2195, 2. */
static void test_cram_md5_as_in_the_rfc(void **state)
{
	struct sasl_options options = options_for(SASL_CRAM_MD5);
	struct sasl *sasl;
	struct buf out = { 0 };

	(void)state;
	options.user = "tim";
	options.secret = "tanstaaftanstaaf";
	sasl = open_sasl(&options);
	assert_false(sasl_initial_response(sasl, &out));
	expect_answer(sasl, "<1896.697170952@postoffice.reston.mci.net>",
		SASL_DONE, "tim b913a602c7eda7a495b4e6e7334d3890");
	expect_answer(sasl, "again", SASL_FAILED, "");
	buf_finish(&out);
	sasl_free(sasl);
}

#define REFUSAL "{\"status\":\"401\",\"schemes\":\"bearer\"}"

static void test_oauth_answers_its_refusal(void **state)
{
	static const char BEARER[] = "n,a=user=2C=3D@x,\001host=imap.x\001"
				     "port=143\001auth=Bearer tok\001\001";
	static const char XOAUTH2[] =
		"user=user,=@x\001auth=Bearer tok\001\001";
	struct sasl_options options = options_for(SASL_OAUTHBEARER);
	struct sasl *sasl;

	(void)state;
	options.user = "user,=@x";
	options.secret = "tok";
	options.host = "imap.x";
	options.port = 143;
	sasl = open_sasl(&options);
	expect_first(sasl, BEARER, sizeof(BEARER) - 1);
	assert_null(sasl_failure_text(sasl));
	expect_answer(sasl, REFUSAL, SASL_CONTINUE, "\001");
	assert_string_equal(sasl_failure_text(sasl), REFUSAL);
	expect_answer(sasl, REFUSAL, SASL_FAILED, "");
	sasl_free(sasl);

	options.mechanism = SASL_XOAUTH2;
	sasl = open_sasl(&options);
	expect_first(sasl, XOAUTH2, sizeof(XOAUTH2) - 1);
	expect_answer(sasl, REFUSAL, SASL_CONTINUE, "");
	assert_string_equal(sasl_failure_text(sasl), REFUSAL);
	sasl_free(sasl);
}

static void test_what_cannot_work_is_refused_at_the_start(void **state)
{
	static const struct {
		struct sasl_options options;
		const char *why;
	} CASES[] = {
		{ { .mechanism = SASL_PLAIN, .secret = "x" }, "user" },
		{ { .mechanism = SASL_PLAIN, .user = "x" }, "password" },
		{ { .mechanism = SASL_PLAIN, .user = "x", .secret = "" },
			"password" },
		{ { .mechanism = SASL_SCRAM_SHA_1,
			  .user = "x",
			  .secret = "y",
			  .nonce = "z" },
			"hash" },
		{ { .mechanism = SASL_SCRAM_SHA_256,
			  .user = "x",
			  .secret = "y",
			  .sha256 = &SHA256 },
			"nonce" },
		{ { .mechanism = SASL_SCRAM_SHA_256,
			  .user = "x",
			  .secret = "y",
			  .sha256 = &SHA256,
			  .nonce = "a,b" },
			"nonce" },
		{ { .mechanism = SASL_CRAM_MD5, .user = "x", .secret = "y" },
			"hash" },
		{ { .mechanism = SASL_XOAUTH2,
			  .user = "x",
			  .secret = "t\001auth=Bearer u" },
			"control" },
		{ { .mechanism = SASL_OAUTHBEARER,
			  .user = "x\n",
			  .secret = "t" },
			"control" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(CASES); i++) {
		struct error error = { 0 };

		assert_null(sasl_new(&CASES[i].options, &error));
		assert_int_equal(error.code, ERROR_AUTH);
		assert_non_null(strstr(error.message, CASES[i].why));
	}
}

static void test_credentials_of_so_many_octets(void **state)
{
	static char text[SASL_CREDENTIAL_MAX + 2];
	struct sasl_options options = options_for(SASL_PLAIN);
	struct error error = { 0 };

	(void)state;
	memset(text, 'x', SASL_CREDENTIAL_MAX);
	options.secret = text;
	sasl_free(open_sasl(&options));
	text[SASL_CREDENTIAL_MAX] = 'x';
	assert_null(sasl_new(&options, &error));
	assert_int_equal(error.code, ERROR_AUTH);
	assert_non_null(strstr(error.message, "longer than 65536"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram_sha_1_as_in_the_rfc),
		cmocka_unit_test(test_scram_sha_256_as_in_the_rfc),
		cmocka_unit_test(test_scram_names_are_escaped),
		cmocka_unit_test(test_scram_refuses_a_bad_first_message),
		cmocka_unit_test(
			test_scram_refuses_a_server_that_cannot_prove_itself),
		cmocka_unit_test(test_scram_keeps_the_servers_reason),
		cmocka_unit_test(test_mechanisms_of_one_message),
		cmocka_unit_test(test_login_answers_two_prompts),
		cmocka_unit_test(test_cram_md5_as_in_the_rfc),
		cmocka_unit_test(test_oauth_answers_its_refusal),
		cmocka_unit_test(test_what_cannot_work_is_refused_at_the_start),
		cmocka_unit_test(test_credentials_of_so_many_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
