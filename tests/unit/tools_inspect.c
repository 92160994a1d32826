/* `inspect` over an index that was made by hand: an index of two images, one of them signed. */
#include "cli.h"

#include "index/facts.h"
#include "index/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW INT64_C(1790000000000)

struct world {
    char dir[64];
    struct rsw_digest config, layer, image, missing, list, signature;
};

static uint32_t add_blob(struct rsw_txn *txn, struct rsw_digest *digest, const char *name, uint64_t size) {
    assert_int_equal(rsw_digest_of(digest, RSW_SHA256, name, strlen(name), NULL), 0);
    return rsw_fact_blob(txn, digest, size, NOW);
}

static void add_member(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob) {
    const struct rsw_member member = {.repo = repo, .blob = blob, .target = blob, .touched_ms = NOW};
    rsw_fact_member(txn, kind, &member);
}

static void add_manifest(struct rsw_txn *txn, uint32_t repo, uint32_t blob, uint32_t types,
                         const struct rsw_ref *refs, size_t count) {
    rsw_refs_put(txn, blob, types, true, refs, count, NOW);
    add_member(txn, RSW_REVISION, repo, blob);
}

static void fill(struct world *world, struct rsw_txn *txn) {
    uint32_t repo = rsw_fact_repo(txn, "team/app", NOW);
    uint32_t config = add_blob(txn, &world->config, "config", 100);
    uint32_t layer = add_blob(txn, &world->layer, "layer", 2048);
    uint32_t image = add_blob(txn, &world->image, "image", 400);
    uint32_t list = add_blob(txn, &world->list, "list", 500);
    uint32_t signature = add_blob(txn, &world->signature, "signature", 300);
    assert_int_equal(rsw_digest_of(&world->missing, RSW_SHA256, "missing", 7, NULL), 0);
    add_member(txn, RSW_LINK, repo, config);
    add_member(txn, RSW_LINK, repo, layer);
    const struct rsw_ref of_image[] = {
        {.digest = world->config, .kind = RSW_REF_CONFIG, .types = RSW_TYPE_CONFIG, .size = 100},
        {.digest = world->layer, .kind = RSW_REF_LAYER, .types = RSW_TYPE_LAYER, .size = 2048},
    };
    const struct rsw_ref of_list[] = {
        {.digest = world->image, .kind = RSW_REF_CHILD, .types = RSW_TYPE_MANIFEST, .size = 400},
        {.digest = world->missing, .kind = RSW_REF_CHILD, .types = RSW_TYPE_MANIFEST, .size = 400},
    };
    const struct rsw_ref of_signature[] = {
        {.digest = world->config, .kind = RSW_REF_CONFIG, .types = RSW_TYPE_CONFIG, .size = 100},
        {.digest = world->image, .kind = RSW_REF_SUBJECT},
    };
    add_manifest(txn, repo, image, RSW_TYPE_MANIFEST, of_image, 2);
    add_manifest(txn, repo, list, RSW_TYPE_INDEX, of_list, 2);
    add_manifest(txn, repo, signature, RSW_TYPE_MANIFEST | RSW_TYPE_SIGNATURE, of_signature, 2);
    struct rsw_tag tag = {.repo = repo, .head = list, .touched_ms = NOW, .name = "v1"};
    rsw_tag_put(txn, &tag);
    rsw_kept_event_add(txn, NOW, "no JSON", "\033[31m{\0x", 8);
    struct rsw_generation generation = {
        .state = RSW_GENERATION_UNLINKED, .created_ms = 1000, .changed_ms = 1000, .settle_ms = 600000};
    rsw_generation_add(txn, &generation);
}

