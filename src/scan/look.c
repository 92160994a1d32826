#include "scan/look.h"

#include "index/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000

static void link_of_bytes(struct rsw_seen_link *out, const void *bytes, size_t len, int64_t mtime_ms) {
    out->answer = RSW_FOUND;
    out->mtime_ms = mtime_ms;
    out->state = rsw_link_parse(&out->target, bytes, len);
}

bool rsw_link_of_entry(struct rsw_seen_link *out, const struct rsw_entry *entry) {
    memset(out, 0, sizeof *out);
    out->answer = entry->answer;
    out->errnum = entry->errnum;
    out->state = RSW_LINK_BAD;
    out->mtime_ms = entry->mtime_ms;
    if (entry->answer != RSW_FOUND || entry->kind != RSW_ENTRY_FILE) {
        return true;
    }
    if (entry->content != NULL || entry->size == 0) {
        link_of_bytes(out, entry->content == NULL ? (const uint8_t *)"" : entry->content, entry->content_len,
                      entry->mtime_ms);
        return true;
    }
    /* Longer than any digest, or its read failed: it is there, and it is bad. */
    return entry->size > RSW_LINK_MAX || entry->errnum != 0;
}

/* Something is there under this key that is no file, or no link: that is known, though it could not be read.
 */
static bool is_there(int errnum) {
    return errnum == EISDIR || errnum == ELOOP || errnum == ENXIO || errnum == EFBIG;
}

static void link_of_read(struct rsw_seen_link *out, const struct rsw_read *read) {
    memset(out, 0, sizeof *out);
    out->answer = read->answer;
    out->errnum = read->errnum;
    out->mtime_ms = read->mtime_ms;
    out->state = RSW_LINK_BAD;
    if (read->answer == RSW_FOUND) {
        link_of_bytes(out, read->content.data == NULL ? (const uint8_t *)"" : read->content.data,
                      read->content.len, read->mtime_ms);
    } else if (read->answer == RSW_FAILED && is_there(read->errnum)) {
        out->answer = RSW_FOUND;
    }
}

static void look_page(struct rsw_storage *storage, struct rsw_link_look *looks, size_t count,
                      struct rsw_read *reads) {
    memset(reads, 0, count * sizeof *reads);
    for (size_t i = 0; i < count; i++) {
        reads[i].key = looks[i].key[0] == 0 ? "/" : looks[i].key;
        reads[i].max = RSW_LINK_MAX;
    }
    rsw_storage_read(storage, reads, count);
    for (size_t i = 0; i < count; i++) {
        link_of_read(&looks[i].seen, &reads[i]);
        rsw_buf_release(&reads[i].content);
    }
}

int rsw_look_links(struct rsw_storage *storage, struct rsw_link_look *looks, size_t count,
                   struct rsw_error *err) {
    if (count == 0) {
        return 0;
    }
    struct rsw_read *reads = calloc(count < PAGE ? count : PAGE, sizeof *reads);
    if (reads == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t at = 0; at < count; at += PAGE) {
        look_page(storage, looks + at, count - at < PAGE ? count - at : PAGE, reads);
    }
    free(reads);
    return 0;
}

static void say(struct rsw_seen_manifest *seen, enum rsw_manifest_state state, const char *problem) {
    seen->state = state;
    snprintf(seen->problem, sizeof seen->problem, "%.*s", (int)sizeof seen->problem - 1, problem);
}

/* The bytes decide: right digest first, for what else they say is worth nothing. */
static int judge(struct rsw_seen_manifest *seen, const struct rsw_read *read, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    struct rsw_digest digest;
    const void *bytes = read->content.data == NULL ? (const uint8_t *)"" : read->content.data;
    seen->size = read->content.len;
    if (rsw_digest_of(&digest, seen->digest.alg, bytes, read->content.len, &why) != 0) {
        say(seen, RSW_MANIFEST_FAILED, why.message);
        return 0;
    }
    if (!rsw_digest_equal(&digest, &seen->digest)) {
        say(seen, RSW_MANIFEST_UNREADABLE,
            read->content.len == 0 ? "empty" : "its bytes have another digest");
        return 0;
    }
    if (rsw_manifest_parse(&seen->manifest, bytes, read->content.len, &why) == 0) {
        seen->state = RSW_MANIFEST_READ;
        return 0;
    }
    if (why.code == RSW_ENOMEM) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    say(seen, RSW_MANIFEST_UNREADABLE, why.message);
    return 0;
}

static int see(struct rsw_seen_manifest *seen, const struct rsw_read *read, struct rsw_error *err) {
    if (read->answer == RSW_FOUND) {
        return judge(seen, read, err);
    }
    if (read->answer == RSW_ABSENT) {
        seen->state = RSW_MANIFEST_ABSENT;
    } else if (read->errnum == EFBIG) {
        seen->size = RSW_SIZE_UNKNOWN;
        say(seen, RSW_MANIFEST_UNREADABLE, "larger than any manifest");
    } else {
        say(seen, RSW_MANIFEST_FAILED, rsw_storage_reason(read->errnum));
    }
    return 0;
}

int rsw_look_manifests(struct rsw_storage *storage, struct rsw_seen_manifest *seen, size_t count,
                       struct rsw_error *err) {
    char keys[RSW_LOOK_MANIFESTS_MAX][RSW_KEY_MAX];
    struct rsw_read reads[RSW_LOOK_MANIFESTS_MAX];
    memset(reads, 0, sizeof reads);
    for (size_t i = 0; i < count; i++) {
        const char *key = rsw_key_blob(keys[i], &seen[i].digest);
        reads[i].key = key == NULL ? "/" : key;
        reads[i].max = RSW_MANIFEST_MAX;
    }
    rsw_storage_read(storage, reads, count);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0) {
            rc = see(&seen[i], &reads[i], err);
        }
        rsw_buf_release(&reads[i].content);
    }
    return rc;
}
