/* Small worlds for the tests of gc: an index filled by hand, without storage, and what a mark makes of it.
 *
 * A blob is called by a word, its digest is that of the word ("512/word": by sha512). A manifest lists what
 * it names as "kind:blob", the kinds by their first letter: c config, l layer, m child, s subject, u unknown,
 * f foreign. Everything is put with the world's time `touched_ms`, which starts long ago.
 *
 *     image(w, "library/app", "1.0", "app", "base code");      config "app.config", layers "base" and "code"
 *     goes(w, "revision library/app app untagged", "blob app", NULL);
 *
 * `goes` is exact: what is not on the list has to stay. Every call of it also asks rsw_why about every blob,
 * and holds the answers against the plan.
 */
#ifndef TESTS_UNIT_GC_HELP_H
#define TESTS_UNIT_GC_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gc/mark.h"
#include "gc/why.h"
#include "index/deletion.h"
#include "index/facts.h"
#include "index/index.h"
#include "policy/policy.h"

#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS (24 * HOUR_MS)
#define NOW_MS INT64_C(1800000000000)
#define LONG_AGO_MS (NOW_MS - 100 * DAY_MS)

struct world {
    char dir[64];
    struct rsw_index *index;
    struct rsw_txn *txn; /* a write transaction that is never committed: a world costs no sync */
    struct rsw_mark_options options;
    int64_t touched_ms; /* of what is put from now on */
    bool marked;
    struct rsw_policy *policy; /* owned */
    struct rsw_plan plan;      /* of the world as it is, while `marked` */
};

/* cmocka group fixtures: *state is a struct world with an index and no transaction. */
int world_open(void **state);
int world_close(void **state);
/* cmocka test fixtures: an empty world at NOW_MS, default grace and upload age, untagged kept, offline. */
int world_begin(void **state);
int world_end(void **state);

/* ---- facts ---- */
struct rsw_digest digest_named(const char *name);
uint32_t repo(struct world *w, const char *name);
void repo_flags(struct world *w, const char *name, uint32_t set);
uint32_t id_of(struct world *w, const char *name); /* interned, no claim that storage has it */
uint32_t blob(struct world *w, const char *name);  /* storage has it, 100 bytes */
void blob_flags(struct world *w, const char *name, uint32_t set, uint32_t clear);
void layer_link(struct world *w, const char *repo_name, const char *name);
void alias_link(struct world *w, const char *repo_name, const char *name, const char *target);
void revision(struct world *w, const char *repo_name, const char *name);
/* The same with flags and target of their own; flags may lack PRESENT: a tombstone. As a scan saw it. */
void member(struct world *w, enum rsw_member_kind kind, const char *repo_name, const char *name,
            const char *target, uint32_t flags);
void signature(struct world *w, const char *repo_name, const char *revision_name, const char *name);
/* Bytes and references, linked nowhere. `refs`: words with blanks between them. */
void manifest(struct world *w, const char *name, const char *refs);
/* The same, and a revision; a tag where `tag_name` is not NULL. */
void pushed(struct world *w, const char *repo_name, const char *tag_name, const char *name, const char *refs);
/* A whole image with a config of its own and these layers, all present and linked. */
void image(struct world *w, const char *repo_name, const char *tag_name, const char *name,
           const char *layers);
/* Points the tag there: head and history. */
void tag(struct world *w, const char *repo_name, const char *tag_name, const char *name);
void tag_flags(struct world *w, const char *repo_name, const char *tag_name, uint32_t set);
void history(struct world *w, const char *repo_name, const char *tag_name, const char *name);
/* "sha256-<hex><suffix>" of a blob; the last four stay valid. */
const char *weak(const char *subject, const char *suffix);
void upload(struct world *w, const char *repo_name, const char *id, int64_t started_ms);
void pin(struct world *w, const char *repo_name, const char *name);
/* The policy of this text (YAML) counts from now on. */
void policy(struct world *w, const char *text);
void pulled(struct world *w, const char *repo_name, const char *name);
void pin_tag(struct world *w, const char *repo_name, const char *tag_name);
/* As the command does, in a record of its own, whose id it gives. */
uint64_t forget(struct world *w, enum rsw_deletion_kind kind, const char *target);

/* ---- what a mark makes of it ---- */
const struct rsw_plan *plan_of(struct world *w);
/* Exactly these go, in any order; NULL ends the list:
 *     "blob NAME" "link REPO NAME [REASON]" "revision REPO NAME REASON" "tag REPO TAG [REASON]"
 *     "repository REPO [REASON]" "upload REPO ID"
 * A reason that is not given is the one that the kind mostly has, and is compared too. */
void goes(struct world *w, ...) __attribute__((sentinel));
/* Whether the plan warns of this with this problem; repo and blob NULL: whichever. */
bool warned(struct world *w, const char *repo_name, const char *name, const char *problem);
/* The item of the plan, NULL: it stays. `name`: of blob, tag or upload. */
const struct rsw_condemned *condemned(struct world *w, enum rsw_item_kind kind, const char *repo_name,
                                      const char *name);
bool lets_go(struct world *w, enum rsw_item_kind kind, const char *repo_name, const char *name);
struct rsw_why why(struct world *w, const char *repo_name, const char *name);
/* rsw_why agrees with the plan about every blob; fails the test otherwise. */
void check_why(struct world *w);

/* Steps of a path by name, for messages and comparison: "tag child child". */
const char *path_text(const struct rsw_why *path);

#endif
