/* mark_bench: how fast is the mark, beside a bare walk over the same records of the same index?
 *
 *     mark_bench DIRECTORY [--blobs N] [--references N] [--repositories N] [--rounds N] [--seed N] [--policy
 * 1]
 *
 * Builds an index in DIRECTORY (must not exist), through the same functions that scan and feed use: manifests
 * with as many references as asked for in the mean, half of them to a pool of shared blobs; layer links and
 * revisions in the repositories; one manifest in eight without a tag. Then measures in turn: a bare walk with
 * an iterator over all the records that a mark reads (blobs, repositories, revisions, links, tags, and the
 * references of every manifest), and rsw_mark. Prints medians and the memory of the mark as JSON. With
 * --policy the mark goes by one, every manifest has a tag with a history, and one in three was pulled.
 */
#include "bench_util.h"

#include "gc/mark.h"
#include "index/facts.h"
#include "index/index.h"
#include "policy/policy.h"
#include "util/bytes.h"

#include <malloc.h>
#include <unistd.h>

#define ROUNDS_MAX 99

struct shape {
    unsigned long blobs, references, repositories, rounds, seed, policy;
};

/* Three rules: by a glob, by an expression, by what is left. */
static const char policy_text[] =
    "protect: \"*-lts\"\n"
    "repositories:\n"
    "  - match: \"bench/**\"\n"
    "    tags:\n"
    "      - {match: \"pr-*\", keep: {pushed-within: 14d, pulled-within: 7d}}\n"
    "      - {match: {regex: \"v[0-9]+([.][0-9]+)*\"}, keep: {newest: 1000, by: pull}}\n"
    "      - {match: \"*\", keep: {newest: 100}, revisions: 3}\n"
    "    untagged: {newest: 100}\n";
#define NOW_MS (OLD_MS + 400 * DAY_MS)
#define DAY_MS INT64_C(86400000)

struct builder {
    struct rsw_index *index;
    struct rsw_txn *txn;
    struct rsw_error err;
    struct shape shape;
    struct bench_random random;
    uint64_t references, links, manifests;
};

#define OLD_MS INT64_C(1700000000000)

static void check(const struct builder *builder, int rc, const char *what) {
    if (rc != 0) {
        bench_die("%s: %s", what, builder->err.message);
    }
}

static struct rsw_digest digest_number(uint64_t number) {
    struct rsw_digest digest = {.alg = RSW_SHA256};
    struct bench_random random = {number};
    for (unsigned i = 0; i < 4; i++) {
        rsw_put_le64(digest.bytes + 8 * i, bench_next(&random));
    }
    return digest;
}

/* Commits now and then, so that no transaction grows without bounds. */
static void renew(struct builder *builder) {
    if (rsw_txn_dirty(builder->txn) > (UINT64_C(64) << 20)) {
        check(builder, rsw_txn_commit(&builder->txn, &builder->err), "commit");
        check(builder, rsw_txn_begin_write(&builder->txn, builder->index, &builder->err), "begin");
    }
}

static void add_tag_with_history(struct builder *builder, uint32_t repo, uint32_t blob, uint64_t number) {
    static const char *const forms[] = {"pr-%llu", "v1.%llu", "build-%llu"};
    int64_t pushed_ms = OLD_MS + (int64_t)bench_below(&builder->random, 400) * DAY_MS;
    struct rsw_tag tag = {
        .repo = repo, .head = blob, .touched_ms = pushed_ms, .seq = rsw_txn_seq(builder->txn)};
    struct rsw_history entry = {.repo = repo, .manifest = blob, .touched_ms = pushed_ms, .seq = tag.seq};
    snprintf(tag.name, sizeof tag.name, forms[number % 3], (unsigned long long)number);
    memcpy(entry.tag, tag.name, sizeof entry.tag);
    rsw_tag_put(builder->txn, &tag);
    rsw_history_put(builder->txn, &entry);
    if (bench_below(&builder->random, 3) == 0) {
        rsw_pull_note(builder->txn, repo, blob, pushed_ms + DAY_MS);
    }
}

