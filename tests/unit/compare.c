#include "compare.h"

#include "util/grow.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* An index as lines of text without ids, sorted: then equal means equal. */
struct lines {
    char **lines; /* owned, and each of them */
    size_t count, room;
    struct rsw_txn *txn;
    struct rsw_error *err;
    bool failed;
};

static void lines_release(struct lines *lines) {
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->lines[i]);
    }
    free(lines->lines);
}

static void add(struct lines *lines, const char *fmt, ...) RSW_PRINTF(2, 3);
static void add(struct lines *lines, const char *fmt, ...) {
    char **grown = rsw_grown(lines->lines, &lines->room, lines->count + 1, sizeof *grown);
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    int len = grown == NULL ? -1 : vasprintf(&line, fmt, args);
    va_end(args);
    lines->lines = grown == NULL ? lines->lines : grown;
    if (len < 0) {
        lines->failed = true;
        rsw_error_set(lines->err, RSW_ENOMEM, 0, "out of memory");
        return;
    }
    lines->lines[lines->count++] = line;
}

/* ---- ids as names ---- */

static const char *digest_of(struct lines *lines, uint32_t id, char text[RSW_DIGEST_TEXT_MAX]) {
    struct rsw_blob blob;
    if (id == 0) {
        return strcpy(text, "nothing");
    }
    return rsw_blob_get(lines->txn, id, &blob) == RSW_FOUND ? rsw_digest_format(&blob.digest, text)
                                                            : strcpy(text, "an id without record");
}

static const char *repo_of(struct lines *lines, uint32_t id, char name[RSW_REPO_NAME_MAX + 1]) {
    struct rsw_repo repo;
    return strcpy(name,
                  rsw_repo_get(lines->txn, id, &repo) == RSW_FOUND ? repo.name : "an id without record");
}

/* ---- one kind of record each ---- */

static void add_refs(struct lines *lines, const struct rsw_blob *blob, const char *digest) {
    static const char *const kinds[] = {"?", "config", "layer", "child", "subject", "unknown", "foreign"};
    struct rsw_refs refs;
    char child[RSW_DIGEST_TEXT_MAX];
    if (rsw_refs_get(lines->txn, blob->id, &refs) != RSW_FOUND) {
        return;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        unsigned kind = (unsigned)rsw_refs_kind(&refs, i);
        add(lines, "reference %s -%s-> %s", digest, kinds[kind < 7 ? kind : 0],
            digest_of(lines, rsw_refs_child(&refs, i), child));
    }
}

/* A digest of which nothing is known but that somebody named it once is no difference. */
static void add_blobs(struct lines *lines) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_blob blob;
    char digest[RSW_DIGEST_TEXT_MAX];
    char types[96];
    rsw_iter_blobs(&iter, lines->txn);
    while (rsw_blob_next(&iter, &blob) == RSW_FOUND) {
        rsw_digest_format(&blob.digest, digest);
        if (blob.types != 0 || blob.flags != 0) {
            bool there = (blob.flags & RSW_BLOB_PRESENT) != 0;
            add(lines, "blob %s%s size=%llu types=%s%s%s%s%s", digest, there ? " present" : "",
                there ? (unsigned long long)blob.size : 0ULL,
                rsw_types_format(blob.types, types, sizeof types),
                (blob.flags & RSW_BLOB_PARSED) != 0 ? " parsed" : "",
                (blob.flags & RSW_BLOB_UNREADABLE) != 0 ? " unreadable" : "",
                (blob.flags & RSW_BLOB_ODD) != 0 ? " odd" : "",
                (blob.flags & RSW_BLOB_GONE) != 0 ? " gone" : "");
        }
        add_refs(lines, &blob, digest);
    }
}

static void add_members(struct lines *lines, enum rsw_member_kind kind) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    char repo[RSW_REPO_NAME_MAX + 1];
    char digest[RSW_DIGEST_TEXT_MAX];
    char target[RSW_DIGEST_TEXT_MAX];
    rsw_iter_members(&iter, lines->txn, kind, 0);
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        bool there = (member.flags & RSW_MEMBER_PRESENT) != 0;
        add(lines, "%s %s %s%s%s%s%s", kind == RSW_LINK ? "link" : "revision",
            repo_of(lines, member.repo, repo), digest_of(lines, member.blob, digest),
            there ? " present" : " deleted", (member.flags & RSW_MEMBER_BAD) != 0 ? " bad" : "",
            there && member.target != member.blob ? " -> " : "",
            there && member.target != member.blob ? digest_of(lines, member.target, target) : "");
    }
}

