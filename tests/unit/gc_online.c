/* The generation beside a running registry, step by step: what each state does, what a touch in each of them
 * gives back, and what ends a run. Interleavings are for sim_sweep.c. */
#include "gc_registry.h"

#include "gc/lease.h"
#include "gc/online.h"
#include "gc/quarantine.h"
#include "gc/revive.h"
#include "gc/why.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 1000
#define QUARANTINE_MS 5000

/* One replica that answers every fence at once, and knows what the test says. */
struct fake {
    struct rsw_replicas base;
    struct registry *r;
    bool fence_fails;
    bool restarts; /* before every fence */
    unsigned life;
    int forgotten;   /* requests to forget */
    int knows_again; /* of these, from now on so many find something */
    void (*in_forget)(struct fake *fake, const char *repo, const struct rsw_digest *digest);
    void (*fails)(struct rsw_cached *cached);
};

static struct fake fake;
static struct tree_image watched; /* for whoever is called in the midst of something */

static void fake_forget(struct rsw_replicas *replicas, struct rsw_cached *list, size_t count) {
    struct fake *self = (struct fake *)replicas;
    for (size_t i = 0; i < count; i++) {
        self->forgotten++;
        if (self->in_forget != NULL) {
            self->in_forget(self, list[i].repo, list[i].digest);
        }
        list[i].answer = self->knows_again > 0 && self->knows_again-- > 0 ? RSW_FOUND : RSW_ABSENT;
        list[i].knower = 0;
        if (self->fails != NULL) {
            self->fails(&list[i]);
        }
    }
}

static int fake_fence(struct rsw_replicas *replicas, const char *mark, const struct rsw_patience *patience,
                      struct rsw_error *err) {
    (void)patience;
    struct fake *self = (struct fake *)replicas;
    struct registry *r = self->r;
    if (self->fence_fails) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "no fence: nobody answers");
    }
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, err), 0);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    state.beat_ms = r->now_ms;
    rsw_state_put(txn, &state);
    struct rsw_instance instance = {.id = "one",
                                    .first_ms = NOW_MS - HOUR_MS,
                                    .last_ms = r->now_ms,
                                    .first_seq = 1,
                                    .last_seq = rsw_txn_seq(txn)};
    if (self->restarts) {
        snprintf(instance.id, sizeof instance.id, "life-%u", ++self->life);
        instance.first_seq = rsw_txn_seq(txn);
    }
    snprintf(instance.fence_layer, sizeof instance.fence_layer, "%s-0", mark);
    snprintf(instance.fence_manifest, sizeof instance.fence_manifest, "%s-0", mark);
    rsw_instance_put(txn, &instance);
    return rsw_txn_commit(&txn, err);
}

static const struct rsw_replicas_ops fake_ops = {.forget = fake_forget, .fence = fake_fence};

static int setup(void **state) {
    assert_int_equal(registry_setup(state), 0);
    struct registry *r = *state;
    fake = (struct fake){.base = {.ops = &fake_ops, .count = 1, .run = "this-run"}, .r = r};
    r->options.offline = false;
    r->options.replicas = &fake.base;
    r->options.grace_ms = HOUR_MS / 2;
    r->options.settle_ms = SETTLE_MS;
    r->options.quarantine_ms = QUARANTINE_MS;
    r->options.fence_timeout_ms = 1000;
    return 0;
}

#define in_either(test)                                                                                      \
    cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &in_memory),                    \
        cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &in_directory),             \
        cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &in_store),                 \
        cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &with_versions)

/* What the first generation has of these bytes in quarantine: a copy, or the record of their being hidden. */
static void copy_key(char copy[RSW_QUARANTINE_KEY_MAX], const struct registry *r,
                     const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    rsw_quarantine_key(copy, 1, rsw_key_blob(key, digest));
    if (r->storage->versions) {
        strcpy(strrchr(copy, '/'), "/version");
    }
}

/* Known for longer than grace: what nothing links has been garbage for so long. */
static void scan_long_ago(struct registry *r) {
    tree_image(&r->tree, "regsweep/fence", "fence", "fence", 1); /* a registry is never empty */
    scan_registry(r);
    r->now_ms += HOUR_MS;
}

static void step(struct registry *r, const char *state) {
    sweep_well(r);
    if (r->result.state == NULL || strcmp(r->result.state, state) != 0) {
        fail_msg("the generation is %s, not %s", r->result.state != NULL ? r->result.state : "none", state);
    }
}

static void later(struct registry *r) {
    r->now_ms = r->result.due_ms != 0 ? r->result.due_ms : r->now_ms + 1;
}

/* From condemned to purged. */
static void see_through(struct registry *r) {
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    later(r);
    step(r, "purged");
}

static bool is_there(struct registry *r, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_storage_look(r->real, &look, 1);
    assert_int_not_equal(look.answer, RSW_FAILED);
    return look.answer == RSW_FOUND;
}

static bool has_blob(struct registry *r, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return is_there(r, rsw_key_blob(key, digest));
}

static bool has_link(struct registry *r, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return is_there(r, rsw_key_layer_link(key, repo, digest));
}

static bool has_revision(struct registry *r, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return is_there(r, rsw_key_revision_link(key, repo, digest));
}

static bool is_whole(struct registry *r, const char *repo, const struct tree_image *image) {
    for (size_t i = 0; i < image->layer_count; i++) {
        if (!has_link(r, repo, &image->layers[i]) || !has_blob(r, &image->layers[i])) {
            return false;
        }
    }
    return has_revision(r, repo, &image->manifest) && has_blob(r, &image->manifest) &&
           has_link(r, repo, &image->config) && has_blob(r, &image->config);
}

static void touch(struct registry *r, enum rsw_member_kind kind, const char *name,
                  const struct rsw_digest *digest) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_blob blob;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    uint32_t repo = rsw_fact_repo(txn, name, r->now_ms);
    assert_int_equal(rsw_blob_find(txn, digest, &blob), RSW_FOUND);
    rsw_touch(txn, repo, blob.id);
    rsw_fact_touch(txn, kind, repo, blob.id, r->now_ms, 0); /* as an event does */
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static uint32_t repo_id(struct registry *r, const char *name) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    assert_int_equal(rsw_repo_find(txn, name, &repo), RSW_FOUND);
    return repo.id;
}

static void revive(struct registry *r) {
    struct rsw_revive_result result;
    assert_int_equal(rsw_revive(&result, r->index, r->real, &r->clock, NULL, &r->err), 0);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.lost, 0);
}

/* What stays, and of ours no more than the quarantine's README and what a fence asks for. */
static void expect_swept_clean_online(struct registry *r) {
    const struct tree_image fence = tree_image(&r->tree, "regsweep/fence", "fence", "fence", 1);
    tree_blob_remove(&r->tree, &fence.manifest);
    tree_blob_remove(&r->tree, &fence.config);
    tree_blob_remove(&r->tree, &fence.layers[0]);
    tree_link_remove(&r->tree, "regsweep/fence", &fence.config);
    tree_link_remove(&r->tree, "regsweep/fence", &fence.layers[0]);
    tree_revision_remove(&r->tree, "regsweep/fence", &fence.manifest);
    tree_tag_remove(&r->tree, "regsweep/fence", "fence", &fence.manifest, 1);
    (void)rsw_storage_prune(r->real, RSW_LAYOUT_REPOSITORIES "/regsweep", &r->err);
    (void)rsw_storage_prune(r->real, RSW_LAYOUT_BLOBS, &r->err);
    tree_remove(&r->tree, "regsweep/quarantine/README");
    (void)rsw_storage_prune(r->real, "regsweep", &r->err);
    expect_swept_clean(r);
}

/* ---- what a generation does ---- */

static void what_must_go_goes_and_what_must_stay_is_unchanged(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.failed, 0);
    assert_int_equal(r->result.spared, 0);
    expect_index_equals_fresh_scan(r);
    expect_swept_clean_online(r);
}

static void until_it_is_due_nothing_happens(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    assert_false(has_link(r, "app", &image.layers[0]));
    assert_false(has_revision(r, "app", &image.manifest));
    assert_true(has_blob(r, &image.layers[0]));
    int64_t due_ms = r->result.due_ms;
    assert_int_equal(due_ms, r->now_ms + SETTLE_MS);
    r->now_ms = due_ms - 1;
    step(r, "unlinked");
    assert_true(has_blob(r, &image.layers[0]));
    r->now_ms = due_ms;
    step(r, "hidden");
    assert_false(has_blob(r, &image.layers[0]));
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &image.layers[0]);
    assert_true(is_there(r, copy));
    r->now_ms += QUARANTINE_MS - 1;
    step(r, "hidden");
    assert_true(is_there(r, copy));
    r->now_ms += 1;
    step(r, "purged");
    assert_false(is_there(r, copy));
    assert_true(r->result.freed >= 2);
}

/* ---- touches ---- */

static void give_back_in(struct registry *r, int steps) {
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    struct tree_image other = tree_image(&r->tree, "app", NULL, "other", 2);
    scan_long_ago(r);
    for (int i = 0; i < steps; i++) {
        sweep_well(r);
        if (i + 1 < steps) {
            later(r);
        }
    }
    touch(r, RSW_REVISION, "app", &image.manifest);
    revive(r);
    assert_true(is_whole(r, "app", &image));
    do {
        later(r);
        sweep_well(r);
        assert_true(is_whole(r, "app", &image));
    } while (strcmp(r->result.state, "purged") != 0);
    assert_true(r->result.spared > 0);
    assert_false(has_blob(r, &other.manifest));
    assert_false(has_link(r, "app", &other.layers[0]));
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &image.layers[0]);
    assert_false(is_there(r, copy));
}

static void a_manifest_touched_when_unlinked_is_given_back_whole(void **state) {
    give_back_in(*state, 1);
}

static void a_manifest_touched_when_hidden_is_given_back_whole(void **state) {
    give_back_in(*state, 2);
}

/* A workload that came after the sweep had begun finds its image again. */
static void pin_in(struct registry *r, int steps, struct rsw_pin *pin) {
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    struct tree_image other = tree_image(&r->tree, "app", NULL, "other", 2);
    scan_long_ago(r);
    for (int i = 0; i < steps; i++) {
        sweep_well(r);
        if (i + 1 < steps) {
            later(r);
        }
    }
    assert_false(is_whole(r, "app", &image));
    pin->digest = pin->image ? image.config : image.manifest;
    r->options.pins = pin;
    r->options.pin_count = 1;
    do { /* the first of these comes before anything is due */
        sweep_well(r);
        assert_true(is_whole(r, "app", &image));
        later(r);
    } while (strcmp(r->result.state, "purged") != 0);
    assert_false(has_blob(r, &other.manifest));
    assert_false(has_link(r, "app", &other.layers[0]));
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
}

