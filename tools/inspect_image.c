/* regsweep inspect image: an image as a tree of what it names and what refers to it. */
#include "inspect.h"

#include "util/bitmap.h"
#include "util/grow.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

/* An index is a tree of any depth in theory; a screen is not. */
#define DEPTH_MAX 16
#define NODES_MAX 100000

struct node {
    unsigned depth;
    const char *role; /* "image", "child", "layer", …; "referrer", "weak_tag" */
    struct rsw_blob blob;
    bool expanded; /* what it names follows, one deeper */
    char tag[RSW_TAG_MAX + 1];
};

struct image {
    struct rsw_reference reference;
    struct rsw_repo repo;
    struct node *nodes; /* owned; each before what belongs to it */
    size_t count, room;
    struct rsw_bitmap seen;     /* counted, by blob id */
    struct rsw_bitmap expanded; /* once is enough */
    uint64_t bytes;             /* each blob once */
    bool cut;
};

static void image_release(struct image *image) {
    free(image->nodes);
    rsw_bitmap_release(&image->seen);
    rsw_bitmap_release(&image->expanded);
}
#define AUTO_IMAGE __attribute__((cleanup(image_release))) struct image

/* The node's number, or -1. */
static int64_t add_node(struct image *image, struct rsw_txn *txn, uint32_t blob, unsigned depth,
                        const char *role, const char *tag, struct rsw_error *err) {
    struct node *nodes = rsw_grown(image->nodes, &image->room, image->count + 1, sizeof *nodes);
    if (nodes == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    image->nodes = nodes;
    struct node *node = &nodes[image->count];
    *node = (struct node){.depth = depth, .role = role};
    snprintf(node->tag, sizeof node->tag, "%s", tag);
    if (rsw_blob_get(txn, blob, &node->blob) != RSW_FOUND) {
        return rsw_txn_failed(txn, err)
                   ? -1
                   : rsw_error_set(err, RSW_ECORRUPT, 0,
                                   "the index names a blob %" PRIu32 " that it does not have", blob);
    }
    if (!rsw_bitmap_has(&image->seen, blob)) {
        rsw_bitmap_add(&image->seen, blob);
        image->bytes += (node->blob.flags & RSW_BLOB_PRESENT) != 0 ? node->blob.size : 0;
    }
    return (int64_t)image->count++;
}

static int expand(struct image *image, struct rsw_txn *txn, int64_t at, struct rsw_error *err);

static int add_manifest(struct image *image, struct rsw_txn *txn, uint32_t blob, unsigned depth,
                        const char *role, const char *tag, struct rsw_error *err) {
    int64_t at = add_node(image, txn, blob, depth, role, tag, err);
    return at < 0 ? -1 : expand(image, txn, at, err);
}

static int add_references(struct image *image, struct rsw_txn *txn, uint32_t blob, unsigned depth,
                          struct rsw_error *err) {
    struct rsw_refs refs;
    if (rsw_refs_get(txn, blob, &refs) != RSW_FOUND) {
        return 0;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        enum rsw_ref_kind kind = rsw_refs_kind(&refs, i);
        uint32_t child = rsw_refs_child(&refs, i);
        const char *role = rsw_inspect_ref_kind(kind);
        int failed = kind == RSW_REF_CHILD ? add_manifest(image, txn, child, depth, role, "", err) != 0
                                           : add_node(image, txn, child, depth, role, "", err) < 0;
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* Manifests of the same repository that have this one as their subject. */
static int add_referrers(struct image *image, struct rsw_txn *txn, uint32_t blob, unsigned depth,
                         struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    for (rsw_iter_named_by(&iter, txn, blob); rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND;) {
        struct rsw_member member;
        if (kind != RSW_REF_SUBJECT ||
            rsw_member_get(txn, RSW_REVISION, image->repo.id, manifest, &member) != RSW_FOUND ||
            (member.flags & RSW_MEMBER_PRESENT) == 0) {
            continue;
        }
        if (add_manifest(image, txn, manifest, depth, "referrer", "", err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int add_weak_tags(struct image *image, struct rsw_txn *txn, const struct rsw_digest *digest,
                         unsigned depth, struct rsw_error *err) {
    static const char *const endings[] = {"", ".sig", ".att", ".sbom"};
    char hex[RSW_DIGEST_TEXT_MAX];
    rsw_digest_hex(digest, hex);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char name[RSW_DIGEST_TEXT_MAX + 16];
        struct rsw_tag tag;
        snprintf(name, sizeof name, "%s-%s%s", rsw_alg_name(digest->alg), hex, endings[i]);
        if (rsw_tag_get(txn, image->repo.id, name, &tag) == RSW_FOUND && tag.head != 0 &&
            add_manifest(image, txn, tag.head, depth, "weak_tag", name, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int expand(struct image *image, struct rsw_txn *txn, int64_t at, struct rsw_error *err) {
    struct rsw_blob blob = image->nodes[at].blob;
    unsigned depth = image->nodes[at].depth + 1;
    if (rsw_bitmap_has(&image->expanded, blob.id)) {
        return 0;
    }
    if (depth > DEPTH_MAX || image->count > NODES_MAX) {
        image->cut = true;
        return 0;
    }
    rsw_bitmap_add(&image->expanded, blob.id);
    image->nodes[at].expanded = true;
    return add_references(image, txn, blob.id, depth, err) != 0 ||
                   add_referrers(image, txn, blob.id, depth, err) != 0 ||
                   add_weak_tags(image, txn, &blob.digest, depth, err) != 0
               ? -1
               : 0;
}

/* RSW_FOUND with the manifest's id, RSW_ABSENT with err saying what is not known. */
static int find_root(struct image *image, struct rsw_txn *txn, uint32_t *root, struct rsw_error *err) {
    const struct rsw_reference *asked = &image->reference;
    struct rsw_tag tag;
    struct rsw_blob blob;
    struct rsw_member member;
    int answer = rsw_repo_find(txn, asked->repository, &image->repo);
    if (answer == RSW_ABSENT) {
        rsw_error_set(err, RSW_EINVAL, 0, "the index does not know a repository %s", asked->repository);
        return answer;
    }
    if (answer == RSW_FOUND && !asked->has_digest) {
        answer = rsw_tag_get(txn, image->repo.id, asked->tag, &tag);
        *root = tag.head;
        if (answer == RSW_ABSENT || (answer == RSW_FOUND && tag.head == 0)) {
            rsw_error_set(err, RSW_EINVAL, 0, "the index does not know %s %s:%s",
                          answer == RSW_ABSENT ? "a tag" : "where it points, the tag", asked->repository,
                          asked->tag);
            return RSW_ABSENT;
        }
        return answer;
    }
    if (answer == RSW_FOUND && (answer = rsw_blob_find(txn, &asked->digest, &blob)) == RSW_FOUND) {
        *root = blob.id;
        /* A child pushed as a blob has a layer link only, and the registry serves it. */
        answer = rsw_member_get(txn, RSW_REVISION, image->repo.id, blob.id, &member);
        answer =
            answer == RSW_ABSENT ? rsw_member_get(txn, RSW_LINK, image->repo.id, blob.id, &member) : answer;
    }
    if (answer == RSW_ABSENT) {
        rsw_error_set(err, RSW_EINVAL, 0, "the index does not know this digest in %s", asked->repository);
    }
    return answer;
}

static int gather(struct image *image, struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    uint32_t root = 0;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    if (!rsw_bitmap_init(&image->seen, state.next_blob) ||
        !rsw_bitmap_init(&image->expanded, state.next_blob)) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    if (find_root(image, txn, &root, err) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    return rsw_inspect_good(txn, add_manifest(image, txn, root, 0, "image", image->reference.tag, err), err)
               ? 0
               : -1;
}

/* The node at *at and all that belongs to it; *at ends behind them. */
static json_t *node_to_json(const struct image *image, size_t *at) {
    const struct node *node = &image->nodes[(*at)++];
    json_t *object = json_object();
    json_t *below = json_array();
    while (*at < image->count && image->nodes[*at].depth > node->depth) {
        rsw_json_append(&below, node_to_json(image, at));
    }
    rsw_json_set(&object, "as", json_string(node->role));
    rsw_json_set(&object, "digest", rsw_json_digest(&node->blob.digest));
    rsw_json_set(&object, "types", rsw_json_types(node->blob.types));
    rsw_json_set(&object, "size", rsw_json_number(node->blob.size));
    rsw_json_set(&object, "flags", rsw_inspect_blob_flags(node->blob.flags));
    if (node->tag[0] != 0) {
        rsw_json_set(&object, "tag", rsw_json_text(node->tag));
    }
    if (node->expanded) {
        rsw_json_set(&object, "below", below);
    } else {
        json_decref(below);
    }
    return object;
}

static json_t *to_json(const struct image *image) {
    size_t at = 0;
    json_t *root = json_object();
    rsw_json_set(&root, "repo", rsw_json_text(image->repo.name));
    rsw_json_set(&root, "bytes", rsw_json_number(image->bytes));
    rsw_json_set(&root, "cut", json_boolean(image->cut));
    rsw_json_set(&root, "image", node_to_json(image, &at));
    return root;
}

static const char *remark(const struct node *node) {
    if ((node->blob.flags & RSW_BLOB_PRESENT) == 0) {
        return strcmp(node->role, "foreign") == 0 || strcmp(node->role, "subject") == 0 ? ""
                                                                                        : "  NOT IN STORAGE";
    }
    return (node->blob.flags & RSW_BLOB_UNREADABLE) != 0 ? "  unreadable" : "";
}

static int print_text(struct rsw_cli *cli, const struct image *image) {
    char digest[RSW_DIGEST_TEXT_MAX];
    char size[32];
    char types[96];
    for (size_t i = 0; i < image->count; i++) {
        const struct node *node = &image->nodes[i];
        rsw_cli_line(cli, "%*s%s %s  %s  %s%s%s%s", (int)node->depth * 2, "",
                     strcmp(node->role, "weak_tag") == 0 ? "tag" : node->role,
                     rsw_digest_format(&node->blob.digest, digest),
                     rsw_size_format(node->blob.size, size, sizeof size),
                     rsw_types_format(node->blob.types, types, sizeof types), node->tag[0] != 0 ? "  " : "",
                     node->tag, remark(node));
    }
    rsw_cli_line(cli, "%s, each blob counted once%s", rsw_size_format(image->bytes, size, sizeof size),
                 image->cut ? "; there is more below than is shown" : "");
    return RSW_EXIT_DONE;
}

int rsw_inspect_image(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    AUTO_IMAGE image = {.count = 0};
    if (rsw_reference_parse(&image.reference, cli->arguments[0], &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    if (image.reference.tag[0] == 0 && !image.reference.has_digest) {
        return rsw_cli_usage(cli, "image needs a tag or digest: %s:TAG or %s@DIGEST", cli->arguments[0],
                             cli->arguments[0]);
    }
    if (gather(&image, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return cli->options.json ? rsw_cli_json(cli, to_json(&image)) : print_text(cli, &image);
}