static int make_world(void **state) {
    struct world *world = calloc(1, sizeof *world);
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    struct rsw_txn *txn = NULL;
    strcpy(world->dir, "/tmp/regsweep-tools-XXXXXX");
    if (mkdtemp(world->dir) == NULL ||
        rsw_index_open(&index, world->dir, &(struct rsw_index_options){.create = true}, &err) != 0 ||
        rsw_txn_begin_write(&txn, index, &err) != 0) {
        return -1;
    }
    fill(world, txn);
    int failed = rsw_txn_commit(&txn, &err);
    rsw_index_close(index);
    *state = world;
    return failed;
}

static int remove_world(void **state) {
    static const char *const files[] = {"data.mdb", "lock.mdb", "index.lock"};
    struct world *world = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", world->dir, files[i]);
        unlink(path);
    }
    rmdir(world->dir);
    free(world);
    return 0;
}

/* What `regsweep inspect FORM ARGUMENT` prints; owned. */
static char *inspect(struct world *world, const char *form, const char *argument, bool json, int expected) {
    char *out = NULL;
    char *talk = NULL;
    size_t len;
    struct rsw_cli cli;
    char *argv[8] = {(char *)"regsweep", (char *)"inspect", (char *)"--index", world->dir,
                     (char *)(uintptr_t)form};
    char *environment[] = {NULL};
    int argc = 5;
    if (argument != NULL) {
        argv[argc++] = (char *)(uintptr_t)argument;
    }
    if (json) {
        argv[argc++] = (char *)"--json";
    }
    rsw_cli_init(&cli);
    cli.out = open_memstream(&out, &len);
    cli.talk = open_memstream(&talk, &len);
    int status = rsw_cli_main(&cli, argc, argv, environment);
    rsw_cli_release(&cli);
    fclose(cli.out);
    fclose(cli.talk);
    if (status != expected) {
        fail_msg("inspect %s: status %d: %s", form, status, talk);
    }
    free(talk);
    return out;
}

static json_t *inspect_json(struct world *world, const char *form, const char *argument) {
    char *out = inspect(world, form, argument, true, RSW_EXIT_DONE);
    json_t *root = json_loads(out, 0, NULL);
    assert_non_null(root);
    free(out);
    return root;
}

static void expect_digest(const json_t *value, const struct rsw_digest *digest) {
    char text[RSW_DIGEST_TEXT_MAX];
    assert_string_equal(json_string_value(value), rsw_digest_format(digest, text));
}

static void an_image_is_a_tree_with_children_layers_and_referrers(void **state) {
    struct world *world = *state;
    json_t *root = inspect_json(world, "image", "team/app:v1");
    json_t *list = json_object_get(root, "image");
    json_t *children = json_object_get(list, "below");
    expect_digest(json_object_get(list, "digest"), &world->list);
    assert_int_equal(json_array_size(children), 2);
    json_t *image = json_array_get(children, 0);
    json_t *below = json_object_get(image, "below");
    assert_string_equal(json_string_value(json_object_get(image, "as")), "child");
    assert_int_equal(json_array_size(below), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(below, 0), "as")), "config");
    assert_string_equal(json_string_value(json_object_get(json_array_get(below, 1), "as")), "layer");
    assert_string_equal(json_string_value(json_object_get(json_array_get(below, 2), "as")), "referrer");
    expect_digest(json_object_get(json_array_get(below, 2), "digest"), &world->signature);
    assert_int_equal(json_array_size(json_object_get(json_array_get(children, 1), "flags")), 0);
    /* The configuration is there twice and counts once. */
    assert_int_equal(json_integer_value(json_object_get(root, "bytes")), 100 + 2048 + 400 + 500 + 300);
    json_decref(root);
    char *text = inspect(world, "image", "team/app:v1", false, RSW_EXIT_DONE);
    assert_non_null(strstr(text, "NOT IN STORAGE"));
    free(text);
    free(inspect(world, "image", "team/app:v2", false, RSW_EXIT_FAILED));
}

