/* Bytes that are gone, and not by us: the registry itself never removes any, so a stock collector, or a hand,
 * ran beside it. */
#include "gc/checks.h"

#include "storage/layout.h"
#include "util/text.h"
#include "util/useragent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 256

static const char stock_remedy[] =
    "let nothing but regsweep remove from this storage: no registry garbage-collect from cron, no hand. Then "
    "run regsweep scan (all that it takes after a sweep --offline that was killed); regsweep verify lists "
    "the "
    "images that lost something, to be pushed again";

static const char mount_remedy[] =
    "is that the registry's root directory, and is it mounted, the volume of its blobs too? If it really was "
    "emptied: regsweep scan, and regsweep verify lists the images that lost something, to be pushed again";

static const char damaged_remedy[] = "if the index is damaged, build it anew with: regsweep scan --rebuild";

struct sample {
    size_t count;
    struct rsw_blob blobs[SAMPLE];
    struct rsw_look looks[SAMPLE];
    char keys[SAMPLE][RSW_KEY_MAX];
};

/* Was storage seen to have a link to it? Whoever can send events can claim bytes that never were, and must
 * not hold up a sweep by that. */
static bool was_seen(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t blob) {
    return rsw_member_anywhere(txn, kind, blob, RSW_MEMBER_PRESENT | RSW_MEMBER_SEEN) == RSW_FOUND;
}

/* Storage should have it, and no sweep of ours is at it. */
static bool is_live(struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rsw_held held;
    return (blob->flags & RSW_BLOB_PRESENT) != 0 &&
           (was_seen(txn, RSW_LINK, blob->id) || was_seen(txn, RSW_REVISION, blob->id)) &&
           rsw_condemned_get(txn, RSW_ITEM_BLOB, 0, blob->id, "", NULL) == RSW_ABSENT &&
           rsw_held_get(txn, blob->id, &held) == RSW_ABSENT;
}

/* A different one each time: one in so many ids, from a random one on. */
static int take_sample(struct sample *sample, struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    char word[5];
    sample->count = 0;
    if (rsw_nonce(word, sizeof word, err) != 0 || rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) == RSW_FOUND) {
        uint32_t step = state.next_blob / SAMPLE + 1;
        for (uint32_t id = 1 + (uint32_t)strtoul(word, NULL, 16) % step;
             id < state.next_blob && sample->count < SAMPLE; id += step) {
            struct rsw_blob *blob = &sample->blobs[sample->count];
            if (rsw_blob_get(txn, id, blob) == RSW_FOUND && is_live(txn, blob)) {
                char *key = sample->keys[sample->count];
                sample->looks[sample->count++] = (struct rsw_look){.key = rsw_key_blob(key, &blob->digest)};
            }
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* Those that are absent, and that nobody took or corrected in the index since. *gone: one of them. */
static int count_gone(size_t *count, struct rsw_blob *gone, const struct sample *sample,
                      struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    *count = 0;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sample->count; i++) {
        struct rsw_blob blob;
        if (sample->looks[i].answer == RSW_ABSENT &&
            rsw_blob_get(txn, sample->blobs[i].id, &blob) == RSW_FOUND && is_live(txn, &blob)) {
            *gone = blob;
            (*count)++;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void look_at_sample(struct rsw_diagnosis *out, struct sample *sample,
                           const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_blob gone;
    size_t count;
    char text[RSW_DIGEST_TEXT_MAX];
    if (take_sample(sample, doctor->index, &err) == 0) {
        rsw_storage_look(doctor->storage, sample->looks, sample->count);
    }
    if (err.code != RSW_OK || count_gone(&count, &gone, sample, doctor->index, &err) != 0) {
        rsw_say_error(out, RSW_HEALTH_ERROR, damaged_remedy, &err);
    } else if (count > 0) {
        rsw_say(out, RSW_HEALTH_ERROR, count == sample->count ? mount_remedy : stock_remedy,
                "of %zu blobs that were looked for, %zu are not in storage, and regsweep did not take them, "
                "%s one "
                "of them",
                sample->count, count, rsw_digest_format(&gone.digest, text));
    } else {
        rsw_say(out, RSW_HEALTH_OK, NULL, "%zu blobs were looked for, and storage has them", sample->count);
    }
}

void rsw_doctor_vanished(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (doctor->index == NULL || doctor->storage == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "it needs both index and storage");
        return;
    }
    struct sample *sample = malloc(sizeof *sample);
    if (sample == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "out of memory");
        return;
    }
    look_at_sample(out, sample, doctor);
    free(sample);
}

/* ---- what a scan, or serve, has noticed before ---- */

struct missing {
    uint64_t lost;    /* was in storage once */
    uint64_t never;   /* was not, as far as we know */
    int64_t since_ms; /* of the former, the first */
};

/* A repository has it, or storage has a manifest that names it. What a sweep of ours took is still named by
 * manifests that wait in quarantine. */
static bool is_wanted(struct rsw_txn *txn, uint32_t blob) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    if (was_seen(txn, RSW_LINK, blob) || was_seen(txn, RSW_REVISION, blob)) {
        return true;
    }
    rsw_iter_named_by(&iter, txn, blob);
    while (rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND) {
        struct rsw_blob by;
        if (rsw_blob_get(txn, manifest, &by) == RSW_FOUND && (by.flags & RSW_BLOB_PRESENT) != 0) {
            return true;
        }
    }
    return false;
}

static void count_missing(struct missing *missing, struct rsw_txn *txn, const struct rsw_blobs *blobs) {
    for (uint32_t i = 0; i < RSW_BLOBS_EACH; i++) {
        struct rsw_blob blob;
        if (rsw_blobs_alg(blobs, i) == 0 || (rsw_blobs_flags(blobs, i) & RSW_BLOB_PRESENT) != 0 ||
            rsw_blob_get(txn, blobs->first + i, &blob) != RSW_FOUND || blob.missing_since_ms == 0) {
            continue;
        }
        bool lost = blob.seq != 0; /* somebody claimed that storage has it */
        if (lost && !is_wanted(txn, blob.id)) {
            continue;
        }
        missing->lost += lost;
        missing->never += !lost;
        if (lost && blob.missing_since_ms < missing->since_ms) {
            missing->since_ms = blob.missing_since_ms;
        }
    }
}

static int gather_missing(struct missing *missing, struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_blobs blobs;
    *missing = (struct missing){.since_ms = INT64_MAX};
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    rsw_iter_blobs(&iter, txn);
    while (rsw_blobs_next(&iter, &blobs) == RSW_FOUND) {
        count_missing(missing, txn, &blobs);
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

void rsw_doctor_missing(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct missing missing;
    char text[32];
    if (doctor->index == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no index to look at");
    } else if (gather_missing(&missing, doctor->index, &err) != 0) {
        rsw_say_error(out, RSW_HEALTH_ERROR, damaged_remedy, &err);
    } else if (missing.lost > 0) {
        rsw_say(out, RSW_HEALTH_WARNING, stock_remedy,
                "%" PRIu64
                " blobs that something names were in storage and are not any more, found so first at %s",
                missing.lost, rsw_time_format(missing.since_ms, text, sizeof text));
    } else if (missing.never > 0) {
        rsw_say(out, RSW_HEALTH_OK, NULL,
                "%" PRIu64
                " blobs that something names were never in storage: images that were pushed in part "
                "(regsweep verify lists them)",
                missing.never);
    } else {
        rsw_say(out, RSW_HEALTH_OK, NULL, "storage has all that something names");
    }
}
