/* Doctor, over a storage in memory and replicas that are none, both as healthy or as ill as a test wants
 * them.
 *
 * Minutes count from the world's begin. Now is minute 60; the last complete scan began at minute 10. */
#include "index_support.h"

#include "gc/checks.h"
#include "index/time.h"
#include "storage/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN_MS INT64_C(1800000000000)
#define MINUTE(n) (BEGIN_MS + (n)*INT64_C(60000))
#define DAYS(n) ((n)*INT64_C(86400000))
#define DIAGNOSES_MAX 40
#define REPLICAS_MAX 3

struct clinic {
    struct place *place;
    struct rsw_index *index;
    struct rsw_storage *storage; /* in memory, with some of its ops replaced */
    struct rsw_storage_ops storage_ops;
    struct rsw_clock clock;
    int64_t now_ms;
    struct rsw_replicas replicas;
    struct rsw_replicas_ops ops;
    struct rsw_doctor_config config;
    struct rsw_doctor doctor;
    /* Illnesses. */
    int64_t storage_skew_ms;
    int64_t registry_skew_ms[REPLICAS_MAX];
    int deletes[REPLICAS_MAX]; /* enum rsw_answer */
    enum rsw_code delete_code;
    bool silent;           /* no event of the fence comes */
    const char *elsewhere; /* a folder on another filesystem */
    const char *closed;    /* a folder that nothing can be taken out of */
    uint64_t room;
    struct rsw_store_rule rule; /* of the store's lifecycle; `name` NULL: there is none */
    /* What doctor said. */
    struct rsw_diagnosis diagnoses[DIAGNOSES_MAX];
    size_t count;
    size_t findings;
};

static struct clinic *c; /* of the test that runs; ops have no other way to it */
static const struct rsw_storage_ops *memory_ops;

static int64_t clinic_now(void *arg) {
    return ((struct clinic *)arg)->now_ms;
}

/* ---- storage ---- */

static void clinic_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    memory_ops->look(storage, looks, count);
    for (size_t i = 0; i < count; i++) {
        if (looks[i].answer == RSW_FOUND && strcmp(looks[i].key, "regsweep/probe") == 0) {
            looks[i].mtime_ms = c->now_ms + c->storage_skew_ms;
        }
    }
}

static bool is_in(const char *key, const char *dir) {
    return dir != NULL && strncmp(key, dir, strlen(dir)) == 0;
}

static void clinic_survey(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count) {
    (void)storage;
    for (size_t i = 0; i < count; i++) {
        surveys[i].answer = RSW_FOUND;
        surveys[i].volume[0] = is_in(surveys[i].dir, c->elsewhere) ? 2 : 1;
        surveys[i].refused = is_in(surveys[i].dir, c->closed) ? EACCES : 0;
        surveys[i].owner = 65534;
        surveys[i].mode = 0755;
        surveys[i].room = c->room;
    }
}

static void clinic_habits(struct rsw_storage *storage, struct rsw_store_habits *habits) {
    (void)storage;
    if (c->rule.name != NULL) {
        habits->rules = RSW_FOUND;
        habits->rule(habits->arg, &c->rule);
    }
}

/* ---- replicas ---- */

static void hear(const char *id, const char *layer, const char *manifest) {
    RSW_AUTO_TXN txn = begin_write(c->index);
    struct rsw_instance instance;
    memset(&instance, 0, sizeof instance);
    if (rsw_instance_get(txn, id, &instance) != RSW_FOUND) {
        snprintf(instance.id, sizeof instance.id, "%s", id);
        instance.first_ms = MINUTE(1);
        instance.first_seq = 1;
    }
    instance.last_ms = c->now_ms;
    instance.last_seq = rsw_txn_seq(txn);
    snprintf(instance.fence_layer, sizeof instance.fence_layer, "%s", layer);
    snprintf(instance.fence_manifest, sizeof instance.fence_manifest, "%s", manifest);
    rsw_instance_put(txn, &instance);
    commit(&txn);
}

static int clinic_fence(struct rsw_replicas *replicas, const char *mark, const struct rsw_patience *patience,
                        struct rsw_error *err) {
    (void)patience;
    (void)err;
    for (size_t i = 0; i < replicas->count && !c->silent; i++) {
        char id[32];
        char word[RSW_FENCE_MAX + 32];
        snprintf(id, sizeof id, "instance-%zu", i);
        snprintf(word, sizeof word, "%s-%zu", mark, i);
        hear(id, word, word);
    }
    return 0;
}

static int clinic_clock(struct rsw_replicas *replicas, size_t number, int64_t *ms, struct rsw_error *err) {
    (void)replicas;
    (void)err;
    *ms = (c->now_ms + c->registry_skew_ms[number]) / 1000 * 1000;
    return 0;
}

