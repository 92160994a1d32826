#include "gc_help.h"

#include "gc/deletions.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PINS_MAX 16
#define GOES_MAX 128
#define LINE_MAX_LEN 512

static struct rsw_pin pins[PINS_MAX];

/* ---- fixtures ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int world_open(void **state) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    strcpy(w->dir, "/tmp/regsweep-gc-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    struct rsw_index_options options = {.create = true};
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_index_open(&w->index, w->dir, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    *state = w;
    return 0;
}

int world_close(void **state) {
    struct world *w = *state;
    rsw_index_close(w->index);
    int rc = nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return rc;
}

int world_begin(void **state) {
    struct world *w = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_txn_begin_write(&w->txn, w->index, &err) != 0) {
        fail_msg("%s", err.message);
    }
    w->touched_ms = LONG_AGO_MS;
    w->options = (struct rsw_mark_options){
        .now_ms = NOW_MS,
        .grace_ms = RSW_GRACE_DEFAULT_MS,
        .upload_max_age_ms = RSW_UPLOAD_MAX_AGE_DEFAULT_MS,
        .offline = true,
        .pins = pins,
    };
    return 0;
}

static void unmark(struct world *w) {
    if (w->marked) {
        rsw_plan_release(&w->plan);
        w->marked = false;
    }
}

int world_end(void **state) {
    struct world *w = *state;
    unmark(w);
    rsw_policy_free(w->policy);
    w->policy = NULL;
    rsw_txn_abort(&w->txn);
    return 0;
}

static void sound(struct world *w) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_txn_failed(w->txn, &err)) {
        fail_msg("the index: %s", err.message);
    }
}

/* ---- facts ---- */

struct rsw_digest digest_named(const char *name) {
    struct rsw_digest digest;
    uint8_t alg = strncmp(name, "512/", 4) == 0 ? RSW_SHA512 : RSW_SHA256;
    assert_int_equal(rsw_digest_of(&digest, alg, name, strlen(name), NULL), 0);
    return digest;
}

uint32_t repo(struct world *w, const char *name) {
    unmark(w);
    uint32_t id = rsw_fact_repo(w->txn, name, w->touched_ms);
    sound(w);
    return id;
}

void repo_flags(struct world *w, const char *name, uint32_t set) {
    struct rsw_repo record;
    repo(w, name);
    assert_int_equal(rsw_repo_find(w->txn, name, &record), RSW_FOUND);
    record.flags |= set;
    rsw_repo_put(w->txn, &record);
    sound(w);
}

uint32_t id_of(struct world *w, const char *name) {
    struct rsw_digest digest = digest_named(name);
    uint32_t id = rsw_blob_intern(w->txn, &digest, w->touched_ms);
    unmark(w);
    sound(w);
    return id;
}

uint32_t blob(struct world *w, const char *name) {
    struct rsw_digest digest = digest_named(name);
    unmark(w);
    uint32_t id = rsw_fact_blob(w->txn, &digest, 100, w->touched_ms);
    sound(w);
    return id;
}

void blob_flags(struct world *w, const char *name, uint32_t set, uint32_t clear) {
    struct rsw_blob record;
    assert_int_equal(rsw_blob_get(w->txn, id_of(w, name), &record), RSW_FOUND);
    record.flags = (record.flags | set) & ~clear;
    rsw_blob_put(w->txn, &record);
    sound(w);
}

void member(struct world *w, enum rsw_member_kind kind, const char *repo_name, const char *name,
            const char *target, uint32_t flags) {
    struct rsw_member record = {.repo = repo(w, repo_name),
                                .blob = id_of(w, name),
                                .target = id_of(w, target),
                                .flags = flags | RSW_MEMBER_SEEN,
                                .touched_ms = w->touched_ms};
    rsw_member_put(w->txn, kind, &record);
    sound(w);
}

void layer_link(struct world *w, const char *repo_name, const char *name) {
    member(w, RSW_LINK, repo_name, name, name, RSW_MEMBER_PRESENT);
}

