/* What a tag points at, told by the MD5 of its link: that of a revision of its repository, whose link would
 * have the same bytes. Stores of S3 tell it in a list, as the ETag.
 *
 * Nothing is believed of an ETag but that: a head is told by it only where it is the very MD5 that we compute
 * of the text of a digest, and the object has as many bytes. Whatever else stands there (the end of an upload
 * in parts, of what KMS encrypts, of a store with a way of its own) is none of these but by a chance of one
 * in 2^128 for each revision, and then the link is read. To deceive, somebody needs two texts "sha256:<64 hex
 * digits>" with one MD5, of which one is the digest of a manifest in that repository. The ways to make
 * collisions of MD5 do not lead there, for they choose the bytes, and here these are another digest: so it
 * takes some 2^64 manifests of one's own to find two, and what they confuse is one's own tag; another's takes
 * 2^128. */
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
/* Each digest once. One that is no sha256 is left out, and so are all where MD5 cannot be computed. -1: out
 * of memory. */
int rsw_sums_add(struct rsw_sums *sums, const struct rsw_digest *digest, struct rsw_error *err);
/* True, and *out: this is what is in the file. False: nobody knows. */
bool rsw_sums_find(struct rsw_digest *out, struct rsw_sums *sums, const struct rsw_entry *entry);

#endif