static int clinic_deletes(struct rsw_replicas *replicas, size_t number, struct rsw_error *err) {
    (void)replicas;
    if (c->deletes[number] != RSW_FOUND) {
        rsw_error_set(err, c->delete_code, 0, "the registry says no");
    }
    return c->deletes[number];
}

/* ---- the clinic ---- */

static const char *const urls[REPLICAS_MAX] = {"http://one:5000", "http://two:5000", "http://three:5000"};

static void take_down(void *arg, const struct rsw_diagnosis *diagnosis) {
    struct clinic *clinic = arg;
    assert_true(clinic->count < DIAGNOSES_MAX);
    clinic->diagnoses[clinic->count++] = *diagnosis;
}

/* Changes the state of the index. */
#define with_state(change)                                                                                   \
    do {                                                                                                     \
        struct rsw_txn *state_txn = begin_write(c->index);                                                   \
        struct rsw_state state;                                                                              \
        assert_int_equal(rsw_state_get(state_txn, &state), RSW_FOUND);                                       \
        change;                                                                                              \
        rsw_state_put(state_txn, &state);                                                                    \
        commit(&state_txn);                                                                                  \
    } while (0)

/* Blob number `i` in index and storage, linked in a repository. */
static uint32_t put_blob(uint64_t i) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest = digest_number(i);
    RSW_AUTO_TXN txn = begin_write(c->index);
    uint32_t id = rsw_fact_blob(txn, &digest, 4, MINUTE(1));
    uint32_t repo = rsw_fact_repo(txn, "library/app", MINUTE(1));
    const struct rsw_member member = {
        .repo = repo, .blob = id, .target = id, .flags = RSW_MEMBER_SEEN, .touched_ms = MINUTE(1)};
    rsw_fact_member(txn, RSW_LINK, &member);
    commit(&txn);
    assert_int_equal(rsw_memory_put(c->storage, rsw_key_blob(key, &digest), "data", 4, MINUTE(1), NULL), 0);
    return id;
}

static void remove_bytes(uint64_t i) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest = digest_number(i);
    struct rsw_removal removal = {.key = rsw_key_blob(key, &digest)};
    rsw_storage_remove(c->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FOUND);
}

static void make_storage(void) {
    assert_int_equal(rsw_storage_open_memory(&c->storage, NULL), 0);
    memory_ops = c->storage->ops;
    c->storage_ops = *memory_ops;
    c->storage_ops.look = clinic_look;
    c->storage_ops.survey = clinic_survey;
    c->storage_ops.habits = clinic_habits;
    c->storage->ops = &c->storage_ops;
    c->room = UINT64_C(1) << 40;
}

static void make_replicas(void) {
    c->ops =
        (struct rsw_replicas_ops){.fence = clinic_fence, .clock = clinic_clock, .deletes = clinic_deletes};
    c->replicas = (struct rsw_replicas){.ops = &c->ops, .cache = RSW_CACHE_MEMORY, .count = 1, .urls = urls};
    for (size_t i = 0; i < REPLICAS_MAX; i++) {
        c->deletes[i] = RSW_FOUND;
    }
    c->delete_code = RSW_EREFUSED;
}

static int clinic_setup(void **unused) {
    void *place = NULL;
    c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(place_setup(&place), 0);
    c->place = place;
    c->index = open_index(c->place);
    c->now_ms = MINUTE(60);
    c->clock = (struct rsw_clock){clinic_now, c, NULL};
    make_storage();
    make_replicas();
    c->config = (struct rsw_doctor_config){.name = "config.yml",
                                           .delete_enabled = true,
                                           .cache = RSW_CACHE_MEMORY,
                                           .include_references = true,
                                           .endpoint = true,
                                           .deaf_endpoint = "",
                                           .proxy = "",
                                           .middleware = ""};
    c->doctor = (struct rsw_doctor){.index = c->index,
                                    .storage = c->storage,
                                    .replicas = &c->replicas,
                                    .config = &c->config,
                                    .clock = &c->clock,
                                    .fence_timeout_ms = 50,
                                    .tell = take_down,
                                    .arg = c};
    with_state({
        state.scan_seq = rsw_txn_seq(state_txn);
        state.scan_started_ms = MINUTE(10);
        state.scan_ended_ms = MINUTE(11);
        state.beat_ms = MINUTE(60) - 1000;
        state.first_event_ms = MINUTE(1);
        state.last_event_ms = MINUTE(58);
        state.events = 12;
        snprintf(state.storage_url, sizeof state.storage_url, "%s", rsw_storage_url(c->storage));
    });
    for (uint64_t i = 1; i <= 20; i++) {
        put_blob(i);
    }
    *unused = c;
    return 0;
}

static int clinic_teardown(void **unused) {
    void *place = c->place;
    (void)unused;
    rsw_index_close(c->index);
    c->storage->ops = memory_ops;
    rsw_storage_close(c->storage);
    place_teardown(&place);
    free(c);
    return 0;
}

