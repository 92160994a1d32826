/* Which pins hit what, looked up once: each repository then asks for its own. */
#include "gc/marker.h"
#include "util/grow.h"

#include <stdlib.h>

static int add(struct rsw_marker *marker, struct rsw_pinned pinned, struct rsw_error *err) {
    struct rsw_pinned *grown =
        rsw_grown(marker->pinned, &marker->pinned_room, marker->pinned_count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
    }
    marker->pinned = grown;
    grown[marker->pinned_count++] = pinned;
    return 0;
}

/* In every repository that has it, as a manifest or as a blob. */
static int add_everywhere(struct rsw_marker *marker, uint32_t blob, uint32_t number, struct rsw_error *err) {
    static const enum rsw_member_kind kinds[] = {RSW_REVISION, RSW_LINK};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        uint32_t repo;
        rsw_iter_members_of(&iter, marker->txn, kinds[i], blob);
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            if (add(marker, (struct rsw_pinned){repo, blob, number}, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* What runs may be known by the digest of its configuration alone. */
static int add_images_of(struct rsw_marker *marker, uint32_t config, uint32_t number, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, marker->txn, config);
    while (rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_CONFIG && add_everywhere(marker, manifest, number, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Of a digest the bytes stay, whoever links them. */
static int look_up(struct rsw_marker *marker, const struct rsw_pin *pin, uint32_t number,
                   struct rsw_error *err) {
    struct rsw_repo repo = {.id = 0};
    struct rsw_blob blob = {.id = 0};
    bool known = pin->repo == NULL || rsw_repo_find(marker->txn, pin->repo, &repo) == RSW_FOUND;
    if (pin->tag == NULL) {
        if (rsw_blob_find(marker->txn, &pin->digest, &blob) != RSW_FOUND) {
            return 0;
        }
        rsw_marker_see(marker, blob.id, RSW_EVER_LIVE);
    }
    if (pin->repo == NULL) {
        if (pin->image && add_images_of(marker, blob.id, number, err) != 0) {
            return -1;
        }
        return add_everywhere(marker, blob.id, number, err);
    }
    return known ? add(marker, (struct rsw_pinned){repo.id, blob.id, number}, err) : 0;
}

static int by_repo(const void *a, const void *b) {
    const struct rsw_pinned *left = a;
    const struct rsw_pinned *right = b;
    return left->repo != right->repo      ? (left->repo < right->repo ? -1 : 1)
           : left->number < right->number ? -1
                                          : left->number > right->number;
}

int rsw_marker_find_pins(struct rsw_marker *marker, struct rsw_error *err) {
    for (size_t i = 0; i < marker->pin_count; i++) {
        if (look_up(marker, &marker->pins[i], (uint32_t)i + 1, err) != 0) {
            return -1;
        }
    }
    if (marker->pinned_count > 1) {
        qsort(marker->pinned, marker->pinned_count, sizeof *marker->pinned, by_repo);
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

const struct rsw_pinned *rsw_marker_pins(const struct rsw_marker *marker, size_t *count) {
    uint32_t repo = marker->view.repo.id;
    size_t low = 0;
    for (size_t high = marker->pinned_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (marker->pinned[middle].repo < repo) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *count = 0;
    while (low + *count < marker->pinned_count && marker->pinned[low + *count].repo == repo) {
        ++*count;
    }
    return marker->pinned + low;
}

const struct rsw_pin *rsw_marker_pin(const struct rsw_marker *marker, uint32_t number) {
    return number != 0 ? &marker->pins[number - 1] : NULL;
}
