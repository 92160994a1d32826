#include "scan/uploads.h"

#include "util/text.h"

#include <stdlib.h>
#include <string.h>

/* A part of this upload: files of one upload mostly come one after the other, but need not, and its folder is
 * met before them. *out NULL: it is left alone. */
static int part_of(struct rsw_seen_upload **out, struct rsw_uploads *uploads, struct rsw_batch *batch,
                   const char *id, size_t len, struct rsw_error *err) {
    *out = NULL;
    if (batch->upload_count > 0) {
        struct rsw_seen_upload *last = &batch->uploads[batch->upload_count - 1];
        if (strlen(last->id) == len && memcmp(last->id, id, len) == 0) {
            *out = last;
            return 0;
        }
    }
    if (len > RSW_UPLOAD_ID_MAX) {
        uploads->unknown = true;
        rsw_reading_problem(uploads->reading, "%s: an upload has a name of %zu bytes: left alone",
                            uploads->repo, len);
        return 0;
    }
    *out = rsw_batch_upload(batch, err);
    if (*out == NULL) {
        return -1;
    }
    memcpy((*out)->id, id, len);
    return 0;
}

int rsw_uploads_folder(struct rsw_uploads *uploads, struct rsw_batch *batch, const char *id,
                       struct rsw_error *err) {
    struct rsw_seen_upload *upload;
    return part_of(&upload, uploads, batch, id, strlen(id), err);
}

static int64_t started_ms(const struct rsw_uploads *uploads, const struct rsw_entry *entry) {
    struct rsw_read read = {.key = entry->key, .max = 128};
    const void *bytes = entry->content;
    size_t len = entry->content_len;
    int64_t ms = 0; /* of unknown age: kept */
    if (bytes == NULL) {
        rsw_storage_read(uploads->reading->storage, &read, 1);
        bytes = read.content.data;
        len = read.content.len;
    }
    if (read.answer == RSW_FAILED) {
        rsw_reading_problem(uploads->reading, "%s: '%s' cannot be read (%s): its upload counts as young",
                            uploads->repo, entry->key, rsw_storage_reason(read.errnum));
    }
    if (bytes != NULL && !rsw_time_parse(&ms, bytes, len)) {
        ms = entry->mtime_ms; /* the registry was killed while it wrote this */
    }
    rsw_buf_release(&read.content);
    return ms;
}

int rsw_uploads_take(struct rsw_uploads *uploads, struct rsw_batch *batch, const struct rsw_entry *entry,
                     const struct rsw_path *path, struct rsw_error *err) {
    struct rsw_seen_upload *upload;
    if (entry->answer == RSW_FAILED || entry->kind != RSW_ENTRY_FILE) {
        uploads->unknown = true;
        rsw_reading_problem(uploads->reading, "%s: '%s' cannot be read: its uploads count as young",
                            uploads->repo, entry->key);
        return 0;
    }
    if (path->place != RSW_PLACE_UPLOAD) {
        uploads->leftover = true;
        rsw_reading_leftover(uploads->reading, entry->key);
        return 0;
    }
    if (part_of(&upload, uploads, batch, path->upload, path->upload_len, err) != 0) {
        return -1;
    }
    if (upload != NULL) {
        upload->size += entry->size;
        if (strcmp(path->rest, "startedat") == 0) {
            upload->started_ms = started_ms(uploads, entry);
        }
    }
    return 0;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct rsw_seen_upload *)a)->id, ((const struct rsw_seen_upload *)b)->id);
}

/* At most one part of each has seen when it began. */
void rsw_uploads_join(struct rsw_reading *reading, struct rsw_batch *batch) {
    struct rsw_seen_upload *uploads = batch->uploads;
    size_t kept = 0;
    if (batch->upload_count == 0) {
        return;
    }
    qsort(uploads, batch->upload_count, sizeof *uploads, by_id);
    for (size_t i = 1; i < batch->upload_count; i++) {
        if (strcmp(uploads[i].id, uploads[kept].id) != 0) {
            uploads[++kept] = uploads[i];
            continue;
        }
        uploads[kept].size += uploads[i].size;
        if (uploads[i].started_ms != 0) {
            uploads[kept].started_ms = uploads[i].started_ms;
        }
    }
    batch->upload_count = kept + 1;
    rsw_count(&reading->uploads, batch->upload_count);
}