static void examine(void) {
    c->count = 0;
    c->findings = rsw_doctor(&c->doctor);
}

static const struct rsw_diagnosis *diagnosis_of(const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->diagnoses[i].name, name) == 0) {
            return &c->diagnoses[i];
        }
    }
    fail_msg("nothing was said of %s", name);
    return NULL;
}

/* This check says so, with these words in message or remedy. */
static void says(const char *name, enum rsw_health level, const char *words) {
    const struct rsw_diagnosis *it = diagnosis_of(name);
    if (it->level != level || (strstr(it->message, words) == NULL && strstr(it->remedy, words) == NULL)) {
        fail_msg("%s: %s: %s (remedy: %s)", name, rsw_health_name(it->level), it->message, it->remedy);
    }
    assert_int_equal(it->remedy[0] != 0, level >= RSW_HEALTH_WARNING);
}

/* And it alone is a finding. */
static void finds(const char *name, enum rsw_health level, const char *words) {
    examine();
    says(name, level, words);
    if (c->findings != 1) {
        for (size_t i = 0; i < c->count; i++) {
            if (c->diagnoses[i].level >= RSW_HEALTH_WARNING) {
                print_error("%s: %s\n", c->diagnoses[i].name, c->diagnoses[i].message);
            }
        }
        fail_msg("%zu findings", c->findings);
    }
}

static void finds_nothing(void) {
    examine();
    for (size_t i = 0; i < c->count; i++) {
        if (c->diagnoses[i].level != RSW_HEALTH_OK) {
            fail_msg("%s: %s: %s", c->diagnoses[i].name, rsw_health_name(c->diagnoses[i].level),
                     c->diagnoses[i].message);
        }
        assert_true(c->diagnoses[i].message[0] != 0);
        assert_string_equal(c->diagnoses[i].remedy, "");
    }
    assert_int_equal(c->findings, 0);
}

static void sweeping_may_begin(void) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_doctor_guard(c->index, c->storage, &c->replicas, &c->clock, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

static void sweeping_is_refused(const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_doctor_guard(c->index, c->storage, &c->replicas, &c->clock, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    if (strstr(err.message, words) == NULL || strstr(err.message, "; ") == NULL) {
        fail_msg("it says: %s", err.message);
    }
}

/* ---- good health ---- */

static int list_key(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)err;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(entries[i].key, "regsweep/quarantine/README");
        (*(size_t *)arg)++;
    }
    return 0;
}

/* What was written to look at its time is gone. */
static void nothing_is_left(void) {
    size_t files = 0;
    const struct rsw_listing listing = {.prefix = "regsweep", .page = list_key, .arg = &files};
    assert_int_equal(rsw_storage_list(c->storage, &listing, NULL), RSW_FOUND);
    assert_int_equal(files, 1);
}

static void a_healthy_registry_has_no_finding(void **unused) {
    (void)unused;
    finds_nothing();
    assert_true(c->count > 20);
    sweeping_may_begin();
    nothing_is_left();
}

static void what_a_doctor_that_was_killed_left_is_no_finding_and_goes(void **unused) {
    (void)unused;
    assert_int_equal(rsw_memory_put(c->storage, "regsweep/probe", "?", 1, 1, NULL), 0);
    finds_nothing();
    nothing_is_left();
}

static void what_was_not_given_is_unknown_and_no_finding(void **unused) {
    (void)unused;
    c->doctor.replicas = NULL;
    c->doctor.config = NULL;
    examine();
    says("fence", RSW_HEALTH_UNKNOWN, "--registry");
    says("cache", RSW_HEALTH_UNKNOWN, "--registry");
    says("delete", RSW_HEALTH_UNKNOWN, "--registry");
    says("notifications", RSW_HEALTH_UNKNOWN, "--registry-config");
    assert_int_equal(c->findings, 0);
    c->doctor.index = NULL;
    c->doctor.storage = NULL;
    examine();
    for (size_t i = 0; i < c->count; i++) {
        assert_int_equal(c->diagnoses[i].level, RSW_HEALTH_UNKNOWN);
    }
    assert_int_equal(c->findings, 0);
}

static void what_could_not_be_opened_is_an_error_with_its_reason(void **unused) {
    struct rsw_error index = RSW_ERROR_INIT;
    struct rsw_error storage = RSW_ERROR_INIT;
    struct rsw_error registry = RSW_ERROR_INIT;
    (void)unused;
    rsw_error_set(&index, RSW_EFULL, 0, "the index is full; raise the limit");
    rsw_error_set(&storage, RSW_EIO, 0, "cannot open it");
    rsw_error_set(&registry, RSW_EIO, 0, "no answer");
    c->doctor.index = NULL;
    c->doctor.index_error = &index;
    c->doctor.storage = NULL;
    c->doctor.storage_error = &storage;
    c->doctor.replicas = NULL;
    c->doctor.replicas_error = &registry;
    examine();
    says("index", RSW_HEALTH_ERROR, "the index is full");
    assert_string_equal(diagnosis_of("index")->remedy, "raise the limit"); /* the error's own */
    says("storage", RSW_HEALTH_ERROR, "cannot open it");
    says("registry", RSW_HEALTH_ERROR, "no answer");
    assert_int_equal(c->findings, 3);
}

