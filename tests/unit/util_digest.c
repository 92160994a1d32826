#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regsweep/digest.h>
#include <regsweep/types.h>

#include <string.h>

/* FIPS 180-4 examples: the empty message, and "abc". */
static const struct {
    uint8_t alg;
    const char *message;
    const char *text;
} vectors[] = {
    {RSW_SHA256, "", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {RSW_SHA256, "abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {RSW_SHA384, "abc",
     "sha384:"
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
    {RSW_SHA512, "abc",
     "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void digests_match_the_published_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct rsw_digest digest;
        struct rsw_digest parsed;
        char text[RSW_DIGEST_TEXT_MAX];
        struct rsw_error err = RSW_ERROR_INIT;
        assert_int_equal(
            rsw_digest_of(&digest, vectors[i].alg, vectors[i].message, strlen(vectors[i].message), &err), 0);
        assert_string_equal(rsw_digest_format(&digest, text), vectors[i].text);
        assert_true(rsw_digest_parse(&parsed, vectors[i].text, strlen(vectors[i].text)));
        assert_true(rsw_digest_equal(&parsed, &digest));
        assert_memory_equal(&parsed, &digest, sizeof digest); /* the rest is zero */
        assert_string_equal(rsw_digest_hex(&digest, text), strchr(vectors[i].text, ':') + 1);
    }
}

static void an_unknown_algorithm_is_an_error(void **state) {
    (void)state;
    struct rsw_digest digest;
    for (unsigned alg = 0; alg < 256; alg++) {
        struct rsw_error err = RSW_ERROR_INIT;
        if (alg >= RSW_SHA256 && alg <= RSW_SHA512) {
            continue;
        }
        assert_int_equal(rsw_alg_size((uint8_t)alg), 0);
        assert_string_equal(rsw_alg_name((uint8_t)alg), "?");
        assert_int_equal(rsw_digest_of(&digest, (uint8_t)alg, "", 0, &err), -1);
        assert_int_equal(err.code, RSW_EINVAL);
    }
}

static void what_is_no_digest_leaves_the_target_alone(void **state) {
    (void)state;
    const char *good = vectors[1].text;
    struct rsw_digest digest = {.alg = 77};
    char text[RSW_DIGEST_TEXT_MAX];
    for (size_t len = 0; len < strlen(good); len++) { /* every shorter piece of a good one */
        assert_false(rsw_digest_parse(&digest, good, len));
    }
    for (size_t at = 0; at < strlen(good); at++) { /* any byte exchanged for one that cannot stand there */
        strcpy(text, good);
        text[at] = 'G';
        assert_false(rsw_digest_parse(&digest, text, strlen(text)));
    }
    assert_false(rsw_digest_parse(&digest, good, strlen(good) + 1));
    assert_int_equal(digest.alg, 77);
}

static void digests_have_a_total_order(void **state) {
    (void)state;
    struct rsw_digest d[4];
    for (int i = 0; i < 4; i++) {
        assert_true(rsw_digest_parse(&d[i], vectors[i].text, strlen(vectors[i].text)));
    }
    assert_true(rsw_digest_compare(&d[1], &d[0]) < 0); /* ba… before e3… */
    assert_true(rsw_digest_compare(&d[0], &d[1]) > 0);
    assert_int_equal(rsw_digest_compare(&d[2], &d[2]), 0);
    assert_true(rsw_digest_compare(&d[0], &d[2]) < 0); /* by algorithm first */
    assert_true(rsw_digest_compare(&d[3], &d[2]) > 0);
    assert_false(rsw_digest_equal(&d[0], &d[1]));
}

static void the_words_for_types_and_reasons(void **state) {
    (void)state;
    char text[96];
    assert_string_equal(rsw_types_format(0, text, sizeof text), "unknown");
    assert_string_equal(rsw_types_format(RSW_TYPE_LAYER | RSW_TYPE_CONFIG, text, sizeof text),
                        "layer,config");
    assert_string_equal(rsw_types_format(RSW_TYPES_ALL, text, sizeof text),
                        "layer,config,manifest,index,signature,attestation,sbom,other");
    rsw_types_format(RSW_TYPES_ALL, text, 8); /* too small: cut, and ended */
    assert_true(strlen(text) < 8);
    assert_string_equal(rsw_type_name(RSW_TYPE_COUNT), "?");
    assert_string_equal(rsw_reason_name(RSW_REASON_SUBJECT_GONE), "subject_gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_published_vectors),
        cmocka_unit_test(an_unknown_algorithm_is_an_error),
        cmocka_unit_test(what_is_no_digest_leaves_the_target_alone),
        cmocka_unit_test(digests_have_a_total_order),
        cmocka_unit_test(the_words_for_types_and_reasons),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
