#include "gc/stays.h"

#include "scan/batch.h"

#include <stdio.h>
#include <string.h>

struct finding {
    struct rsw_stays *stays;
    struct rsw_txn *txn;
    struct rsw_apply apply;
};

static bool is_pin(struct finding *f, const char *text) {
    struct rsw_kept_pin pin;
    if (rsw_kept_pin_get(f->txn, text, &pin) != RSW_FOUND ||
        (pin.until_ms != 0 && pin.until_ms <= f->apply.now_ms)) {
        return false;
    }
    if (f->stays->pin[0] == 0) {
        memcpy(f->stays->pin, pin.text, sizeof f->stays->pin);
    }
    return true;
}

/* A pin is kept as it was written, and there is one way to write each. */
static bool is_pinned(struct finding *f, const struct rsw_forgotten *forgotten) {
    struct rsw_repo repo;
    struct rsw_digest digest;
    char hex[RSW_DIGEST_TEXT_MAX];
    char text[RSW_REPO_NAME_MAX + RSW_TAG_NAME_MAX + RSW_DIGEST_TEXT_MAX];
    if (rsw_repo_get(f->txn, forgotten->repo, &repo) != RSW_FOUND) {
        return false;
    }
    if (forgotten->kind == RSW_ITEM_TAG) {
        snprintf(text, sizeof text, "%s:%s", repo.name, forgotten->name);
        return is_pin(f, text);
    }
    if (forgotten->blob == 0 || rsw_blob_digest(f->txn, forgotten->blob, &digest) != RSW_FOUND) {
        return false;
    }
    snprintf(text, sizeof text, "%s@%s", repo.name, rsw_digest_format(&digest, hex));
    return is_pin(f, text) || is_pin(f, hex);
}

/* The last touch: no file was written after it, as far as the index knows. */
static int64_t touched_ms(struct finding *f, const struct rsw_forgotten *forgotten) {
    struct rsw_member member;
    struct rsw_tag tag;
    enum rsw_member_kind kind = forgotten->kind == RSW_ITEM_LINK ? RSW_LINK : RSW_REVISION;
    switch (forgotten->kind) {
    case RSW_ITEM_TAG:
        return rsw_tag_get(f->txn, forgotten->repo, forgotten->name, &tag) == RSW_FOUND ? tag.touched_ms : 0;
    case RSW_ITEM_LINK:
    case RSW_ITEM_REVISION:
        return rsw_member_get(f->txn, kind, forgotten->repo, forgotten->blob, &member) == RSW_FOUND
                   ? member.touched_ms
                   : 0;
    default:
        return 0;
    }
}

int rsw_stays_find(struct rsw_stays *out, struct rsw_index *index, uint64_t deletion,
                   const struct rsw_clock *clock, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_forgotten forgotten;
    *out = (struct rsw_stays){.pinned = 0};
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    struct finding finding = {
        .stays = out, .txn = txn, .apply = {.now_ms = rsw_clock_now_ms(clock), .clock = clock}};
    rsw_iter_forgotten(&iter, txn, 0, 0);
    while (rsw_forgotten_next(&iter, &forgotten) == RSW_FOUND) {
        if (forgotten.deletion == deletion) {
            int64_t ms = touched_ms(&finding, &forgotten);
            out->pinned += is_pinned(&finding, &forgotten);
            out->young += ms != 0 && rsw_apply_is_anew(txn, deletion, ms, &finding.apply);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}