/* One manifest of a repository, with its links: half of what it names is its own, half out of the pool. */
static void add_manifest(struct builder *builder, uint32_t repo, uint64_t number, unsigned long own,
                         unsigned long shared, uint64_t pool) {
    struct rsw_ref refs[256];
    size_t count = 0;
    struct rsw_digest self = digest_number(number);
    uint32_t blob = rsw_fact_blob(builder->txn, &self, 1000, OLD_MS);
    for (unsigned long i = 0; i < own + shared && count < sizeof refs / sizeof *refs; i++) {
        uint64_t target = i < own ? number + 1 + i : bench_below(&builder->random, pool);
        refs[count++] = (struct rsw_ref){.digest = digest_number(target),
                                         .kind = i == 0 ? RSW_REF_CONFIG : RSW_REF_LAYER,
                                         .types = i == 0 ? RSW_TYPE_CONFIG : RSW_TYPE_LAYER};
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t id = rsw_fact_blob(builder->txn, &refs[i].digest, 1000, OLD_MS);
        struct rsw_member link = {
            .repo = repo, .blob = id, .target = id, .flags = RSW_MEMBER_PRESENT, .touched_ms = OLD_MS};
        rsw_fact_member(builder->txn, RSW_LINK, &link);
    }
    rsw_refs_put(builder->txn, blob, RSW_TYPE_MANIFEST, true, refs, count, OLD_MS);
    struct rsw_member revision = {
        .repo = repo, .blob = blob, .target = blob, .flags = RSW_MEMBER_PRESENT, .touched_ms = OLD_MS};
    rsw_fact_member(builder->txn, RSW_REVISION, &revision);
    if (builder->shape.policy != 0) {
        add_tag_with_history(builder, repo, blob, number);
    } else if (bench_below(&builder->random, 8) != 0) {
        struct rsw_tag tag = {
            .repo = repo, .head = blob, .touched_ms = OLD_MS, .seq = rsw_txn_seq(builder->txn)};
        snprintf(tag.name, sizeof tag.name, "v%llu", (unsigned long long)number);
        rsw_tag_put(builder->txn, &tag);
    }
    builder->references += count;
    builder->manifests++;
}

/* All pulls were heard of. */
static void note_heard(struct builder *builder) {
    struct rsw_state state;
    rsw_state_get(builder->txn, &state);
    state.first_event_ms = OLD_MS;
    state.beat_ms = NOW_MS;
    rsw_state_put(builder->txn, &state);
}

/* Numbers of digests: the pool first, then each manifest followed by what is its own. */
static void build(struct builder *builder) {
    const struct shape *shape = &builder->shape;
    uint64_t pool = shape->blobs / 20 + 1;
    /* Each manifest has `own` blobs beside itself and names as many shared ones, so that both totals come
     * out. */
    unsigned long own = 4;
    uint64_t manifests = (shape->blobs - pool) / (own + 1);
    unsigned long each = (unsigned long)(shape->references / (manifests + 1));
    unsigned long shared = each > own ? each - own : 1;
    check(builder, rsw_txn_begin_write(&builder->txn, builder->index, &builder->err), "begin");
    for (uint64_t i = 0; i < manifests; i++) {
        char name[64];
        snprintf(name, sizeof name, "bench/repository%llu",
                 (unsigned long long)(i * shape->repositories / manifests));
        uint32_t repo = rsw_fact_repo(builder->txn, name, OLD_MS);
        add_manifest(builder, repo, pool + i * (own + 1), own, shared, pool);
        renew(builder);
    }
    note_heard(builder);
    check(builder, rsw_txn_commit(&builder->txn, &builder->err), "commit");
}

/* Every record that a mark reads, and nothing done with it. The number of records and references. */
static uint64_t walk(struct rsw_txn *txn) {
    uint64_t seen = 0;
    uint64_t sum = 0;
    RSW_AUTO_ITER blobs = RSW_ITER_INIT;
    struct rsw_blobs some;
    rsw_iter_blobs(&blobs, txn);
    while (rsw_blobs_next(&blobs, &some) == RSW_FOUND) {
        for (uint32_t i = 0; i < RSW_BLOBS_EACH; i++) {
            seen += rsw_blobs_alg(&some, i) != 0;
            sum += rsw_blobs_flags(&some, i);
        }
    }
    RSW_AUTO_ITER manifests = RSW_ITER_INIT;
    struct rsw_refs refs;
    uint32_t manifest;
    rsw_iter_refs(&manifests, txn);
    while (rsw_refs_next(&manifests, &manifest, &refs) == RSW_FOUND) {
        for (uint32_t i = 0; i < refs.count; i++) {
            sum += rsw_refs_child(&refs, i);
        }
        seen += refs.count;
    }
    const enum rsw_member_kind kinds[] = {RSW_LINK, RSW_REVISION};
    for (unsigned i = 0; i < 2; i++) {
        RSW_AUTO_ITER members = RSW_ITER_INIT;
        struct rsw_member member;
        rsw_iter_members(&members, txn, kinds[i], 0);
        while (rsw_member_next(&members, &member) == RSW_FOUND) {
            seen++;
        }
    }
    RSW_AUTO_ITER tags = RSW_ITER_INIT;
    struct rsw_tag tag;
    rsw_iter_tags(&tags, txn, 0);
    while (rsw_tag_next(&tags, &tag) == RSW_FOUND) {
        seen++;
    }
    return seen + (sum == 1); /* so that the sum is computed */
}

