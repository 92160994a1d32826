/* Recheck: the condemned objects of a generation, asked of storage again, by their reverse references. The
 * index proposes; storage disposes. */
#ifndef REGSWEEP_GC_RECHECK_H
#define REGSWEEP_GC_RECHECK_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

/* Asks storage about every item that nobody has touched yet; what is needed after all, or cannot be told, is
 * touched:
 * - what was taken, and is in place again: somebody wrote it anew;
 * - a revision that a tag of its history points at, or that an index names which is there, or whose subject
 * is there;
 * - a link that a manifest names which is a revision in its repository;
 * - bytes that a link or revision leads to anywhere, or that a manifest names which is a revision anywhere;
 * - a tag that points elsewhere now, or whose subject is there;
 * - what was forgotten, and was written anew before it was taken, as its copy shows.
 * Each key is asked for once, and on an object store those that lie close together by pages of a list
 * (rsw_storage_look_listed): so many cost little more than a list of everything, and few than a look at each.
 * Answers are of different moments, in no order, listed or not. That is enough, for each question is about
 * one key, and touches its item or not by itself; nothing is concluded from two answers together. Each is of
 * a moment after the call began, so behind whatever was taken before, and the settle and the fence. What is
 * written to a key after its answer the next of these calls finds; after the last one, whoever writes has
 * looked when what was taken had been gone for a settle.
 * Revisions and links that are condemned themselves, and in place because they were not taken yet, keep
 * nothing. Where storage has what the index believed gone, the index is corrected. *found: how many were
 * touched. 0, or -1 on an index error. No transaction may be open. */
int rsw_recheck(uint64_t *found, struct rsw_index *index, struct rsw_storage *storage, uint64_t generation,
                const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err);

#endif
