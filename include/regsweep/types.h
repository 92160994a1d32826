/* The words that storage, index and collection share: blob types, references, reasons. */
#ifndef REGSWEEP_TYPES_H
#define REGSWEEP_TYPES_H

#include <regsweep/digest.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a blob is: bits, because one blob can be several things (the empty JSON `{}` is config here and
 * layer there). No bit: unknown. Stored in the index: never renumber. */
enum rsw_type {
    RSW_TYPE_LAYER = 1 << 0,
    RSW_TYPE_CONFIG = 1 << 1,
    RSW_TYPE_MANIFEST = 1 << 2,
    RSW_TYPE_INDEX = 1 << 3,       /* manifest list or OCI index; never together with MANIFEST alone */
    RSW_TYPE_SIGNATURE = 1 << 4,   /* schema 1 signature, cosign, notation */
    RSW_TYPE_ATTESTATION = 1 << 5, /* in-toto, DSSE */
    RSW_TYPE_SBOM = 1 << 6,        /* SPDX, CycloneDX, Syft */
    RSW_TYPE_OTHER = 1 << 7,       /* named by an artifact of a type that we have no word for */
};
#define RSW_TYPE_COUNT 8
#define RSW_TYPES_ALL 0xffu

/* "layer", "config", … for the bit with this number (0 … RSW_TYPE_COUNT - 1). Static storage. */
RSW_API const char *rsw_type_name(unsigned bit);
/* "layer,config" for a set, "unknown" for none. Returns `text`; 96 bytes hold every set. */
RSW_API const char *rsw_types_format(uint32_t types, char *text, size_t size);

/* How a manifest names another blob. Stored in the index: never renumber. */
enum rsw_ref_kind {
    RSW_REF_CONFIG = 1,
    RSW_REF_LAYER = 2,   /* layers, schema 1 fsLayers, artifact blobs */
    RSW_REF_CHILD = 3,   /* a manifest named by an index */
    RSW_REF_SUBJECT = 4, /* OCI 1.1: does not keep its target alive */
    RSW_REF_UNKNOWN = 5, /* a string in JSON of an unknown type that is a digest */
    RSW_REF_FOREIGN = 6, /* a layer that clients fetch elsewhere (`urls`, or a foreign or non-distributable
                            media type): kept if storage has it, not missed if it has not */
};

struct rsw_ref {
    struct rsw_digest digest;
    uint8_t kind;   /* enum rsw_ref_kind */
    uint32_t types; /* what this reference tells about the target; 0 for a subject or unknown */
    uint64_t size;  /* as the descriptor says, 0 where it does not */
};

/* What can go. Stored in generations: never renumber. */
enum rsw_item_kind {
    RSW_ITEM_BLOB = 1,       /* a blob's data */
    RSW_ITEM_LINK = 2,       /* a layer link */
    RSW_ITEM_REVISION = 3,   /* a revision, with its signatures and its entries in the history of tags */
    RSW_ITEM_TAG = 4,        /* a tag with its history */
    RSW_ITEM_REPOSITORY = 5, /* what is left of a repository: empty directories */
    RSW_ITEM_UPLOAD = 6,     /* an upload that nobody finished */
};
#define RSW_ITEM_KINDS 7 /* array size to index by enum rsw_item_kind */
/* "blob", "link", "revision", "tag", "repository", "upload". Static storage. */
RSW_API const char *rsw_item_kind_name(enum rsw_item_kind kind);

/* Why something goes. Stored in generations: never renumber. */
enum rsw_reason {
    RSW_REASON_UNREFERENCED = 1,
    RSW_REASON_UNTAGGED = 2,
    RSW_REASON_SUBJECT_GONE = 3,
    RSW_REASON_POLICY = 4,
    RSW_REASON_FORGOTTEN = 5,
    RSW_REASON_EMPTY = 6,
    RSW_REASON_STALE = 7,
};
/* "unreferenced", "untagged", … Static storage. */
RSW_API const char *rsw_reason_name(enum rsw_reason reason);

#ifdef __cplusplus
}
#endif
#endif
