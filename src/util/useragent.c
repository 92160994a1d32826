#include "util/useragent.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_MAX 64

bool rsw_useragent_word(const char *useragent, const char *what, char *out, size_t size) {
    static const char product[] = "regsweep/";
    out[0] = 0;
    if (strncmp(useragent, product, sizeof product - 1) != 0) {
        return false;
    }
    const char *at = useragent + strcspn(useragent, " ");
    size_t what_len = strlen(what);
    if (strncmp(at, " (", 2) != 0 || strncmp(at + 2, what, what_len) != 0 || at[2 + what_len] != ' ') {
        return false;
    }
    const char *word = at + 2 + what_len + 1;
    size_t len = strcspn(word, " ()");
    if (len == 0 || len >= size || word[len] != ')') {
        return false;
    }
    memcpy(out, word, len);
    out[len] = 0;
    return true;
}

int rsw_nonce(char *out, size_t size, struct rsw_error *err) {
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[NONCE_MAX];
    size_t len = size - 1 < NONCE_MAX ? size - 1 : NONCE_MAX;
    /* So few bytes come at once, or not at all. */
    if (getrandom(bytes, len, 0) != (ssize_t)len) {
        return rsw_error_set(err, RSW_EIO, errno, "the system gives no random bytes: %s", strerror(errno));
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = digits[bytes[i] & 15];
    }
    out[len] = 0;
    return 0;
}