/* ---- the feed ---- */

static void a_serve_that_does_not_run_is_found(void **unused) {
    (void)unused;
    with_state(state.beat_ms = MINUTE(50));
    c->silent = true; /* and nobody waits for its events */
    finds("serve", RSW_HEALTH_ERROR, "heard of last 10m ago");
    says("fence", RSW_HEALTH_UNKNOWN, "nobody takes in events: regsweep serve does not run");
    with_state(state.beat_ms = 0);
    finds("serve", RSW_HEALTH_ERROR, "never ran");
}

static void a_registry_that_never_told_anything_is_found(void **unused) {
    (void)unused;
    with_state(state.first_event_ms = 0; state.last_event_ms = 0; state.events = 0);
    finds("events", RSW_HEALTH_WARNING, "no event ever came");
}

static void events_that_do_not_arrive_are_found_by_the_fence(void **unused) {
    (void)unused;
    c->silent = true;
    finds("fence", RSW_HEALTH_ERROR, "http://one:5000 did not answer");
}

static void a_gap_is_found_with_its_reason(void **unused) {
    (void)unused;
    hear("long-gone", "", "");
    with_state(rsw_state_gap(state_txn, MINUTE(59), "an event was not understood");
               rsw_state_get(state_txn, &state));
    c->doctor.replicas = NULL; /* the fence would tell of it too */
    finds("gap", RSW_HEALTH_WARNING, "an event was not understood");
}

static void a_replica_that_is_not_listed_is_found_by_the_fence(void **unused) {
    (void)unused;
    hear("stranger", "", "");
    c->now_ms += 1000;
    hear("instance-0", "", "");
    examine();
    says("fence", RSW_HEALTH_ERROR, "stranger");
}

static void an_endpoint_that_leaves_something_out_is_found(void **unused) {
    (void)unused;
    c->config.deaf = true;
    c->config.deaf_endpoint = "sweep";
    finds("notifications", RSW_HEALTH_ERROR, "endpoint \"sweep\" leaves out");
    c->config.deaf = false;
    c->config.endpoint = false;
    finds("notifications", RSW_HEALTH_ERROR, "serve hears of nothing");
}

static void includereferences_is_recommended_alone(void **unused) {
    (void)unused;
    c->config.include_references = false;
    finds_nothing();
    says("includereferences", RSW_HEALTH_OK, "recommended");
}

/* ---- the registry ---- */

static void registries_that_regsweep_must_not_work_beside_are_found(void **unused) {
    (void)unused;
    c->config.proxy = "https://registry-1.docker.io";
    finds("proxy", RSW_HEALTH_ERROR, "pull-through cache of https://registry-1.docker.io");
    c->config.proxy = "";
    c->config.middleware = "openshift";
    finds("middleware", RSW_HEALTH_ERROR, "openshift");
}

static void a_cache_of_each_for_itself_is_found(void **unused) {
    (void)unused;
    c->replicas.count = 2;
    finds("cache", RSW_HEALTH_WARNING, "2 replicas cache, each for itself");
    c->replicas.cache = c->config.cache = RSW_CACHE_REDIS;
    finds_nothing();
}

static void a_cache_that_regsweep_was_told_wrongly_of_is_found(void **unused) {
    (void)unused;
    c->replicas.cache = RSW_CACHE_NONE;
    finds("cache", RSW_HEALTH_ERROR, "caches nothing, but config.yml says in memory");
    c->replicas.cache = RSW_CACHE_MEMORY;
    c->config.cache = RSW_CACHE_NONE; /* asking too much does no harm */
    finds_nothing();
    c->config.cache_unknown = true;
    finds("cache", RSW_HEALTH_ERROR, "neither inmemory nor redis");
}

static void a_registry_that_does_not_delete_is_found_where_that_matters(void **unused) {
    (void)unused;
    c->replicas.count = 2;
    c->replicas.cache = c->config.cache = RSW_CACHE_REDIS;
    c->deletes[1] = RSW_ABSENT;
    finds("delete", RSW_HEALTH_ERROR, "http://two:5000 does not delete");
    sweeping_is_refused("http://two:5000 does not delete");
    c->replicas.cache = c->config.cache = RSW_CACHE_NONE;
    finds_nothing();
    sweeping_may_begin();
    c->replicas.cache = c->config.cache = RSW_CACHE_REDIS;
    c->deletes[1] = RSW_FAILED;
    c->delete_code = RSW_EACCESS;
    finds("delete", RSW_HEALTH_ERROR, "may pull, push and delete");
    c->delete_code = RSW_EIO;
    examine();
    says("delete", RSW_HEALTH_UNKNOWN, "the registry says no");
    sweeping_may_begin();
}