void alias_link(struct world *w, const char *repo_name, const char *name, const char *target) {
    member(w, RSW_LINK, repo_name, name, target, RSW_MEMBER_PRESENT);
}

void revision(struct world *w, const char *repo_name, const char *name) {
    member(w, RSW_REVISION, repo_name, name, name, RSW_MEMBER_PRESENT);
}

void signature(struct world *w, const char *repo_name, const char *revision_name, const char *name) {
    rsw_signature_put(w->txn, repo(w, repo_name), id_of(w, revision_name), id_of(w, name));
    sound(w);
}

static uint8_t ref_kind(char letter) {
    static const char letters[] = "clmsuf";
    const char *at = strchr(letters, letter);
    assert_non_null(at);
    return (uint8_t)(at - letters + 1);
}

void manifest(struct world *w, const char *name, const char *refs) {
    struct rsw_ref list[64];
    size_t count = 0;
    bool index = false;
    char *words = strdup(refs);
    assert_non_null(words);
    char *save = NULL;
    for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        assert_true(count < sizeof list / sizeof *list && strlen(word) > 2 && word[1] == ':');
        list[count] =
            (struct rsw_ref){.digest = digest_named(word + 2), .kind = ref_kind(word[0]), .size = 100};
        list[count].types = word[0] == 'c' ? RSW_TYPE_CONFIG : word[0] == 'l' ? RSW_TYPE_LAYER : 0;
        index = index || word[0] == 'm';
        count++;
    }
    free(words);
    rsw_refs_put(w->txn, blob(w, name), index ? RSW_TYPE_INDEX : RSW_TYPE_MANIFEST, true, list, count,
                 w->touched_ms);
    sound(w);
}

void pushed(struct world *w, const char *repo_name, const char *tag_name, const char *name,
            const char *refs) {
    manifest(w, name, refs);
    revision(w, repo_name, name);
    if (tag_name != NULL) {
        tag(w, repo_name, tag_name, name);
    }
}

void image(struct world *w, const char *repo_name, const char *tag_name, const char *name,
           const char *layers) {
    char refs[1024];
    char config[128];
    snprintf(config, sizeof config, "%s.config", name);
    blob(w, config);
    layer_link(w, repo_name, config);
    size_t len = (size_t)snprintf(refs, sizeof refs, "c:%s", config);
    char *words = strdup(layers);
    assert_non_null(words);
    char *save = NULL;
    for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        blob(w, word);
        layer_link(w, repo_name, word);
        len += (size_t)snprintf(refs + len, sizeof refs - len, " l:%s", word);
        assert_true(len < sizeof refs);
    }
    free(words);
    pushed(w, repo_name, tag_name, name, refs);
}

void history(struct world *w, const char *repo_name, const char *tag_name, const char *name) {
    struct rsw_history record = {
        .repo = repo(w, repo_name), .manifest = id_of(w, name), .touched_ms = w->touched_ms};
    snprintf(record.tag, sizeof record.tag, "%s", tag_name);
    rsw_history_put(w->txn, &record);
    sound(w);
}

void tag(struct world *w, const char *repo_name, const char *tag_name, const char *name) {
    struct rsw_tag record = {.repo = repo(w, repo_name), .head = id_of(w, name), .touched_ms = w->touched_ms};
    snprintf(record.name, sizeof record.name, "%s", tag_name);
    rsw_tag_put(w->txn, &record);
    history(w, repo_name, tag_name, name);
}

void tag_flags(struct world *w, const char *repo_name, const char *tag_name, uint32_t set) {
    struct rsw_tag record;
    uint32_t id = repo(w, repo_name);
    if (rsw_tag_get(w->txn, id, tag_name, &record) != RSW_FOUND) {
        record = (struct rsw_tag){.repo = id, .touched_ms = w->touched_ms};
        snprintf(record.name, sizeof record.name, "%s", tag_name);
    }
    record.flags |= set;
    if ((set & RSW_TAG_BAD) != 0) {
        record.head = 0;
    }
    rsw_tag_put(w->txn, &record);
    sound(w);
}