static void what_is_pinned_when_unlinked_is_given_back_whole(void **state) {
    pin_in(*state, 1, &(struct rsw_pin){.repo = "app"});
}

static void what_is_pinned_when_hidden_is_given_back_whole(void **state) {
    pin_in(*state, 2, &(struct rsw_pin){.repo = "app"});
}

static void what_is_pinned_anywhere_is_given_back_whole(void **state) {
    pin_in(*state, 2, &(struct rsw_pin){.repo = NULL});
}

static void what_runs_by_its_configuration_is_given_back_whole(void **state) {
    pin_in(*state, 2, &(struct rsw_pin){.image = true});
}

static struct rsw_lease *open_lease(struct registry *r, const char *holder) {
    struct rsw_lease *lease;
    const struct rsw_lease_options options = {
        .index = r->index, .storage = r->storage, .holder = holder, .length_ms = 60000};
    assert_int_equal(rsw_lease_open(&lease, &options, NULL), 0);
    return lease;
}

/* Else each of those with the same schedule would sweep in turn. */
static void a_scheduled_sweep_that_finds_nothing_is_known_to_the_others(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "app", "1", "new", 2);
    scan_long_ago(r);
    struct rsw_lease *lease = open_lease(r, "aaaa");
    struct rsw_lease *other = open_lease(r, "bbbb");
    r->options.lease = lease;
    r->options.swept_ms = 123456;
    sweep_well(r);
    assert_int_equal(r->result.generation, 0);
    assert_int_equal(rsw_lease_take(other, NULL), 0); /* it was given back */
    assert_int_equal(rsw_lease_swept_ms(other), 123456);
    rsw_lease_close(lease);
    rsw_lease_close(other);
}

static void what_is_touched_before_it_is_taken_is_not_taken(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    touch(r, RSW_LINK, "app", &image.layers[0]); /* nobody gives back: the sweep itself must */
    later(r);
    step(r, "hidden");
    assert_true(has_link(r, "app", &image.layers[0]) && has_blob(r, &image.layers[0]));
    assert_false(has_blob(r, &image.layers[1]));
    later(r);
    step(r, "purged");
    assert_true(has_link(r, "app", &image.layers[0]) && has_blob(r, &image.layers[0]));
}

static void an_index_gives_back_its_children_and_theirs(void **state) {
    struct registry *r = *state;
    struct tree_image arm = tree_image(&r->tree, "app", NULL, "arm", 2);
    struct tree_image amd = tree_image(&r->tree, "app", NULL, "amd", 2);
    struct rsw_digest children[] = {arm.manifest, amd.manifest};
    struct rsw_digest all = tree_index(&r->tree, "app", NULL, children, 2);
    struct rsw_digest outer = tree_index(&r->tree, "app", NULL, &all, 1);
    struct rsw_digest signature = tree_cosign(&r->tree, "app", &outer);
    struct rsw_digest referrer = tree_referrer(&r->tree, "app", NULL, &outer, "application/x", "sbom");
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    touch(r, RSW_REVISION, "app", &outer);
    revive(r);
    assert_true(is_whole(r, "app", &arm) && is_whole(r, "app", &amd));
    assert_true(has_revision(r, "app", &all) && has_blob(r, &all));
    assert_true(has_revision(r, "app", &referrer) && has_blob(r, &referrer));
    assert_true(has_revision(r, "app", &signature) && has_blob(r, &signature));
    char tag[256];
    char key[RSW_KEY_MAX];
    assert_true(is_there(r, rsw_key_tag_current(key, "app", tree_weak_tag(tag, &outer, ".sig"))));
}

/* ---- recheck ---- */

static void what_nobody_told_of_is_found_in_storage(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    tree_revision(&r->tree, "app", &image.manifest); /* pushed again; its event was lost */
    later(r);
    step(r, "hidden");
    assert_true(is_whole(r, "app", &image));
    later(r);
    step(r, "purged");
    assert_true(is_whole(r, "app", &image));
}

static const struct rsw_storage_ops *plain_ops;
static size_t looked_at;

static void look_once(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_null(strstr(looks[i].key, "/current/link"));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(looks[i].key, looks[k].key);
        }
    }
    looked_at += count;
    plain_ops->look(storage, looks, count);
}

/* Layers are asked about for their links and for their bytes, and manifests for all that they name. Heads of
 * tags are read, whatever a look says. */
static void each_key_is_asked_for_once(void **state) {
    struct registry *r = *state;
    static struct rsw_storage_ops ops;
    for (int i = 0; i < 3; i++) {
        char seed[16];
        snprintf(seed, sizeof seed, "web%d", i);
        tree_image(&r->tree, "app", "1", seed, 3);
        tree_image(&r->tree, "other", NULL, seed, 3);
    }
    scan_long_ago(r);
    ops = *(plain_ops = r->storage->ops);
    ops.look_listed = look_once;
    r->storage->ops = &ops;
    looked_at = 0;
    see_through(r);
    assert_true(looked_at > 0);
    assert_true(r->result.done > 0);
    assert_int_equal(r->result.spared, 0);
}

/* Whatever became of its event: before a revision goes the tags of its repository are read. */
static void a_tag_that_nobody_told_of_keeps_its_image(void **state) {
    struct registry *r = *state;
    struct tree_image tagged = tree_image(&r->tree, "app", NULL, "old", 2);
    struct tree_image moved = tree_image(&r->tree, "app", NULL, "older", 2);
    struct tree_image stable = tree_image(&r->tree, "app", "stable", "new", 2);
    struct tree_image other = tree_image(&r->tree, "other", NULL, "rest", 2);
    tree_tag(&r->tree, "app", "1", &stable.manifest);
    scan_long_ago(r);
    r->tree.mtime_ms = r->now_ms;
    tree_tag(&r->tree, "app", "late", &tagged.manifest);
    tree_tag(&r->tree, "app", "stable", &moved.manifest);
    step(r, "unlinked");
    assert_true(is_whole(r, "app", &tagged) && is_whole(r, "app", &moved) && is_whole(r, "app", &stable));
    assert_false(has_revision(r, "other", &other.manifest));
    later(r);
    step(r, "hidden");
    later(r);
    step(r, "purged");
    assert_true(is_whole(r, "app", &tagged) && is_whole(r, "app", &moved));
    assert_false(has_blob(r, &other.manifest));
}

/* Nor does one go whose tags cannot be read. */
static void where_tags_cannot_be_read_no_revision_goes(void **state) {
    struct registry *r = *state;
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    struct tree_image other = tree_image(&r->tree, "other", NULL, "rest", 2);
    char key[RSW_KEY_MAX];
    scan_long_ago(r);
    rsw_memory_fail_key(r->real, rsw_key_repository_sub(key, "app", "_manifests"), EIO);
    step(r, "unlinked");
    assert_true(is_whole(r, "app", &image));
    assert_false(has_revision(r, "other", &other.manifest));
    rsw_memory_fail_key(r->real, key, 0);
}

/* The registry tells of a push before it writes the tag; grace is over before the tag is asked for once more.
 */
static void a_tag_that_is_written_late_keeps_its_image(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    struct rsw_blob blob;
    struct rsw_repo repo;
    assert_int_equal(rsw_blob_find(txn, &image.manifest, &blob), RSW_FOUND);
    assert_int_equal(rsw_repo_find(txn, "app", &repo), RSW_FOUND);
    const struct rsw_check check = {.kind = RSW_CHECK_TAGGING,
                                    .repo = repo.id,
                                    .blob = blob.id,
                                    .due_ms = r->now_ms + SETTLE_MS,
                                    .seq = rsw_txn_seq(txn),
                                    .tag = "late"};
    rsw_check_put(txn, &check);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
    tree_tag(&r->tree, "app", "late", &image.manifest);
    (void)sweep(r);
    assert_true(is_whole(r, "app", &image));
    later(r);
    (void)sweep(r);
    assert_true(is_whole(r, "app", &image));
}

/* As the feed does with the event of a push; nobody has read the manifest yet. */
static void tell_of_push(struct registry *r, const char *name, const struct rsw_digest *digest) {
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    struct rsw_member member = {.repo = rsw_fact_repo(txn, name, r->now_ms), .touched_ms = r->now_ms};
    member.blob = member.target = rsw_fact_blob(txn, digest, RSW_SIZE_UNKNOWN, r->now_ms);
    rsw_fact_member(txn, RSW_REVISION, &member);
    rsw_touch(txn, member.repo, member.blob);
    const struct rsw_check check = {
        .kind = RSW_CHECK_MANIFEST, .blob = member.blob, .due_ms = r->now_ms, .seq = rsw_txn_seq(txn)};
    rsw_check_put(txn, &check);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static int64_t set_back_ms; /* by so much the clock on the wall is behind; the steady one is not */

static int64_t wall_now(void *arg) {
    return ((const struct registry *)arg)->now_ms - set_back_ms;
}

static void steady_now(void *arg, struct rsw_steady *out) {
    *out = (struct rsw_steady){.ms = ((const struct registry *)arg)->now_ms, .boot = "one"};
}

static void give_clocks(struct registry *r) {
    set_back_ms = 0;
    r->clock = (struct rsw_clock){wall_now, r, steady_now};
}

/* A registry with a stale cache took an image whose layers' links are gone. Its event has come in, but serve
 * did not come to reading the manifest: the sweep must not go on before somebody did. */
static struct rsw_digest push_unread(struct registry *r, const struct tree_image *image) {
    char json[1024];
    char config[RSW_DIGEST_TEXT_MAX];
    char layer[RSW_DIGEST_TEXT_MAX];
    snprintf(json, sizeof json,
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
             "\"config\":{\"mediaType\":\"application/"
             "vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":1},"
             "\"layers\":[{\"mediaType\":\"application/"
             "vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":1}]}",
             rsw_digest_format(&image->config, config), rsw_digest_format(&image->layers[0], layer));
    struct rsw_digest pushed = tree_manifest_json(&r->tree, "app", NULL, json);
    tell_of_push(r, "app", &pushed);
    return pushed;
}

static void what_a_push_names_that_nobody_has_read_yet_is_given_back(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    struct rsw_digest pushed = push_unread(r, &image);
    later(r);
    step(r, "hidden");
    assert_true(has_link(r, "app", &image.layers[0]) && has_blob(r, &image.layers[0]));
    assert_true(has_link(r, "app", &image.config) && has_blob(r, &image.config));
    assert_false(has_blob(r, &image.layers[1]));
    later(r);
    step(r, "purged");
    assert_true(has_revision(r, "app", &pushed) && has_blob(r, &image.layers[0]));
}

