#include "util/useragent.h"

#include <string.h>

/* What stands behind "(what " at *at, which moves on; NULL: no more. */
static const char *next_word(const char **at, const char *what) {
    size_t len = strlen(what);
    const char *open;
    while ((open = strchr(*at, '(')) != NULL) {
        *at = open + 1;
        if (strncmp(*at, what, len) == 0 && (*at)[len] == ' ') {
            return *at + len + 1;
        }
    }
    return NULL;
}

bool rsw_useragent_word(const char *useragent, const char *what, char *out, size_t size) {
    const char *at = useragent;
    const char *word;
    out[0] = 0;
    while ((word = next_word(&at, what)) != NULL) {
        size_t len = strcspn(word, " ()");
        if (len > 0 && len < size && word[len] == ')') {
            memcpy(out, word, len);
            out[len] = 0;
            return true;
        }
    }
    return false;
}
