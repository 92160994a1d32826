#include "gc/tell.h"

/* What an id stands for. */
static int name_of(struct rsw_txn *txn, uint32_t repo_id, struct rsw_repo *repo, uint32_t blob_id,
                   struct rsw_digest *digest, struct rsw_error *err) {
    if ((repo_id != 0 && rsw_repo_get(txn, repo_id, repo) != RSW_FOUND) ||
        (blob_id != 0 && rsw_blob_digest(txn, blob_id, digest) != RSW_FOUND)) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(err, RSW_ECORRUPT, 0,
                             "the index names repository %u or blob %u, but has no record of it", repo_id,
                             blob_id);
    }
    return 0;
}

static int tell_items(struct rsw_txn *txn, const struct rsw_plan *plan,
                      const struct rsw_sweep_options *options, struct rsw_error *err) {
    struct rsw_repo repo = {.id = 0};
    struct rsw_digest digest;
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *from = &plan->condemned[i];
        if (options->item_kinds != 0 && (options->item_kinds >> from->kind & 1) == 0) {
            continue;
        }
        uint32_t lookup = from->repo != repo.id ? from->repo : 0; /* mostly the same as before */
        if (name_of(txn, lookup, &repo, from->blob, &digest, err) != 0) {
            return -1;
        }
        struct rsw_sweep_item item = {
            .kind = (enum rsw_item_kind)from->kind,
            .reason = (enum rsw_reason)from->reason,
            .repo = from->repo != 0 ? repo.name : NULL,
            .digest = from->blob != 0 ? &digest : NULL,
            .name = rsw_condemned_is_named(from) ? rsw_plan_name(plan, from) : NULL,
            .types = from->types,
            .size = from->size,
        };
        if (options->item(options->arg, &item) != 0) {
            return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped");
        }
    }
    return 0;
}

static int tell_warnings(struct rsw_txn *txn, const struct rsw_plan *plan,
                         const struct rsw_sweep_options *options, struct rsw_error *err) {
    for (size_t i = 0; i < plan->warning_count; i++) {
        const struct rsw_warning *from = &plan->warnings[i];
        struct rsw_repo repo;
        struct rsw_digest digest;
        if (name_of(txn, from->repo, &repo, from->blob, &digest, err) != 0) {
            return -1;
        }
        struct rsw_sweep_warning warning = {
            .repo = from->repo != 0 ? repo.name : NULL,
            .digest = from->blob != 0 ? &digest : NULL,
            .problem = from->problem,
        };
        if (options->warning(options->arg, &warning) != 0) {
            return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped");
        }
    }
    return 0;
}

int rsw_tell(struct rsw_txn *txn, const struct rsw_plan *plan, const struct rsw_sweep_options *options,
             struct rsw_error *err) {
    return (options->item != NULL && tell_items(txn, plan, options, err) != 0) ||
                   (options->warning != NULL && tell_warnings(txn, plan, options, err) != 0)
               ? -1
               : 0;
}
