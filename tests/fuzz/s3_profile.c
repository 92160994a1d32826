/* rsw_s3_ini_get: what it finds stands in the file, without blanks at its ends. */
#include "storage/s3_credentials.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key", "region"};
    const char *text = size > 0 ? (const char *)data : "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        RSW_AUTO_BUF value = RSW_BUF_INIT;
        int answer = rsw_s3_ini_get(&value, text, size, "default", names[i], NULL);
        require((answer == RSW_FOUND) == (value.len > 0));
        require(answer != RSW_FOUND || (memmem(text, size, value.data, value.len) != NULL &&
                                        memchr(value.data, '\n', value.len) == NULL && value.data[0] != ' ' &&
                                        value.data[value.len - 1] != ' '));
    }
    return 0;
}
