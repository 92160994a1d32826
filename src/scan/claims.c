#include "scan/claims.h"

#include "util/bytes.h"

#include <stdlib.h>
#include <string.h>

void rsw_claims_init(struct rsw_claims *claims) {
    memset(claims, 0, sizeof *claims);
    pthread_mutex_init(&claims->lock, NULL);
}

void rsw_claims_release(struct rsw_claims *claims) {
    free(claims->slots);
    pthread_mutex_destroy(&claims->lock);
}

/* The slot of this key: its own, or the free one where it belongs. There is always a free one. */
static uint8_t *find(uint8_t *slots, size_t room, const uint8_t *key) {
    static const uint8_t free_slot[RSW_CLAIM_BYTES] = {0};
    size_t at = (size_t)rsw_get_le64(key) & (room - 1);
    for (;;) {
        uint8_t *slot = slots + at * RSW_CLAIM_BYTES;
        if (memcmp(slot, key, RSW_CLAIM_BYTES) == 0 || memcmp(slot, free_slot, RSW_CLAIM_BYTES) == 0) {
            return slot;
        }
        at = (at + 1) & (room - 1);
    }
}

static int grow(struct rsw_claims *claims, struct rsw_error *err) {
    size_t room = claims->room == 0 ? 1024 : claims->room * 2;
    uint8_t *slots = calloc(room, RSW_CLAIM_BYTES);
    if (slots == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    static const uint8_t free_slot[RSW_CLAIM_BYTES] = {0};
    for (size_t i = 0; i < claims->room; i++) {
        const uint8_t *key = claims->slots + i * RSW_CLAIM_BYTES;
        if (memcmp(key, free_slot, RSW_CLAIM_BYTES) != 0) {
            memcpy(find(slots, room, key), key, RSW_CLAIM_BYTES);
        }
    }
    free(claims->slots);
    claims->slots = slots;
    claims->room = room;
    return 0;
}

static int add(struct rsw_claims *claims, const uint8_t *key, struct rsw_error *err) {
    if (claims->count >= claims->room / 2 && grow(claims, err) != 0) {
        return -1;
    }
    uint8_t *slot = find(claims->slots, claims->room, key);
    if (memcmp(slot, key, RSW_CLAIM_BYTES) == 0) {
        return 0;
    }
    memcpy(slot, key, RSW_CLAIM_BYTES);
    claims->count++;
    return 1;
}

int rsw_claims_add(struct rsw_claims *claims, const struct rsw_digest *digest, struct rsw_error *err) {
    uint8_t key[RSW_CLAIM_BYTES];
    memcpy(key, digest->bytes, sizeof key);
    key[0] |= 1; /* never the mark of a free slot */
    pthread_mutex_lock(&claims->lock);
    int rc = add(claims, key, err);
    pthread_mutex_unlock(&claims->lock);
    return rc;
}