static void without_a_registry_its_configuration_tells_whether_it_deletes(void **unused) {
    (void)unused;
    c->doctor.replicas = NULL;
    c->config.delete_enabled = false;
    finds("delete", RSW_HEALTH_ERROR, "config.yml: storage.delete.enabled");
    c->config.cache = RSW_CACHE_NONE;
    examine();
    assert_int_equal(c->findings, 0);
}

/* ---- clocks ---- */

static void a_replicas_clock_that_is_wrong_is_found(void **unused) {
    (void)unused;
    c->replicas.count = 2;
    c->replicas.cache = c->config.cache = RSW_CACHE_NONE;
    c->registry_skew_ms[1] = 20000;
    finds_nothing();
    c->registry_skew_ms[1] = 120000;
    finds("registry_clock", RSW_HEALTH_WARNING, "the clock of http://two:5000 is 2m ahead of ours");
    sweeping_may_begin();
    c->registry_skew_ms[1] = -600000;
    finds("registry_clock", RSW_HEALTH_ERROR, "behind ours");
    sweeping_is_refused("the clock of http://two:5000");
    c->ops.clock = NULL;
    examine();
    says("registry_clock", RSW_HEALTH_UNKNOWN, "http://one:5000");
    sweeping_may_begin();
}

static void a_clock_of_storage_that_is_wrong_is_found(void **unused) {
    (void)unused;
    c->storage_skew_ms = -20000;
    finds_nothing();
    c->storage_skew_ms = 60000;
    finds("storage_clock", RSW_HEALTH_WARNING, "the clock of storage is 60s ahead of ours");
    c->storage_skew_ms = -400000;
    finds("storage_clock", RSW_HEALTH_ERROR, "the clock of storage is 6m behind ours");
    sweeping_is_refused("the clock of storage");
}

static void a_clock_that_was_set_back_is_found_in_the_index(void **unused) {
    (void)unused;
    with_state(state.last_event_ms = MINUTE(62));
    finds("index_clock", RSW_HEALTH_WARNING, "the last event is 2m in the future");
    sweeping_may_begin();
    with_state(state.beat_ms = MINUTE(70));
    finds("index_clock", RSW_HEALTH_ERROR, "the sign of life of serve is 10m in the future");
    sweeping_is_refused("in the future");
}

static void nowhere(void *arg, struct rsw_steady *out) {
    (void)arg;
    *out = (struct rsw_steady){.ms = 1};
}

static void a_machine_that_does_not_tell_its_starts_is_found(void **unused) {
    (void)unused;
    c->clock.steady = nowhere;
    finds("index_clock", RSW_HEALTH_ERROR, "whether this machine was started anew");
    sweeping_is_refused("no wait of a sweep would end");
}

/* ---- storage ---- */

static void a_quarantine_on_another_filesystem_is_found(void **unused) {
    (void)unused;
    c->elsewhere = "regsweep";
    finds("quarantine", RSW_HEALTH_ERROR, "another filesystem than 'docker/registry/v2/blobs'");
    sweeping_is_refused("another filesystem");
    c->elsewhere = RSW_LAYOUT_REPOSITORIES;
    finds("quarantine", RSW_HEALTH_ERROR, "another filesystem than 'docker/registry/v2/repositories'");
    sweeping_is_refused("another filesystem");
}

static void a_quarantine_that_cannot_be_written_is_found(void **unused) {
    (void)unused;
    rsw_memory_fail_key(c->storage, "regsweep/quarantine/README", EACCES);
    examine();
    says("quarantine", RSW_HEALTH_ERROR, "let the user that runs regsweep write there");
    says("storage_clock", RSW_HEALTH_UNKNOWN, "nothing can be written");
    assert_int_equal(c->findings, 1);
}

static void folders_that_nothing_can_be_taken_out_of_are_found(void **unused) {
    (void)unused;
    c->closed = RSW_LAYOUT_BLOBS "/sha256/";
    finds("permissions", RSW_HEALTH_ERROR, "of 42 folders"); /* two on top, and two of each of 20 blobs */
    says("permissions", RSW_HEALTH_ERROR, "20 of ");
    c->closed = RSW_LAYOUT_REPOSITORIES "/library/app/_layers";
    finds("permissions", RSW_HEALTH_ERROR, "(of user 65534, mode 0755): Permission denied");
    says("permissions", RSW_HEALTH_ERROR, "library/app/_layers/sha256/");
}

