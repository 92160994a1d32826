/* The plan: what a mark lets go, in compact arrays. */
#include "gc/plan.h"

#include "util/grow.h"
#include "util/large.h"

#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
}

int rsw_plan_warn(struct rsw_plan *plan, uint32_t repo, uint32_t blob, const char *problem,
                  struct rsw_error *err) {
    struct rsw_warning *warnings =
        rsw_grown(plan->warnings, &plan->warning_room, plan->warning_count + 1, sizeof *warnings);
    if (warnings == NULL) {
        return out_of_memory(err);
    }
    plan->warnings = warnings;
    warnings[plan->warning_count++] = (struct rsw_warning){.repo = repo, .blob = blob, .problem = problem};
    return 0;
}

static int add_name(struct rsw_plan *plan, const char *name, uint32_t *offset, struct rsw_error *err) {
    size_t len = strlen(name) + 1;
    char *names = rsw_grown(plan->names, &plan->names_room, plan->names_len + len, 1);
    if (names == NULL || plan->names_len > UINT32_MAX - len) {
        return out_of_memory(err);
    }
    plan->names = names;
    memcpy(names + plan->names_len, name, len);
    *offset = (uint32_t)plan->names_len;
    plan->names_len += len;
    return 0;
}

int rsw_plan_condemn(struct rsw_plan *plan, struct rsw_condemned item, const char *name,
                     struct rsw_error *err) {
    struct rsw_condemned *condemned =
        rsw_grown(plan->condemned, &plan->room, plan->count + 1, sizeof *condemned);
    if (condemned == NULL) {
        return out_of_memory(err);
    }
    plan->condemned = condemned;
    if (name != NULL && add_name(plan, name, &item.name, err) != 0) {
        return -1;
    }
    condemned[plan->count++] = item;
    plan->counts[item.kind]++;
    plan->bytes += item.size;
    return 0;
}

int rsw_plan_reserve(struct rsw_plan *plan, size_t count, struct rsw_error *err) {
    plan->condemned = rsw_large_alloc((count + 1) * sizeof *plan->condemned);
    if (plan->condemned == NULL) {
        return out_of_memory(err);
    }
    plan->room = count + 1;
    return 0;
}

void rsw_plan_release(struct rsw_plan *plan) {
    free(plan->condemned);
    free(plan->names);
    free(plan->warnings);
    *plan = (struct rsw_plan){.count = 0};
}

/* ---- beside open generations ---- */

/* Keeps of the plan what `stays` says. 0 or -1. */
static int filter(struct rsw_plan *plan, struct rsw_txn *txn,
                  bool (*stays)(const struct rsw_item *item, const void *arg), const void *arg,
                  struct rsw_error *err) {
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *from = &plan->condemned[i];
        struct rsw_item item;
        int answer = rsw_condemned_get(txn, (enum rsw_item_kind)from->kind, from->repo, from->blob,
                                       rsw_plan_name(plan, from), &item);
        if (answer == RSW_FAILED) {
            rsw_txn_failed(txn, err);
            return -1;
        }
        if (answer == RSW_FOUND && !stays(&item, arg)) {
            plan->counts[from->kind]--;
            plan->bytes -= from->size;
        } else {
            plan->condemned[kept++] = *from;
        }
    }
    plan->count = kept;
    return 0;
}

static bool none_stays(const struct rsw_item *item, const void *arg) {
    (void)item;
    (void)arg;
    return false;
}

int rsw_plan_leave_open(struct rsw_plan *plan, struct rsw_txn *txn, struct rsw_error *err) {
    uint64_t id;
    if (rsw_generations_open(txn, &id, 1) == 0) {
        return rsw_txn_failed(txn, err) ? -1 : 0;
    }
    return filter(plan, txn, none_stays, NULL, err);
}

/* ---- with what open generations took ---- */

struct sure {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX]; /* of those whose objects go again */
    size_t count;
};

