/* The one home of every table, key and value of the index.
 *
 * Schema version 4. A program reads an index of its own version only and refuses every other one, a newer one
 * by name: what it does not know it could not keep.
 *
 * Common rules
 * - Keys are put together from big-endian integers and raw bytes, so that LMDB's byte order is the order of
 * the numbers; text that is followed by something ends in a NUL, text at the end of a key does not. No key is
 *   empty or longer than RSW_KEY_MAX. No table uses LMDB's sorted duplicates: LMDB 0.9.24 still has faults
 *   in deleting through their cursors that later releases mend.
 * - Integers in values are little-endian at the offsets below, at no particular alignment.
 * - A value ends in a checksum of 4 bytes over table number, key and the bytes before it:
 *   low 32 bits of XXH3_64bits_withSeed(key, table) ^ XXH3_64bits(value). Pages of LMDB have none.
 *   META, PIN and DELETION, which `scan --rebuild` reads out of an index of an older schema, have
 *   XXH3_64bits_withSeed(value, XXH3_64bits_withSeed(key, table)), and stay as they are.
 *   Readers check the length first, then the checksum; a mismatch is RSW_ECORRUPT.
 * - Back tables have keys only. They are written with the record that they turn round, in one transaction.
 * - Times are milliseconds since 1970, signed. A seq is the number of the write transaction that claimed it.
 * - Table numbers go into the checksums, names into the file: never renumber, never rename.
 *
 * Who writes: rsw_<record>_put and _drop of index.h, each in the file of that name; nothing else.
 */
#ifndef REGSWEEP_INDEX_SCHEMA_H
#define REGSWEEP_INDEX_SCHEMA_H

#include "index/index.h"

#define RSW_SCHEMA 5
#define RSW_SCHEMA_KEPT 4 /* from this one on META, PIN and DELETION are as they are */
#define RSW_KEY_MAX 511   /* LMDB's, as it is compiled everywhere */
#define RSW_SUM_SIZE 4

enum rsw_table {
    RSW_T_META = 0,          /* name → what it says: "schema", "counters", "state", "time",
                                "identity" (32 hexadecimal digits) */
    RSW_T_DIGEST = 1,        /* algorithm (1), digest → id */
    RSW_T_BLOB = 2,          /* id / RSW_BLOBS_EACH → what is known of so many ids */
    RSW_T_REFS = 3,          /* manifest → what it names; there if and only if the blob is PARSED */
    RSW_T_NAMED_BY = 4,      /* child, manifest, kind (1); back table of REFS */
    RSW_T_REPO = 5,          /* id → record and name */
    RSW_T_REPO_NAME = 6,     /* name → id */
    RSW_T_REVISION = 7,      /* repository, blob → records of the repository up to this blob */
    RSW_T_REVISION_IN = 8,   /* blob, repository; back table of REVISION */
    RSW_T_LINK = 9,          /* repository, blob → records of the repository up to this blob */
    RSW_T_LINK_IN = 10,      /* blob, repository; back table of LINK */
    RSW_T_ALIAS = 11,        /* target, table (1), repository, blob: links and revisions whose target is
                                not their own blob */
    RSW_T_SIGNATURE = 12,    /* repository, revision, signature */
    RSW_T_SIGNATURE_OF = 13, /* blob, role (1), repository, other blob; role 1: blob is the signature of the
                                other, 2: it is signed by the other. Back table of SIGNATURE */
    RSW_T_TAG = 14,          /* repository, tag → record */
    RSW_T_HEAD_OF = 15,      /* head, repository, tag; back table of TAG where the head is known */
    RSW_T_HISTORY = 16,      /* repository, tag, NUL, manifest → record */
    RSW_T_HISTORY_OF = 17,   /* manifest, repository, tag; back table of HISTORY */
    RSW_T_UPLOAD = 18,       /* repository, upload id → record */
    RSW_T_CHECK = 19,        /* kind (1), repository, blob, tag → record */
    RSW_T_INSTANCE = 20,     /* instance id → record */
    RSW_T_EVENT = 21,        /* number (8) → record: events that could not be used */
    RSW_T_GENERATION = 22,   /* id (8) → record */
    RSW_T_ITEM = 23,         /* generation (8), kind (1), repository, blob, name → record */
    RSW_T_TOUCHED = 24,      /* key of an item → record: it was touched and has to be given back */
    RSW_T_HELD = 25,         /* blob → record: bytes that stay in quarantine beyond their generation */
    RSW_T_DIGEST_OF = 26,    /* id / RSW_DIGESTS_EACH → the digests of so many ids */
    RSW_T_PULL = 27,         /* repository, manifest → when it was last pulled there */
    RSW_T_DELETION = 28,     /* id (8) → record: what somebody asked to be forgotten */
    RSW_T_FORGOTTEN = 29,    /* kind (1), repository, blob, tag → the deletion record that names it */
    RSW_T_PIN = 30,          /* pin, as text → record */
    RSW_T_TAG_ITEM = 31,     /* generation (8), repository, tag, NUL, head; back table of ITEM for tags */
};
#define RSW_TABLE_COUNT 32

