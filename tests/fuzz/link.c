/* rsw_link_parse: what is taken for a digest is that digest, byte for byte, and nothing else. */
#include "storage/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_digest digest;
    enum rsw_link_state state = rsw_link_parse(&digest, data, size);
    if ((state == RSW_LINK_EMPTY) != (size == 0)) {
        abort();
    }
    if (state == RSW_LINK_GOOD) {
        char text[RSW_DIGEST_TEXT_MAX];
        rsw_digest_format(&digest, text);
        if (strlen(text) != size || memcmp(text, data, size) != 0) {
            abort();
        }
    }
    return 0;
}