/* ---- pushed again before it is taken; the event was lost ---- */

static bool stop_now;

static bool is_stopped(void *arg) {
    (void)arg;
    return stop_now;
}

/* A generation is written down, and its run ends before it takes anything. */
static void condemn_and_stop(struct registry *r) {
    r->options.stopped = is_stopped;
    stop_now = true;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_ESTOPPED);
    assert_int_not_equal(r->result.generation, 0);
    r->err = (struct rsw_error)RSW_ERROR_INIT;
    stop_now = false;
    r->now_ms += HOUR_MS;
    r->tree.mtime_ms = r->now_ms;
}

static bool has_tag(struct registry *r, const char *repo, const char *tag) {
    char key[RSW_KEY_MAX];
    return is_there(r, rsw_key_tag_current(key, repo, tag));
}

static struct rsw_policy *use_policy(struct registry *r, const char *text) {
    struct rsw_policy *policy;
    if (rsw_policy_parse(&policy, "policy", text, strlen(text), &r->err) != 0) {
        fail_msg("%s", r->err.message);
    }
    r->options.policy = policy;
    return policy;
}

static void pushed_again_without_event(struct registry *r, const char *tag, bool kept_by_another) {
    struct rsw_policy *policy =
        use_policy(r, "repositories:\n  - match: app\n    tags:\n      - {match: \"pr-*\", keep: none}\n");
    struct tree_image image = tree_image(&r->tree, "app", tag, "old", 2);
    if (kept_by_another) {
        tree_tag(&r->tree, "app", "stable", &image.manifest);
    }
    scan_long_ago(r);
    condemn_and_stop(r);
    image = tree_image(&r->tree, "app", tag, "old", 2); /* answered 201 */
    scan_registry(r);                                   /* even a complete scan saw it */
    for (int i = 0; i < 6; i++) {
        (void)sweep(r);
        later(r);
    }
    bool whole = is_whole(r, "app", &image);
    bool tagged = tag == NULL || has_tag(r, "app", tag);
    rsw_policy_free(policy);
    assert_true(whole);
    assert_true(tagged);
}

static void a_tag_pushed_again_before_it_is_taken_stays(void **state) {
    pushed_again_without_event(*state, "pr-1", true);
}

static void an_image_pushed_again_before_it_is_taken_stays(void **state) {
    pushed_again_without_event(*state, "pr-1", false);
}

static void a_manifest_pushed_again_before_it_is_taken_stays(void **state) {
    pushed_again_without_event(*state, NULL, false);
}

/* ---- a clock that is set ---- */

/* As far as is due; whether another may be begun is another matter. */
static void go_on(struct registry *r, const char *state) {
    (void)sweep(r);
    assert_non_null(r->result.state);
    assert_string_equal(r->result.state, state);
}

static void a_clock_that_is_set_ahead_ends_no_wait(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    give_clocks(r);
    scan_long_ago(r);
    go_on(r, "unlinked");
    set_back_ms = -100 * HOUR_MS;
    go_on(r, "unlinked");
    r->now_ms += SETTLE_MS - 1;
    go_on(r, "unlinked");
    assert_true(has_blob(r, &image.layers[0]));
    r->now_ms += 1;
    go_on(r, "hidden");
    set_back_ms = -300 * HOUR_MS;
    r->now_ms += QUARANTINE_MS - 1;
    go_on(r, "hidden");
    r->now_ms += 1;
    go_on(r, "purged");
}

static void a_clock_that_is_set_back_makes_no_wait_longer(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "app", NULL, "old", 2);
    give_clocks(r);
    scan_long_ago(r);
    go_on(r, "unlinked");
    set_back_ms = 100 * HOUR_MS;
    r->now_ms += SETTLE_MS;
    go_on(r, "hidden");
}

/* Its event came before the clock was set back, so that it seems not to be due. */
static void a_push_is_read_though_the_clock_was_set_back(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    give_clocks(r);
    scan_long_ago(r);
    go_on(r, "unlinked");
    push_unread(r, &image);
    set_back_ms = SETTLE_MS + HOUR_MS;
    r->now_ms += SETTLE_MS;
    go_on(r, "hidden");
    assert_true(has_link(r, "app", &image.layers[0]) && has_blob(r, &image.layers[0]));
    assert_false(has_blob(r, &image.layers[1]));
}

/* It began before the hiding, by a clock that was ahead. */
static void an_earlier_scan_does_not_count_as_a_later_one(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    give_clocks(r);
    scan_long_ago(r);
    go_on(r, "unlinked");
    set_back_ms = -10 * HOUR_MS;
    scan_registry(r);
    set_back_ms = 0;
    r->now_ms += SETTLE_MS;
    go_on(r, "hidden");
    assert_false(has_blob(r, &image.layers[0]));
    tree_link(&r->tree, "else", &image.layers[0]); /* nobody told of it */
    r->now_ms += QUARANTINE_MS;
    (void)sweep(r);
    assert_string_not_equal(r->result.state, "hidden");
    assert_true(has_blob(r, &image.layers[0]));
    assert_false(has_blob(r, &image.layers[1]));
}

static void what_is_young_stays_so_when_the_clock_is_set_ahead(void **state) {
    struct registry *r = *state;
    give_clocks(r);
    scan_long_ago(r);
    r->tree.mtime_ms = r->now_ms;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "young", 2);
    scan_registry(r);
    set_back_ms = -100 * HOUR_MS;
    r->now_ms += HOUR_MS / 2 - 1;
    sweep_well(r);
    assert_int_equal(r->result.generation, 0);
    r->now_ms += 1;
    step(r, "unlinked");
    assert_false(has_revision(r, "app", &image.manifest));
}

static void what_a_policy_calls_young_stays_so_when_the_clock_is_set_ahead(void **state) {
    struct registry *r = *state;
    struct rsw_policy *policy = use_policy(
        r, "repositories:\n  - match: app\n    tags:\n      - {match: \"*\", keep: {pushed-within: 100h}}\n");
    give_clocks(r);
    scan_long_ago(r);
    r->tree.mtime_ms = r->now_ms;
    tree_image(&r->tree, "app", "v1", "young", 2);
    scan_registry(r);
    r->now_ms += 2 * HOUR_MS; /* grace is over, the 100 hours are not */
    set_back_ms = -1000 * HOUR_MS;
    int rc = sweep(r);
    uint64_t generation = r->result.generation;
    rsw_policy_free(policy);
    assert_int_equal(rc, 0);
    assert_int_equal(generation, 0);
}

/* What cannot be read may need anything. */
static void a_push_that_cannot_be_read_stops_the_sweep(void **state) {
    struct registry *r = *state;
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    char key[RSW_KEY_MAX];
    scan_long_ago(r);
    step(r, "unlinked");
    struct rsw_digest pushed = tree_manifest_json(&r->tree, "app", NULL, "{\"schemaVersion\":2}");
    tell_of_push(r, "app", &pushed);
    rsw_memory_fail_key(r->real, rsw_key_blob(key, &pushed), EIO);
    later(r);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    assert_non_null(strstr(r->err.message, "cannot be read yet"));
    assert_true(has_blob(r, &image.layers[0]));
    rsw_memory_fail_key(r->real, key, 0);
    r->now_ms += 10000; /* the pause after a failure is over */
    step(r, "hidden");
}

static void a_tag_that_the_index_missed_keeps_its_manifest(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", "1", "old", 2);
    struct tree_image next = tree_image(&r->tree, "app", "1", "next", 2);
    scan_long_ago(r);
    char key[RSW_KEY_MAX];
    char text[RSW_DIGEST_TEXT_MAX];
    tree_put_text(&r->tree, rsw_key_tag_current(key, "app", "1"), rsw_digest_format(&image.manifest, text));
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
    assert_true(is_whole(r, "app", &next)); /* the index still believes it tagged */
}

static void a_lookup_that_fails_keeps(void **state) {
    struct registry *r = *state;
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    scan_long_ago(r);
    step(r, "unlinked");
    char key[RSW_KEY_MAX];
    rsw_memory_fail_key(r->real, rsw_key_revision_link(key, "app", &image.manifest), EIO);
    later(r);
    (void)sweep(r);
    rsw_memory_fail_key(r->real, key, 0);
    later(r);
    sweep_well(r);
    assert_true(has_blob(r, &image.layers[0]) && has_blob(r, &image.manifest));
}

static char refused[RSW_KEY_MAX];

/* Storage shows it, and lets nobody take it. */
static void refuse_to_take(struct registry *r, const char *call, const char *key) {
    bool at_it = strcmp(key, refused) == 0 && (strcmp(call, "move") == 0 || strcmp(call, "remove") == 0);
    rsw_memory_fail_key(r->real, refused, at_it ? EACCES : 0);
}

static void sweep_in_part(struct registry *r) {
    if (sweep(r) != -1 || r->err.code != RSW_EPARTIAL ||
        strstr(r->err.message, "could not be removed") == NULL) {
        fail_msg("code %d: %s", r->err.code, r->err.message);
    }
    assert_true(r->result.failed > 0);
}

/* Else a sweep that frees nothing, for it may not, would end well for ever. */
static void what_storage_does_not_let_go_is_told_as_failed_and_goes_later(void **state) {
    struct registry *r = *state;
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    assert_non_null(rsw_key_layer_link(refused, "app", &image.layers[0]));
    scan_long_ago(r);
    r->before_call = refuse_to_take;
    for (int i = 0; i < 3; i++) { /* unlinked, hidden, and the next one */
        sweep_in_part(r);
        later(r);
    }
    assert_int_equal(r->result.generation, 2);
    assert_true(has_link(r, "app", &image.layers[0]) && has_blob(r, &image.layers[0]));
    r->before_call = NULL;
    rsw_memory_fail_key(r->real, refused, 0);
    for (int i = 0; i < 5; i++) {
        (void)sweep(r);
        later(r);
    }
    assert_int_equal(r->err.code, RSW_OK);
    assert_false(has_link(r, "app", &image.layers[0]) || has_blob(r, &image.layers[0]));
}

static char said[4096];

static void listen(void *arg, enum rsw_log_level level, const char *line) {
    size_t len = strlen(said);
    (void)arg;
    if (level == RSW_LOG_WARNING) {
        snprintf(said + len, sizeof said - len, "%s\n", line);
    }
}