static void a_full_disk_is_found(void **unused) {
    (void)unused;
    c->room = UINT64_C(100) << 20;
    finds("storage_room", RSW_HEALTH_WARNING, "100.0 MiB left");
    c->room = 1 << 20;
    finds("storage_room", RSW_HEALTH_ERROR, "1.0 MiB left");
}

static void an_index_that_nears_its_limit_is_found(void **unused) {
    RSW_AUTO_TXN txn = begin_read(c->index);
    struct rsw_index_stat stat;
    (void)unused;
    assert_int_equal(rsw_index_stat(txn, &stat), RSW_FOUND);
    rsw_txn_abort(&txn);
    c->doctor.replicas = NULL; /* a fence makes it larger */
    c->doctor.map_limit = 2 * stat.used;
    examine();
    assert_int_equal(c->findings, 0);
    c->doctor.map_limit = stat.used * 10 / 9;
    finds("index_room", RSW_HEALTH_WARNING, "--map-size");
    c->doctor.map_limit = stat.used;
    finds("index_room", RSW_HEALTH_ERROR, "--map-size");
}

static void the_index_of_another_storage_is_found(void **unused) {
    (void)unused;
    with_state(snprintf(state.storage_url, sizeof state.storage_url, "file:///srv/other"));
    finds("storage", RSW_HEALTH_ERROR, "the index is that of file:///srv/other");
}

static void a_storage_with_nothing_of_a_registry_is_found_and_a_bucket_has_no_folders(void **unused) {
    (void)unused;
    rsw_memory_flat(c->storage, true);
    examine();
    assert_int_equal(c->findings, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        remove_bytes(i);
    }
    examine();
    says("storage", RSW_HEALTH_WARNING, "nothing of a registry is in");
    rsw_memory_flat(c->storage, false);
    examine();
    says("storage", RSW_HEALTH_WARNING, "nothing of a registry is in");
}

static void a_storage_that_was_never_or_long_not_read_is_found(void **unused) {
    (void)unused;
    with_state(state.scan_ended_ms = c->now_ms - DAYS(40));
    finds("scan", RSW_HEALTH_WARNING, "ended 40d ago");
    with_state(state.scan_seq = 0);
    examine();
    says("scan", RSW_HEALTH_ERROR, "never read whole");
}

/* ---- bytes ---- */

static void storage_without_any_of_its_bytes_is_asked_for_its_mount(void **unused) {
    (void)unused;
    for (unsigned i = 1; i <= 20; i++) {
        remove_bytes(i);
    }
    examine();
    says("vanished", RSW_HEALTH_ERROR, "of 20 blobs that were looked for, 20 are not in storage");
    says("vanished", RSW_HEALTH_ERROR, "is it mounted");
}

static void bytes_that_vanished_are_found_but_not_what_a_sweep_took(void **unused) {
    char text[RSW_DIGEST_TEXT_MAX];
    struct rsw_digest digest = digest_number(7);
    struct rsw_blob blob;
    (void)unused;
    remove_bytes(7);
    finds("vanished", RSW_HEALTH_ERROR, rsw_digest_format(&digest, text));
    says("vanished", RSW_HEALTH_ERROR, "of 20 blobs that were looked for, 1 are not in storage");
    sweeping_is_refused("are not in storage");

    struct rsw_txn *txn = begin_write(c->index);
    struct rsw_generation generation = {.state = RSW_GENERATION_HIDDEN, .due_ms = DAYS(1)};
    assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
    rsw_generation_add(txn, &generation);
    const struct rsw_item item = {.generation = generation.id,
                                  .kind = RSW_ITEM_BLOB,
                                  .blob = blob.id,
                                  .reason = RSW_REASON_UNREFERENCED,
                                  .state = RSW_ITEM_ASIDE};
    rsw_item_put(txn, &item);
    commit(&txn);
    finds_nothing();
    sweeping_may_begin();
}

static void bytes_that_only_an_event_told_of_have_not_vanished(void **unused) {
    struct rsw_digest digest = digest_number(1000);
    (void)unused;
    struct rsw_txn *txn = begin_write(c->index);
    uint32_t id = rsw_fact_blob(txn, &digest, 4, MINUTE(59));
    uint32_t repo = rsw_fact_repo(txn, "library/app", MINUTE(59));
    rsw_fact_touch(txn, RSW_LINK, repo, id, MINUTE(59), 0);
    commit(&txn);
    finds_nothing();
    sweeping_may_begin();
}

static void bytes_that_cannot_be_looked_for_have_not_vanished(void **unused) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest = digest_number(7);
    (void)unused;
    rsw_memory_fail_key(c->storage, rsw_key_blob(key, &digest), EIO);
    finds_nothing();
    sweeping_may_begin();
}

