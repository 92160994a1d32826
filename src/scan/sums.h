/* What a tag points at, told by the MD5 of its link: the revision of its repository whose digest that is
 * the MD5 of. Stores of S3 tell it in a list, as the ETag.
 *
 * Of an ETag nothing else is believed: it must be the very MD5 that we compute of the text of a digest, and
 * the object must have as many bytes. Whatever else stands there (of an upload in parts, of what KMS
 * encrypts, of a store with a way of its own) meets one of these by a chance of one in 2^128 for each
 * revision; so the link is read, as it is where MD5 cannot be computed.
 *
 * To deceive, somebody needs two texts "sha256:<64 hex digits>" with one MD5, of which one is the digest of
 * a manifest in that repository. The ways to make collisions of MD5 do not lead there, for they choose the
 * bytes, and these are digests themselves: it takes some 2^64 manifests of one's own to find two, and then
 * a tag of one's own is mistaken; another's takes 2^128. */
#ifndef REGSWEEP_SCAN_SUMS_H
#define REGSWEEP_SCAN_SUMS_H

#include "storage/storage.h"

#include <regsweep/digest.h>

struct rsw_sum; /* 48 bytes each */

struct rsw_sums {
    struct rsw_sum *sums; /* owned */
    size_t count, room;
    size_t sorted; /* so many are */
};

void rsw_sums_release(struct rsw_sums *sums);
/* Each digest once; one that is no sha256 is left out. -1: out of memory. */
int rsw_sums_add(struct rsw_sums *sums, const struct rsw_digest *digest, struct rsw_error *err);
/* True, and *out: this is what is in the file. False: nobody knows, as where MD5 cannot be computed. */
bool rsw_sums_find(struct rsw_digest *out, struct rsw_sums *sums, const struct rsw_entry *entry);

#endif
