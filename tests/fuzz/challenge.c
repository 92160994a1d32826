/* rsw_challenge_next: ends, reads nothing past the end, and what it finds is text. */
#include "registry/challenge.h"

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

static void check_value(const char *text, size_t room) {
    size_t len = strnlen(text, room);
    require(len < room);
    for (size_t i = 0; i < len; i++) {
        require((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = size > 0 ? (const char *)data : "";
    struct rsw_challenge_reader reader = {text, text + size};
    struct rsw_challenge challenge;
    struct rsw_error err = RSW_ERROR_INIT;
    int answer;
    const char *before = reader.at;
    while ((answer = rsw_challenge_next(&challenge, &reader, &err)) == RSW_FOUND) {
        require(reader.at > before && reader.at <= reader.end);
        require(err.code == RSW_OK);
        check_value(challenge.realm, sizeof challenge.realm);
        check_value(challenge.service, sizeof challenge.service);
        before = reader.at;
    }
    require(reader.at == reader.end);
    require((answer == RSW_FAILED) == (err.code == RSW_EINVAL));
    require(challenge.realm[0] == 0 && challenge.service[0] == 0);
    return 0;
}
