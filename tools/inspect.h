/* What the forms of `inspect` share: looking names up by id, and writing them. */
#ifndef REGSWEEP_TOOLS_INSPECT_H
#define REGSWEEP_TOOLS_INSPECT_H

#include "cli.h"

#include "index/index.h"
#include "oci/reference.h"

/* A name by id, cut to what people can read; "?" where the index does not know it. Return `text`. */
const char *rsw_inspect_digest(struct rsw_txn *txn, uint32_t blob, char text[RSW_DIGEST_TEXT_MAX]);
const char *rsw_inspect_repo_name(struct rsw_txn *txn, uint32_t repo, char text[RSW_REPO_NAME_MAX + 1]);
/* "2026-11-24 03:07:00 UTC", "never" for 0. 32 bytes hold it. */
const char *rsw_inspect_time(int64_t ms, char *text, size_t size);
const char *rsw_inspect_ref_kind(enum rsw_ref_kind kind);
/* "present", "parsed", … */
json_t *rsw_inspect_blob_flags(uint32_t flags);
const char *rsw_inspect_blob_flags_text(uint32_t flags, char *text, size_t size);

/* Ends a form: tells the transaction's error, or err, if there is one. True if there was none. */
bool rsw_inspect_good(struct rsw_txn *txn, int result, struct rsw_error *err);

#endif