static void what_a_scan_found_missing_is_told_if_it_was_there_once(void **unused) {
    (void)unused;
    remove_bytes(7);
    struct rsw_txn *txn = begin_write(c->index);
    struct rsw_digest digest = digest_number(7);
    struct rsw_digest never = digest_number(100);
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
    rsw_fact_blob_absent(txn, blob.id, rsw_txn_seq(txn), MINUTE(50), false);
    uint32_t id = rsw_blob_intern(txn, &never, MINUTE(50));
    rsw_fact_blob_absent(txn, id, rsw_txn_seq(txn), MINUTE(50), false);
    commit(&txn);
    finds("missing", RSW_HEALTH_WARNING, "1 blobs that something names were in storage");
    put_blob(7);
    finds_nothing();
    says("missing", RSW_HEALTH_OK, "1 blobs that something names were never in storage");
}

/* A manifest that waits in quarantine for stale caches still names what went with it. */
static void what_a_sweep_took_is_not_missing(void **unused) {
    (void)unused;
    RSW_AUTO_TXN txn = begin_write(c->index);
    struct rsw_digest manifest = digest_number(200);
    struct rsw_digest layer = digest_number(201);
    uint32_t held = rsw_fact_blob(txn, &manifest, 7, 1);
    struct rsw_ref ref = {.digest = layer, .kind = RSW_REF_LAYER};
    rsw_fact_blob(txn, &layer, 7, 1);
    rsw_refs_put(txn, held, RSW_TYPE_MANIFEST, true, &ref, 1, 1);
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_find(txn, &layer, &blob), RSW_FOUND);
    rsw_fact_blob_absent(txn, held, rsw_txn_seq(txn), MINUTE(50), false);
    rsw_fact_blob_absent(txn, blob.id, rsw_txn_seq(txn), MINUTE(50), false);
    commit(&txn);
    finds_nothing();
    txn = begin_write(c->index);
    rsw_fact_blob(txn, &manifest, 7, 1);
    commit(&txn);
    examine();
    says("missing", RSW_HEALTH_WARNING, "1 blobs that something names were in storage");
}

/* ---- generations ---- */

static uint64_t open_generation(int64_t changed_ms, int64_t due_ms) {
    RSW_AUTO_TXN txn = begin_write(c->index);
    struct rsw_time time;
    assert_int_equal(rsw_time_keep(txn, &c->clock, &time), RSW_FOUND);
    struct rsw_generation generation = {.state = RSW_GENERATION_UNLINKED,
                                        .changed_ms = changed_ms,
                                        .due_ms = time.steady_ms + due_ms - c->now_ms};
    rsw_generation_add(txn, &generation);
    commit(&txn);
    return generation.id;
}

static void a_generation_that_does_not_go_on_is_found(void **unused) {
    (void)unused;
    open_generation(MINUTE(20), MINUTE(30));
    finds_nothing();
    says("generations", RSW_HEALTH_OK, "1 under way");
    c->now_ms = MINUTE(200);
    with_state(state.beat_ms = MINUTE(200));
    finds("generations", RSW_HEALTH_WARNING, "generation 1 is unlinked since");
}

static void one_that_settles_anew_for_ever_is_found(void **unused) {
    (void)unused;
    uint64_t id = open_generation(MINUTE(20), MINUTE(120));
    struct rsw_txn *txn = begin_write(c->index);
    struct rsw_generation generation;
    assert_int_equal(rsw_generation_get(txn, id, &generation), RSW_FOUND);
    generation.settle_ms = MINUTE(8) - MINUTE(0);
    rsw_generation_put(txn, &generation);
    commit(&txn);
    c->now_ms = MINUTE(107); /* ten settles, but not yet eleven */
    with_state(state.beat_ms = MINUTE(107));
    finds_nothing();
    c->now_ms = MINUTE(109);
    with_state(state.beat_ms = MINUTE(109));
    finds("generations", RSW_HEALTH_WARNING, "though a settle is 8m");
    says("generations", RSW_HEALTH_WARNING, "it names what caches learn of again");
    txn = begin_write(c->index);
    generation.settling = true;
    rsw_generation_put(txn, &generation);
    commit(&txn);
    finds("generations", RSW_HEALTH_WARNING, "does not answer all requests to forget");
    txn = begin_write(c->index);
    generation.state = RSW_GENERATION_HIDDEN; /* the quarantine takes its time */
    rsw_generation_put(txn, &generation);
    commit(&txn);
    finds_nothing();
}

static void no_more_than_so_many_generations_are_begun(void **unused) {
    (void)unused;
    for (int i = 0; i < RSW_GENERATIONS_OPEN_MAX; i++) {
        open_generation(MINUTE(55), MINUTE(59));
    }
    finds("generations", RSW_HEALTH_ERROR, "64 generations are open");
}

