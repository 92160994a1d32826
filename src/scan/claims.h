/* A set of digests that threads share: who puts one in first has it. */
#ifndef REGSWEEP_SCAN_CLAIMS_H
#define REGSWEEP_SCAN_CLAIMS_H

#include <regsweep/digest.h>

#include <pthread.h>

/* The first 16 bytes of a digest stand for it: it is evenly spread, and to make two that agree in 128 bits
 * takes 2^64 tries. Even then one manifest would stay unread, and unread is kept. */
#define RSW_CLAIM_BYTES 16

struct rsw_claims {
    pthread_mutex_t lock;
    uint8_t *slots; /* owned; open addressing, all zero: free */
    size_t room;    /* slots, a power of two */
    size_t count;
};

void rsw_claims_init(struct rsw_claims *claims);
void rsw_claims_release(struct rsw_claims *claims);
/* 1: it is the caller's; 0: somebody had it already; -1: RSW_ENOMEM. */
int rsw_claims_add(struct rsw_claims *claims, const struct rsw_digest *digest, struct rsw_error *err);

#endif