/* It can be seen there, and not be copied. */
static void keep_in_archive(struct registry *r, const char *call, const char *key) {
    bool at_it = strcmp(key, refused) == 0 && strcmp(call, "copy") == 0;
    rsw_memory_fail_key(r->real, refused, at_it ? RSW_EARCHIVED : 0);
}

/* It is tried once a sweep, and what else that sweep took goes. */
static void what_lies_in_an_archive_stays_and_holds_nothing_up(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    assert_non_null(rsw_key_blob(refused, &image.layers[0]));
    const struct rsw_log log = {.level = RSW_LOG_INFO, .write = listen};
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    r->before_call = keep_in_archive;
    r->options.log = &log;
    said[0] = 0;
    sweep_in_part(r);
    r->options.log = NULL;
    assert_non_null(strstr(said, "keeps it in an archive"));
    assert_int_equal(r->result.failed, 1);
    assert_string_equal(r->result.state, "hidden");
    revive(r);
    later(r);
    step(r, "unlinked"); /* the next one, which tries it again */
    assert_int_equal(r->result.generation, 2);
    assert_true(has_blob(r, &image.layers[0]));
    assert_false(has_blob(r, &image.layers[1]) || has_blob(r, &image.manifest));
}

/* ---- caches ---- */

static void what_a_cache_knew_again_begins_the_settle_anew(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_REDIS;
    scan_long_ago(r);
    step(r, "unlinked");
    assert_int_equal(fake.forgotten, 3); /* layer, config, manifest */
    later(r);
    fake.knows_again = 1;
    step(r, "unlinked");
    assert_int_equal(r->result.due_ms, r->now_ms + SETTLE_MS);
    assert_true(has_blob(r, &image.layers[0]));
    later(r);
    step(r, "hidden");
    later(r);
    int before = fake.forgotten;
    step(r, "purged");
    assert_int_equal(fake.forgotten, before); /* nothing is unlinked in the second settle */
}

static void what_caches_learn_of_again_and_again_is_named(void **state) {
    static const char *const urls[] = {"http://one:5000"};
    const struct rsw_log log = {.level = RSW_LOG_INFO, .write = listen};
    struct registry *r = *state;
    char words[256];
    char digest[RSW_DIGEST_TEXT_MAX];
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    fake.base.urls = urls;
    r->options.log = &log;
    said[0] = 0;
    scan_long_ago(r);
    step(r, "unlinked");
    for (int round = 1; round < 5; round++) {
        later(r);
        fake.knows_again = 1; /* what is asked for first: the revision */
        assert_true((said[0] != 0) == (round > 3));
        step(r, "unlinked");
    }
    snprintf(words, sizeof words, "http://one:5000 knew app@%s\n",
             rsw_digest_format(&image.manifest, digest));
    assert_non_null(strstr(said, words));
    assert_non_null(strstr(said, "generation 1: a cache had learnt of 1 objects again: settling anew"));
    assert_non_null(strstr(said, "a proxy in front of that replica"));
    later(r);
    step(r, "hidden");
}

static void push_while_forgetting(struct fake *self, const char *repo, const struct rsw_digest *digest) {
    self->in_forget = NULL;
    tree_link(&self->r->tree, repo,
              digest); /* a client pushes it, serve gives back, and our DELETE takes it */
    touch(self->r, RSW_LINK, repo, digest);
    revive(self->r);
    tree_link_remove(&self->r->tree, repo, digest);
}

static void what_a_delete_of_ours_took_from_somebody_is_given_back(void **state) {
    struct registry *r = *state;
    struct rsw_digest layer = tree_blob(&r->tree, "a layer");
    tree_link(&r->tree, "app", &layer);
    fake.base.cache = RSW_CACHE_REDIS;
    fake.in_forget = push_while_forgetting;
    scan_long_ago(r);
    sweep_well(r);
    assert_true(has_link(r, "app", &layer) && has_blob(r, &layer));
}

static void fail_some(struct rsw_cached *cached) {
    bool denied = strcmp(cached->repo, "denied") == 0;
    bool hung = strcmp(cached->repo, "hung") == 0;
    if (denied || hung) {
        cached->answer = RSW_FAILED;
        rsw_error_set(&cached->err, denied ? RSW_EACCESS : RSW_EIO, 0, "no answer for %s", cached->repo);
    }
}

static void what_cannot_be_cleared_stays_and_nothing_of_its_neighbours(void **state) {
    struct registry *r = *state;
    struct rsw_digest layer = tree_blob(&r->tree, "a layer");
    tree_link(&r->tree, "app", &layer);
    tree_link(&r->tree, "denied", &layer);
    tree_link(&r->tree, "other", &layer);
    fake.base.cache = RSW_CACHE_MEMORY;
    fake.fails = fail_some;
    scan_long_ago(r);
    step(r, "unlinked");
    assert_int_equal(fake.forgotten, 3);
    assert_true(has_link(r, "denied", &layer) && has_blob(r, &layer));
    assert_false(has_link(r, "app", &layer));
    assert_false(has_link(r, "other", &layer));
}

/* What its neighbours said holds, though the run ends there. */
static void one_without_an_answer_ends_the_run_and_no_answer_is_lost(void **state) {
    struct registry *r = *state;
    struct rsw_digest layer = tree_blob(&r->tree, "a layer");
    tree_link(&r->tree, "denied", &layer);
    tree_link(&r->tree, "hung", &layer);
    tree_link(&r->tree, "other", &layer);
    fake.base.cache = RSW_CACHE_MEMORY;
    fake.fails = fail_some;
    scan_long_ago(r);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EIO);
    assert_non_null(strstr(r->err.message, "no answer for hung"));
    assert_int_equal(fake.forgotten, 3);
    assert_true(has_link(r, "denied", &layer));
    fake.fails = NULL;
    step(r, "condemned"); /* a DELETE may be under way: a settle comes first */
    assert_int_equal(fake.forgotten, 3);
    later(r);
    step(r, "unlinked");
    assert_int_equal(fake.forgotten, 5);
    assert_true(has_link(r, "denied", &layer) && has_blob(r, &layer));
    assert_false(has_link(r, "hung", &layer));
}

/* A manifest is bytes like others: somebody may push it as a layer where its revision is condemned. The
 * registry's answer to our DELETE would be to remove that link, of which nobody has a copy. */
static struct rsw_digest pushed_as_layer;

static void expect_another(struct fake *self, const char *repo, const struct rsw_digest *digest) {
    (void)self;
    (void)repo;
    assert_false(rsw_digest_equal(digest, &pushed_as_layer));
}

static void the_link_of_a_manifest_that_was_pushed_as_a_layer_is_not_deleted(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_REDIS;
    scan_long_ago(r);
    tree_link(&r->tree, "app", &image.manifest);
    touch(r, RSW_LINK, "app", &image.manifest); /* it is young, and stays */
    pushed_as_layer = image.manifest;
    fake.in_forget = expect_another;
    step(r, "unlinked");
    assert_int_equal(fake.forgotten, 0); /* and all that it names with it */
    assert_true(has_link(r, "app", &image.manifest) && has_blob(r, &image.manifest));
}

static void delete_a_new_link(struct fake *self, const char *repo, const struct rsw_digest *digest) {
    self->in_forget = NULL;
    pushed_as_layer = *digest;
    tree_link(&self->r->tree, repo, digest);
    tree_link_remove(&self->r->tree, repo, digest);
}

static void a_link_that_nobody_has_a_copy_of_is_written_anew(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_REDIS;
    scan_long_ago(r);
    fake.in_forget = delete_a_new_link; /* in the moment between our look and our DELETE */
    step(r, "unlinked");
    assert_true(rsw_digest_equal(&pushed_as_layer, &image.manifest));
    touch(r, RSW_LINK, "app", &image.manifest);
    revive(r);
    assert_true(has_link(r, "app", &image.manifest) && has_blob(r, &image.manifest));
}

static void bytes_of_a_manifest_are_held_until_the_replicas_are_new(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 1);
    assert_false(has_blob(r, &image.layers[0]));
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &image.manifest);
    assert_true(is_there(r, copy));
    /* A push that a stale cache made the registry take without writing the bytes. */
    tree_revision(&r->tree, "app", &image.manifest);
    touch(r, RSW_REVISION, "app", &image.manifest);
    revive(r);
    assert_true(has_blob(r, &image.manifest));
}

/* What nobody ever named can be a manifest that was deleted before the first scan: a cache may know it. */
static void small_bytes_of_unknown_type_are_held_and_no_others(void **state) {
    struct registry *r = *state;
    static char large[4 * 1024 * 1024 + 1];
    struct rsw_digest unknown = tree_blob(&r->tree, "{\"schemaVersion\":2}");
    struct rsw_digest no_manifest = tree_blob_bytes(&r->tree, large, sizeof large);
    tree_image(&r->tree, "app", NULL, "old", 1);
    char copy[RSW_QUARANTINE_KEY_MAX];
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 2); /* and the manifest of the image; neither its layer nor its config */
    copy_key(copy, r, &unknown);
    assert_true(is_there(r, copy));
    copy_key(copy, r, &no_manifest);
    assert_false(is_there(r, copy));
    /* Pushed through that cache. */
    tree_revision(&r->tree, "app", &unknown);
    tell_of_push(r, "app", &unknown);
    revive(r);
    assert_true(has_blob(r, &unknown));
}

/* No event of that push ever came: it is storage alone that tells. */
static void what_is_held_is_back_before_storage_is_read_with_the_registry_stopped(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 1);
    tree_revision(&r->tree, "app", &image.manifest); /* a stale cache said that its bytes were there */
    tree_tag(&r->tree, "app", "1.0", &image.manifest);
    r->options.offline = true;
    sweep_well(r);
    assert_true(has_revision(r, "app", &image.manifest) && has_blob(r, &image.manifest));
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &image.manifest);
    assert_false(is_there(r, copy));
}

static void what_is_held_and_nobody_needs_is_swept_with_the_registry_stopped(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 1);
    put_what_stays(&r->tree);
    r->options.offline = true;
    sweep_well(r);
    expect_swept_clean_online(r);
}

static void what_is_held_and_cannot_be_put_back_stops_the_sweep(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    char key[RSW_KEY_MAX];
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    tree_image(&r->tree, "app", "1.0", "old", 1);
    tree_blob_remove(&r->tree, &image.manifest);
    *strrchr(rsw_key_blob(key, &image.manifest), '/') = 0;
    rsw_storage_prune(r->real, key, NULL);
    tree_put(&r->tree, key, "", 0); /* in the way of its folder */
    r->options.offline = true;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    tree_remove(&r->tree, key);
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
}