static void what_clients_wait_for_is_found(void **unused) {
    uint64_t id = open_generation(MINUTE(55), MINUTE(70));
    (void)unused;
    struct rsw_txn *txn = begin_write(c->index);
    const struct rsw_item item = {.generation = id,
                                  .kind = RSW_ITEM_BLOB,
                                  .blob = 3,
                                  .reason = RSW_REASON_UNREFERENCED,
                                  .state = RSW_ITEM_ASIDE};
    rsw_item_put(txn, &item);
    assert_true(rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, 3, false));
    commit(&txn);
    finds("touched", RSW_HEALTH_WARNING, "1 objects that clients asked for");
}

static void bytes_that_are_held_for_long_are_found(void **unused) {
    (void)unused;
    struct rsw_txn *txn = begin_write(c->index);
    const struct rsw_held held = {.blob = 3, .generation = 1, .since_ms = MINUTE(0), .seq = 1};
    rsw_held_put(txn, &held);
    commit(&txn);
    finds_nothing();
    says("held", RSW_HEALTH_OK, "1 blobs (4 B)");
    c->now_ms = MINUTE(0) + DAYS(8);
    with_state(state.beat_ms = c->now_ms);
    finds("held", RSW_HEALTH_WARNING, "restart every replica");
}

/* What nobody can read until it was asked for can neither be pulled nor put back. */
static void a_rule_that_archives_what_may_be_needed_is_found(void **unused) {
    (void)unused;
    c->rule = (struct rsw_store_rule){
        .name = "cold", .prefix = "regsweep/quarantine/", .moves = true, .archive = "DEEP_ARCHIVE"};
    finds("store", RSW_HEALTH_ERROR, "moves what may have to be put back to DEEP_ARCHIVE");
    c->rule.prefix = "docker/registry/v2/blobs/";
    finds("store", RSW_HEALTH_ERROR, "moves what images need to DEEP_ARCHIVE");
    c->rule.prefix = "regsweep/";
    c->rule.archive = "";
    finds("store", RSW_HEALTH_WARNING, "to another class");
    c->rule.prefix = "backup/";
    finds_nothing();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clinic_setup, clinic_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_healthy_registry_has_no_finding),
        TEST(what_a_doctor_that_was_killed_left_is_no_finding_and_goes),
        TEST(what_was_not_given_is_unknown_and_no_finding),
        TEST(what_could_not_be_opened_is_an_error_with_its_reason),
        TEST(a_serve_that_does_not_run_is_found),
        TEST(a_registry_that_never_told_anything_is_found),
        TEST(events_that_do_not_arrive_are_found_by_the_fence),
        TEST(a_gap_is_found_with_its_reason),
        TEST(a_replica_that_is_not_listed_is_found_by_the_fence),
        TEST(an_endpoint_that_leaves_something_out_is_found),
        TEST(includereferences_is_recommended_alone),
        TEST(registries_that_regsweep_must_not_work_beside_are_found),
        TEST(a_cache_of_each_for_itself_is_found),
        TEST(a_cache_that_regsweep_was_told_wrongly_of_is_found),
        TEST(a_registry_that_does_not_delete_is_found_where_that_matters),
        TEST(without_a_registry_its_configuration_tells_whether_it_deletes),
        TEST(a_replicas_clock_that_is_wrong_is_found),
        TEST(a_clock_of_storage_that_is_wrong_is_found),
        TEST(a_clock_that_was_set_back_is_found_in_the_index),
        TEST(a_machine_that_does_not_tell_its_starts_is_found),
        TEST(a_quarantine_on_another_filesystem_is_found),
        TEST(a_quarantine_that_cannot_be_written_is_found),
        TEST(folders_that_nothing_can_be_taken_out_of_are_found),
        TEST(a_full_disk_is_found),
        TEST(an_index_that_nears_its_limit_is_found),
        TEST(the_index_of_another_storage_is_found),
        TEST(a_storage_with_nothing_of_a_registry_is_found_and_a_bucket_has_no_folders),
        TEST(a_storage_that_was_never_or_long_not_read_is_found),
        TEST(storage_without_any_of_its_bytes_is_asked_for_its_mount),
        TEST(bytes_that_vanished_are_found_but_not_what_a_sweep_took),
        TEST(bytes_that_only_an_event_told_of_have_not_vanished),
        TEST(bytes_that_cannot_be_looked_for_have_not_vanished),
        TEST(what_a_scan_found_missing_is_told_if_it_was_there_once),
        TEST(what_a_sweep_took_is_not_missing),
        TEST(a_generation_that_does_not_go_on_is_found),
        TEST(one_that_settles_anew_for_ever_is_found),
        TEST(no_more_than_so_many_generations_are_begun),
        TEST(what_clients_wait_for_is_found),
        TEST(bytes_that_are_held_for_long_are_found),
        TEST(a_rule_that_archives_what_may_be_needed_is_found),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