static bool is_sure(const struct sure *sure, uint64_t id) {
    for (size_t i = 0; i < sure->count; i++) {
        if (sure->ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool goes_again(const struct rsw_item *item, const void *arg) {
    return (item->flags & RSW_ITEM_TOUCHED) == 0 && is_sure(arg, item->generation);
}

/* What a pin names came back to live by it, and what it needs with it. */
static bool is_pinned(struct rsw_txn *txn, uint64_t id, const struct rsw_mark_options *mark) {
    for (size_t i = 0; i < mark->pin_count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_blob blob;
        struct rsw_item item;
        if (mark->pins[i].tag != NULL) {
            return true; /* it may be any */
        }
        if (rsw_blob_find(txn, &mark->pins[i].digest, &blob) != RSW_FOUND) {
            continue;
        }
        rsw_iter_items(&iter, txn, id, 0);
        while (rsw_item_next(&iter, &item) == RSW_FOUND) {
            if (item.blob == blob.id) {
                return true;
            }
        }
    }
    return false;
}

/* What went by a policy stays without one. */
static bool went_by_policy(struct rsw_txn *txn, uint64_t id) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_iter_items(&iter, txn, id, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        if (item.reason == RSW_REASON_POLICY) {
            return true;
        }
    }
    return false;
}

static bool lets_go_as_much(struct rsw_txn *txn, uint64_t id, const struct rsw_mark_options *mark) {
    struct rsw_generation generation;
    return rsw_generation_get(txn, id, &generation) == RSW_FOUND &&
           (mark->untagged_remove || !generation.untagged) && mark->grace_ms <= generation.grace_ms &&
           (mark->policy != NULL || !went_by_policy(txn, id)) && !is_pinned(txn, id, mark);
}

/* The index does not have it any more; what is still in place the mark has found. */
static int add_taken(struct rsw_plan *plan, struct rsw_txn *txn, uint64_t id, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_iter_items(&iter, txn, id, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        struct rsw_blob blob = {.types = 0};
        if (item.state != RSW_ITEM_ASIDE || (item.flags & RSW_ITEM_TOUCHED) != 0) {
            continue;
        }
        if (item.blob != 0 && rsw_blob_get(txn, item.blob, &blob) == RSW_FAILED) {
            return -1;
        }
        const struct rsw_condemned again = {.repo = item.repo,
                                            .blob = item.blob,
                                            .size = item.size,
                                            .types = blob.types,
                                            .kind = (uint8_t)item.kind,
                                            .reason = (uint8_t)item.reason};
        if (rsw_plan_condemn(plan, again, item.kind == RSW_ITEM_TAG ? item.name : NULL, err) != 0) {
            return -1;
        }
        plan->totals[item.kind]++;
        plan->total_bytes += item.kind == RSW_ITEM_BLOB ? item.size : 0;
    }
    return 0;
}

static int by_kind(const void *a, const void *b) {
    const struct rsw_condemned *one = a;
    const struct rsw_condemned *other = b;
    if (one->kind != other->kind) {
        return one->kind < other->kind ? -1 : 1;
    }
    if (one->repo != other->repo) {
        return one->repo < other->repo ? -1 : 1;
    }
    return one->blob != other->blob ? (one->blob < other->blob ? -1 : 1) : 0;
}

int rsw_plan_add_open(struct rsw_plan *plan, struct rsw_txn *txn, const struct rsw_mark_options *mark,
                      uint64_t *unsure, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    struct sure sure = {.count = 0};
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    *unsure = 0;
    for (size_t i = 0; i < count; i++) {
        if (lets_go_as_much(txn, ids[i], mark)) {
            sure.ids[sure.count++] = ids[i];
        } else {
            *unsure = ids[i];
        }
    }
    if (count > 0 && filter(plan, txn, goes_again, &sure, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sure.count; i++) {
        if (add_taken(plan, txn, sure.ids[i], err) != 0) {
            rsw_txn_failed(txn, err);
            return -1;
        }
    }
    if (sure.count > 0 && plan->count > 0) {
        qsort(plan->condemned, plan->count, sizeof *plan->condemned, by_kind);
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}
