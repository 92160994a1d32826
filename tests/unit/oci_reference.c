#include "oci/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEN(c) c c c c c c c c c c
#define HEX64 TEN("abcdef") "0123"
#define HEX96 HEX64 TEN("012") "45"
#define HEX128 HEX64 HEX64
#define A255 TEN(TEN("aa")) TEN("abcde") "abcde"

static void the_registrys_grammar_decides_what_is_a_repository(void **state) {
    (void)state;
    static const char *const good[] = {
        "a",    "0",       "library/app",         "a/b/c/d/e", "a.b",    "a_b",  "a__b", "a-b",
        "a--b", "a-----b", "docker.io/library/x", "a0/0a",     "sha256", "a/v2", A255,
    };
    static const char *const bad[] = {
        "",    "/",   "a/",  "/a",        "a//b",  "A",    "aB",     ".a",          "a.",        "_a",
        "a_",  "-a",  "a-",  "a..b",      "a___b", "a._b", "a-.b",   "a-_b",        "a/_layers", "a/.b",
        "a b", "a:b", "a@b", "a\xc3\xa9", "a\n",   "..",   "a/../b", "host:5000/a", A255 "a",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!rsw_repository_valid(good[i], strlen(good[i]))) {
            fail_msg("'%s' is a repository", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (rsw_repository_valid(bad[i], strlen(bad[i]))) {
            fail_msg("'%s' is no repository", bad[i]);
        }
    }
    assert_false(rsw_repository_valid("a\0b", 3));
    assert_true(rsw_repository_valid("a/", 1));
}

static void the_registrys_grammar_decides_what_is_a_tag(void **state) {
    (void)state;
    static const char *const good[] = {"a",
                                       "A",
                                       "_",
                                       "0",
                                       "v1.0-rc.1_x",
                                       "_uploads",
                                       "__",
                                       "a..",
                                       "a--",
                                       TEN(TEN("a")) TEN("aa") TEN("b") "1234567"
                                                                        "8"};
    static const char *const bad[] = {"",    ".a",  "-a",       "a/b", "a:b",
                                      "a b", "a+b", "\xc3\xa9", "a\n", TEN(TEN("a")) TEN("aa") "123456789"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!rsw_tag_valid(good[i], strlen(good[i]) > 128 ? 128 : strlen(good[i]))) {
            fail_msg("'%s' is a tag", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (rsw_tag_valid(bad[i], strlen(bad[i]))) {
            fail_msg("'%s' is no tag", bad[i]);
        }
    }
    assert_false(rsw_tag_valid("a\0", 2));
}

static void weak_tags_name_their_subject(void **state) {
    (void)state;
    static const struct {
        const char *tag;
        const char *digest;
    } weak[] = {
        {"sha256-" HEX64, "sha256:" HEX64},        {"sha256-" HEX64 ".sig", "sha256:" HEX64},
        {"sha256-" HEX64 ".att", "sha256:" HEX64}, {"sha256-" HEX64 ".sbom", "sha256:" HEX64},
        {"sha384-" HEX96, "sha384:" HEX96},        {"sha384-" HEX96 ".sig", "sha384:" HEX96},
    };
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        struct rsw_digest subject;
        char text[RSW_DIGEST_TEXT_MAX];
        assert_true(rsw_tag_weak(&subject, weak[i].tag, strlen(weak[i].tag)));
        assert_string_equal(rsw_digest_format(&subject, text), weak[i].digest);
    }
}

static void every_other_tag_is_an_ordinary_one(void **state) {
    (void)state;
    static const char *const ordinary[] = {
        "",
        "-",
        "latest",
        "v1",
        "sha256",
        "sha256-",
        "sha256-abc",
        "sha256-.sig",
        "sha256-" HEX64 ".",
        "sha256-" HEX64 ".txt",
        "sha256-" HEX64 ".sig.sig",
        "sha256-" HEX64 ".SIG",
        "sha256-" HEX64 "0",
        "sha256-" HEX64 "-sig",
        "sha256:" HEX64,
        "SHA256-" HEX64,
        "md5-" HEX64,
        "x-sha256-" HEX64,
        "sha512-" HEX64,
        "sha256-ABCDEF" TEN("abcde") "01234567",
        /* Longer than any tag can be. */
        "sha512-" HEX128,
        "sha512-" HEX128 ".sig",
    };
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++) {
        struct rsw_digest subject;
        if (rsw_tag_weak(&subject, ordinary[i], strlen(ordinary[i]))) {
            fail_msg("'%s' was taken for a weak tag", ordinary[i]);
        }
    }
}

static void a_weak_tag_is_read_no_further_than_its_length(void **state) {
    (void)state;
    struct rsw_digest subject;
    const char *tag = "sha256-" HEX64 ".sig";
    assert_true(rsw_tag_weak(&subject, tag, 71));
    assert_false(rsw_tag_weak(&subject, tag, 72));
    assert_false(rsw_tag_weak(&subject, tag, 6));
}

