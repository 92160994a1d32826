/* The WWW-Authenticate header, as registries and token servers really write it. */
#include "registry/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct expected {
    enum rsw_scheme scheme;
    const char *realm;
    const char *service;
};

#define ANY RSW_SCHEME_OTHER
#define BASIC RSW_SCHEME_BASIC
#define BEARER RSW_SCHEME_BEARER

static void check(const char *text, const struct expected *expected, size_t count, int last) {
    struct rsw_challenge_reader reader = {text, text + strlen(text)};
    struct rsw_challenge challenge;
    struct rsw_error err = RSW_ERROR_INIT;
    for (size_t i = 0; i < count; i++) {
        if (rsw_challenge_next(&challenge, &reader, &err) != RSW_FOUND) {
            fail_msg("challenge %zu not found in: %s", i, text);
        }
        assert_int_equal(challenge.scheme, expected[i].scheme);
        assert_string_equal(challenge.realm, expected[i].realm);
        assert_string_equal(challenge.service, expected[i].service);
    }
    if (rsw_challenge_next(&challenge, &reader, &err) != last) {
        fail_msg("not the end that was expected: %s", text);
    }
    assert_int_equal(err.code, last == RSW_FAILED ? RSW_EINVAL : RSW_OK);
}

static void one_challenge_is_read_with_its_realm_and_service(void **state) {
    static const struct {
        const char *text;
        struct expected expected;
    } cases[] = {
        {"Basic realm=\"Registry\"", {BASIC, "Registry", ""}},
        {"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"",
         {BEARER, "https://auth.docker.io/token", "registry.docker.io"}},
        {"Bearer "
         "realm=\"http://a:5001/t\",service=\"s\",scope=\"repository:a/b:pull,push\",error=\"invalid_token\"",
         {BEARER, "http://a:5001/t", "s"}},
        {"bearer REALM = \"r\" , Service\t=\t\"s\"", {BEARER, "r", "s"}},
        {" ,, Bearer   realm=\"r\" ,,service=\"s\" , ", {BEARER, "r", "s"}},
        {"Bearer realm=https://a/token?x=1,service=s", {BEARER, "https://a/token?x=1", "s"}},
        {"Basic realm=\"a \\\"quoted\\\" \\\\ name, with a comma\"",
         {BASIC, "a \"quoted\" \\ name, with a comma", ""}},
        {"Basic realm=\"\"", {BASIC, "", ""}},
        {"Basic", {BASIC, "", ""}},
        {"Basic charset=\"UTF-8\", realm=\"r\"", {BASIC, "r", ""}},
        {"Negotiate YIIe+/x==", {ANY, "", ""}},
        {"Bearers realm=\"r\"", {ANY, "r", ""}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(cases[i].text, &cases[i].expected, 1, RSW_ABSENT);
    }
}

static void several_challenges_in_one_header_are_told_apart(void **state) {
    static const struct expected both[] = {{BASIC, "b", ""}, {BEARER, "r", "s"}};
    static const struct expected three[] = {{ANY, "", ""}, {BASIC, "b", ""}, {ANY, "d", ""}};
    (void)state;
    check("Basic realm=\"b\", Bearer realm=\"r\", service=\"s\"", both, 2, RSW_ABSENT);
    check("Basic realm=b,Bearer service=s,realm=r", both, 2, RSW_ABSENT);
    check("Negotiate, Basic realm=\"b\", Digest realm=\"d\", nonce=\"n=\", qop=\"auth,auth-int\"", three, 3,
          RSW_ABSENT);
    check("NTLM TlRMTVNT==, Basic realm=\"b\" ,Digest realm=\"d\"", three, 3, RSW_ABSENT);
}

static void nothing_is_no_challenge(void **state) {
    (void)state;
    check("", NULL, 0, RSW_ABSENT);
    check(" , \t,", NULL, 0, RSW_ABSENT);
}

static void what_is_malformed_is_no_challenge_at_all(void **state) {
    static const char *const cases[] = {
        "Bearer realm=\"r",
        "Bearer realm=\"r\\",
        "Bearer realm=\"r\" service=\"s\"",
        "Bearer realm=\"r\", realm=\"other\"",
        "Bearer realm=\"r\",service=",
        "Bearer realm=\"a\tb\x01\"",
        "Bearer realm=\"r\"x",
        "Bearer/1 realm=\"r\"",
        "=",
        "\"Bearer\" realm=\"r\"",
        "Bearer realm, service=\"s\", =\"x\"",
        "Bearer realm \"r\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_challenge_reader reader = {cases[i], cases[i] + strlen(cases[i])};
        struct rsw_challenge challenge;
        struct rsw_error err = RSW_ERROR_INIT;
        int answer;
        while ((answer = rsw_challenge_next(&challenge, &reader, &err)) == RSW_FOUND) {
        }
        if (answer != RSW_FAILED) {
            fail_msg("not refused: %s", cases[i]);
        }
        assert_int_equal(err.code, RSW_EINVAL);
        assert_int_equal(rsw_challenge_next(&challenge, &reader, NULL), RSW_ABSENT);
    }
}

static void a_value_that_is_too_long_is_refused_not_cut(void **state) {
    char text[RSW_REALM_MAX + 64];
    char realm[RSW_REALM_MAX + 1];
    (void)state;
    memset(realm, 'r', sizeof realm);
    for (size_t over = 0; over < 2; over++) {
        realm[RSW_REALM_MAX - 1 + over] = 0;
        snprintf(text, sizeof text, "Bearer realm=\"%s\"", realm);
        check(text, &(struct expected){BEARER, realm, ""}, over == 0 ? 1 : 0,
              over == 0 ? RSW_ABSENT : RSW_FAILED);
        snprintf(text, sizeof text, "Bearer realm=%s", realm);
        check(text, &(struct expected){BEARER, realm, ""}, over == 0 ? 1 : 0,
              over == 0 ? RSW_ABSENT : RSW_FAILED);
        realm[RSW_REALM_MAX - 1 + over] = 'r';
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_challenge_is_read_with_its_realm_and_service),
        cmocka_unit_test(several_challenges_in_one_header_are_told_apart),
        cmocka_unit_test(nothing_is_no_challenge),
        cmocka_unit_test(what_is_malformed_is_no_challenge_at_all),
        cmocka_unit_test(a_value_that_is_too_long_is_refused_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
