#include "feed/server.h"
#include "util/crypto.h"

#include <string.h>
#include <strings.h>

/* Digests are compared, not tokens: they have one length, so that the time tells nothing of the token's. */
static int sum_of(uint8_t out[RSW_TOKEN_SUM], const char *token, struct rsw_error *err) {
    struct rsw_digest digest;
    if (rsw_digest_of(&digest, RSW_SHA256, token, strlen(token), err) != 0) {
        return -1;
    }
    memcpy(out, digest.bytes, RSW_TOKEN_SUM);
    return 0;
}

int rsw_feed_token_set(struct rsw_feed_token *out, const char *token, struct rsw_error *err) {
    out->asked = token != NULL;
    if (token == NULL) {
        return 0;
    }
    if (token[0] == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the token is empty");
    }
    return sum_of(out->sum, token, err);
}

bool rsw_feed_token_equal(const struct rsw_feed_token *a, const struct rsw_feed_token *b) {
    return a->asked && b->asked && memcmp(a->sum, b->sum, sizeof a->sum) == 0;
}

bool rsw_feed_token_right(const struct rsw_feed_token *token, const char *authorization) {
    static const char scheme[] = "Bearer ";
    uint8_t sum[RSW_TOKEN_SUM];
    if (!token->asked) {
        return true;
    }
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    const char *text = authorization + sizeof scheme - 1;
    text += strspn(text, " ");
    const struct rsw_crypto *crypto = rsw_crypto(NULL);
    return crypto != NULL && sum_of(sum, text, NULL) == 0 &&
           crypto->CRYPTO_memcmp(sum, token->sum, sizeof sum) == 0;
}