/* Ids in keys are 4 bytes wide unless another width stands there. */

/* META "schema". The first bytes tell an index of ours from every other LMDB file, in every version to come.
 */
#define RSW_SCHEMA_MAGIC "regsweep"
enum {
    RSW_V_SCHEMA_MAGIC = 0,   /* 8 bytes */
    RSW_V_SCHEMA_VERSION = 8, /* u32 */
    RSW_V_SCHEMA_SIZE = 12,
};

/* META "counters": written by every commit that changes anything. */
enum {
    RSW_V_COUNTERS_SEQ = 0,             /* u64, of the last committed write transaction */
    RSW_V_COUNTERS_NEXT_GENERATION = 8, /* u64, from 1 */
    RSW_V_COUNTERS_NEXT_EVENT = 16,     /* u64, from 1 */
    RSW_V_COUNTERS_NEXT_BLOB = 24,      /* u32, from 1; no blob id is above or equal */
    RSW_V_COUNTERS_NEXT_REPO = 28,      /* u32, from 1 */
    RSW_V_COUNTERS_MOMENT = 32,         /* u64, LMDB's number of the transaction that wrote this: a lower one
                                           than that of the moment read says that a meta page is damaged */
    RSW_V_COUNTERS_OPEN = 40,           /* u64: no generation with a lower id is open */
    RSW_V_COUNTERS_NEXT_DELETION = 48,  /* u64, from 1 */
    RSW_V_COUNTERS_SIZE = 56,
};

/* META "state": followed by the gap's reason and the storage's URL, of the lengths given. */
enum {
    RSW_V_STATE_CREATED = 0,       /* i64 */
    RSW_V_STATE_SCAN_SEQ = 8,      /* u64 */
    RSW_V_STATE_SCAN_STARTED = 16, /* i64 */
    RSW_V_STATE_SCAN_ENDED = 24,   /* i64 */
    RSW_V_STATE_GAP_SEQ = 32,      /* u64 */
    RSW_V_STATE_GAP_MS = 40,       /* i64 */
    RSW_V_STATE_EVENTS = 48,       /* u64 */
    RSW_V_STATE_UNUSABLE = 56,     /* u64 */
    RSW_V_STATE_FIRST_EVENT = 64,  /* i64 */
    RSW_V_STATE_LAST_EVENT = 72,   /* i64 */
    RSW_V_STATE_BEAT = 80,         /* i64 */
    RSW_V_STATE_BEAT_STEADY = 88,  /* i64 */
    RSW_V_STATE_REASON_LEN = 96,   /* u32 */
    RSW_V_STATE_URL_LEN = 100,     /* u32 */
    RSW_V_STATE_TEXT = 104,
};

