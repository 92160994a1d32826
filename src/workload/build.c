/* OpenShift's build configurations and builds: what they build from, and what they make. */
#include "workload/object.h"

#include <string.h>

/* An ObjectReference: an image by name, or one of an image stream, whose repository is NAMESPACE/STREAM. */
static int walk_from(struct rsw_walk *walk, const char *what, const json_t *from, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    char own[2 * RSW_REPOSITORY_MAX];
    const char *kind = rsw_walk_text(from, "kind");
    const char *name = rsw_walk_text(from, "name");
    const char *space = rsw_walk_text(from, "namespace");
    rsw_walk_where(walk, where, "%s", what);
    if (strcmp(kind, "DockerImage") == 0) {
        return rsw_walk_image(walk, where, from, "name", true, err);
    }
    bool tag = strcmp(kind, "ImageStreamTag") == 0 && strchr(name, ':') != NULL;
    bool image = strcmp(kind, "ImageStreamImage") == 0 && strchr(name, '@') != NULL;
    if (!tag && !image) {
        return rsw_uses_add_bad(walk->uses, where, err, "%s \"%.200s\" names no image",
                                kind[0] != 0 ? kind : "a reference without kind", name);
    }
    snprintf(own, sizeof own, "%.100s/%.400s", space[0] != 0 ? space : walk->space, name);
    return rsw_uses_add_own(walk->uses, where, own, err);
}

static int walk_source(struct rsw_walk *walk, const json_t *image, const char *key, struct rsw_error *err) {
    (void)key;
    return walk_from(walk, "source image", rsw_walk_at(image, "from"), err);
}

static int walk_strategy(struct rsw_walk *walk, const json_t *strategy, struct rsw_error *err) {
    static const char *const kinds[] = {"dockerStrategy", "sourceStrategy", "customStrategy",
                                        "jenkinsPipelineStrategy"};
    bool any = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json_t *one = rsw_walk_at(strategy, kinds[i]);
        const json_t *from = rsw_walk_at(one, "from"); /* none: the Dockerfile says it, or it is a pipeline */
        any = any || one != NULL;
        if (from != NULL && walk_from(walk, "strategy", from, err) != 0) {
            return -1;
        }
    }
    return any ? 0 : rsw_uses_add_bad(walk->uses, walk->who, err, "it has no spec.strategy that we know");
}

int rsw_walk_build(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    const json_t *to = rsw_walk_at(object, "spec.output.to");
    if (walk_strategy(walk, rsw_walk_at(object, "spec.strategy"), err) != 0 ||
        rsw_walk_list(walk, rsw_walk_at(object, "spec.source"), "images", false, walk_source, err) != 0 ||
        (to != NULL && walk_from(walk, "output", to, err) != 0)) {
        return -1;
    }
    return rsw_walk_image(walk, rsw_walk_where(walk, where, "output"), rsw_walk_at(object, "status"),
                          "outputDockerImageReference", false, err);
}
