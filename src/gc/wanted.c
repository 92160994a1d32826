#include "gc/wanted.h"

#include "util/bitmap.h"
#include "util/grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void rsw_wanted_release(struct rsw_wanted_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
    }
    free(list->items);
    *list = (struct rsw_wanted_list){.count = 0};
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for the list of what is to be restored");
}

static int add(struct rsw_wanted_list *list, const struct rsw_item *item, struct rsw_error *err) {
    struct rsw_wanted *items = rsw_grown(list->items, &list->room, list->count + 1, sizeof *items);
    if (items == NULL) {
        return no_memory(err);
    }
    list->items = items;
    char *name = NULL;
    if (item->kind == RSW_ITEM_TAG && (name = strdup(item->name)) == NULL) {
        return no_memory(err);
    }
    items[list->count++] = (struct rsw_wanted){
        .kind = item->kind,
        .repo = item->repo,
        .blob = item->blob,
        .generation = item->generation,
        .name = name,
    };
    list->condemned = list->condemned || item->generation != 0;
    return 0;
}

/* Touched in one generation, an object can be condemned anew by the next, and then both have it. */
static int add_once(struct rsw_wanted_list *list, const struct rsw_item *item, struct rsw_error *err) {
    for (size_t i = 0; i < list->count; i++) {
        const struct rsw_wanted *have = &list->items[i];
        if (have->kind == item->kind && have->repo == item->repo &&
            (have->name != NULL ? strcmp(have->name, item->name) == 0 : have->blob == item->blob)) {
            return 0;
        }
    }
    return add(list, item, err);
}

static bool can_be_put_back(enum rsw_item_kind kind) {
    return kind == RSW_ITEM_BLOB || kind == RSW_ITEM_LINK || kind == RSW_ITEM_REVISION ||
           kind == RSW_ITEM_TAG;
}

/* ---- a generation ---- */

static int find_generation(struct rsw_wanted_list *list, struct rsw_txn *txn, uint64_t id,
                           struct rsw_error *err) {
    struct rsw_generation generation;
    int answer = rsw_generation_get(txn, id, &generation);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "there is no generation %" PRIu64
                             ": regsweep inspect generations lists them; what another index took comes back "
                             "with the next sweep, or by hand (regsweep/quarantine/README)",
                             id);
    }
    if (answer == RSW_FOUND && generation.offline) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "generation %" PRIu64
                             " ran with the registry stopped: it deletes at once, and has "
                             "nothing in quarantine",
                             id);
    }
    bool over = generation.state == RSW_GENERATION_PURGED || generation.state == RSW_GENERATION_ABANDONED;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_iter_items(&iter, txn, id, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        if (can_be_put_back(item.kind) && (!over || item.state == RSW_ITEM_HELD) &&
            add(list, &item, err) != 0) {
            return -1;
        }
    }
    if (!rsw_txn_failed(txn, NULL) && list->count == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "generation %" PRIu64
                             " has nothing in quarantine%s: regsweep inspect generations "
                             "%" PRIu64 " shows it",
                             id, over ? " any more, it is purged" : "", id);
    }
    return 0;
}

/* ---- a digest, wherever it is ---- */