/* Its bytes were never written again, so whoever took them last must still have them. */
static void bytes_that_are_held_again_and_again_are_not_lost(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    see_through(r);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r->result.held, 1);
        assert_false(has_blob(r, &image.manifest));
        tree_revision(&r->tree, "app", &image.manifest); /* as above */
        touch(r, RSW_REVISION, "app", &image.manifest);
        revive(r);
        assert_true(has_blob(r, &image.manifest));
        tree_revision_remove(&r->tree, "app", &image.manifest);
        scan_long_ago(r);
        see_through(r);
    }
    fake.base.oldest_seq = UINT64_MAX;
    sweep_well(r);
    assert_int_equal(r->result.held, 0);
    char key[RSW_KEY_MAX];
    for (uint64_t generation = 1; generation <= 4; generation++) {
        struct rsw_setting setting = {.key = rsw_key_blob(key, &image.manifest)};
        rsw_quarantine_return(r->real, generation, &setting, 1);
        assert_int_equal(setting.answer, RSW_ABSENT);
        assert_int_equal(rsw_quarantine_has(r->real, generation, key), RSW_ABSENT);
    }
}

static void forget_the_index(struct registry *r) {
    char dir[160];
    const struct rsw_index_options how = {.create = true, .rebuild = true};
    snprintf(dir, sizeof dir, "%s", rsw_index_dir(r->index));
    rsw_index_close(r->index);
    assert_int_equal(rsw_index_open(&r->index, dir, &how, &r->err), 0);
}

/* Its layer and configuration, uploaded anew. */
static void put_old_without_manifest(struct registry *r, const struct tree_image *image) {
    tree_blob(&r->tree, "layer old 0");
    tree_blob(&r->tree, "{\"seed\":\"old\"}");
    tree_link(&r->tree, "app", &image->layers[0]);
    tree_link(&r->tree, "app", &image->config);
}

/* Another regsweep holds them, or one whose index is lost, and nobody revives: whoever sweeps next would not
 * know what that manifest names, and once it is not young any more that would go. */
static void bytes_that_another_index_holds_are_back_once_they_are_pushed_again(void **state) {
    struct registry *r = *state;
    struct tree_image other = tree_image(&r->tree, "app", NULL, "other", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 2);
    forget_the_index(r);
    put_old_without_manifest(r, &image);
    tree_revision(&r->tree, "app", &image.manifest); /* a stale cache said that its bytes were there */
    tree_tag(&r->tree, "app", "1.0", &image.manifest);
    scan_long_ago(r);
    scan_long_ago(r); /* they are certainly gone */
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
    later(r);
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &other.manifest);
    assert_true(is_there(r, copy));
    assert_false(has_blob(r, &other.manifest));
}

/* Through a stale cache; the registry has the layers, and looks at no bytes. */
static void push_when_unlinking(void *arg, const struct rsw_sweep_progress *progress) {
    struct registry *r = arg;
    if (progress->phase == NULL || strcmp(progress->phase, "unlinking") != 0) {
        return;
    }
    r->options.progress = NULL;
    tree_revision(&r->tree, "app", &watched.manifest);
    tree_tag(&r->tree, "app", "1.0", &watched.manifest);
    tell_of_push(r, "app", &watched.manifest);
}

/* As serve does: nothing else is begun. */
static void advance_to_the_end(struct registry *r) {
    RSW_AUTO_AUDIT audit = RSW_AUDIT_INIT;
    struct rsw_online online = {.index = r->index,
                                .storage = r->storage,
                                .replicas = &fake.base,
                                .options = &r->options,
                                .audit = &audit,
                                .result = &r->result};
    int64_t left_ms = 0;
    assert_int_equal(rsw_audit_open(&audit, r->audit, &r->err), 0);
    while (left_ms != INT64_MAX) {
        r->now_ms += left_ms;
        if (rsw_online_advance(&online, &left_ms, &r->err) != 0) {
            fail_msg("%s", r->err.message);
        }
    }
}

/* Nobody knows what it names, but for what lies in quarantine. */
static void
bytes_that_another_index_holds_are_back_when_they_are_pushed_while_a_sweep_is_at_it(void **state) {
    struct registry *r = *state;
    fake.base.cache = RSW_CACHE_MEMORY;
    watched = tree_image(&r->tree, "app", NULL, "old", 1);
    scan_long_ago(r);
    see_through(r);
    forget_the_index(r);
    put_old_without_manifest(r, &watched);
    scan_long_ago(r);
    r->options.progress = push_when_unlinking;
    sweep_well(r);
    assert_null(r->options.progress);
    advance_to_the_end(r);
    assert_true(is_whole(r, "app", &watched));
}

static void other_takes(struct registry *r, const char *key) {
    struct rsw_setting setting = {.key = key};
    rsw_quarantine_copy(r->real, 9, &setting, 1);
    rsw_quarantine_take(r->real, 9, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
}

static void other_puts_back(struct registry *r, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    struct rsw_setting setting = {.key = rsw_key_layer_link(key, "app", digest)};
    rsw_quarantine_return(r->real, 1, &setting, 1);
    rsw_quarantine_drop(r->real, 1, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
}

/* Ours was stopped in the midst of a generation. Another one put all of it back, and swept; of what it took
 * an index was pushed, and it died. */
static void what_another_index_took_is_back_before_a_generation_that_was_stopped_goes_on(void **state) {
    struct registry *r = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = {.layer_count = 1, .layers = {tree_digest_of("layer old 0")}};
    image.config = tree_digest_of("{\"seed\":\"old\"}");
    put_old_without_manifest(r, &image);
    scan_long_ago(r);
    step(r, "unlinked");
    other_puts_back(r, &image.layers[0]);
    other_puts_back(r, &image.config);
    image = tree_image(&r->tree, "app", NULL, "old", 1);
    tree_index(&r->tree, "app", "all", &image.manifest, 1);
    other_takes(r, rsw_key_revision_link(key, "app", &image.manifest));
    other_takes(r, rsw_key_layer_link(key, "app", &image.layers[0]));
    other_takes(r, rsw_key_layer_link(key, "app", &image.config));
    other_takes(r, rsw_key_blob(key, &image.manifest));
    assert_int_equal(rsw_index_gap(r->index, r->now_ms, RSW_LEASE_GAP, &r->err), 0);
    advance_to_the_end(r);
    assert_true(is_whole(r, "app", &image));
}

#define HELD 20 /* of each generation */

static void count_lists_aside(struct registry *r, const char *call, const char *key) {
    r->calls += (strcmp(call, "list") == 0 || strcmp(call, "prune") == 0) &&
                        strncmp(key, RSW_QUARANTINE "/", strlen(RSW_QUARANTINE "/")) == 0
                    ? 1
                    : 0;
}

/* By their numbers one is of the one generation, the next of the other. */
static void what_is_held_goes_without_a_walk_for_each(void **state) {
    struct registry *r = *state;
    struct tree_image kept[HELD];
    fake.base.cache = RSW_CACHE_MEMORY;
    for (int i = 0; i < HELD; i++) {
        char seed[32];
        snprintf(seed, sizeof seed, "old %d", i);
        tree_image(&r->tree, "app", NULL, seed, 1);
        snprintf(seed, sizeof seed, "tag%d", i);
        kept[i] = tree_image(&r->tree, "app", seed, seed, 1);
    }
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, HELD);
    for (int i = 0; i < HELD; i++) {
        char tag[32];
        snprintf(tag, sizeof tag, "tag%d", i);
        tree_tag_remove(&r->tree, "app", tag, &kept[i].manifest, 1);
    }
    scan_long_ago(r);
    see_through(r);
    assert_int_equal(r->result.held, 2 * HELD);
    fake.base.oldest_seq = UINT64_MAX;
    r->calls = 0;
    r->before_call = count_lists_aside;
    sweep_well(r);
    r->before_call = NULL;
    assert_int_equal(r->result.held, 0);
    assert_in_range(r->calls, 1, 12);
    assert_false(is_there(r, RSW_QUARANTINE "/1.owner") || is_there(r, RSW_QUARANTINE "/2.owner"));
}

static bool any_held(void *arg) {
    struct registry *r = arg;
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_held held;
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    rsw_iter_held(&iter, txn);
    return rsw_held_next(&iter, &held) == RSW_FOUND;
}

/* Stopped in the midst of a purge: some layers are gone for good, others are not yet. */
static void an_image_touched_in_the_midst_of_a_purge_is_whole_or_gone(void **state) {
    struct registry *r = *state;
    struct tree_image images[40];
    struct rsw_revive_result result;
    fake.base.cache = RSW_CACHE_MEMORY;
    for (int i = 0; i < 40; i++) {
        char seed[32];
        snprintf(seed, sizeof seed, "old %d", i);
        images[i] = tree_image(&r->tree, "app", NULL, seed, 2);
    }
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    later(r);
    r->options.stopped = any_held;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_ESTOPPED);
    r->options.stopped = NULL;
    for (int i = 0; i < 40; i++) {
        touch(r, RSW_REVISION, "app", &images[i].manifest);
        assert_int_equal(rsw_revive(&result, r->index, r->real, &r->clock, NULL, &r->err), 0);
        assert_true(is_whole(r, "app", &images[i]) || !has_revision(r, "app", &images[i].manifest));
    }
}

/* ---- what is touched while somebody works on it ---- */

/* serve gives back, and has put one of these in its place, when a DELETE of the sweep takes that again. */
static void delete_what_is_back(struct registry *r, const char *call, const char *key) {
    if (strcmp(call, "copy") != 0 || strstr(key, "/_layers/") == NULL || ++r->calls != 2) {
        return;
    }
    const struct rsw_digest digests[] = {watched.layers[0], watched.layers[1], watched.config};
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        RSW_AUTO_TXN txn = NULL;
        struct rsw_blob blob;
        struct rsw_item item = {.generation = 1, .kind = RSW_ITEM_LINK, .repo = repo_id(r, "app")};
        if (has_link(r, "app", &digests[i])) {
            tree_link_remove(&r->tree, "app", &digests[i]);
            assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
            assert_int_equal(rsw_blob_find(txn, &digests[i], &blob), RSW_FOUND);
            item.blob = blob.id;
            assert_true(rsw_touch_item(txn, &item, true));
            assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
        }
    }
}