const char *weak(const char *subject, const char *suffix) {
    static char names[4][RSW_TAG_NAME_MAX + 1];
    static unsigned turn;
    char hex[RSW_DIGEST_TEXT_MAX];
    char *name = names[turn++ % 4];
    struct rsw_digest digest = digest_named(subject);
    snprintf(name, sizeof names[0], "%s-%s%s", rsw_alg_name(digest.alg), rsw_digest_hex(&digest, hex),
             suffix);
    return name;
}

void upload(struct world *w, const char *repo_name, const char *id, int64_t started_ms) {
    struct rsw_upload record = {.repo = repo(w, repo_name), .started_ms = started_ms, .size = 7};
    snprintf(record.id, sizeof record.id, "%s", id);
    rsw_upload_put(w->txn, &record);
    sound(w);
}

void pin(struct world *w, const char *repo_name, const char *name) {
    unmark(w);
    assert_true(w->options.pin_count < PINS_MAX);
    pins[w->options.pin_count++] = (struct rsw_pin){.repo = repo_name, .digest = digest_named(name)};
}

void policy(struct world *w, const char *text) {
    struct rsw_error err = RSW_ERROR_INIT;
    unmark(w);
    rsw_policy_free(w->policy);
    if (rsw_policy_parse(&w->policy, "policy", text, strlen(text), &err) != 0) {
        fail_msg("%s", err.message);
    }
    w->options.policy = w->policy;
}

void pulled(struct world *w, const char *repo_name, const char *name) {
    unmark(w);
    rsw_pull_note(w->txn, repo(w, repo_name), id_of(w, name), w->touched_ms);
    sound(w);
}

void pin_tag(struct world *w, const char *repo_name, const char *tag_name) {
    unmark(w);
    assert_true(w->options.pin_count < PINS_MAX);
    pins[w->options.pin_count++] = (struct rsw_pin){.repo = repo_name, .tag = tag_name};
}

uint64_t forget(struct world *w, enum rsw_deletion_kind kind, const char *target) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    const struct rsw_deletion_request request = {.kind = kind, .target = target};
    unmark(w);
    if (rsw_deletion_write(&deletion, w->txn, &request, rsw_clock_system(), &err) != 0) {
        fail_msg("%s", err.message);
    }
    sound(w);
    return deletion.id;
}

/* ---- the plan ---- */

const struct rsw_plan *plan_of(struct world *w) {
    if (!w->marked) {
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_mark(&w->plan, w->txn, &w->options, &err) != 0) {
            fail_msg("%s", err.message);
        }
        w->marked = true;
    }
    return &w->plan;
}

/* An item as one line: kind, repository, blob id, name, reason. */
static void line_of(char line[LINE_MAX_LEN], enum rsw_item_kind kind, uint32_t repo_id, uint32_t blob_id,
                    const char *name, enum rsw_reason reason) {
    bool named = kind == RSW_ITEM_TAG || kind == RSW_ITEM_UPLOAD;
    snprintf(line, LINE_MAX_LEN, "%s %u %u '%s' %s", rsw_item_kind_name(kind), repo_id, named ? 0 : blob_id,
             named ? name : "", rsw_reason_name(reason));
}

static enum rsw_reason reason_named(const char *word) {
    for (int reason = RSW_REASON_UNREFERENCED; reason <= RSW_REASON_STALE; reason++) {
        if (strcmp(word, rsw_reason_name((enum rsw_reason)reason)) == 0) {
            return (enum rsw_reason)reason;
        }
    }
    fail_msg("no such reason: %s", word);
    return 0;
}

static uint32_t known_repo(struct world *w, const char *name) {
    struct rsw_repo record;
    if (rsw_repo_find(w->txn, name, &record) != RSW_FOUND) {
        fail_msg("the test names an unknown repository: %s", name);
    }
    return record.id;
}

static uint32_t known_blob(struct world *w, const char *name) {
    struct rsw_blob record;
    struct rsw_digest digest = digest_named(name);
    if (rsw_blob_find(w->txn, &digest, &record) != RSW_FOUND) {
        fail_msg("the test names an unknown blob: %s", name);
    }
    return record.id;
}

