/* rsw_s3_ini_get: what it finds stands in the file, without blanks at its ends. The first line of the input
 * is the profile that is asked for. */
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

static void look(const struct rsw_s3_ini *ini, const char *profile) {
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key", "region"};
    int there = rsw_s3_ini_check(ini, profile, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names && there != RSW_FAILED; i++) {
        RSW_AUTO_BUF value = RSW_BUF_INIT;
        int answer = rsw_s3_ini_get(&value, ini, profile, names[i], NULL);
        require((answer == RSW_FOUND) == (value.len > 0) && (answer != RSW_FOUND || there == RSW_FOUND));
        require(answer != RSW_FOUND ||
                (memmem(ini->bytes, ini->len, value.data, value.len) != NULL &&
                 memchr(value.data, 0, value.len) == NULL && strchr(" \t\r", value.data[0]) == NULL &&
                 strchr(" \t\r\n", value.data[value.len - 1]) == NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = size > 0 ? (const char *)data : "";
    const char *newline = memchr(text, '\n', size);
    size_t len = newline == NULL ? size : (size_t)(newline - text);
    size_t behind = newline == NULL ? size : len + 1;
    char *profile = malloc(len + 1); /* strndup would look for an end that is not there */
    struct rsw_s3_ini ini = {.bytes = text + behind, .len = size - behind};
    require(profile != NULL);
    memcpy(profile, text, len);
    profile[len] = 0;
    look(&ini, profile);
    ini.config = true;
    look(&ini, profile);
    free(profile);
    return 0;
}