/* META "time": as it was when somebody last wrote it down; see time.h. The boot is filled up with NUL. */
enum {
    RSW_V_TIME_WALL = 0,   /* i64; 0: never */
    RSW_V_TIME_STEADY = 8, /* i64 */
    RSW_V_TIME_CLOCK = 16, /* i64 */
    RSW_V_TIME_BOOT = 24,  /* RSW_BOOT_MAX bytes */
    RSW_V_TIME_JUMPS = 88, /* when and by how much (i64 each), RSW_JUMPS_MAX times */
    RSW_V_TIME_SIZE = 216,
};

/* An id alone: DIGEST, REPO_NAME. Invariant: the record of that id has this digest or name. */
enum {
    RSW_V_ID = 0, /* u32 */
    RSW_V_ID_SIZE = 4,
};

/* BLOB: one row for each id from key * RSW_BLOBS_EACH on, all zero where there is no such blob. A record
 * without any is not there. Seven fill a page. Invariant: DIGEST_OF has each, with this algorithm. */
enum {
    RSW_V_BLOB_ALG = 0,         /* u8, enum rsw_alg; 0: no such blob */
    RSW_V_BLOB_FLAGS = 1,       /* u8, enum rsw_blob_flag */
    RSW_V_BLOB_TYPES = 2,       /* u8, enum rsw_type */
    RSW_V_BLOB_BYTES = 3,       /* u64, size of its data */
    RSW_V_BLOB_FIRST_SEEN = 11, /* i64 */
    RSW_V_BLOB_MISSING = 19,    /* i64 */
    RSW_V_BLOB_SEQ = 27,        /* u64 */
    RSW_V_BLOB_ROW = 35,
    RSW_V_BLOB_SIZE = RSW_BLOBS_EACH * RSW_V_BLOB_ROW,
};

/* DIGEST_OF: an algorithm (u8) for each id from key * RSW_DIGESTS_EACH on, 0 where there is no such blob;
 * then, in the same order, the 32, 48 or 64 bytes of the digests of those that there are. A record without
 * any is not there. Seven of 32 bytes are what XXH3 is quick with (240 bytes), and 16 such records fill a
 * page; apart from BLOB, because most who read that do not ask for names. Invariant: DIGEST has each, with
 * its id. */
#define RSW_DIGESTS_EACH 7
enum { RSW_V_DIGESTS = RSW_DIGESTS_EACH };

/* REFS: the ids of all children (u32 each), then their kinds (u8 each, enum rsw_ref_kind), in the order of
 * the manifest. Written once: content never changes. Invariant: NAMED_BY has each. */
enum {
    RSW_V_REFS_COUNT = 0, /* u32 */
    RSW_V_REFS_IDS = 4,
};
#define RSW_V_REFS_EACH 5 /* bytes a reference takes, id and kind */

/* REPO, followed by the name. */
enum {
    RSW_V_REPO_FLAGS = 0,      /* u32, enum rsw_repo_flag */
    RSW_V_REPO_FIRST_SEEN = 4, /* i64 */
    RSW_V_REPO_SEQ = 12,       /* u64 */
    RSW_V_REPO_NAME = 20,
};

/* REVISION and LINK: up to RSW_MEMBERS_MAX rows, by blob id. The records of a repository share all ids among
 * them: each has those up to the id in its key that the one before does not have, and the last one's key has
 * UINT32_MAX. So the record to look into is the first one whose key is not below (repository, blob); what is
 * not in it is not there. A full one is cut in two, and the lower part gets a key of its own; one that gets
 * empty goes. Four full ones fill a page. */