static void expected_line(struct world *w, char line[LINE_MAX_LEN], const char *text) {
    char words[4][RSW_TAG_NAME_MAX + 1] = {{0}};
    int count = sscanf(text, "%256s %256s %256s %256s", words[0], words[1], words[2], words[3]);
    if (strcmp(words[0], "blob") == 0 && count == 2) {
        line_of(line, RSW_ITEM_BLOB, 0, known_blob(w, words[1]), "", RSW_REASON_UNREFERENCED);
    } else if (strcmp(words[0], "link") == 0 && count >= 3) {
        line_of(line, RSW_ITEM_LINK, known_repo(w, words[1]), known_blob(w, words[2]), "",
                count == 4 ? reason_named(words[3]) : RSW_REASON_UNREFERENCED);
    } else if (strcmp(words[0], "revision") == 0 && count == 4) {
        line_of(line, RSW_ITEM_REVISION, known_repo(w, words[1]), known_blob(w, words[2]), "",
                reason_named(words[3]));
    } else if (strcmp(words[0], "tag") == 0 && count >= 3) {
        line_of(line, RSW_ITEM_TAG, known_repo(w, words[1]), 0, words[2],
                count == 4 ? reason_named(words[3]) : RSW_REASON_SUBJECT_GONE);
    } else if (strcmp(words[0], "repository") == 0 && count >= 2) {
        line_of(line, RSW_ITEM_REPOSITORY, known_repo(w, words[1]), 0, "",
                count == 3 ? reason_named(words[2]) : RSW_REASON_EMPTY);
    } else if (strcmp(words[0], "upload") == 0 && count == 3) {
        line_of(line, RSW_ITEM_UPLOAD, known_repo(w, words[1]), 0, words[2], RSW_REASON_STALE);
    } else {
        fail_msg("not an item: %s", text);
    }
}

static void check_order_and_counts(const struct rsw_plan *plan) {
    uint64_t counts[RSW_ITEM_KINDS] = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *item = &plan->condemned[i];
        assert_true(i == 0 || plan->condemned[i - 1].kind <= item->kind);
        counts[item->kind]++;
        bytes += item->size;
    }
    assert_memory_equal(counts, plan->counts, sizeof counts);
    assert_true(bytes == plan->bytes);
    assert_true(plan->totals[RSW_ITEM_BLOB] == plan->counts[RSW_ITEM_BLOB] + plan->kept_blobs);
    assert_true(plan->kept_in_grace <= plan->kept_blobs);
    for (int kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        assert_true(plan->counts[kind] <= plan->totals[kind]);
    }
}

void goes(struct world *w, ...) {
    const struct rsw_plan *plan = plan_of(w);
    static char expected[GOES_MAX][LINE_MAX_LEN];
    const char *texts[GOES_MAX];
    size_t count = 0;
    va_list args;
    va_start(args, w);
    for (const char *text = va_arg(args, const char *); text != NULL; text = va_arg(args, const char *)) {
        assert_true(count < GOES_MAX);
        texts[count] = text;
        expected_line(w, expected[count++], text);
    }
    va_end(args);
    bool met[GOES_MAX] = {false};
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *item = &plan->condemned[i];
        char line[LINE_MAX_LEN];
        line_of(line, (enum rsw_item_kind)item->kind, item->repo, item->blob, rsw_plan_name(plan, item),
                (enum rsw_reason)item->reason);
        size_t at = 0;
        while (at < count && (met[at] || strcmp(expected[at], line) != 0)) {
            at++;
        }
        if (at == count) {
            fail_msg("is let go, and should stay (kind, repository, blob, name, reason): %s", line);
        }
        met[at] = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!met[i]) {
            fail_msg("stays, and should be let go: %s", texts[i]);
        }
    }
    check_order_and_counts(plan);
    check_why(w);
}

bool warned(struct world *w, const char *repo_name, const char *name, const char *problem) {
    const struct rsw_plan *plan = plan_of(w);
    for (size_t i = 0; i < plan->warning_count; i++) {
        const struct rsw_warning *warning = &plan->warnings[i];
        if ((repo_name == NULL || warning->repo == known_repo(w, repo_name)) &&
            (name == NULL || warning->blob == known_blob(w, name)) &&
            strcmp(warning->problem, problem) == 0) {
            return true;
        }
    }
    return false;
}

