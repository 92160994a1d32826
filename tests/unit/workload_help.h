/* What the tests of src/workload share: a walk over a text or file, and what came of it in words. */
#ifndef TESTS_UNIT_WORKLOAD_HELP_H
#define TESTS_UNIT_WORKLOAD_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workload/documents.h"

#define OURS "registry.example.com:5000"
#define OURS_IN_CLUSTER "image-registry.openshift-image-registry.svc:5000"

/* A walk over nothing yet, at 2026-11-28T09:00:00Z, for our registry by its two names. */
struct walked {
    struct rsw_uses uses;
    struct rsw_walk walk;
    struct rsw_error err;
    char *lines; /* owned: what `found` gave last */
};
int walked_setup(void **state);
int walked_teardown(void **state);

/* As rsw_documents_read; the text comes in pieces of `step` bytes, 0 for all at once. */
int read_text(struct walked *walked, const char *text, size_t len, size_t step, struct rsw_page *page);
int read_words(struct walked *walked, const char *text);

/* The pins, sorted, one a line: "shop/web:1 <- Pod shop/web container web". */
const char *found(struct walked *walked);
/* The same without who names them. */
const char *found_pins(struct walked *walked);

#define expect_found(walked, text) assert_string_equal(found(walked), text)

#endif
