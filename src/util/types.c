#include <regsweep/types.h>

#include <stdbool.h>
#include <string.h>

static const char *const type_names[RSW_TYPE_COUNT] = {
    "layer", "config", "manifest", "index", "signature", "attestation", "sbom", "other",
};

const char *rsw_type_name(unsigned bit) {
    return bit < RSW_TYPE_COUNT ? type_names[bit] : "?";
}

const char *rsw_types_format(uint32_t types, char *text, size_t size) {
    size_t len = 0;
    uint32_t left = types & RSW_TYPES_ALL;
    do {
        const char *name = left == 0 ? "unknown" : type_names[__builtin_ctz(left)];
        size_t name_len = strlen(name);
        if (len + name_len + 2 <= size) {
            if (len > 0) {
                text[len++] = ',';
            }
            memcpy(text + len, name, name_len);
            len += name_len;
        }
        left &= left - 1;
    } while (left != 0);
    text[len] = 0;
    return text;
}

const char *rsw_item_kind_name(enum rsw_item_kind kind) {
    static const char *const names[RSW_ITEM_KINDS] = {"?",   "blob",       "link",  "revision",
                                                      "tag", "repository", "upload"};
    return kind > 0 && kind < RSW_ITEM_KINDS ? names[kind] : names[0];
}

const char *rsw_reason_name(enum rsw_reason reason) {
    switch (reason) {
    case RSW_REASON_UNREFERENCED:
        return "unreferenced";
    case RSW_REASON_UNTAGGED:
        return "untagged";
    case RSW_REASON_SUBJECT_GONE:
        return "subject_gone";
    case RSW_REASON_POLICY:
        return "policy";
    case RSW_REASON_FORGOTTEN:
        return "forgotten";
    case RSW_REASON_EMPTY:
        return "empty";
    case RSW_REASON_STALE:
        return "stale";
    }
    return "?";
}
