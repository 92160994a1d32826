/* OpenShift's image streams: the last images of each of their tags. */
#include "workload/object.h"

#include <string.h>

static int walk_item(struct rsw_walk *walk, const json_t *item, const char *tag, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    struct rsw_digest digest;
    const char *image = rsw_walk_text(item, "image");
    rsw_walk_where(walk, where, "tag %.128s", tag);
    if (!json_is_object(item) || !rsw_digest_parse(&digest, image, strlen(image))) {
        return rsw_uses_add_bad(walk->uses, where, err, "image \"%.200s\" is no digest", image);
    }
    return rsw_uses_add_digest(walk->uses, where, &digest, err) != 0
               ? -1
               : rsw_walk_image(walk, where, item, "dockerImageReference", false, err);
}

/* Newest first. A tag that was never imported has none. */
static int walk_history(struct rsw_walk *walk, const json_t *tag, const char *key, struct rsw_error *err) {
    const json_t *items = rsw_walk_at(tag, "items");
    (void)key;
    if (items != NULL && !json_is_array(items)) {
        return rsw_uses_add_bad(walk->uses, walk->who, err, "the items of a tag are no list");
    }
    size_t count = json_array_size(items);
    if (walk->revisions != 0 && count > walk->revisions) {
        count = (size_t)walk->revisions;
    }
    for (size_t i = 0; i < count; i++) {
        if (walk_item(walk, json_array_get(items, i), rsw_walk_text(tag, "tag"), err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What a tag is to follow: pods may be given it as it stands. */
static int walk_followed(struct rsw_walk *walk, const json_t *tag, const char *key, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    const json_t *from = rsw_walk_at(tag, "from");
    (void)key;
    rsw_walk_where(walk, where, "tag %.128s", rsw_walk_text(tag, "name"));
    return strcmp(rsw_walk_text(from, "kind"), "DockerImage") != 0
               ? 0
               : rsw_walk_image(walk, where, from, "name", true, err);
}

int rsw_walk_stream(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    return rsw_walk_list(walk, rsw_walk_at(object, "status"), "tags", false, walk_history, err) != 0
               ? -1
               : rsw_walk_list(walk, rsw_walk_at(object, "spec"), "tags", false, walk_followed, err);
}