static void what_is_taken_again_while_it_is_given_back_is_given_back_again(void **state) {
    struct registry *r = *state;
    struct rsw_revive_result result;
    watched = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    touch(r, RSW_REVISION, "app", &watched.manifest);
    r->calls = 0;
    r->before_call = delete_what_is_back;
    assert_int_equal(rsw_revive(&result, r->index, r->storage, &r->clock, NULL, &r->err), 0);
    r->before_call = NULL;
    assert_true(r->calls > 2);
    assert_true(is_whole(r, "app", &watched));
}

#define MANY 120 /* more than are given back in one round */

static void what_cannot_be_given_back_is_in_nobodys_way(void **state) {
    struct registry *r = *state;
    struct rsw_digest layers[MANY];
    struct rsw_revive_result result;
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    for (int i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "layer %d", i);
        layers[i] = tree_blob(&r->tree, text);
        tree_link(&r->tree, "a", &layers[i]);
    }
    struct tree_image image = tree_image(&r->tree, "b", NULL, "old", 1);
    scan_long_ago(r);
    step(r, "unlinked");
    for (int i = 0; i < MANY; i++) {
        char key[RSW_KEY_MAX];
        rsw_memory_fail_key(r->real, rsw_key_layer_link(key, "a", &layers[i]), EACCES);
        touch(r, RSW_LINK, "a", &layers[i]);
    }
    touch(r, RSW_REVISION, "b", &image.manifest);
    assert_int_equal(rsw_revive(&result, r->index, r->real, &r->clock, NULL, &r->err), 0);
    assert_int_equal(result.failed, MANY);
    assert_true(is_whole(r, "b", &image));
    for (int i = 0; i < MANY; i++) {
        char key[RSW_KEY_MAX];
        rsw_memory_fail_key(r->real, rsw_key_layer_link(key, "a", &layers[i]), 0);
    }
    revive(r);
    for (int i = 0; i < MANY; i++) {
        assert_true(has_link(r, "a", &layers[i]));
    }
}

/* The first look at the clock once it purges. */
static bool purging;

static void note_purging(void *arg, const struct rsw_sweep_progress *progress) {
    (void)arg;
    purging = progress->phase != NULL && strcmp(progress->phase, "purging") == 0;
}

static int64_t touch_while_purging(void *arg) {
    struct registry *r = arg;
    if (purging) {
        purging = false;
        touch(r, RSW_LINK, "app", &watched.layers[0]);
    }
    return r->now_ms;
}

static void what_is_touched_while_it_is_purged_is_no_failure(void **state) {
    struct registry *r = *state;
    watched = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    later(r);
    purging = false;
    r->options.progress = note_purging;
    r->clock.now_ms = touch_while_purging;
    step(r, "purged");
    assert_true(has_blob(r, &watched.layers[0]));
}

static int touch_at; /* this many batches from now; below 0: not */

static bool touch_at_batch(void *arg) {
    struct registry *r = arg;
    if (purging && touch_at-- == 0) {
        touch(r, RSW_LINK, "app", &watched.layers[0]);
    }
    return false;
}

static bool is_spared(struct registry *r, uint64_t generation, const struct rsw_digest *digest) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_blob blob;
    struct rsw_item item = {.generation = generation, .kind = RSW_ITEM_LINK, .repo = repo_id(r, "app")};
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    assert_int_equal(rsw_blob_find(txn, digest, &blob), RSW_FOUND);
    item.blob = blob.id;
    assert_int_equal(rsw_item_get(txn, &item), RSW_FOUND);
    return item.state == RSW_ITEM_SPARED;
}

/* Nobody but the sweep gives back here. */
static void what_is_spared_when_it_is_purged_is_in_its_place(void **state) {
    struct registry *r = *state;
    int spared = 0;
    tree_image(&r->tree, "app", "1", "stays", 1);
    scan_long_ago(r);
    for (int at = 0; at < 12; at++) {
        char seed[32];
        snprintf(seed, sizeof seed, "old %d", at);
        watched = tree_image(&r->tree, "app", NULL, seed, 2);
        scan_long_ago(r);
        purging = false;
        step(r, "unlinked");
        later(r);
        step(r, "hidden");
        later(r);
        touch_at = at;
        r->options.progress = note_purging;
        r->options.stopped = touch_at_batch;
        step(r, "purged");
        r->options.stopped = NULL;
        if (is_spared(r, r->result.generation, &watched.layers[0])) {
            assert_true(has_link(r, "app", &watched.layers[0]) && has_blob(r, &watched.layers[0]));
            spared++;
        }
    }
    assert_true(spared > 0);
}

static void a_copy_that_cannot_be_removed_is_tried_again(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    char copy[RSW_QUARANTINE_KEY_MAX];
    if (r->backend == IN_DIRECTORY) {
        return; /* faults of single keys are for memory to make */
    }
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    later(r);
    copy_key(copy, r, &image.layers[0]);
    rsw_memory_fail_key(r->real, copy, EACCES);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    rsw_memory_fail_key(r->real, copy, 0);
    assert_true(is_there(r, copy));
    later(r);
    sweep_well(r);
    assert_false(is_there(r, copy));
}

/* Redis, which a request that looked before the bytes were hidden may fill again afterwards. */
static int knows_bytes;

static int fake_forget_bytes(struct rsw_replicas *replicas, const struct rsw_digest *digest,
                             struct rsw_error *err) {
    (void)replicas, (void)digest, (void)err;
    knows_bytes--;
    return RSW_FOUND;
}

static void a_cache_that_learnt_of_hidden_bytes_forgets_them_again(void **state) {
    static const struct rsw_replicas_ops ops = {
        .forget = fake_forget, .fence = fake_fence, .forget_bytes = fake_forget_bytes};
    struct registry *r = *state;
    tree_image(&r->tree, "app", NULL, "old", 1); /* manifest, config, layer */
    fake.base.ops = &ops;
    fake.base.cache = RSW_CACHE_REDIS;
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    knows_bytes = 3;
    step(r, "hidden");
    assert_int_equal(knows_bytes, 0);
    knows_bytes = 3;
    later(r);
    step(r, "purged");
    assert_int_equal(knows_bytes, 0);
}

/* A signature whose bytes somebody removed, and whose revision too: the tag alone is left of it. */
static void a_tag_whose_manifest_is_gone_goes_too(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    struct rsw_digest signature = tree_digest_of("a signature");
    char tag[256];
    char key[RSW_KEY_MAX];
    tree_tag(&r->tree, "app", tree_weak_tag(tag, &image.manifest, ".sig"), &signature);
    tree_image(&r->tree, "app", "1", "stays", 1);
    scan_long_ago(r);
    scan_long_ago(r); /* absent twice, a settle apart */
    step(r, "unlinked");
    assert_false(is_there(r, rsw_key_tag_current(key, "app", tag)));
    later(r);
    step(r, "hidden");
    sweep_well(r); /* nothing more to let go: tidies up */
    later(r);
    step(r, "purged");
    assert_false(is_there(r, key));
}

/* ---- what ends a run ---- */

static void a_fence_that_fails_refuses_and_takes_nothing(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    scan_long_ago(r);
    fake.fence_fails = true;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EREFUSED);
    assert_true(is_whole(r, "app", &image));
    fake.fence_fails = false;
    step(r, "unlinked");
    fake.fence_fails = true;
    later(r);
    assert_int_equal(sweep(r), -1);
    assert_true(has_blob(r, &image.layers[0]));
    fake.fence_fails = false;
    step(r, "hidden");
}

static void expect_no_end_of_gaps(struct registry *r) {
    fake.restarts = true;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EREFUSED);
    assert_non_null(strstr(r->err.message, "the feed had a gap after each of 3 scans"));
    fake.restarts = false;
    scan_registry(r);
}

/* Each costs a scan; one that is followed by the next again and again is a reason to refuse. */
static void a_feed_with_gap_after_gap_refuses_and_takes_nothing(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    scan_long_ago(r);
    expect_no_end_of_gaps(r);
    assert_int_equal(r->result.generation, 0);
    assert_true(is_whole(r, "app", &image));
    step(r, "unlinked");
    later(r);
    expect_no_end_of_gaps(r);
    assert_true(has_blob(r, &image.layers[0]));
    step(r, "hidden");
}

static void grace_is_never_shorter_than_settle(void **state) {
    struct registry *r = *state;
    r->options.grace_ms = SETTLE_MS - 1;
    scan_long_ago(r);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EINVAL);
}

static void a_stopped_registry_gets_back_what_was_taken_and_is_swept_anew(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    r->options.offline = true;
    sweep_well(r);
    expect_swept_clean_online(r);
}

static struct rsw_why why(struct registry *r, const char *repo, const struct rsw_digest *digest) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_why out;
    const struct rsw_mark_options mark = {.now_ms = r->now_ms, .untagged_remove = true};
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    assert_int_equal(rsw_why(&out, txn, &mark, repo, digest, &r->err), 0);
    return out;
}

static void why_tells_of_what_lies_in_quarantine(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    struct tree_image kept = tree_image(&r->tree, "app", "1", "kept", 1);
    fake.base.cache = RSW_CACHE_MEMORY;
    scan_long_ago(r);
    assert_int_equal(why(r, NULL, &image.layers[0]).aside_links, 0);
    step(r, "unlinked");
    struct rsw_why told = why(r, "app", &image.layers[0]);
    assert_true(told.aside_links == 1 && told.aside_bytes == 0);
    assert_int_equal(why(r, "regsweep/fence", &image.layers[0]).aside_links, 0);
    later(r);
    step(r, "hidden");
    told = why(r, NULL, &image.layers[0]);
    assert_true(told.verdict == RSW_WHY_ABSENT && told.aside_bytes == 1 && told.aside_links == 1);
    assert_int_equal(why(r, NULL, &kept.layers[0]).aside_bytes, 0);
    later(r);
    step(r, "purged");
    assert_int_equal(why(r, NULL, &image.manifest).aside_bytes, 1); /* held */
}

/* What a dry run --offline shows is what a confirmed one then takes. */
static void dry_run_tells_what_goes_after(struct registry *r, int steps) {
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    struct tree_image back = tree_image(&r->tree, "app", NULL, "back", 2);
    scan_long_ago(r);
    for (int i = 0; i < steps; i++) {
        sweep_well(r);
        later(r);
    }
    touch(r, RSW_REVISION, "app", &back.manifest);
    revive(r);
    r->options.offline = true;
    r->options.confirm = false;
    sweep_well(r);
    const struct rsw_sweep_result told = r->result;
    assert_true(r->items > 10);
    r->options.confirm = true;
    sweep_well(r);
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        if (told.counts[kind] != r->result.counts[kind] || told.totals[kind] != r->result.totals[kind]) {
            fail_msg("kind %u: told %d of %d, took %d of %d", kind, (int)told.counts[kind],
                     (int)told.totals[kind], (int)r->result.counts[kind], (int)r->result.totals[kind]);
        }
    }
    assert_int_equal(told.bytes, r->result.bytes);
    assert_true(is_whole(r, "app", &back));
}

