/* The simulated registry does what the real one was seen to do: its hazards, and the order of what it writes
 * and tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_registry.h"

#include <string.h>

static int ask(struct sim_registry *r, enum sim_request_kind kind, int replica, int blob, int tag) {
    struct sim_request request = {.kind = kind, .replica = replica, .blob = blob, .tag = tag, .from = 1};
    return sim_request_run(r, &request);
}

static void push(struct sim_registry *r) {
    assert_int_equal(ask(r, SIM_UPLOAD, 0, SIM_CONFIG_1, -1), 201);
    assert_int_equal(ask(r, SIM_UPLOAD, 0, SIM_LAYER_4, -1), 201);
    assert_int_equal(ask(r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 0), 201);
}

static void push_parts(struct sim_registry *r) {
    static const int parts[] = {SIM_CONFIG_1, SIM_CONFIG_2, SIM_LAYER_1, SIM_LAYER_2, SIM_LAYER_3};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_int_equal(ask(r, SIM_UPLOAD, 0, parts[i], -1), 201);
    }
}

static void remove_data(struct sim_registry *r, int blob) {
    char key[RSW_KEY_MAX];
    sim_remove(r, rsw_key_blob(key, &sim_contents[blob].digest));
}

static void remove_layer_link(struct sim_registry *r, int blob) {
    char key[RSW_KEY_MAX];
    sim_remove(r, rsw_key_layer_link(key, sim_repos[0], &sim_contents[blob].digest));
}

static void a_manifest_pushed_again_is_not_written_where_a_cache_knows_it(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, false, RSW_CACHE_MEMORY, 1);
    push(&r);
    assert_int_equal(ask(&r, SIM_GET_MANIFEST, 0, SIM_IMAGE_3, 0), 200);
    assert_int_equal(ask(&r, SIM_DELETE_MANIFEST, 0, SIM_IMAGE_3, -1), 202);
    remove_data(&r, SIM_IMAGE_3);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 0), 201);
    assert_int_equal(ask(&r, SIM_GET_MANIFEST, 0, SIM_IMAGE_3, 0), 404);
    sim_replica_restart(&r, 0);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 0), 201);
    assert_int_equal(ask(&r, SIM_GET_MANIFEST, 0, SIM_IMAGE_3, 0), 200);
    sim_registry_release(&r);
}

static void a_layer_that_is_gone_is_vouched_for_by_a_cache_until_a_delete(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, false, RSW_CACHE_MEMORY, 2);
    push(&r);
    remove_layer_link(&r, SIM_LAYER_4);
    remove_data(&r, SIM_LAYER_4);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 200);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 1), 201);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 1, SIM_LAYER_4, -1),
                     404); /* another replica's is another cache */
    assert_int_equal(ask(&r, SIM_DELETE_LAYER, 0, SIM_LAYER_4, -1), 202);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 404);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 1), 400);
    sim_registry_release(&r);
}

static void without_a_cache_every_look_goes_to_storage(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, false, RSW_CACHE_NONE, 1);
    push(&r);
    remove_data(&r, SIM_LAYER_4);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 404);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_3, 0), 400);
    sim_registry_release(&r);
}

static void redis_keeps_a_digest_in_the_set_of_its_repository(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, false, RSW_CACHE_REDIS, 2);
    push(&r);
    assert_int_equal(ask(&r, SIM_DELETE_LAYER, 1, SIM_LAYER_4, -1), 202);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 404);
    struct sim_request elsewhere = {.kind = SIM_UPLOAD, .repo = 1, .blob = SIM_LAYER_4, .tag = -1};
    assert_int_equal(sim_request_run(&r, &elsewhere), 201);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 200); /* there is no link */
    sim_redis_forget(&r, 0, SIM_LAYER_4);
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 404);
    sim_registry_release(&r);
}

static void revisions_are_cached_by_3_alone(void **state) {
    (void)state;
    for (int v3 = 0; v3 < 2; v3++) {
        struct sim_registry r;
        char key[RSW_KEY_MAX];
        sim_registry_init(&r, v3 != 0, RSW_CACHE_MEMORY, 1);
        push(&r);
        sim_remove(&r, rsw_key_revision_link(key, sim_repos[0], &sim_contents[SIM_IMAGE_3].digest));
        assert_int_equal(ask(&r, SIM_GET_MANIFEST, 0, SIM_IMAGE_3, -1), v3 ? 200 : 404);
        assert_int_equal(ask(&r, SIM_DELETE_LAYER, 0, SIM_IMAGE_3, -1), v3 ? 202 : 404);
        assert_int_equal(ask(&r, SIM_GET_MANIFEST, 0, SIM_IMAGE_3, -1), 404);
        assert_int_equal(r.repos[0].current[0], SIM_IMAGE_3); /* no tag is touched */
        sim_registry_release(&r);
    }
}

