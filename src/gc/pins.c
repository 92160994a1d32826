/* What is pinned: by the options, and by pins that are kept in the index. */
#include "gc/marker.h"
#include "index/pin.h"

#include <stdlib.h>

static bool is_over(const struct rsw_marker *marker, const struct rsw_kept_pin *pin) {
    return pin->until_ms != 0 && pin->until_ms <= marker->options->now_ms;
}

static int count_kept(struct rsw_marker *marker, size_t *count, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_pin kept;
    *count = 0;
    rsw_iter_kept_pins(&iter, marker->txn);
    while (rsw_kept_pin_next(&iter, &kept) == RSW_FOUND) {
        *count += is_over(marker, &kept) ? 0 : 1;
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

/* One that cannot be read keeps nothing, and nobody would know: so nothing is decided. */
static int read_kept(const struct rsw_kept_pin *kept, struct rsw_pin *pin, struct rsw_reference *reference,
                     struct rsw_error *err) {
    *pin = (struct rsw_pin){.repo = NULL, .why = "regsweep pin"};
    if (rsw_digest_parse(&pin->digest, kept->text, strlen(kept->text))) {
        return 0;
    }
    if (rsw_reference_parse(reference, kept->text, err) != 0) {
        return rsw_error_prefix(err, "the pin \"%s\" in the index", kept->text);
    }
    pin->repo = reference->repository;
    pin->tag = reference->has_digest ? NULL : reference->tag;
    pin->digest = reference->digest;
    return 0;
}

static int read_all(struct rsw_marker *marker, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_pin kept;
    size_t given = marker->options->pin_count;
    rsw_iter_kept_pins(&iter, marker->txn);
    while (rsw_kept_pin_next(&iter, &kept) == RSW_FOUND) {
        if (is_over(marker, &kept)) {
            continue;
        }
        if (read_kept(&kept, &marker->pins[marker->pin_count], &marker->kept_pins[marker->pin_count - given],
                      err) != 0) {
            return -1;
        }
        marker->pin_count++;
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

int rsw_marker_load_pins(struct rsw_marker *marker, struct rsw_error *err) {
    size_t given = marker->options->pin_count;
    size_t kept;
    if (count_kept(marker, &kept, err) != 0) {
        return -1;
    }
    marker->pins = calloc(given + kept + 1, sizeof *marker->pins);
    marker->kept_pins = calloc(kept + 1, sizeof *marker->kept_pins);
    if (marker->pins == NULL || marker->kept_pins == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what is pinned");
    }
    if (given > 0) {
        memcpy(marker->pins, marker->options->pins, given * sizeof *marker->pins);
    }
    marker->pin_count = given;
    return read_all(marker, err);
}
