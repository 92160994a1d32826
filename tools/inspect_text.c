#include "inspect.h"

#include "util/text.h"

#include <string.h>

const char *rsw_inspect_digest(struct rsw_txn *txn, uint32_t blob, char text[RSW_DIGEST_TEXT_MAX]) {
    struct rsw_blob record;
    if (blob == 0 || rsw_blob_get(txn, blob, &record) != RSW_FOUND) {
        memcpy(text, "?", 2);
        return text;
    }
    return rsw_digest_format(&record.digest, text);
}

const char *rsw_inspect_repo_name(struct rsw_txn *txn, uint32_t repo, char text[RSW_REPO_NAME_MAX + 1]) {
    struct rsw_repo record;
    if (repo == 0 || rsw_repo_get(txn, repo, &record) != RSW_FOUND) {
        memcpy(text, "?", 2);
        return text;
    }
    memcpy(text, record.name, sizeof record.name);
    return text;
}

const char *rsw_inspect_time(int64_t ms, char *text, size_t size) {
    char full[40];
    if (ms == 0) {
        snprintf(text, size, "never");
    } else {
        rsw_time_format(ms, full, sizeof full);
        size_t date = strcspn(full, "T");
        snprintf(text, size, full[date] == 0 ? "%.*s" : "%.*s %.8s UTC", (int)date, full, full + date + 1);
    }
    return text;
}

const char *rsw_inspect_ref_kind(enum rsw_ref_kind kind) {
    switch (kind) {
    case RSW_REF_CONFIG:
        return "config";
    case RSW_REF_LAYER:
        return "layer";
    case RSW_REF_CHILD:
        return "child";
    case RSW_REF_SUBJECT:
        return "subject";
    case RSW_REF_FOREIGN:
        return "foreign";
    case RSW_REF_UNKNOWN:
        break;
    }
    return "unknown";
}

static const struct {
    uint32_t flag;
    const char *name;
} blob_flags[] = {{RSW_BLOB_PRESENT, "present"},
                  {RSW_BLOB_PARSED, "parsed"},
                  {RSW_BLOB_UNREADABLE, "unreadable"},
                  {RSW_BLOB_ODD, "odd"},
                  {RSW_BLOB_GONE, "gone"}};

json_t *rsw_inspect_blob_flags(uint32_t flags) {
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof blob_flags / sizeof *blob_flags; i++) {
        if ((flags & blob_flags[i].flag) != 0) {
            rsw_json_append(&array, json_string(blob_flags[i].name));
        }
    }
    return array;
}

const char *rsw_inspect_blob_flags_text(uint32_t flags, char *text, size_t size) {
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof blob_flags / sizeof *blob_flags && at < size; i++) {
        if ((flags & blob_flags[i].flag) != 0) {
            int len = snprintf(text + at, size - at, "%s%s", at > 0 ? ", " : "", blob_flags[i].name);
            at += len > 0 ? (size_t)len : 0;
        }
    }
    if (at == 0) {
        snprintf(text, size, "not in storage");
    }
    return text;
}

bool rsw_inspect_good(struct rsw_txn *txn, int result, struct rsw_error *err) {
    if (txn != NULL && rsw_txn_failed(txn, err)) {
        return false;
    }
    return result == 0;
}
