#include "scan/batch.h"

#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

struct rsw_batch *rsw_batch_new(const char *repo, uint64_t looked, struct rsw_error *err) {
    struct rsw_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    batch->looked = looked;
    if (repo != NULL) {
        batch->has_repo = true;
        strncpy(batch->repo, repo, sizeof batch->repo - 1);
    }
    return batch;
}

void rsw_batch_free(struct rsw_batch *batch) {
    if (batch == NULL) {
        return;
    }
    for (size_t i = 0; i < batch->manifest_count; i++) {
        rsw_manifest_release(&batch->manifests[i].manifest);
    }
    free(batch->blobs);
    free(batch->members);
    free(batch->tags);
    free(batch->history);
    free(batch->uploads);
    free(batch->signatures);
    free(batch->manifests);
    free(batch);
}

/* One more element of an array; NULL: out of memory. The array pointer is moved through `grown`. */
static void *one_more(void *array, size_t *count, size_t *room, size_t size, void **grown,
                      struct rsw_error *err) {
    *grown = rsw_grown(array, room, *count + 1, size);
    if (*grown == NULL) {
        *grown = array;
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    void *element = (char *)*grown + *count * size;
    memset(element, 0, size);
    (*count)++;
    return element;
}

#define ADDER(name, type, array, one)                                                                        \
    struct type *rsw_batch_##name(struct rsw_batch *batch, struct rsw_error *err) {                          \
        void *grown = NULL;                                                                                  \
        struct type *element = one_more(batch->array, &batch->one##_count, &batch->one##_room,               \
                                        sizeof *batch->array, &grown, err);                                  \
        batch->array = grown;                                                                                \
        batch->weight++;                                                                                     \
        return element;                                                                                      \
    }

ADDER(blob, rsw_seen_blob, blobs, blob)
ADDER(member, rsw_seen_member, members, member)
ADDER(tag, rsw_seen_tag, tags, tag)
ADDER(history, rsw_seen_history, history, history)
ADDER(upload, rsw_seen_upload, uploads, upload)
ADDER(signature, rsw_seen_signature, signatures, signature)
ADDER(manifest, rsw_seen_manifest, manifests, manifest)

/* A link that names a digest of another algorithm is an alias, as a push under sha512 leaves it; one that
 * names another digest of the same algorithm is damaged. */
void rsw_seen_member_judge(struct rsw_seen_member *member, const struct rsw_seen_link *link) {
    bool good = link->answer == RSW_FOUND && link->state == RSW_LINK_GOOD;
    memset(&member->target, 0, sizeof member->target);
    member->mtime_ms = link->mtime_ms;
    member->bad = true;
    if (good) {
        member->target = link->target;
        member->bad =
            link->target.alg == member->digest.alg && !rsw_digest_equal(&link->target, &member->digest);
    }
}

void rsw_seen_tag_judge(struct rsw_seen_tag *tag, const struct rsw_seen_link *link) {
    tag->bad = link->answer != RSW_FOUND || link->state != RSW_LINK_GOOD;
    tag->mtime_ms = link->mtime_ms;
    memset(&tag->head, 0, sizeof tag->head);
    if (!tag->bad) {
        tag->head = link->target;
    }
}

static int compare_blobs(const void *a, const void *b) {
    const struct rsw_seen_blob *one = a, *other = b;
    return rsw_digest_compare(&one->digest, &other->digest);
}

static int compare_members(const void *a, const void *b) {
    const struct rsw_seen_member *one = a, *other = b;
    return rsw_digest_compare(&one->digest, &other->digest);
}

static int compare_manifests(const void *a, const void *b) {
    const struct rsw_seen_manifest *one = a, *other = b;
    return rsw_digest_compare(&one->digest, &other->digest);
}

static int compare_tags(const void *a, const void *b) {
    return strcmp(((const struct rsw_seen_tag *)a)->name, ((const struct rsw_seen_tag *)b)->name);
}

static int compare_history(const void *a, const void *b) {
    return strcmp(((const struct rsw_seen_history *)a)->tag, ((const struct rsw_seen_history *)b)->tag);
}

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *)) {
    if (count > 1) {
        qsort(array, count, size, compare);
    }
}

void rsw_batch_sort(struct rsw_batch *batch) {
    sort(batch->blobs, batch->blob_count, sizeof *batch->blobs, compare_blobs);
    sort(batch->members, batch->member_count, sizeof *batch->members, compare_members);
    sort(batch->manifests, batch->manifest_count, sizeof *batch->manifests, compare_manifests);
    sort(batch->tags, batch->tag_count, sizeof *batch->tags, compare_tags);
    sort(batch->history, batch->history_count, sizeof *batch->history, compare_history);
}