static void add_tags(struct lines *lines) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_tag tag;
    char repo[RSW_REPO_NAME_MAX + 1];
    char digest[RSW_DIGEST_TEXT_MAX];
    rsw_iter_tags(&iter, lines->txn, 0);
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        add(lines, "tag %s %s = %s%s%s", repo_of(lines, tag.repo, repo), tag.name,
            digest_of(lines, tag.head, digest), (tag.flags & RSW_TAG_BAD) != 0 ? " bad" : "",
            (tag.flags & RSW_TAG_UNSETTLED) != 0 ? " unsettled" : "");
    }
}

static void add_repo_parts(struct lines *lines, const struct rsw_repo *repo) {
    RSW_AUTO_ITER entries = RSW_ITER_INIT;
    RSW_AUTO_ITER signatures = RSW_ITER_INIT;
    struct rsw_history history;
    uint32_t revision, signature;
    char a[RSW_DIGEST_TEXT_MAX];
    char b[RSW_DIGEST_TEXT_MAX];
    rsw_iter_history(&entries, lines->txn, repo->id, NULL);
    while (rsw_history_next(&entries, &history) == RSW_FOUND) {
        add(lines, "history %s %s: %s", repo->name, history.tag, digest_of(lines, history.manifest, a));
    }
    rsw_iter_signatures(&signatures, lines->txn, repo->id, 0);
    while (rsw_signature_next(&signatures, &revision, &signature) == RSW_FOUND) {
        add(lines, "signature %s %s: %s", repo->name, digest_of(lines, revision, a),
            digest_of(lines, signature, b));
    }
}

static void add_repos(struct lines *lines) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_repo repo;
    rsw_iter_repos(&iter, lines->txn);
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        if ((repo.flags & RSW_REPO_PRESENT) != 0) {
            add(lines, "repository %s%s", repo.name, (repo.flags & RSW_REPO_ODD) != 0 ? " odd" : "");
        }
        add_repo_parts(lines, &repo);
    }
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int lines_of(struct lines *lines, struct rsw_index *index, struct rsw_error *err) {
    memset(lines, 0, sizeof *lines);
    lines->err = err;
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    lines->txn = txn;
    add_blobs(lines);
    add_members(lines, RSW_LINK);
    add_members(lines, RSW_REVISION);
    add_tags(lines);
    add_repos(lines);
    if (lines->count > 1) {
        qsort(lines->lines, lines->count, sizeof *lines->lines, compare_lines);
    }
    return rsw_txn_failed(txn, err) || lines->failed ? -1 : 0;
}

/* ---- comparing ---- */

static int difference(const struct lines *a, const struct lines *b, FILE *out, int lines_max) {
    size_t i = 0, j = 0;
    int differences = 0;
    while (i < a->count || j < b->count) {
        int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->lines[i], b->lines[j]);
        if (order == 0) {
            i++;
            j++;
            continue;
        }
        const char *line = order < 0 ? a->lines[i++] : b->lines[j++];
        if (differences++ < lines_max && out != NULL) {
            fprintf(out, "%c %s\n", order < 0 ? '-' : '+', line);
        }
    }
    return differences;
}

int compare_indexes(struct rsw_index *first, struct rsw_index *second, FILE *out, int lines_max,
                    struct rsw_error *err) {
    struct lines a, b = {0};
    int rc = lines_of(&a, first, err) == 0 && lines_of(&b, second, err) == 0
                 ? difference(&a, &b, out, lines_max)
                 : -1;
    lines_release(&a);
    lines_release(&b);
    return rc;
}

int print_index(struct rsw_index *index, FILE *out, struct rsw_error *err) {
    struct lines lines;
    int rc = lines_of(&lines, index, err);
    for (size_t i = 0; i < lines.count; i++) {
        fprintf(out, "%s\n", lines.lines[i]);
    }
    lines_release(&lines);
    return rc;
}