const struct rsw_condemned *condemned(struct world *w, enum rsw_item_kind kind, const char *repo_name,
                                      const char *name) {
    const struct rsw_plan *plan = plan_of(w);
    bool named = kind == RSW_ITEM_TAG || kind == RSW_ITEM_UPLOAD;
    uint32_t repo_id = repo_name != NULL ? known_repo(w, repo_name) : 0;
    uint32_t blob_id = named || kind == RSW_ITEM_REPOSITORY ? 0 : known_blob(w, name);
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *item = &plan->condemned[i];
        if (item->kind == kind && item->repo == repo_id &&
            (named ? strcmp(rsw_plan_name(plan, item), name) == 0 : item->blob == blob_id)) {
            return item;
        }
    }
    return NULL;
}

bool lets_go(struct world *w, enum rsw_item_kind kind, const char *repo_name, const char *name) {
    return condemned(w, kind, repo_name, name) != NULL;
}

/* ---- why ---- */

const char *path_text(const struct rsw_why *path) {
    static const char *const names[] = {"?",         "tag",        "tag-history",    "pin",
                                        "policy",    "untagged",   "young-revision", "unreadable",
                                        "odd",       "child",      "referrer",       "weak-tag",
                                        "signature", "young-link", "young-upload",   "bad-link",
                                        "alias",     "young-blob"};
    static char text[RSW_WHY_STEPS_MAX * 20];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < path->step_count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? " " : "",
                                names[path->steps[i].kind]);
    }
    return text;
}

