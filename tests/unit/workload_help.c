#include "workload_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1795856400000) /* 2026-11-28T09:00:00Z */

int walked_setup(void **state) {
    struct walked *walked = calloc(1, sizeof *walked);
    assert_non_null(walked);
    walked->walk = (struct rsw_walk){
        .uses = &walked->uses, .now_ms = NOW_MS, .young_ms = 3600 * INT64_C(1000), .revisions = 3};
    assert_int_equal(rsw_uses_add_host(&walked->uses, OURS, &walked->err), 0);
    assert_int_equal(rsw_uses_add_host(&walked->uses, OURS_IN_CLUSTER, &walked->err), 0);
    *state = walked;
    return 0;
}

int walked_teardown(void **state) {
    struct walked *walked = *state;
    rsw_uses_release(&walked->uses);
    free(walked->lines);
    free(walked);
    return 0;
}

struct pieces {
    const char *text;
    size_t left, step;
};

static ssize_t read_piece(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    struct pieces *pieces = arg;
    size_t len = pieces->step != 0 && pieces->step < size ? pieces->step : size;
    (void)err;
    len = len < pieces->left ? len : pieces->left;
    memcpy(bytes, pieces->text, len);
    pieces->text += len;
    pieces->left -= len;
    return (ssize_t)len;
}

int read_text(struct walked *walked, const char *text, size_t len, size_t step, struct rsw_page *page) {
    struct pieces pieces = {text, len, step};
    const struct rsw_document_source source = {read_piece, &pieces};
    rsw_error_clear(&walked->err);
    return rsw_documents_read(&walked->walk, &source, page, &walked->err);
}

int read_words(struct walked *walked, const char *text) {
    return read_text(walked, text, strlen(text), 0, NULL);
}

static const char *tell(struct walked *walked, bool with_names) {
    size_t len;
    free(walked->lines);
    FILE *out = open_memstream(&walked->lines, &len);
    assert_non_null(out);
    rsw_uses_settle(&walked->uses);
    for (size_t i = 0; i < walked->uses.count; i++) {
        const struct rsw_pin *pin = &walked->uses.pins[i];
        char digest[RSW_DIGEST_TEXT_MAX];
        fputs(pin->repo != NULL ? pin->repo : "", out);
        fputs(pin->tag != NULL ? ":" : pin->repo != NULL ? "@" : "", out);
        fputs(pin->tag != NULL ? pin->tag : rsw_digest_format(&pin->digest, digest), out);
        fprintf(out, "%s%s\n", with_names ? " <- " : "", with_names ? pin->why : "");
    }
    assert_int_equal(fclose(out), 0);
    return walked->lines;
}

const char *found(struct walked *walked) {
    return tell(walked, true);
}

const char *found_pins(struct walked *walked) {
    return tell(walked, false);
}
