#include "storage_help.h"

#include "storage/layout.h"

#include <stdio.h>
#include <string.h>

#define HEX2 "ab"
#define HEX64 "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
#define HEX64B "0000000000000000000000000000000000000000000000000000000000000001"
#define HEX128 HEX64 HEX64B
#define D256 "sha256/" HEX64
#define D256B "sha256/" HEX64B
#define D512 "sha512/" HEX128
#define BLOBS "docker/registry/v2/blobs/"
#define REPOS "docker/registry/v2/repositories/"

/* `digest` as text, NULL where the place has none. */
struct expectation {
    const char *key;
    enum rsw_place place;
    const char *repo;
    const char *tag_or_upload;
    const char *digest;
    const char *digest2_or_rest;
};

static const struct expectation table[] = {
    {BLOBS "sha256/ab/" HEX64 "/data", RSW_PLACE_BLOB_DATA, NULL, NULL, "sha256:" HEX64, NULL},
    {BLOBS "sha512/ab/" HEX128 "/data", RSW_PLACE_BLOB_DATA, NULL, NULL, "sha512:" HEX128, NULL},
    {REPOS "a/_layers/" D256 "/link", RSW_PLACE_LAYER_LINK, "a", NULL, "sha256:" HEX64, NULL},
    {REPOS "a/b/c/_layers/" D512 "/link", RSW_PLACE_LAYER_LINK, "a/b/c", NULL, "sha512:" HEX128, NULL},
    {REPOS "a/_manifests/revisions/" D256 "/link", RSW_PLACE_REVISION_LINK, "a", NULL, "sha256:" HEX64, NULL},
    {REPOS "a/b/_manifests/revisions/" D256 "/signatures/" D256B "/link", RSW_PLACE_SIGNATURE_LINK, "a/b",
     NULL, "sha256:" HEX64, "sha256:" HEX64B},
    {REPOS "a/_manifests/tags/v1.0/current/link", RSW_PLACE_TAG_CURRENT, "a", "v1.0", NULL, NULL},
    {REPOS "a/_manifests/tags/v1.0/index/" D256 "/link", RSW_PLACE_TAG_HISTORY, "a", "v1.0", "sha256:" HEX64,
     NULL},
    {REPOS "a/_uploads/1f-2/data", RSW_PLACE_UPLOAD, "a", "1f-2", NULL, "data"},
    {REPOS "a/_uploads/1f-2/startedat", RSW_PLACE_UPLOAD, "a", "1f-2", NULL, "startedat"},
    {REPOS "a/_uploads/1f-2/hashstates/sha256/0", RSW_PLACE_UPLOAD, "a", "1f-2", NULL, "hashstates/sha256/0"},
    {REPOS "a/_uploads/1f-2/startedat.0b5c.tmp", RSW_PLACE_UPLOAD, "a", "1f-2", NULL, "startedat.0b5c.tmp"},
    /* A tag may be called what the registry's own folders are called. */
    {REPOS "a/_manifests/tags/_uploads/current/link", RSW_PLACE_TAG_CURRENT, "a", "_uploads", NULL, NULL},
    {REPOS "a/_manifests/tags/_layers/index/" D256 "/link", RSW_PLACE_TAG_HISTORY, "a", "_layers",
     "sha256:" HEX64, NULL},
    {REPOS "a/_manifests/tags/current/current/link", RSW_PLACE_TAG_CURRENT, "a", "current", NULL, NULL},
    {REPOS "a/_manifests/tags/index/index/" D256 "/link", RSW_PLACE_TAG_HISTORY, "a", "index",
     "sha256:" HEX64, NULL},
    {REPOS "a/_manifests/tags/x.tmp/current/link", RSW_PLACE_TAG_CURRENT, "a", "x.tmp", NULL, NULL},
    /* A repository may be called what the rest of the tree is called. */
    {REPOS "blobs/tags/revisions/_layers/" D256 "/link", RSW_PLACE_LAYER_LINK, "blobs/tags/revisions", NULL,
     "sha256:" HEX64, NULL},
    /* No digest where one should be. */
    {REPOS "a/_layers/sha256/abc/link", RSW_PLACE_BAD_DIGEST, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/md5/" HEX64 "/link", RSW_PLACE_BAD_DIGEST, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/sha256/" HEX128 "/link", RSW_PLACE_BAD_DIGEST, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/sha256/ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789/link",
     RSW_PLACE_BAD_DIGEST, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/revisions/sha256/zz/link", RSW_PLACE_BAD_DIGEST, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/revisions/" D256 "/signatures/sha256/zz/link", RSW_PLACE_BAD_DIGEST, "a", NULL, NULL,
     NULL},
    {REPOS "a/_manifests/tags/t/index/sha256/zz/link", RSW_PLACE_BAD_DIGEST, "a", "t", NULL, NULL},
    {BLOBS "sha256/ab/abzz/data", RSW_PLACE_BAD_DIGEST, NULL, NULL, NULL, NULL},
    {BLOBS "sha256/cd/" HEX64 "/data", RSW_PLACE_BAD_DIGEST, NULL, NULL, NULL, NULL},
    {BLOBS "sha256/a/" HEX64 "/data", RSW_PLACE_BAD_DIGEST, NULL, NULL, NULL, NULL},
    /* What the registry does not read. */
    {REPOS "a/_layers/" D256 "/link.0b5c.tmp", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/" D256 "/link/x", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/" D256, RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_layers/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_layers", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags/t/current/link.0b5c.tmp", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags/t/current", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags/current/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_uploads/1f-2", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_other/" D256 "/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_layers_/" D256 "/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/b/file", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {REPOS "_layers/" D256 "/link", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {REPOS "/_layers/" D256 "/link", RSW_PLACE_OTHER, "", NULL, NULL, NULL},
    {REPOS, RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {BLOBS "sha256/ab/" HEX64 "/data.0b5c.tmp", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {BLOBS "sha256/ab/" HEX64 "/data/data", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {BLOBS "sha256/" HEX64 "/data", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {"docker/registry/v2", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {"docker/registry/v1/blobs/sha256/ab/" HEX64 "/data", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {"x/docker/registry/v2/blobs/sha256/ab/" HEX64 "/data", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    {"", RSW_PLACE_OTHER, NULL, NULL, NULL, NULL},
    /* What storage never gives us, but whoever does must get nowhere with it. */
    {REPOS "../_layers/" D256 "/link", RSW_PLACE_OTHER, "..", NULL, NULL, NULL},
    {REPOS "a/../b/_layers/" D256 "/link", RSW_PLACE_OTHER, "a/../b", NULL, NULL, NULL},
    {REPOS "a//b/_layers/" D256 "/link", RSW_PLACE_OTHER, "a//b", NULL, NULL, NULL},
    {REPOS "a\nb/_layers/" D256 "/link", RSW_PLACE_OTHER, "a\nb", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags/../current/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags/\x1b[2J/current/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_manifests/tags//current/link", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_uploads/../data", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_uploads/x/../../data", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
    {REPOS "a/_uploads/x/", RSW_PLACE_OTHER, "a", NULL, NULL, NULL},
};

static void same_text(const char *key, const char *at, size_t len, const char *wanted) {
    if (wanted == NULL ? at != NULL : (at == NULL || strlen(wanted) != len || memcmp(at, wanted, len) != 0)) {
        fail_msg("%s: got '%.*s', not '%s'", key, (int)len, at == NULL ? "(nothing)" : at,
                 wanted == NULL ? "(nothing)" : wanted);
    }
}

static void same_digest(const char *key, const struct rsw_digest *digest, const char *wanted) {
    char text[RSW_DIGEST_TEXT_MAX];
    if (strcmp(rsw_digest_format(digest, text), wanted) != 0) {
        fail_msg("%s: got %s, not %s", key, text, wanted);
    }
}

static void a_key_is_taken_apart_by_position(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct expectation *row = &table[i];
        struct rsw_path path;
        rsw_path_parse(&path, row->key);
        if (path.place != row->place) {
            fail_msg("%s: place %d, not %d", row->key, (int)path.place, (int)row->place);
        }
        same_text(row->key, path.repo, path.repo_len, row->repo);
        bool is_upload = row->place == RSW_PLACE_UPLOAD;
        same_text(row->key, path.tag, path.tag_len, is_upload ? NULL : row->tag_or_upload);
        same_text(row->key, path.upload, path.upload_len, is_upload ? row->tag_or_upload : NULL);
        if (is_upload) {
            assert_string_equal(path.rest, row->digest2_or_rest);
        } else if (row->digest2_or_rest != NULL) {
            same_digest(row->key, &path.digest2, row->digest2_or_rest);
        }
        if (row->digest != NULL) {
            same_digest(row->key, &path.digest, row->digest);
        }
    }
}

static void a_key_longer_than_any_name_allows_is_no_place(void **state) {
    (void)state;
    char key[2 * RSW_KEY_MAX];
    int head = snprintf(key, sizeof key, REPOS);
    memset(key + head, 'a', 990);
    snprintf(key + head + 990, sizeof key - (size_t)head - 990, "/_layers/" D256 "/link");
    struct rsw_path path;
    rsw_path_parse(&path, key);
    assert_int_equal(path.place, RSW_PLACE_OTHER);
    assert_int_equal(path.repo_len, 990);
}

static struct rsw_digest digest_of(const char *text) {
    struct rsw_digest digest;
    assert_true(rsw_digest_parse(&digest, text, strlen(text)));
    return digest;
}

static void builders_write_the_paths_of_the_registry(void **state) {
    (void)state;
    char key[RSW_KEY_MAX];
    struct rsw_digest d = digest_of("sha256:" HEX64);
    struct rsw_digest e = digest_of("sha256:" HEX64B);
    struct rsw_digest f = digest_of("sha512:" HEX128);
    assert_string_equal(rsw_key_blob(key, &d), BLOBS "sha256/ab/" HEX64 "/data");
    assert_string_equal(rsw_key_blob(key, &f), BLOBS "sha512/ab/" HEX128 "/data");
    assert_string_equal(rsw_key_repository(key, "a/b"), REPOS "a/b");
    assert_string_equal(rsw_key_repository_sub(key, "a", "_manifests/tags"), REPOS "a/_manifests/tags");
    assert_string_equal(rsw_key_layer_link(key, "a/b", &f), REPOS "a/b/_layers/" D512 "/link");
    assert_string_equal(rsw_key_revision_link(key, "a", &d), REPOS "a/_manifests/revisions/" D256 "/link");
    assert_string_equal(rsw_key_signature_link(key, "a", &d, &e),
                        REPOS "a/_manifests/revisions/" D256 "/signatures/" D256B "/link");
    assert_string_equal(rsw_key_tag(key, "a", "_uploads"), REPOS "a/_manifests/tags/_uploads");
    assert_string_equal(rsw_key_tag_current(key, "a", "t"), REPOS "a/_manifests/tags/t/current/link");
    assert_string_equal(rsw_key_tag_history(key, "a", "t", &d),
                        REPOS "a/_manifests/tags/t/index/" D256 "/link");
    assert_string_equal(rsw_key_upload(key, "a", "1f-2"), REPOS "a/_uploads/1f-2");
}

static void builders_refuse_what_would_lead_elsewhere(void **state) {
    (void)state;
    static const char *const bad_names[] = {"",       ".",      "..", "../a",      "a/..",
                                            "a/../b", "/a",     "a/", "a//b",      "a/./b",
                                            "a\nb",   "a/\x7f", "_a", "a/_layers", "\x01"};
    static const char *const bad_tags[] = {"", ".", "..", "a/b", "/", "../x", "a\n", "\x1b[0m"};
    char key[RSW_KEY_MAX];
    struct rsw_digest d = digest_of("sha256:" HEX64);
    struct rsw_digest none = {.alg = 0};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        assert_null(rsw_key_repository(key, bad_names[i]));
        assert_null(rsw_key_repository_sub(key, bad_names[i], "_layers"));
        assert_null(rsw_key_layer_link(key, bad_names[i], &d));
        assert_null(rsw_key_revision_link(key, bad_names[i], &d));
        assert_null(rsw_key_signature_link(key, bad_names[i], &d, &d));
        assert_null(rsw_key_tag_current(key, bad_names[i], "t"));
        assert_null(rsw_key_upload(key, bad_names[i], "u"));
    }
    for (size_t i = 0; i < sizeof bad_tags / sizeof *bad_tags; i++) {
        assert_null(rsw_key_tag(key, "a", bad_tags[i]));
        assert_null(rsw_key_tag_current(key, "a", bad_tags[i]));
        assert_null(rsw_key_tag_history(key, "a", bad_tags[i], &d));
        assert_null(rsw_key_upload(key, "a", bad_tags[i]));
    }
    assert_null(rsw_key_repository_sub(key, "a", "../b"));
    assert_null(rsw_key_blob(key, &none));
    assert_null(rsw_key_layer_link(key, "a", &none));
    assert_null(rsw_key_tag_history(key, "a", "t", &none));
    assert_null(rsw_key_signature_link(key, "a", &d, &none));
}

static void the_longest_names_of_the_registry_fit_and_longer_ones_are_refused(void **state) {
    (void)state;
    char key[RSW_KEY_MAX];
    char name[2000];
    char tag[129];
    struct rsw_digest f = digest_of("sha512:" HEX128);
    memset(name, 'n', 255);
    name[255] = 0;
    memset(tag, 't', 128);
    tag[128] = 0;
    assert_non_null(rsw_key_tag_history(key, name, tag, &f));
    assert_non_null(rsw_key_signature_link(key, name, &f, &f));
    size_t fits = 0;
    for (size_t len = 1; len < sizeof name; len++) {
        memset(name, 'n', len);
        name[len] = 0;
        const char *built = rsw_key_layer_link(key, name, &f);
        if (built != NULL) {
            assert_true(strlen(built) < RSW_KEY_MAX);
            fits = len;
        }
    }
    assert_int_equal(fits, RSW_KEY_MAX - 1 - strlen(REPOS "/_layers/" D512 "/link"));
}

static void a_link_is_one_digest_and_nothing_else(void **state) {
    (void)state;
    static const char *const bad[] = {
        "sha256:" HEX64 "\n",
        " sha256:" HEX64,
        "sha256:" HEX64 " ",
        "sha256:abcdef",
        "sha256:" HEX64 "00",
        "sha256",
        "sha256:",
        ":",
        "\n",
        "md5:" HEX64,
        "sha256:ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789",
        "sha512:" HEX64};
    struct rsw_digest out = {.alg = 99};
    assert_int_equal(rsw_link_parse(&out, "", 0), RSW_LINK_EMPTY);
    assert_int_equal(rsw_link_parse(&out, NULL, 0), RSW_LINK_EMPTY);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rsw_link_parse(&out, bad[i], strlen(bad[i])), RSW_LINK_BAD);
    }
    assert_int_equal(rsw_link_parse(&out, "sha256:" HEX64, sizeof "sha256:" HEX64),
                     RSW_LINK_BAD); /* with NUL */
    assert_int_equal(out.alg, 99);
    assert_int_equal(rsw_link_parse(&out, "sha256:" HEX64, strlen("sha256:" HEX64)), RSW_LINK_GOOD);
    same_digest("link", &out, "sha256:" HEX64);
    assert_int_equal(rsw_link_parse(&out, "sha512:" HEX128, strlen("sha512:" HEX128)), RSW_LINK_GOOD);
    assert_true(strlen("sha512:" HEX128) < RSW_LINK_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_taken_apart_by_position),
        cmocka_unit_test(a_key_longer_than_any_name_allows_is_no_place),
        cmocka_unit_test(builders_write_the_paths_of_the_registry),
        cmocka_unit_test(builders_refuse_what_would_lead_elsewhere),
        cmocka_unit_test(the_longest_names_of_the_registry_fit_and_longer_ones_are_refused),
        cmocka_unit_test(a_link_is_one_digest_and_nothing_else),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