static void a_blob_tells_where_it_is_linked_and_who_names_it(void **state) {
    struct world *world = *state;
    char digest[RSW_DIGEST_TEXT_MAX];
    json_t *root = inspect_json(world, "blob", rsw_digest_format(&world->config, digest));
    assert_int_equal(json_array_size(json_object_get(root, "linked")), 1);
    assert_int_equal(json_array_size(json_object_get(root, "named_by")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "names")), 0);
    assert_int_equal(json_integer_value(json_object_get(root, "size")), 100);
    json_decref(root);
    root = inspect_json(world, "blob", rsw_digest_format(&world->image, digest));
    assert_int_equal(json_array_size(json_object_get(root, "names")), 2);
    json_t *first = json_array_get(json_object_get(root, "linked"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "as")), "revision");
    assert_string_equal(json_string_value(json_object_get(first, "repo")), "team/app");
    json_decref(root);
}

static void a_generation_tells_that_it_does_not_get_on(void **state) {
    struct world *world = *state;
    json_t *root = inspect_json(world, "generations", "1");
    assert_true(json_is_true(json_object_get(root, "stuck")));
    assert_true(json_is_string(json_object_get(root, "due")));
    json_decref(root);
    char *text = inspect(world, "generations", "1", false, RSW_EXIT_DONE);
    assert_non_null(strstr(text, "  unlinked since 1970-01-01"));
    assert_non_null(strstr(text, "it does not get on"));
    free(text);
}

static void a_repository_lists_tags_revisions_and_links(void **state) {
    struct world *world = *state;
    json_t *root = inspect_json(world, "repo", "team/app");
    json_t *tag = json_array_get(json_object_get(root, "tags"), 0);
    assert_string_equal(json_string_value(json_object_get(tag, "tag")), "v1");
    expect_digest(json_object_get(tag, "digest"), &world->list);
    assert_int_equal(json_array_size(json_object_get(root, "revisions")), 3);
    assert_int_equal(json_array_size(json_object_get(root, "links")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "link_bytes")), 2148);
    json_decref(root);
    char *text = inspect(world, "repo", "team/app", false, RSW_EXIT_DONE);
    assert_non_null(strstr(text, "tags: 1\n  v1  "));
    free(text);
}

static void stats_and_types_count_a_blob_with_two_types_in_each(void **state) {
    struct world *world = *state;
    json_t *root = inspect_json(world, "stats", NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "blobs")), 5);
    assert_int_equal(json_integer_value(json_object_get(root, "references")), 6);
    assert_int_equal(json_integer_value(json_object_get(root, "revisions")), 3);
    assert_int_equal(json_integer_value(json_object_get(root, "links")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "tags")), 1);
    assert_false(json_boolean_value(json_object_get(json_object_get(root, "last_scan"), "complete")));
    json_t *index = json_object_get(root, "index");
    assert_true(json_real_value(json_object_get(index, "bytes_per_reference")) > 0);
    json_decref(root);
    root = inspect_json(world, "types", NULL);
    json_t *types = json_object_get(root, "types");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(types, "manifest"), "blobs")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(types, "signature"), "blobs")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(types, "signature"), "bytes")), 300);
    json_decref(root);
}

static void kept_events_are_shown_without_their_control_bytes(void **state) {
    struct world *world = *state;
    char *text = inspect(world, "events", NULL, false, RSW_EXIT_DONE);
    assert_non_null(strstr(text, "no JSON\n    ?[31m{?x\n"));
    free(text);
    json_t *root = inspect_json(world, "events", NULL);
    json_t *event = json_array_get(json_object_get(root, "events"), 0);
    assert_string_equal(json_string_value(json_object_get(event, "body")), "\033[31m{?x");
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_a_tree_with_children_layers_and_referrers),
        cmocka_unit_test(a_blob_tells_where_it_is_linked_and_who_names_it),
        cmocka_unit_test(a_generation_tells_that_it_does_not_get_on),
        cmocka_unit_test(a_repository_lists_tags_revisions_and_links),
        cmocka_unit_test(stats_and_types_count_a_blob_with_two_types_in_each),
        cmocka_unit_test(kept_events_are_shown_without_their_control_bytes),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
