#include "oci/ref_list.h"

#include "util/cleanup.h"
#include "util/grow.h"

#include <stdlib.h>

void rsw_ref_list_release(struct rsw_ref_list *list) {
    free(list->refs);
    *list = (struct rsw_ref_list){NULL, 0, 0};
}

int rsw_ref_list_add(struct rsw_ref_list *list, const struct rsw_ref *ref, struct rsw_error *err) {
    struct rsw_ref *refs = rsw_grown(list->refs, &list->room, list->count + 1, sizeof *refs);
    if (refs == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    list->refs = refs;
    refs[list->count++] = *ref;
    return 0;
}

static int by_target(const struct rsw_ref *a, const struct rsw_ref *b) {
    int order = rsw_digest_compare(&a->digest, &b->digest);
    return order != 0 ? order : (int)a->kind - (int)b->kind;
}

/* Among equals the first mentioned comes first: all point into one array. */
static int by_target_then_place(const void *left, const void *right) {
    const struct rsw_ref *a = *(struct rsw_ref *const *)left;
    const struct rsw_ref *b = *(struct rsw_ref *const *)right;
    int order = by_target(a, b);
    return order != 0 ? order : a < b ? -1 : a > b;
}

/* Sorted rather than hashed: whoever writes the manifest chooses the digests, and could make a hash table
 * crawl. */
int rsw_ref_list_unique(struct rsw_ref_list *list, struct rsw_error *err) {
    if (list->count < 2) {
        return 0;
    }
    RSW_AUTO_FREE struct rsw_ref **sorted = calloc(list->count, sizeof(struct rsw_ref *));
    if (sorted == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < list->count; i++) {
        sorted[i] = &list->refs[i];
    }
    qsort(sorted, list->count, sizeof(struct rsw_ref *), by_target_then_place);
    struct rsw_ref *first = sorted[0];
    for (size_t i = 1; i < list->count; i++) {
        struct rsw_ref *ref = sorted[i];
        if (by_target(first, ref) != 0) {
            first = ref;
            continue;
        }
        first->types |= ref->types;
        first->size = first->size != 0 ? first->size : ref->size;
        ref->kind = 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->refs[i].kind != 0) {
            list->refs[kept++] = list->refs[i];
        }
    }
    list->count = kept;
    return 0;
}
