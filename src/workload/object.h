/* One object of Kubernetes or OpenShift, as JSON: which images does it name?
 *
 * Shapes: Kubernetes API v1 (core, apps, batch), OpenShift apps, build and image v1. What an object must have
 * and has not is noted as a bad reference: silence is not absence of use.
 */
#ifndef REGSWEEP_WORKLOAD_OBJECT_H
#define REGSWEEP_WORKLOAD_OBJECT_H

#include "workload/uses.h"

#include <jansson.h>

struct rsw_walk {
    struct rsw_uses *uses; /* what is found is added there; borrowed */
    int64_t now_ms;
    int64_t young_ms;   /* finished pods begun within it protect as well */
    uint64_t revisions; /* of each tag of an image stream, newest first; 0: all */
    /* The object at hand. */
    const char *space; /* its namespace; "" */
    const char *name;
    char who[512]; /* "Pod shop/web-1" */
};

/* `list_kind` and `list_version` are those of the list that it stands in, for objects that have none of their
 * own ("PodList", "v1"); NULL: no list, or one that says nothing. 0, or -1: RSW_EREFUSED (it is no object,
 * its kind is not told, or it is an API server's word that something failed), RSW_ENOMEM. */
int rsw_walk_object(struct rsw_walk *walk, const json_t *object, const char *list_kind,
                    const char *list_version, struct rsw_error *err);

/* ---- for the files that know kinds ---- */

/* "spec.template.spec", from `object` on; NULL where it, or an object on the way, is missing or null. */
const json_t *rsw_walk_at(const json_t *object, const char *path);
/* "" where it is missing, no string, or has a NUL in it. */
const char *rsw_walk_text(const json_t *object, const char *path);
/* `who`, blank, fmt: where something stands in the object at hand. Returns `out`. */
#define RSW_WHERE_MAX 1024
const char *rsw_walk_where(const struct rsw_walk *walk, char out[RSW_WHERE_MAX], const char *fmt, ...)
    RSW_PRINTF(3, 4);
/* The image reference that `object` has as `key`; blank, null or missing is none, which is bad if `required`.
 * `where` as for rsw_uses_add. */
int rsw_walk_image(struct rsw_walk *walk, const char *where, const json_t *object, const char *key,
                   bool required, struct rsw_error *err);
/* Calls `each` for every element of the list that `object` has as `key`; all must be objects. Missing or null
 * is empty, and empty is bad if `required`. */
int rsw_walk_list(struct rsw_walk *walk, const json_t *object, const char *key, bool required,
                  int (*each)(struct rsw_walk *walk, const json_t *element, const char *key,
                              struct rsw_error *err),
                  struct rsw_error *err);
/* The containers and image volumes of a pod's `spec`. A template may leave images out for others to fill in,
 * a pod that `runs` has them all. */
int rsw_walk_pod_spec(struct rsw_walk *walk, const json_t *spec, bool runs, struct rsw_error *err);

/* Pod */
int rsw_walk_pod(struct rsw_walk *walk, const json_t *object, struct rsw_error *err);
/* BuildConfig, Build */
int rsw_walk_build(struct rsw_walk *walk, const json_t *object, struct rsw_error *err);
/* ImageStream */
int rsw_walk_stream(struct rsw_walk *walk, const json_t *object, struct rsw_error *err);
/* Image */
int rsw_walk_image_object(struct rsw_walk *walk, const json_t *object, struct rsw_error *err);

#endif
