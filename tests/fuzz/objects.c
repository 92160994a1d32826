/* rsw_documents_read over anything: whole or refused, and the same however it comes in. */
#include "workload/documents.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

struct pieces {
    const uint8_t *data;
    size_t left, step;
};

static ssize_t read_piece(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    struct pieces *pieces = arg;
    size_t len = pieces->step < size ? pieces->step : size;
    (void)err;
    len = len < pieces->left ? len : pieces->left;
    if (len > 0) {
        memcpy(bytes, pieces->data, len);
    }
    pieces->data += len;
    pieces->left -= len;
    return (ssize_t)len;
}

static int walk(struct rsw_uses *uses, const uint8_t *data, size_t size, size_t step, struct rsw_page *page) {
    struct rsw_walk about = {
        .uses = uses, .now_ms = INT64_C(1795856400000), .young_ms = 3600000, .revisions = 3};
    struct pieces pieces = {data, size, step};
    const struct rsw_document_source source = {read_piece, &pieces};
    struct rsw_error err = RSW_ERROR_INIT;
    require(rsw_uses_add_host(uses, "r.io", &err) == 0);
    int rc = rsw_documents_read(&about, &source, page, &err);
    require((rc == 0) == (err.code == RSW_OK) && (rc == 0 || err.message[0] != 0));
    rsw_uses_settle(uses);
    for (size_t i = 0; i < uses->count; i++) {
        require(uses->pins[i].why != NULL && (uses->pins[i].tag == NULL || uses->pins[i].repo != NULL));
        require((uses->pins[i].tag == NULL) == (uses->pins[i].digest.alg != 0));
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct rsw_page page;
    RSW_AUTO_USES whole = {.hosts = NULL};
    RSW_AUTO_USES pieces = {.hosts = NULL};
    RSW_AUTO_USES paged = {.hosts = NULL};
    int rc = walk(&whole, data, size, size + 1, NULL);
    require(walk(&pieces, data, size, 1, NULL) == rc);
    require(whole.count == pieces.count && whole.objects == pieces.objects &&
            whole.bad_count == pieces.bad_count);
    page.kind = "PodList";
    walk(&paged, data, size, size + 1, &page);
    return 0;
}
