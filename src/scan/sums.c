#include "scan/sums.h"

#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32
#define TEXT_SIZE (sizeof "sha256:" - 1 + (size_t)2 * DIGEST_SIZE)

struct rsw_sum {
    uint8_t md5[RSW_MD5_BYTES]; /* of the digest's text */
    uint8_t digest[DIGEST_SIZE];
};

void rsw_sums_release(struct rsw_sums *sums) {
    free(sums->sums);
    memset(sums, 0, sizeof *sums);
}

int rsw_sums_add(struct rsw_sums *sums, const struct rsw_digest *digest, struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    if (digest->alg != RSW_SHA256) {
        return 0;
    }
    struct rsw_md5 md5 = rsw_md5_of(rsw_digest_format(digest, text), TEXT_SIZE);
    if (!md5.known) {
        return 0;
    }
    struct rsw_sum *grown = rsw_grown(sums->sums, &sums->room, sums->count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    sums->sums = grown;
    struct rsw_sum *sum = &grown[sums->count++];
    memcpy(sum->md5, md5.bytes, sizeof sum->md5);
    memcpy(sum->digest, digest->bytes, sizeof sum->digest);
    return 0;
}

static int compare(const void *a, const void *b) {
    return memcmp(((const struct rsw_sum *)a)->md5, ((const struct rsw_sum *)b)->md5, RSW_MD5_BYTES);
}

bool rsw_sums_find(struct rsw_digest *out, struct rsw_sums *sums, const struct rsw_entry *entry) {
    if (sums->count == 0 || entry->answer != RSW_FOUND || entry->kind != RSW_ENTRY_FILE ||
        !entry->md5.known || entry->size != TEXT_SIZE) {
        return false;
    }
    if (sums->sorted < sums->count) { /* once, for in a list revisions come before tags */
        qsort(sums->sums, sums->count, sizeof *sums->sums, compare);
        sums->sorted = sums->count;
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
