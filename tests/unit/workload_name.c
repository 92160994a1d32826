/* Image references as pods have them, and whose they are. */
#include "workload_help.h"

#include <stdio.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static void a_reference_is_taken_apart_as_docker_does(void **state) {
    static const struct {
        const char *text, *host, *repository, *tag;
        bool digest;
    } cases[] = {
        {"busybox", "docker.io", "library/busybox", "latest", false},
        {"busybox:1.36", "docker.io", "library/busybox", "1.36", false},
        {"bitnami/redis", "docker.io", "bitnami/redis", "latest", false},
        {"docker.io/busybox", "docker.io", "library/busybox", "latest", false},
        {"index.docker.io/library/busybox", "docker.io", "library/busybox", "latest", false},
        {"docker.io/library/busybox@" DIGEST, "docker.io", "library/busybox", "", true},
        {"quay.io/a/b/c:v1", "quay.io", "a/b/c", "v1", false},
        {"registry:5000/app", "registry:5000", "app", "latest", false},
        {"registry/app", "docker.io", "registry/app", "latest", false},
        {"localhost/app:1", "localhost", "app", "1", false},
        {"localhost:5000/app:1", "localhost:5000", "app", "1", false},
        {"Registry.Example.COM/app:1", "registry.example.com", "app", "1", false},
        {"REGISTRY/app:1", "registry", "app", "1", false},
        {"registry.example.com:443/app:1", "registry.example.com", "app", "1", false},
        {"registry.example.com:80/app:1", "registry.example.com", "app", "1", false},
        {"[fd00::1]:5000/app:1", "[fd00::1]:5000", "app", "1", false},
        {"[fd00::1]/app:1", "[fd00::1]", "app", "1", false},
        {"r.io/app:1@" DIGEST, "r.io", "app", "1", true},
        {"docker-pullable://r.io/app@" DIGEST, "r.io", "app", "", true},
        {"docker://" DIGEST, "", "", "", true},
        {DIGEST, "", "", "", true},
        {HEX, "", "", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_image_name name;
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_image_name_parse(&name, cases[i].text, &err) != 0) {
            fail_msg("%s: %s", cases[i].text, err.message);
        }
        assert_string_equal(name.host, cases[i].host);
        assert_string_equal(name.reference.repository, cases[i].repository);
        assert_string_equal(name.reference.tag, cases[i].tag);
        assert_int_equal(name.reference.has_digest, cases[i].digest);
    }
}

static void what_is_no_reference_is_told(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "no repository is named"},
        {"r.io/", "no repository is named"},
        {"Busybox", "is no valid name"},
        {"r.io/App:1", "is no valid name"},
        {"r.io/app:", "is no valid tag"},
        {"r.io/app:-x", "is no valid tag"},
        {"r.io/app@sha256:1234", "is no valid digest"},
        {"r.io/app@latest", "is no valid digest"},
        {"r.io/app :1", "is no valid name"},
        {" r.io/app:1", "is no host"},
        {"r.io:port/app", "is no host"},
        {"r.io:123456/app", "is no host"},
        {"https://r.io/app", "is no host"},
        {"[fd00::g]/app", "is no host"},
        {"[]/app", "is no host"},
        {"-r.io/app", "is no host"},
        {"${IMAGE}", "is no valid name"},
        {"\xff", "is no valid name"},
    };
    char longer[1000] = "r.io/";
    struct rsw_image_name name;
    struct rsw_error err = RSW_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rsw_error_clear(&err);
        if (rsw_image_name_parse(&name, cases[i].text, &err) == 0 ||
            strstr(err.message, cases[i].words) == NULL) {
            fail_msg("\"%s\": %s", cases[i].text, err.message);
        }
        assert_int_equal(err.code, RSW_EINVAL);
    }
    memset(longer + 5, 'a', sizeof longer - 6);
    rsw_error_clear(&err);
    assert_int_equal(rsw_image_name_parse(&name, longer, &err), -1);
}

static void only_what_is_ours_is_pinned(void **state) {
    struct walked *walked = *state;
    static const char *const texts[] = {
        OURS "/shop/web:1",
        OURS "/shop/web",
        "REGISTRY.example.com:5000/shop/api@" DIGEST,
        OURS_IN_CLUSTER "/shop/both:2@" DIGEST,
        DIGEST,
        "registry.example.com/shop/other:1",
        "shop/hub:1",
        "busybox",
        "quay.io/shop/web:1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(rsw_uses_add(&walked->uses, "me", texts[i], &walked->err), 0);
    }
    expect_found(walked, DIGEST " <- me\nshop/api@" DIGEST " <- me\nshop/both@" DIGEST
                                " <- me\nshop/both:2 <- me\nshop/web:1 <- me\nshop/web:latest <- me\n");
    assert_int_equal(walked->uses.foreign, 4);
    assert_int_equal(walked->uses.bad_count, 0);
}

static void docker_hub_is_ours_if_we_are_told_so(void **state) {
    struct walked *walked = *state;
    assert_int_equal(rsw_uses_add_host(&walked->uses, "docker.io", &walked->err), 0);
    assert_int_equal(rsw_uses_add(&walked->uses, "me", "busybox", &walked->err), 0);
    expect_found(walked, "library/busybox:latest <- me\n");
    assert_int_equal(rsw_uses_add_host(&walked->uses, "https://r.io", &walked->err), -1);
    assert_string_equal(walked->err.message, "\"https://r.io\" is not HOST or HOST:PORT");
}

static void many_who_name_the_same_are_one_pin(void **state) {
    struct walked *walked = *state;
    for (int i = 0; i < 30000; i++) {
        char where[32];
        char text[64];
        snprintf(where, sizeof where, "pod %05d", i);
        snprintf(text, sizeof text, OURS "/shop/web:%d", i % 3);
        assert_int_equal(rsw_uses_add(&walked->uses, where, text, &walked->err), 0);
    }
    assert_true(walked->uses.count < 10000); /* on the way too */
    expect_found(walked, "shop/web:0 <- pod 00000\nshop/web:1 <- pod 00001\nshop/web:2 <- pod 00002\n");
}

static void bad_ones_are_listed_and_beyond_a_number_counted(void **state) {
    struct walked *walked = *state;
    for (int i = 0; i < RSW_BAD_TOLD_MAX + 50; i++) {
        assert_int_equal(rsw_uses_add(&walked->uses, "Pod a/b\033 container c", "App", &walked->err), 0);
    }
    assert_int_equal(walked->uses.bad_count, RSW_BAD_TOLD_MAX + 50);
    assert_non_null(strstr(walked->uses.bad[RSW_BAD_TOLD_MAX - 1], "Pod a/b? container c: image \"App\": "));
    assert_int_equal(walked->uses.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, walked_setup, walked_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_is_taken_apart_as_docker_does),
        cmocka_unit_test(what_is_no_reference_is_told),
        TEST(only_what_is_ours_is_pinned),
        TEST(docker_hub_is_ours_if_we_are_told_so),
        TEST(many_who_name_the_same_are_one_pin),
        TEST(bad_ones_are_listed_and_beyond_a_number_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