/* Nobody sweeps here: what comes of it is the registry's own. */
static void a_put_of_3_that_dies_leaves_a_revision_that_only_redis_knows(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, true, RSW_CACHE_REDIS, 2);
    push_parts(&r);
    struct sim_request put = {.kind = SIM_PUT_MANIFEST, .blob = SIM_IMAGE_1, .tag = -1};
    sim_request_begin(&r, &put);
    while ((r.shared.in_repo[0] & SIM_BIT(SIM_IMAGE_1)) == 0) {
        assert_int_equal(sim_request_step(&r, &put), 0);
    }
    sim_replica_restart(&r, 0);
    assert_int_equal(sim_request_step(&r, &put), SIM_DIED);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 1, SIM_IMAGE_2, -1), 201);
    assert_int_equal(ask(&r, SIM_GET_MANIFEST, 1, SIM_IMAGE_1, -1), 200);
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 1, SIM_INDEX, 0), 201);
    assert_int_equal(r.repos[0].revisions & SIM_BIT(SIM_IMAGE_1), 0);
    assert_int_equal(sim_only_vouched(&r.repos[0]), SIM_BIT(SIM_IMAGE_1));
    assert_int_equal(ask(&r, SIM_PUT_MANIFEST, 0, SIM_IMAGE_1, -1), 201); /* pushed again, it is there */
    assert_int_equal(sim_only_vouched(&r.repos[0]), 0);
    sim_registry_release(&r);
}

static void a_push_by_tag_is_told_before_the_tag_is_written(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, true, RSW_CACHE_NONE, 1);
    push(&r);
    while (sim_event_next(&r, 0) != NULL) {
        sim_event_drop(&r, 0);
    }
    struct sim_request put = {.kind = SIM_PUT_MANIFEST, .blob = SIM_IMAGE_3, .tag = 1};
    sim_request_begin(&r, &put);
    while (sim_event_next(&r, 0) == NULL) {
        assert_int_equal(sim_request_step(&r, &put), 0);
    }
    assert_string_equal(sim_event_next(&r, 0)->tag, sim_tag(1));
    assert_int_equal(r.repos[0].current[1], -1);
    while (sim_request_step(&r, &put) == 0) {
    }
    assert_int_equal(r.repos[0].current[1], SIM_IMAGE_3);
    sim_registry_release(&r);
}

static void a_reader_can_see_a_link_of_2_8_empty(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, false, RSW_CACHE_NONE, 1);
    push(&r);
    struct sim_request upload = {.kind = SIM_UPLOAD, .blob = SIM_LAYER_4, .tag = -1};
    sim_request_begin(&r, &upload);
    while ((r.repos[0].cut_links & SIM_BIT(SIM_LAYER_4)) == 0) {
        assert_int_equal(sim_request_step(&r, &upload), 0);
    }
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 500);
    while (sim_request_step(&r, &upload) == 0) {
    }
    assert_int_equal(ask(&r, SIM_HEAD_BLOB, 0, SIM_LAYER_4, -1), 200);
    sim_registry_release(&r);
}

static void events_and_answers_die_with_the_replica(void **state) {
    struct sim_registry r;
    (void)state;
    sim_registry_init(&r, true, RSW_CACHE_MEMORY, 1);
    push(&r);
    struct sim_request head = {.kind = SIM_HEAD_BLOB, .blob = SIM_LAYER_4, .tag = -1};
    sim_request_begin(&r, &head);
    sim_replica_restart(&r, 0);
    assert_int_equal(r.events_lost, 3);
    assert_null(sim_event_next(&r, 0));
    assert_int_equal(sim_request_step(&r, &head), SIM_DIED);
    sim_registry_release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_pushed_again_is_not_written_where_a_cache_knows_it),
        cmocka_unit_test(a_layer_that_is_gone_is_vouched_for_by_a_cache_until_a_delete),
        cmocka_unit_test(without_a_cache_every_look_goes_to_storage),
        cmocka_unit_test(redis_keeps_a_digest_in_the_set_of_its_repository),
        cmocka_unit_test(revisions_are_cached_by_3_alone),
        cmocka_unit_test(a_put_of_3_that_dies_leaves_a_revision_that_only_redis_knows),
        cmocka_unit_test(a_push_by_tag_is_told_before_the_tag_is_written),
        cmocka_unit_test(a_reader_can_see_a_link_of_2_8_empty),
        cmocka_unit_test(events_and_answers_die_with_the_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