static int find_everywhere_in(struct rsw_wanted_list *list, struct rsw_txn *txn, uint64_t generation,
                              uint32_t blob, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_iter_items(&iter, txn, generation, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        if (item.blob == blob && can_be_put_back(item.kind) && add_once(list, &item, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int find_blob(struct rsw_blob *out, struct rsw_txn *txn, const struct rsw_digest *digest,
                     struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    int answer = rsw_blob_find(txn, digest, out);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "the index does not know %s, so no sweep has it in quarantine: if that was purged, "
            "it must be pushed again",
            rsw_digest_format(digest, text));
    }
    return answer == RSW_FOUND ? 0 : -1;
}

static int find_everywhere(struct rsw_wanted_list *list, struct rsw_txn *txn, const struct rsw_digest *digest,
                           struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    struct rsw_blob blob;
    struct rsw_held held;
    if (find_blob(&blob, txn, digest, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (find_everywhere_in(list, txn, ids[i], blob.id, err) != 0) {
            return -1;
        }
    }
    if (!list->condemned && rsw_held_get(txn, blob.id, &held) == RSW_FOUND) {
        const struct rsw_item item = {
            .generation = held.generation, .kind = RSW_ITEM_BLOB, .blob = blob.id, .state = RSW_ITEM_HELD};
        return add(list, &item, err);
    }
    return 0;
}

/* ---- an image ---- */

struct image {
    struct rsw_wanted_list *list;
    struct rsw_txn *txn;
    uint32_t repo;
    struct rsw_bitmap seen;
    uint32_t *queue; /* owned: manifests whose references are to be followed */
    size_t count, room;
};

static void image_release(struct image *image) {
    rsw_bitmap_release(&image->seen);
    free(image->queue);
}
#define AUTO_IMAGE __attribute__((cleanup(image_release))) struct image

/* The generation that condemned it, or holds it; 0: none. */
static uint64_t generation_of(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_item item;
    struct rsw_held held;
    if (rsw_condemned_get(txn, kind, repo, blob, "", &item) == RSW_FOUND) {
        return item.generation;
    }
    return kind == RSW_ITEM_BLOB && rsw_held_get(txn, blob, &held) == RSW_FOUND ? held.generation : 0;
}

/* A part of the image. If it is not needed, only where the index has it, or a sweep took it. */
static int add_part(struct image *image, enum rsw_item_kind kind, uint32_t blob, bool needed,
                    struct rsw_error *err) {
    struct rsw_item item = {.kind = kind, .repo = kind == RSW_ITEM_BLOB ? 0 : image->repo, .blob = blob};
    item.generation = generation_of(image->txn, kind, item.repo, blob);
    if (!needed && item.generation == 0) {
        struct rsw_blob record = {.flags = 0};
        struct rsw_member member;
        if (kind == RSW_ITEM_BLOB) {
            rsw_blob_get(image->txn, blob, &record);
            needed = (record.flags & RSW_BLOB_PRESENT) != 0;
        } else {
            needed = rsw_member_get(image->txn, kind == RSW_ITEM_LINK ? RSW_LINK : RSW_REVISION, image->repo,
                                    blob, &member) == RSW_FOUND &&
                     (member.flags & RSW_MEMBER_PRESENT) != 0;
        }
    }
    return needed || item.generation != 0 ? add(image->list, &item, err) : 0;
}

static int follow_later(struct image *image, uint32_t manifest, struct rsw_error *err) {
    uint32_t *queue = rsw_grown(image->queue, &image->room, image->count + 1, sizeof *queue);
    if (queue == NULL) {
        return no_memory(err);
    }
    image->queue = queue;
    queue[image->count++] = manifest;
    return 0;
}

static int add_head(struct image *image, uint32_t manifest, struct rsw_error *err) {
    if (manifest == 0 || rsw_bitmap_has(&image->seen, manifest)) {
        return 0;
    }
    rsw_bitmap_add(&image->seen, manifest);
    return add_part(image, RSW_ITEM_REVISION, manifest, true, err) != 0 ||
                   add_part(image, RSW_ITEM_LINK, manifest, false, err) != 0 ||
                   add_part(image, RSW_ITEM_BLOB, manifest, true, err) != 0
               ? -1
               : follow_later(image, manifest, err);
}

/* A layer must be there for its image. A child need not: many an index names platforms that were never
 * pushed; nor need what clients fetch elsewhere, or what is only a digest in some JSON. */
static int add_reference(struct image *image, uint32_t child, enum rsw_ref_kind kind, struct rsw_error *err) {
    if (kind == RSW_REF_SUBJECT || rsw_bitmap_has(&image->seen, child)) {
        return 0;
    }
    bool needed = kind == RSW_REF_LAYER || kind == RSW_REF_CONFIG;
    rsw_bitmap_add(&image->seen, child);
    return add_part(image, RSW_ITEM_REVISION, child, false, err) != 0 ||
                   add_part(image, RSW_ITEM_LINK, child, needed, err) != 0 ||
                   add_part(image, RSW_ITEM_BLOB, child, needed, err) != 0
               ? -1
               : follow_later(image, child, err);
}

static int follow(struct image *image, struct rsw_error *err) {
    for (size_t at = 0; at < image->count; at++) {
        struct rsw_refs refs;
        if (rsw_refs_get(image->txn, image->queue[at], &refs) != RSW_FOUND) {
            continue;
        }
        for (uint32_t i = 0; i < refs.count; i++) {
            if (add_reference(image, rsw_refs_child(&refs, i), rsw_refs_kind(&refs, i), err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* The tag as it is, and those of this name that were set aside. */
static int add_tag(struct image *image, const struct rsw_restore_options *options, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(image->txn, ids, RSW_GENERATIONS_OPEN_MAX);
    size_t before = image->list->count;
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_tag_items(&iter, image->txn, ids[i], image->repo, options->tag, true);
        while (rsw_tag_item_next(&iter, &item) == RSW_FOUND) {
            if (add_once(image->list, &item, err) != 0 || add_head(image, item.blob, err) != 0) {
                return -1;
            }
        }
    }
    struct rsw_tag tag;
    int answer = rsw_tag_get(image->txn, image->repo, options->tag, &tag);
    if (answer == RSW_FOUND) {
        return add_head(image, tag.head, err);
    }
    if (answer == RSW_ABSENT && image->list->count == before) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "there is no tag %s in %s, in place or in quarantine: name the manifest by its "
                             "digest; regsweep inspect generations ID shows what a sweep took",
                             options->tag, options->repo);
    }
    return answer == RSW_FAILED ? -1 : 0;
}

static int find_image(struct rsw_wanted_list *list, struct rsw_txn *txn,
                      const struct rsw_restore_options *options, struct rsw_error *err) {
    struct rsw_state state;
    struct rsw_repo repo;
    struct rsw_blob blob;
    AUTO_IMAGE image = {.list = list, .txn = txn};
    int answer = rsw_repo_find(txn, options->repo, &repo);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the index knows no repository %s, so no sweep has anything of it in quarantine",
                             options->repo);
    }
    if (answer == RSW_FAILED || rsw_state_get(txn, &state) != RSW_FOUND) {
        return -1;
    }
    image.repo = repo.id;
    if (!rsw_bitmap_init(&image.seen, state.next_blob)) {
        return no_memory(err);
    }
    int rc = options->digest == NULL                            ? add_tag(&image, options, err)
             : find_blob(&blob, txn, options->digest, err) != 0 ? -1
                                                                : add_head(&image, blob.id, err);
    return rc == 0 ? follow(&image, err) : -1;
}

int rsw_wanted_find(struct rsw_wanted_list *out, struct rsw_index *index,
                    const struct rsw_restore_options *options, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    int rc = options->generation != 0 ? find_generation(out, txn, options->generation, err)
             : options->repo != NULL  ? find_image(out, txn, options, err)
                                      : find_everywhere(out, txn, options->digest, err);
    return rsw_txn_failed(txn, err) ? -1 : rc;
}
