/* rsw_image_name_parse: what it takes apart it takes apart again, put together, in the same way. */
#include "workload/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

static void check(const struct rsw_image_name *name) {
    const struct rsw_reference *reference = &name->reference;
    char host[RSW_HOST_MAX + 1];
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    char text[RSW_HOST_MAX + RSW_REPOSITORY_MAX + RSW_TAG_MAX + RSW_DIGEST_TEXT_MAX + 4];
    struct rsw_image_name again;
    struct rsw_error err = RSW_ERROR_INIT;
    if (reference->has_digest) {
        rsw_digest_format(&reference->digest, digest);
    }
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s", name->host, name->host[0] != 0 ? "/" : "",
             reference->repository, reference->tag[0] != 0 ? ":" : "", reference->tag,
             reference->has_digest && name->host[0] != 0 ? "@" : "", digest);
    require((name->host[0] == 0) == (reference->repository[0] == 0));
    require(name->host[0] == 0 ||
            (rsw_host_parse(host, name->host, strlen(name->host)) && strcmp(host, name->host) == 0));
    require(reference->has_digest || reference->tag[0] != 0);
    /* A host that is none by its looks ("registry", of "REGISTRY/app") cannot be written again. */
    if (strpbrk(name->host, ".:[") != NULL) {
        require(rsw_image_name_parse(&again, text, &err) == 0);
        require(strcmp(again.host, name->host) == 0 &&
                strcmp(again.reference.repository, reference->repository) == 0 &&
                strcmp(again.reference.tag, reference->tag) == 0);
        require(rsw_digest_equal(&again.reference.digest, &reference->digest));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct rsw_image_name name;
    struct rsw_error err = RSW_ERROR_INIT;
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = 0;
    if (rsw_image_name_parse(&name, text, &err) == 0) {
        check(&name);
    } else {
        require(err.code == RSW_EINVAL && err.message[0] != 0);
    }
    free(text);
    return 0;
}
