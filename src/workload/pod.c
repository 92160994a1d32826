/* Pods, and the templates that others make pods of. */
#include "workload/object.h"

#include "util/text.h"

#include <string.h>

static int walk_container(struct rsw_walk *walk, const json_t *container, bool runs, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    rsw_walk_where(walk, where, "container %.253s", rsw_walk_text(container, "name"));
    return rsw_walk_image(walk, where, container, "image", runs, err);
}

static int walk_running(struct rsw_walk *walk, const json_t *container, const char *key,
                        struct rsw_error *err) {
    (void)key;
    return walk_container(walk, container, true, err);
}

static int walk_planned(struct rsw_walk *walk, const json_t *container, const char *key,
                        struct rsw_error *err) {
    (void)key;
    return walk_container(walk, container, false, err);
}

/* A volume may be an image (Kubernetes 1.31). */
static int walk_volume(struct rsw_walk *walk, const json_t *volume, const char *key, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    (void)key;
    rsw_walk_where(walk, where, "volume %.253s", rsw_walk_text(volume, "name"));
    return rsw_walk_image(walk, where, rsw_walk_at(volume, "image"), "reference", false, err);
}

int rsw_walk_pod_spec(struct rsw_walk *walk, const json_t *spec, bool runs, struct rsw_error *err) {
    static const char *const others[] = {"initContainers", "ephemeralContainers"};
    int (*each)(struct rsw_walk *, const json_t *, const char *, struct rsw_error *) =
        runs ? walk_running : walk_planned;
    int rc = rsw_walk_list(walk, spec, "containers", true, each, err);
    for (size_t i = 0; rc == 0 && i < sizeof others / sizeof *others; i++) {
        rc = rsw_walk_list(walk, spec, others[i], false, each, err);
    }
    return rc == 0 ? rsw_walk_list(walk, spec, "volumes", false, walk_volume, err) : rc;
}

/* What the node runs: a tag may have moved since. A container that waits has no imageID yet. */
static int walk_status(struct rsw_walk *walk, const json_t *status, const char *key, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    (void)key;
    rsw_walk_where(walk, where, "container %.253s", rsw_walk_text(status, "name"));
    return rsw_walk_image(walk, where, status, "image", false, err) != 0
               ? -1
               : rsw_walk_image(walk, where, status, "imageID", false, err);
}

/* Nothing of it runs any more, and nobody looks into what it was. In doubt it is not old. */
static bool is_over(const struct rsw_walk *walk, const json_t *pod) {
    const char *phase = rsw_walk_text(pod, "status.phase");
    const char *created = rsw_walk_text(pod, "metadata.creationTimestamp");
    int64_t then_ms;
    int64_t age_ms;
    if ((strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0) ||
        !rsw_time_parse(&then_ms, created, strlen(created))) {
        return false;
    }
    return !__builtin_sub_overflow(walk->now_ms, then_ms, &age_ms) && age_ms >= walk->young_ms;
}

int rsw_walk_pod(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses",
                                        "ephemeralContainerStatuses"};
    if (is_over(walk, object)) {
        walk->uses->finished++;
        return 0;
    }
    const json_t *status = rsw_walk_at(object, "status");
    int rc = rsw_walk_pod_spec(walk, rsw_walk_at(object, "spec"), true, err);
    for (size_t i = 0; rc == 0 && i < sizeof lists / sizeof *lists; i++) {
        rc = rsw_walk_list(walk, status, lists[i], false, walk_status, err);
    }
    return rc;
}