struct rsw_why why(struct world *w, const char *repo_name, const char *name) {
    struct rsw_why out;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digest = digest_named(name);
    if (rsw_why(&out, w->txn, &w->options, repo_name, &digest, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return out;
}

static bool is_root(enum rsw_why_step_kind kind) {
    switch (kind) {
    case RSW_STEP_TAG:
    case RSW_STEP_TAG_HISTORY:
    case RSW_STEP_PIN:
    case RSW_STEP_POLICY:
    case RSW_STEP_UNTAGGED_KEPT:
    case RSW_STEP_YOUNG_REVISION:
    case RSW_STEP_UNREADABLE:
    case RSW_STEP_ODD_REPOSITORY:
    case RSW_STEP_YOUNG_LINK:
    case RSW_STEP_YOUNG_UPLOAD:
    case RSW_STEP_BAD_LINK:
    case RSW_STEP_YOUNG_BLOB:
        return true;
    default:
        return false;
    }
}

/* Does a manifest name a blob so, by its own digest or by one whose link in the repository leads to it? */
static bool names(struct world *w, uint32_t from, uint32_t to, enum rsw_ref_kind kind, uint32_t repo_id) {
    struct rsw_refs refs;
    if (rsw_refs_get(w->txn, from, &refs) != RSW_FOUND) {
        return false;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        uint32_t child = rsw_refs_child(&refs, i);
        struct rsw_member link;
        bool leads = child == to ||
                     (repo_id != 0 && rsw_member_get(w->txn, RSW_LINK, repo_id, child, &link) == RSW_FOUND &&
                      link.target == to);
        if (leads && rsw_refs_kind(&refs, i) == kind) {
            return true;
        }
    }
    return false;
}

/* A path begins at a root, ends at the blob, and each step follows from the one before. */
static void check_path(struct world *w, const struct rsw_why *path) {
    assert_true(path->step_count > 0);
    assert_true(path->steps[path->step_count - 1].blob == path->blob.id);
    if (path->step_count < RSW_WHY_STEPS_MAX && !is_root(path->steps[0].kind)) {
        fail_msg("the path of blob %u does not begin at a root: %s", path->blob.id, path_text(path));
    }
    for (size_t i = 1; i < path->step_count; i++) {
        const struct rsw_why_step *before = &path->steps[i - 1];
        const struct rsw_why_step *step = &path->steps[i];
        bool holds = !is_root(step->kind) || step->kind == RSW_STEP_UNREADABLE;
        if (step->kind == RSW_STEP_CHILD) {
            holds = names(w, before->blob, step->blob, step->ref_kind, step->repo);
        } else if (step->kind == RSW_STEP_REFERRER) {
            holds = names(w, step->blob, before->blob, RSW_REF_SUBJECT, 0);
        }
        if (!holds) {
            fail_msg("step %zu of the path of blob %u does not hold: %s", i, path->blob.id, path_text(path));
        }
    }
}

/* True if the plan lets the blob go; `reason` is among the reasons that it gives. */
static bool plan_condemns(const struct rsw_plan *plan, uint32_t blob_id, enum rsw_reason reason,
                          bool *same_reason) {
    bool condemned = false;
    bool has_revision = false;
    *same_reason = false;
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *item = &plan->condemned[i];
        if (item->blob == blob_id && item->kind == RSW_ITEM_BLOB) {
            condemned = true;
        } else if (item->blob == blob_id && item->kind == RSW_ITEM_REVISION) {
            has_revision = true;
            *same_reason = *same_reason || item->reason == reason;
        }
    }
    *same_reason = *same_reason || (!has_revision && reason == RSW_REASON_UNREFERENCED);
    return condemned;
}

/* Of every tag: it goes by the plan, or stays. */
static void check_why_tags(struct world *w, const struct rsw_plan *plan, const struct rsw_repo *repo) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_tags(&iter, w->txn, repo->id);
    struct rsw_tag tag;
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        struct rsw_why_tag out;
        struct rsw_error err = RSW_ERROR_INIT;
        enum rsw_reason reason = 0;
        for (size_t i = 0; i < plan->count; i++) {
            const struct rsw_condemned *item = &plan->condemned[i];
            if (item->kind == RSW_ITEM_TAG && item->repo == repo->id &&
                strcmp(rsw_plan_name(plan, item), tag.name) == 0) {
                reason = (enum rsw_reason)item->reason;
            }
        }
        if (rsw_why_tag(&out, w->txn, &w->options, repo->name, tag.name, &err) != 0) {
            fail_msg("%s", err.message);
        }
        if (out.verdict != (reason != 0 ? RSW_WHY_LET_GO : RSW_WHY_KEPT) || out.reason != reason ||
            out.head != tag.head) {
            fail_msg("tag %s:%s: why says %d (%d), the plan %d", repo->name, tag.name, out.verdict,
                     out.reason, reason);
        }
    }
}

void check_why(struct world *w) {
    const struct rsw_plan *plan = plan_of(w);
    RSW_AUTO_ITER repos = RSW_ITER_INIT;
    rsw_iter_repos(&repos, w->txn);
    struct rsw_repo repo;
    while (rsw_repo_next(&repos, &repo) == RSW_FOUND) {
        check_why_tags(w, plan, &repo);
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, w->txn);
    struct rsw_blob record;
    while (rsw_blob_next(&iter, &record) == RSW_FOUND) {
        struct rsw_why out;
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_why(&out, w->txn, &w->options, NULL, &record.digest, &err) != 0) {
            fail_msg("%s", err.message);
        }
        bool same_reason;
        bool condemned = plan_condemns(plan, record.id, out.reason, &same_reason);
        enum rsw_why_verdict verdict = (record.flags & RSW_BLOB_PRESENT) == 0 ? RSW_WHY_ABSENT
                                       : condemned                            ? RSW_WHY_LET_GO
                                                                              : RSW_WHY_KEPT;
        if (out.verdict != verdict) {
            fail_msg("blob %u: why says %d, the plan %d", record.id, out.verdict, verdict);
        }
        if (verdict == RSW_WHY_LET_GO && !same_reason) {
            fail_msg("blob %u: why gives a reason (%s) that the plan does not", record.id,
                     rsw_reason_name(out.reason));
        }
        if (verdict == RSW_WHY_KEPT) {
            check_path(w, &out);
        }
    }
    sound(w);
}
