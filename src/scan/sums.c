#include "scan/sums.h"

#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32
#define TEXT_SIZE (sizeof "sha256:" - 1 + (size_t)2 * DIGEST_SIZE)

struct rsw_sum {
    uint8_t md5[RSW_MD5_BYTES]; /* of the digest's text, once somebody asks */
    uint8_t digest[DIGEST_SIZE];
};

void rsw_sums_release(struct rsw_sums *sums) {
    free(sums->sums);
    memset(sums, 0, sizeof *sums);
}

int rsw_sums_add(struct rsw_sums *sums, const struct rsw_digest *digest, struct rsw_error *err) {
    if (digest->alg != RSW_SHA256) {
        return 0;
    }
    struct rsw_sum *grown = rsw_grown(sums->sums, &sums->room, sums->count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    sums->sums = grown;
    memcpy(grown[sums->count++].digest, digest->bytes, DIGEST_SIZE);
    return 0;
}

static int compare(const void *a, const void *b) {
    return memcmp(((const struct rsw_sum *)a)->md5, ((const struct rsw_sum *)b)->md5, RSW_MD5_BYTES);
}

/* Of all that were added: once, for in a list revisions come before tags. False: MD5 cannot be computed. */
static bool sum_up(struct rsw_sums *sums) {
    if (sums->sorted == sums->count) {
        return true;
    }
    for (size_t i = sums->sorted; i < sums->count; i++) {
        char text[RSW_DIGEST_TEXT_MAX];
        struct rsw_digest digest = {.alg = RSW_SHA256};
        memcpy(digest.bytes, sums->sums[i].digest, DIGEST_SIZE);
        struct rsw_md5 md5 = rsw_md5_of(rsw_digest_format(&digest, text), TEXT_SIZE);
        if (!md5.known) {
            return false;
        }
        memcpy(sums->sums[i].md5, md5.bytes, sizeof md5.bytes);
    }
    qsort(sums->sums, sums->count, sizeof *sums->sums, compare);
    sums->sorted = sums->count;
    return true;
}

bool rsw_sums_find(struct rsw_digest *out, struct rsw_sums *sums, const struct rsw_entry *entry) {
    if (sums->count == 0 || entry->answer != RSW_FOUND || entry->kind != RSW_ENTRY_FILE ||
        !entry->md5.known || entry->size != TEXT_SIZE || !sum_up(sums)) {
        return false;
    }
    struct rsw_sum wanted;
    memcpy(wanted.md5, entry->md5.bytes, sizeof wanted.md5);
    const struct rsw_sum *found = bsearch(&wanted, sums->sums, sums->count, sizeof wanted, compare);
    if (found == NULL) {
        return false;
    }
    *out = (struct rsw_digest){.alg = RSW_SHA256};
    memcpy(out->bytes, found->digest, sizeof found->digest);
    return true;
}