static void references_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *repository;
        const char *tag;
        const char *digest;
    } table[] = {
        {"a", "a", "", ""},
        {"a/b", "a/b", "", ""},
        {"a:v1", "a", "v1", ""},
        {"a/b/c:V_1.0-x", "a/b/c", "V_1.0-x", ""},
        {"a@sha256:" HEX64, "a", "", "sha256:" HEX64},
        {"a/b:t@sha384:" HEX96, "a/b", "t", "sha384:" HEX96},
        {"a/b@sha512:" HEX128, "a/b", "", "sha512:" HEX128},
        {"docker.io/library/x:y", "docker.io/library/x", "y", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_reference reference;
        char text[RSW_DIGEST_TEXT_MAX] = "";
        if (rsw_reference_parse(&reference, table[i].text, &err) != 0) {
            fail_msg("'%s': %s", table[i].text, err.message);
        }
        if (reference.has_digest) {
            rsw_digest_format(&reference.digest, text);
        }
        assert_string_equal(reference.repository, table[i].repository);
        assert_string_equal(reference.tag, table[i].tag);
        assert_string_equal(text, table[i].digest);
    }
}

static void an_error_names_the_part_and_the_remedy(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *part;
        const char *remedy;
    } table[] = {
        {"", "no repository is named", "give NAME"},
        {":v1", "no repository is named", "give NAME"},
        {"@sha256:" HEX64, "no repository is named", "give NAME"},
        {"My/App", "repository 'My/App'", "lower-case"},
        {"a//b:v", "repository 'a//b'", "between components"},
        {"registry:5000/a:v", "repository 'registry:5000/a'", "leave it out"},
        {"https://r.example/a:v", "repository 'https://r.example/a'", "leave it out"},
        {"localhost/A", "repository 'localhost/A'", "leave it out"},
        {A255 "a", "has 256 characters", "at most 255"},
        {"a:", "tag ''", "leave out the ':'"},
        {"a:-v", "tag '-v'", "not beginning with"},
        {"a:v+1", "tag 'v+1'", "letters, digits"},
        {"a:b:c", "repository 'a:b'", "lower-case"},
        {"a@", "digest ''", "'sha256:' and 64"},
        {"a@sha256:abc", "digest 'sha256:abc'", "give it whole"},
        {"sha256:abc", "digest 'sha256:abc'", "give it whole"},
        {"sha256:20CA", "digest 'sha256:20CA'", "64 lower-case hex digits"},
        {"SHA256:20ca", "digest 'SHA256:20ca'", "64 lower-case hex digits"},
        {"sha256:20ca...", "digest 'sha256:20ca...'", "give it whole"},
        {"sha512:", "digest 'sha512:'", "give it whole"},
        {"sha256:" HEX64, "no repository is named", "NAME@sha256:" HEX64},
        {"a:v@latest", "digest 'latest'", "'sha256:' and 64"},
        {"a@sha256:" HEX64 "@", "digest", "give it whole"},
        {"a\033[2J", "repository 'a?[2J'", "lower-case"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_reference reference;
        assert_int_equal(rsw_reference_parse(&reference, table[i].text, &err), -1);
        assert_int_equal(err.code, RSW_EINVAL);
        if (strstr(err.message, table[i].part) == NULL || strstr(err.message, table[i].remedy) == NULL) {
            fail_msg("'%s': '%s' lacks '%s' or '%s'", table[i].text, err.message, table[i].part,
                     table[i].remedy);
        }
        assert_string_equal(reference.repository, "");
        assert_string_equal(reference.tag, "");
        assert_false(reference.has_digest);
    }
}

static void a_text_of_any_length_is_an_error_of_one_line(void **state) {
    (void)state;
    static const char *const forms[] = {"%s", "a:%s", "a@%s", "%s/a", "a@sha256:%s"};
    char *long_text = malloc(100001);
    char *text = malloc(100100);
    assert_non_null(long_text);
    assert_non_null(text);
    memset(long_text, 'a', 100000);
    long_text[100000] = 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_reference reference;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, 100100, forms[i], long_text);
#pragma GCC diagnostic pop
        assert_int_equal(rsw_reference_parse(&reference, text, &err), -1);
        assert_true(strlen(err.message) < RSW_MESSAGE_MAX - 1);
    }
    free(long_text);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_registrys_grammar_decides_what_is_a_repository),
        cmocka_unit_test(the_registrys_grammar_decides_what_is_a_tag),
        cmocka_unit_test(weak_tags_name_their_subject),
        cmocka_unit_test(every_other_tag_is_an_ordinary_one),
        cmocka_unit_test(a_weak_tag_is_read_no_further_than_its_length),
        cmocka_unit_test(references_are_taken_apart),
        cmocka_unit_test(an_error_names_the_part_and_the_remedy),
        cmocka_unit_test(a_text_of_any_length_is_an_error_of_one_line),
    };
    return cmocka_run_group_tests_name("names and references", tests, NULL, NULL);
}
