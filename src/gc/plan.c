/* The plan: what a mark lets go, in compact arrays. */
#include "gc/plan.h"

#include "util/grow.h"

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

int rsw_plan_append(struct rsw_plan *plan, const struct rsw_plan *more, struct rsw_error *err) {
    for (size_t i = 0; i < more->count; i++) {
        const struct rsw_condemned *item = &more->condemned[i];
        bool named = item->kind == RSW_ITEM_TAG || item->kind == RSW_ITEM_UPLOAD;
        if (rsw_plan_condemn(plan, *item, named ? rsw_plan_name(more, item) : NULL, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < more->warning_count; i++) {
        const struct rsw_warning *warning = &more->warnings[i];
        if (rsw_plan_warn(plan, warning->repo, warning->blob, warning->problem, err) != 0) {
            return -1;
        }
    }
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        plan->totals[kind] += more->totals[kind];
    }
    return 0;
}

void rsw_plan_release(struct rsw_plan *plan) {
    free(plan->condemned);
    free(plan->names);
    free(plan->warnings);
    *plan = (struct rsw_plan){.count = 0};
}

int rsw_plan_leave_open(struct rsw_plan *plan, struct rsw_txn *txn, struct rsw_error *err) {
    uint64_t id;
    size_t kept = 0;
    if (rsw_generations_open(txn, &id, 1) == 0) {
        return rsw_txn_failed(txn, err) ? -1 : 0;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *item = &plan->condemned[i];
        int answer = rsw_condemned_get(txn, (enum rsw_item_kind)item->kind, item->repo, item->blob,
                                       rsw_plan_name(plan, item), NULL);
        if (answer == RSW_FAILED) {
            rsw_txn_failed(txn, err);
            return -1;
        }
        if (answer == RSW_FOUND) {
            plan->counts[item->kind]--;
            plan->bytes -= item->size;
        } else {
            plan->condemned[kept++] = *item;
        }
    }
    plan->count = kept;
    return 0;
}