static void a_dry_run_tells_what_goes_of_what_is_unlinked(void **state) {
    dry_run_tells_what_goes_after(*state, 1);
}

static void a_dry_run_tells_what_goes_of_what_is_hidden(void **state) {
    dry_run_tells_what_goes_after(*state, 2);
}

/* Untagged revisions went by the generation, and stay by these options: nobody can tell from the index what
 * of it needs what. */
static void a_dry_run_says_that_it_cannot_tell(void **state) {
    const struct rsw_log log = {.level = RSW_LOG_INFO, .write = listen};
    struct registry *r = *state;
    tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    r->options.offline = true;
    r->options.confirm = false;
    r->options.untagged_remove = false;
    r->options.log = &log;
    said[0] = 0;
    sweep_well(r);
    assert_int_equal(r->items, 0);
    assert_non_null(strstr(said, "generation 1 let go of more than these options do"));
}

static void a_dry_run_without_the_policy_says_that_it_cannot_tell(void **state) {
    const struct rsw_log log = {.level = RSW_LOG_INFO, .write = listen};
    struct registry *r = *state;
    struct rsw_policy *policy =
        use_policy(r, "repositories:\n  - match: app\n    tags:\n      - {match: \"pr-*\", keep: none}\n");
    tree_image(&r->tree, "app", "pr-1", "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    r->options.offline = true;
    r->options.confirm = false;
    r->options.policy = NULL;
    r->options.log = &log;
    said[0] = 0;
    sweep_well(r);
    assert_int_equal(r->items, 0);
    assert_non_null(strstr(said, "generation 1 let go of more than these options do"));
    r->options.policy = policy;
    sweep_well(r);
    assert_true(r->items > 4);
    rsw_policy_free(policy);
}

static void an_upload_that_is_young_by_now_outlasts_the_undoing(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "app", "1", "new", 1);
    tree_upload(&r->tree, "app", "an-upload", "2020-01-01T00:00:00Z", 10);
    char key[RSW_KEY_MAX];
    char data[RSW_KEY_MAX + 16];
    snprintf(data, sizeof data, "%s/data", rsw_key_upload(key, "app", "an-upload"));
    scan_long_ago(r);
    step(r, "unlinked");
    assert_int_equal(r->result.counts[RSW_ITEM_UPLOAD], 1);
    r->options.offline = true;
    r->options.upload_max_age_ms = INT64_MAX / 2; /* an operator who wants to keep them all */
    sweep_well(r);
    assert_true(is_there(r, data));
}

/* Whatever call to storage a run ends at, the next goes on, and nothing that is needed is lost. */
static void fail_from(struct registry *r, const char *call, const char *key) {
    (void)call;
    (void)key;
    r->calls++;
}

static void a_run_that_ends_anywhere_is_gone_on_with(void **state) {
    struct registry *r = *state;
    if (r->backend == IN_DIRECTORY) {
        return;
    }
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_long_ago(r);
    r->before_call = fail_from;
    for (int countdown = 0; countdown < 400; countdown += 7) {
        rsw_memory_fail_after(r->real, countdown, EIO);
        (void)sweep(r);
        rsw_memory_fail_after(r->real, 0, 0);
        expect_nothing_lost(r);
        r->now_ms += QUARANTINE_MS + SETTLE_MS;
        if (r->result.state != NULL && strcmp(r->result.state, "purged") == 0 && r->err.code == RSW_OK) {
            break;
        }
    }
    assert_true(r->calls > 100);
    expect_nothing_lost(r);
}

/* ---- on an object store ---- */

static struct {
    char tag[256];
    char key[RSW_KEY_MAX];
    struct rsw_digest head; /* what it is to say by the time of its removal */
} signed_again;

/* A client signs anew at the very moment when the tag is removed: history first, then the head. */
static void sign_again(struct registry *r, const char *call, const char *key) {
    if (strcmp(call, "remove") == 0 && strcmp(key, signed_again.key) == 0) {
        r->before_call = NULL;
        tree_tag(&r->tree, "app", signed_again.tag, &signed_again.head);
    }
}

static void tell_of_tag(struct registry *r, const char *name, const char *tag,
                        const struct rsw_digest *head) {
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    uint32_t repo = rsw_fact_repo(txn, name, r->now_ms);
    struct rsw_member member = {.repo = repo, .touched_ms = r->now_ms};
    member.blob = member.target = rsw_fact_blob(txn, head, RSW_SIZE_UNKNOWN, r->now_ms);
    rsw_fact_member(txn, RSW_REVISION, &member);
    rsw_fact_tag_event(txn, repo, tag, member.blob, r->now_ms, r->now_ms);
    rsw_touch_tag(txn, repo, tag);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static void expect_head(struct registry *r, const struct rsw_digest *expected) {
    struct rsw_read read = {.key = signed_again.key, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT};
    struct rsw_digest head;
    rsw_storage_read(r->real, &read, 1);
    assert_int_equal(read.answer, RSW_FOUND);
    assert_int_equal(rsw_link_parse(&head, read.content.data, read.content.len), RSW_LINK_GOOD);
    assert_true(rsw_digest_equal(&head, expected));
    rsw_buf_release(&read.content);
}

/* An image that goes, with its signature. */
static struct rsw_digest put_signed(struct registry *r) {
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 1);
    struct rsw_digest first = tree_cosign(&r->tree, "app", &image.manifest);
    rsw_key_tag_current(signed_again.key, "app", tree_weak_tag(signed_again.tag, &image.manifest, ".sig"));
    tree_image(&r->tree, "app", "1", "stays", 1);
    signed_again.head = tree_image(&r->tree, "app", "2", "another signature", 1).manifest;
    return first;
}

static void a_tag_that_is_written_while_it_is_removed_gets_what_was_written(void **state) {
    struct registry *r = *state;
    put_signed(r);
    scan_long_ago(r);
    r->before_call = sign_again;
    step(r, "unlinked");
    assert_null(r->before_call);
    assert_false(is_there(r, signed_again.key)); /* lost with the old one */
    tell_of_tag(r, "app", signed_again.tag, &signed_again.head);
    revive(r);
    expect_head(r, &signed_again.head);
    later(r);
    step(r, "hidden");
    later(r);
    sweep_well(r); /* purges it; the old signature is garbage again, and goes with another one */
    expect_head(r, &signed_again.head);
}

/* What is not in the tag's history was told by nobody who may be believed, or is not written yet. */
static void a_tag_gets_no_head_that_is_not_in_its_history(void **state) {
    struct registry *r = *state;
    struct rsw_digest first = put_signed(r);
    scan_long_ago(r);
    step(r, "unlinked");
    tell_of_tag(r, "app", signed_again.tag, &signed_again.head);
    revive(r);
    expect_head(r, &first);
}

/* What it was asked to remove, once more. */
static void remove_again(struct registry *r, const char *repo, const struct tree_image *image, bool hidden) {
    assert_true(is_whole(r, repo, image));
    tree_link_remove(&r->tree, repo, &image->layers[0]);
    tree_revision_remove(&r->tree, repo, &image->manifest);
    if (hidden) {
        tree_blob_remove(&r->tree, &image->layers[0]);
    }
}

static void a_removal_that_comes_late_takes_nothing_for_good(void **state) {
    struct registry *r = *state;
    for (int hidden = 0; hidden < 2; hidden++) {
        char seed[16];
        snprintf(seed, sizeof seed, "old %d", hidden);
        struct tree_image image = tree_image(&r->tree, "app", NULL, seed, 2);
        scan_long_ago(r);
        r->late = true;
        step(r, "unlinked");
        r->late = hidden == 1;
        if (hidden == 1) {
            later(r);
            step(r, "unlinked"); /* one settle more */
            later(r);
            step(r, "hidden");
        }
        touch(r, RSW_REVISION, "app", &image.manifest);
        revive(r);
        remove_again(r, "app", &image, hidden == 1);
        r->late = false;
        do {
            later(r);
            sweep_well(r);
        } while (strcmp(r->result.state, "purged") != 0);
        assert_true(is_whole(r, "app", &image));
    }
}

static int64_t lease_ms; /* the clock that the lease goes by */

static int64_t lease_now(void) {
    return lease_ms;
}

static void copy_for_long(struct registry *r, const char *call, const char *key) {
    (void)r;
    (void)key;
    lease_ms += strcmp(call, "copy") == 0 ? RSW_LEASE_DEFAULT_MS : 0;
}

/* Another index may have dropped the copies by then. */
static void a_run_that_loses_its_lease_while_it_copies_removes_nothing(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    struct rsw_lease *lease;
    const struct rsw_lease_options options = {.index = r->index,
                                              .storage = r->real,
                                              .holder = "aaaa",
                                              .length_ms = RSW_LEASE_DEFAULT_MS,
                                              .steady_ms = lease_now};
    assert_int_equal(rsw_lease_open(&lease, &options, &r->err), 0);
    r->options.lease = lease;
    r->before_call = copy_for_long;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EREFUSED);
    assert_non_null(strstr(r->err.message, "has lost the lease"));
    assert_true(is_whole(r, "app", &image));
    r->before_call = NULL;
    see_through(r);
    assert_false(has_blob(r, &image.layers[0]));
    rsw_lease_close(lease);
}

static void suspend(struct registry *r, const char *call, const char *key) {
    (void)call, (void)key;
    r->suspended = true; /* the run has begun */
}

static void nothing_is_taken_where_versions_are_kept_no_more(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    for (int i = 0; i < 2; i++) {
        r->before_call = suspend;
        assert_int_equal(sweep(r), -1);
        assert_int_equal(r->err.code, RSW_EREFUSED);
        assert_non_null(strstr(r->err.message, "versions are kept no more"));
        assert_true(has_blob(r, &image.layers[0]));
        assert_true(i == 1 || has_link(r, "app", &image.layers[0]));
        r->before_call = NULL;
        r->suspended = false;
        later(r);
        while (i == 0 && strcmp(r->result.state != NULL ? r->result.state : "", "unlinked") != 0) {
            sweep_well(r);
        }
        later(r);
    }
    step(r, "hidden");
}

static char late_data[RSW_KEY_MAX];
static bool was_clearing;