#define RSW_MEMBERS_MAX 39
enum {
    RSW_V_MEMBER_BLOB = 0,    /* u32 */
    RSW_V_MEMBER_TARGET = 4,  /* u32, blob id */
    RSW_V_MEMBER_TOUCHED = 8, /* i64 */
    RSW_V_MEMBER_SEQ = 16,    /* u64 */
    RSW_V_MEMBER_FLAGS = 24,  /* u8, enum rsw_member_flag */
    RSW_V_MEMBER_SIZE = 25,
};

/* TAG. Invariant: if the head is not 0, HEAD_OF has it. */
enum {
    RSW_V_TAG_HEAD = 0,    /* u32, blob id or 0 */
    RSW_V_TAG_FLAGS = 4,   /* u32, enum rsw_tag_flag */
    RSW_V_TAG_TOUCHED = 8, /* i64 */
    RSW_V_TAG_SEQ = 16,    /* u64 */
    RSW_V_TAG_SIZE = 24,
};

/* HISTORY. Invariant: HISTORY_OF has it. */
enum {
    RSW_V_HISTORY_TOUCHED = 0, /* i64 */
    RSW_V_HISTORY_SEQ = 8,     /* u64 */
    RSW_V_HISTORY_SIZE = 16,
};

enum {
    RSW_V_UPLOAD_STARTED = 0, /* i64 */
    RSW_V_UPLOAD_BYTES = 8,   /* u64 */
    RSW_V_UPLOAD_SEQ = 16,    /* u64 */
    RSW_V_UPLOAD_SIZE = 24,
};

enum {
    RSW_V_CHECK_DUE = 0,   /* i64 */
    RSW_V_CHECK_TRIES = 8, /* u32 */
    RSW_V_CHECK_SEQ = 12,  /* u64 */
    RSW_V_CHECK_SIZE = 20,
};

/* INSTANCE, followed by its address. The marks of a fence are filled up with NUL. The seqs are those of the
 * transactions that took in its first event and its last. */
enum {
    RSW_V_INSTANCE_FIRST = 0,      /* i64 */
    RSW_V_INSTANCE_LAST = 8,       /* i64 */
    RSW_V_INSTANCE_FIRST_SEQ = 16, /* u64 */
    RSW_V_INSTANCE_LAST_SEQ = 24,  /* u64 */
    RSW_V_INSTANCE_EVENTS = 32,    /* u64 */
    RSW_V_INSTANCE_LAYER = 40,     /* RSW_FENCE_MAX bytes */
    RSW_V_INSTANCE_MANIFEST = 88,  /* RSW_FENCE_MAX bytes */
    RSW_V_INSTANCE_ADDR = 136,
};

/* EVENT, followed by the reason, of the length given, and the body. Numbers are dense: number n is written
 * and number n - RSW_KEPT_MAX goes. */
enum {
    RSW_V_EVENT_RECEIVED = 0,   /* i64 */
    RSW_V_EVENT_REASON_LEN = 8, /* u32 */
    RSW_V_EVENT_TEXT = 12,
};

enum {
    RSW_V_GENERATION_STATE = 0,        /* u8, enum rsw_generation_state */
    RSW_V_GENERATION_OFFLINE = 1,      /* u8, 0 or 1 */
    RSW_V_GENERATION_UNTAGGED = 2,     /* u8, 0 or 1 */
    RSW_V_GENERATION_GRACE = 3,        /* i64 */
    RSW_V_GENERATION_CREATED = 11,     /* i64 */
    RSW_V_GENERATION_CHANGED = 19,     /* i64 */
    RSW_V_GENERATION_SEQ = 27,         /* u64 */
    RSW_V_GENERATION_BYTES = 35,       /* u64 */
    RSW_V_GENERATION_DONE = 43,        /* u64 */
    RSW_V_GENERATION_FAILED = 51,      /* u64 */
    RSW_V_GENERATION_SPARED = 59,      /* u64 */
    RSW_V_GENERATION_FREED = 67,       /* u64 */
    RSW_V_GENERATION_DUE = 75,         /* i64, steady time */
    RSW_V_GENERATION_SETTLE = 83,      /* i64 */
    RSW_V_GENERATION_QUARANTINE = 91,  /* i64 */
    RSW_V_GENERATION_FLAGS = 99,       /* u8, enum rsw_generation_flag */
    RSW_V_GENERATION_RUN = 100,        /* RSW_RUN_MAX bytes, filled up with NUL */
    RSW_V_GENERATION_HIDDEN_SEQ = 132, /* u64 */
    RSW_V_GENERATION_COUNTS = 140,     /* u64 for each kind of item, from kind 0 (not used) */
};

