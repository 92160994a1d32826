/* Restore: puts back out of the quarantine what an operator names. It touches what that comes to (index.h),
 * so no later step of its generation takes it again, and gives back what was touched (gc/revive.h). What is
 * put back counts as touched now: its grace begins anew.
 *
 * Only what regsweep took can be put back: not what a client deleted, nor what was purged.
 */
#ifndef REGSWEEP_GC_RESTORE_H
#define REGSWEEP_GC_RESTORE_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

enum rsw_restored {
    RSW_RESTORED_PUT_BACK = 0,
    RSW_RESTORED_IN_PLACE, /* it was */
    RSW_RESTORED_FAILED,   /* it could not be; the log says why. It stays in the queue of what was touched */
    RSW_RESTORED_LOST,     /* it is neither in place nor in quarantine */
};
#define RSW_RESTORED_COUNT 4

/* Borrowed until the callback returns. */
struct rsw_restored_item {
    enum rsw_item_kind kind; /* BLOB, LINK, REVISION or TAG */
    enum rsw_restored outcome;
    const char *repo;                /* NULL for a blob */
    const struct rsw_digest *digest; /* of a tag: its head; NULL: not known, or forgotten by the index */
    const char *tag;                 /* NULL but for a tag */
};

struct rsw_restore_options {
    /* What: a generation; or a digest alone, wherever it was taken from; or an image, by repository and
     * either digest or tag: its tag, its revision, what that names, at any depth. */
    uint64_t generation; /* 0: not this */
    const struct rsw_digest *digest;
    const char *repo;
    const char *tag;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    void (*item)(void *arg, const struct rsw_restored_item *item); /* never NULL */
    void *arg;
};

struct rsw_restore_result {
    uint64_t counts[RSW_RESTORED_COUNT];
};

/* 0, and each object was told of; or -1: RSW_EINVAL (nothing of that name is in quarantine and it is not
 * whole in place either; the message says what to look at), or an error of the index. The index is open for
 * writing. No transaction may be open. Sweeps, `serve` and pushes may go on beside it. */
int rsw_restore(struct rsw_restore_result *result, struct rsw_index *index, struct rsw_storage *storage,
                const struct rsw_restore_options *options, struct rsw_error *err);

#endif