/* The deletion of hidden bytes gets no answer. */
static void answer_no_purge(struct registry *r, const char *call, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    RSW_AUTO_TXN txn = NULL;
    struct rsw_generation generation;
    strcpy(strrchr(rsw_quarantine_key(copy, 1, late_data), '/'), "/version");
    if (strcmp(call, "remove") == 0 && strcmp(key, copy) == 0) {
        rsw_memory_fail_key(r->real, late_data, EIO);
        assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
        assert_int_equal(rsw_generation_get(txn, 1, &generation), RSW_FOUND);
        was_clearing = generation.clearing;
    }
}

/* An image whose first layer is as good as purged: the deletion of its bytes may come yet. */
static struct tree_image purge_late(struct registry *r) {
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    step(r, "unlinked");
    later(r);
    step(r, "hidden");
    later(r);
    assert_non_null(rsw_key_blob(late_data, &image.layers[0]));
    r->late = true;
    r->before_call = answer_no_purge;
    step(r, "hidden"); /* and nothing of it is held, to be given back by whoever asks */
    r->late = false;
    r->before_call = NULL;
    rsw_memory_fail_key(r->real, late_data, 0);
    return image;
}

static void a_purge_that_may_come_late_is_waited_for(void **state) {
    struct registry *r = *state;
    fake.base.cache = RSW_CACHE_MEMORY;
    struct tree_image image = purge_late(r);
    assert_int_equal(r->result.due_ms, r->now_ms + SETTLE_MS);
    assert_int_equal(r->result.failed, 0);
    assert_true(was_clearing);
    later(r);
    step(r, "purged");
    assert_int_equal(r->result.held, 1); /* the manifest's */
    char copy[RSW_QUARANTINE_KEY_MAX];
    copy_key(copy, r, &image.layers[0]);
    assert_false(is_there(r, copy));
}

/* The deletion of a link gets no answer; everything else does. */
static void answer_no_removal(struct registry *r, const char *call, const char *key) {
    bool at_it = strcmp(call, "remove") == 0 && strcmp(key, late_data) == 0;
    rsw_memory_fail_key(r->real, late_data, at_it ? EIO : 0);
}

/* What gives it back finds it in place, and writes nothing. */
static void a_link_whose_removal_nobody_saw_is_put_back_after_a_settle(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    assert_non_null(rsw_key_layer_link(late_data, "app", &image.layers[0]));
    r->late = true;
    r->before_call = answer_no_removal;
    sweep_in_part(r);
    r->late = false;
    r->before_call = NULL;
    rsw_memory_fail_key(r->real, late_data, 0);
    touch(r, RSW_REVISION, "app", &image.manifest);
    revive(r);
    assert_true(is_whole(r, "app", &image));
    tree_link_remove(&r->tree, "app", &image.layers[0]); /* now */
    do {
        later(r);
        sweep_in_part(r);
    } while (strcmp(r->result.state, "purged") != 0);
    assert_true(is_whole(r, "app", &image));
}

/* It was given back meanwhile, for it was there; the generation ends all the same, and the index knows. */
static void what_a_late_purge_took_is_known_to_be_gone(void **state) {
    struct registry *r = *state;
    struct tree_image image = purge_late(r);
    struct rsw_blob blob;
    touch(r, RSW_LINK, "app", &image.layers[0]);
    revive(r);
    assert_true(has_blob(r, &image.layers[0]));
    tree_blob_remove(&r->tree, &image.layers[0]);
    later(r);
    step(r, "purged");
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    int known = rsw_blob_find(txn, &image.layers[0], &blob);
    assert_true(known == RSW_ABSENT || (known == RSW_FOUND && (blob.flags & RSW_BLOB_PRESENT) == 0));
}

static void a_sweep_with_the_registry_stopped_waits_for_removals_that_may_come_late(void **state) {
    struct registry *r = *state;
    struct tree_image image = tree_image(&r->tree, "app", NULL, "old", 2);
    scan_long_ago(r);
    r->late = true;
    step(r, "unlinked");
    r->late = false;
    r->options.offline = true;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EREFUSED);
    assert_non_null(strstr(r->err.message, "Run this again in 1s"));
    remove_again(r, "app", &image, false);
    assert_int_equal(sweep(r), -1);
    r->now_ms += SETTLE_MS;
    r->options.untagged_remove = false;
    sweep_well(r);
    assert_true(is_whole(r, "app", &image));
}

#define with_versions_alone(test)                                                                            \
    cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &with_versions)
#define in_store_alone(test)                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(test, setup, registry_teardown, &in_store)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_either(what_must_go_goes_and_what_must_stay_is_unchanged),
        in_either(until_it_is_due_nothing_happens),
        in_either(a_manifest_touched_when_unlinked_is_given_back_whole),
        in_either(a_manifest_touched_when_hidden_is_given_back_whole),
        in_either(what_is_pinned_when_unlinked_is_given_back_whole),
        in_either(what_is_pinned_when_hidden_is_given_back_whole),
        in_either(what_is_pinned_anywhere_is_given_back_whole),
        in_either(what_runs_by_its_configuration_is_given_back_whole),
        in_either(a_scheduled_sweep_that_finds_nothing_is_known_to_the_others),
        in_either(what_is_touched_before_it_is_taken_is_not_taken),
        in_either(an_index_gives_back_its_children_and_theirs),
        in_either(what_nobody_told_of_is_found_in_storage),
        in_either(each_key_is_asked_for_once),
        in_either(a_tag_that_is_written_late_keeps_its_image),
        in_either(where_tags_cannot_be_read_no_revision_goes),
        in_either(a_tag_that_nobody_told_of_keeps_its_image),
        in_either(what_a_push_names_that_nobody_has_read_yet_is_given_back),
        in_either(a_clock_that_is_set_ahead_ends_no_wait),
        in_either(a_clock_that_is_set_back_makes_no_wait_longer),
        in_either(a_push_is_read_though_the_clock_was_set_back),
        in_either(an_earlier_scan_does_not_count_as_a_later_one),
        in_either(what_is_young_stays_so_when_the_clock_is_set_ahead),
        in_either(what_a_policy_calls_young_stays_so_when_the_clock_is_set_ahead),
        in_either(a_tag_pushed_again_before_it_is_taken_stays),
        in_either(an_image_pushed_again_before_it_is_taken_stays),
        in_either(a_manifest_pushed_again_before_it_is_taken_stays),
        in_either(a_push_that_cannot_be_read_stops_the_sweep),
        in_either(a_tag_that_the_index_missed_keeps_its_manifest),
        in_either(a_lookup_that_fails_keeps),
        in_either(what_storage_does_not_let_go_is_told_as_failed_and_goes_later),
        in_either(what_a_cache_knew_again_begins_the_settle_anew),
        in_either(what_caches_learn_of_again_and_again_is_named),
        in_either(what_a_delete_of_ours_took_from_somebody_is_given_back),
        in_either(what_cannot_be_cleared_stays_and_nothing_of_its_neighbours),
        in_either(one_without_an_answer_ends_the_run_and_no_answer_is_lost),
        in_either(bytes_of_a_manifest_are_held_until_the_replicas_are_new),
        in_either(small_bytes_of_unknown_type_are_held_and_no_others),
        in_either(what_is_held_is_back_before_storage_is_read_with_the_registry_stopped),
        in_either(what_is_held_and_nobody_needs_is_swept_with_the_registry_stopped),
        cmocka_unit_test_prestate_setup_teardown(what_is_held_and_cannot_be_put_back_stops_the_sweep, setup,
                                                 registry_teardown, &in_directory),
        in_either(bytes_that_are_held_again_and_again_are_not_lost),
        in_either(bytes_that_another_index_holds_are_back_once_they_are_pushed_again),
        in_either(bytes_that_another_index_holds_are_back_when_they_are_pushed_while_a_sweep_is_at_it),
        in_either(what_another_index_took_is_back_before_a_generation_that_was_stopped_goes_on),
        in_either(what_is_held_goes_without_a_walk_for_each),
        in_either(an_image_touched_in_the_midst_of_a_purge_is_whole_or_gone),
        in_either(what_is_taken_again_while_it_is_given_back_is_given_back_again),
        in_either(what_cannot_be_given_back_is_in_nobodys_way),
        in_either(what_is_touched_while_it_is_purged_is_no_failure),
        in_either(what_is_spared_when_it_is_purged_is_in_its_place),
        in_either(a_copy_that_cannot_be_removed_is_tried_again),
        in_either(a_cache_that_learnt_of_hidden_bytes_forgets_them_again),
        in_either(the_link_of_a_manifest_that_was_pushed_as_a_layer_is_not_deleted),
        in_either(a_link_that_nobody_has_a_copy_of_is_written_anew),
        in_either(a_tag_whose_manifest_is_gone_goes_too),
        in_either(a_fence_that_fails_refuses_and_takes_nothing),
        in_either(a_feed_with_gap_after_gap_refuses_and_takes_nothing),
        in_either(grace_is_never_shorter_than_settle),
        in_either(a_stopped_registry_gets_back_what_was_taken_and_is_swept_anew),
        in_either(why_tells_of_what_lies_in_quarantine),
        in_either(a_dry_run_tells_what_goes_of_what_is_unlinked),
        in_either(a_dry_run_tells_what_goes_of_what_is_hidden),
        in_either(a_dry_run_says_that_it_cannot_tell),
        in_either(a_dry_run_without_the_policy_says_that_it_cannot_tell),
        in_either(an_upload_that_is_young_by_now_outlasts_the_undoing),
        in_either(a_run_that_ends_anywhere_is_gone_on_with),
        in_store_alone(a_tag_that_is_written_while_it_is_removed_gets_what_was_written),
        in_store_alone(a_tag_gets_no_head_that_is_not_in_its_history),
        in_store_alone(what_lies_in_an_archive_stays_and_holds_nothing_up),
        in_store_alone(a_removal_that_comes_late_takes_nothing_for_good),
        in_store_alone(a_run_that_loses_its_lease_while_it_copies_removes_nothing),
        cmocka_unit_test_prestate_setup_teardown(a_run_that_loses_its_lease_while_it_copies_removes_nothing,
                                                 setup, registry_teardown, &with_versions),
        with_versions_alone(nothing_is_taken_where_versions_are_kept_no_more),
        with_versions_alone(a_purge_that_may_come_late_is_waited_for),
        with_versions_alone(a_link_whose_removal_nobody_saw_is_put_back_after_a_settle),
        in_store_alone(a_link_whose_removal_nobody_saw_is_put_back_after_a_settle),
        with_versions_alone(what_a_late_purge_took_is_known_to_be_gone),
        in_store_alone(a_sweep_with_the_registry_stopped_waits_for_removals_that_may_come_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