/* ITEM. Invariant: TAG_ITEM has each that is a tag. */
enum {
    RSW_V_ITEM_REASON = 0, /* u8, enum rsw_reason */
    RSW_V_ITEM_STATE = 1,  /* u8, enum rsw_item_state */
    RSW_V_ITEM_FLAGS = 2,  /* u8, enum rsw_item_flag */
    RSW_V_ITEM_BYTES = 3,  /* u64 */
    RSW_V_ITEM_SIZE = 11,
};

/* TOUCHED. Invariant: ITEM has the same key, and its flag TOUCHED; or the generation is 0: a manifest. */
enum {
    RSW_V_TOUCHED_SEQ = 0, /* u64, of the transaction that queued it last */
    RSW_V_TOUCHED_SIZE = 8,
};

enum {
    RSW_V_PULL_AT = 0, /* i64, within RSW_PULL_STEP_MS */
    RSW_V_PULL_SIZE = 8,
};

/* DELETION, followed by the target, of the length given, and the note. */
enum {
    RSW_V_DELETION_KIND = 0,        /* u8, enum rsw_deletion_kind */
    RSW_V_DELETION_STATE = 1,       /* u8, enum rsw_deletion_state */
    RSW_V_DELETION_FLAGS = 2,       /* u8, enum rsw_deletion_flag */
    RSW_V_DELETION_CREATED = 3,     /* i64 */
    RSW_V_DELETION_STEADY = 11,     /* i64, the same in steady time */
    RSW_V_DELETION_CHANGED = 19,    /* i64 */
    RSW_V_DELETION_SEQ = 27,        /* u64 */
    RSW_V_DELETION_GENERATION = 35, /* u64 */
    RSW_V_DELETION_NAMED = 43,      /* u64 */
    RSW_V_DELETION_SPARED = 51,     /* u64 */
    RSW_V_DELETION_GONE = 59,       /* u64 */
    RSW_V_DELETION_TARGET_LEN = 67, /* u32 */
    RSW_V_DELETION_TEXT = 71,
};

/* FORGOTTEN. Invariant: DELETION has that record, and it counts this one among those that are left. */
enum {
    RSW_V_FORGOTTEN_DELETION = 0, /* u64 */
    RSW_V_FORGOTTEN_HEAD = 8,     /* u32, of a tag; else 0 */
    RSW_V_FORGOTTEN_SIZE = 12,
};

/* PIN, followed by the note. */
enum {
    RSW_V_PIN_CREATED = 0, /* i64 */
    RSW_V_PIN_UNTIL = 8,   /* i64; 0: for ever */
    RSW_V_PIN_NOTE = 16,
};

enum rsw_deletion_flag { RSW_DELETION_NEEDED = 1 << 0, RSW_DELETION_TOLD = 1 << 1 };

enum rsw_generation_flag { RSW_GENERATION_CLEARING = 1 << 0, RSW_GENERATION_SETTLING = 1 << 1 };

/* HELD. Invariant: the generation has the item, with its state HELD. */
enum {
    RSW_V_HELD_GENERATION = 0, /* u64 */
    RSW_V_HELD_SINCE = 8,      /* i64 */
    RSW_V_HELD_SEQ = 16,       /* u64, of the transaction that began to hold it */
    RSW_V_HELD_SIZE = 24,
};

#endif
