/* rsw_reference_parse and the grammar beneath: what is taken apart can be put together again. */
#include "oci/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

static void check_whole(const struct rsw_reference *reference, const char *text) {
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    char again[RSW_REPOSITORY_MAX + RSW_TAG_MAX + RSW_DIGEST_TEXT_MAX + 3];
    if (reference->has_digest) {
        rsw_digest_format(&reference->digest, digest);
    }
    snprintf(again, sizeof again, "%s%s%s%s%s", reference->repository, reference->tag[0] != 0 ? ":" : "",
             reference->tag, digest[0] != 0 ? "@" : "", digest);
    require(strcmp(again, text) == 0);
    require(rsw_repository_valid(reference->repository, strlen(reference->repository)));
    require(reference->tag[0] == 0 || rsw_tag_valid(reference->tag, strlen(reference->tag)));
}

/* On the bytes as they are, NUL and all. */
static void check_grammar(const char *text, size_t len) {
    struct rsw_digest subject;
    bool tag = rsw_tag_valid(text, len);
    require(!tag || (len <= RSW_TAG_MAX && memchr(text, 0, len) == NULL && memchr(text, '/', len) == NULL));
    require(!rsw_tag_weak(&subject, text, len) || tag);
    if (rsw_repository_valid(text, len)) {
        require(len <= RSW_REPOSITORY_MAX && memmem(text, len, "//", 2) == NULL &&
                memmem(text, len, "..", 2) == NULL);
        require(text[0] != '/' && text[0] != '.' && text[0] != '_' && memmem(text, len, "/_", 2) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        check_grammar((const char *)data, size);
        memcpy(text, data, size);
    }
    text[size] = 0;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_reference reference;
    if (rsw_reference_parse(&reference, text, &err) == 0) {
        check_whole(&reference, text);
    } else {
        require(err.code == RSW_EINVAL && err.message[0] != 0);
        require(reference.repository[0] == 0 && reference.tag[0] == 0 && !reference.has_digest);
    }
    free(text);
    return 0;
}