/* Every allocation goes through these (the linker wraps them), so that the peak of a mark is known to the
 * byte. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *pointer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *pointer);

static size_t held, held_peak;

static void *count_in(void *pointer) {
    held += pointer != NULL ? malloc_usable_size(pointer) : 0;
    held_peak = held > held_peak ? held : held_peak;
    return pointer;
}

void *__wrap_malloc(size_t size) {
    return count_in(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return count_in(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return count_in(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *old, size_t size) {
    size_t before = old != NULL ? malloc_usable_size(old) : 0;
    void *now = __real_realloc(old, size);
    if (now != NULL) {
        held -= before;
        count_in(now);
    }
    return now;
}

void __wrap_free(void *pointer) {
    held -= pointer != NULL ? malloc_usable_size(pointer) : 0;
    __real_free(pointer);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct builder *builder) {
    double walks[ROUNDS_MAX], marks[ROUNDS_MAX];
    uint64_t records = 0, condemned = 0;
    size_t mark_bytes = 0;
    struct rsw_policy *policy = NULL;
    if (builder->shape.policy != 0) {
        check(builder,
              rsw_policy_parse(&policy, "policy", policy_text, sizeof policy_text - 1, &builder->err),
              "policy");
    }
    const struct rsw_mark_options options = {.now_ms = policy != NULL ? NOW_MS : OLD_MS * 2,
                                             .grace_ms = 0,
                                             .untagged_remove = true,
                                             .offline = true,
                                             .threads = 1,
                                             .policy = policy};
    unsigned long rounds = builder->shape.rounds;
    for (unsigned long i = 0; i < rounds; i++) {
        RSW_AUTO_TXN txn = NULL;
        check(builder, rsw_txn_begin_read(&txn, builder->index, &builder->err), "begin");
        double start = bench_seconds();
        records = walk(txn);
        walks[i] = bench_seconds() - start;
        RSW_AUTO_PLAN plan = {0};
        size_t before = held_peak = held;
        start = bench_seconds();
        check(builder, rsw_mark(&plan, txn, &options, &builder->err), "mark");
        marks[i] = bench_seconds() - start;
        mark_bytes = held_peak - before;
        condemned = plan.count;
    }
    rsw_policy_free(policy);
    qsort(walks, rounds, sizeof *walks, by_value);
    qsort(marks, rounds, sizeof *marks, by_value);
    double walk_s = walks[rounds / 2];
    double mark_s = marks[rounds / 2];
    printf(
        "{\"blobs\": %lu, \"manifests\": %llu, \"references\": %llu, \"records\": %llu, \"condemned\": %llu, "
        "\"rounds\": %lu, "
        "\"seed\": %lu, \"walk_s\": %.3f, \"mark_s\": %.3f, \"mark_to_walk_rate\": %.2f, \"mark_bytes\": "
        "%zu, \"mark_bytes_a_blob\": %.1f}\n",
        builder->shape.blobs, (unsigned long long)builder->manifests, (unsigned long long)builder->references,
        (unsigned long long)records, (unsigned long long)condemned, rounds, builder->shape.seed, walk_s,
        mark_s, walk_s / mark_s, mark_bytes, (double)mark_bytes / (double)builder->shape.blobs);
}

int main(int argc, char **argv) {
    struct builder builder = {.shape = {500000, 5000000, 2000, 5, 1, 0}, .err = RSW_ERROR_INIT};
    struct shape *shape = &builder.shape;
    const struct bench_option options[] = {{"--blobs", &shape->blobs},
                                           {"--references", &shape->references},
                                           {"--repositories", &shape->repositories},
                                           {"--rounds", &shape->rounds},
                                           {"--seed", &shape->seed},
                                           {"--policy", &shape->policy},
                                           {NULL, NULL}};
    const char *dir = bench_arguments(argc, argv, options);
    if (dir == NULL || shape->rounds == 0 || shape->rounds > ROUNDS_MAX || shape->blobs < 100 ||
        shape->repositories == 0) {
        bench_die("usage: mark_bench DIRECTORY [--blobs N] [--references N] [--repositories N] [--rounds N] "
                  "[--seed N] [--policy 1]");
    }
    if (access(dir, F_OK) == 0) {
        bench_die("%s is there already", dir);
    }
    builder.random.state = shape->seed;
    const struct rsw_index_options how = {.create = true};
    check(&builder, rsw_index_open(&builder.index, dir, &how, &builder.err), "open");
    build(&builder);
    measure(&builder);
    rsw_index_close(builder.index);
    return 0;
}
