#include "workload/object.h"

#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- looking into objects ---- */

const json_t *rsw_walk_at(const json_t *object, const char *path) {
    while (object != NULL && *path != 0) {
        char key[64];
        size_t len = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)len, path);
        object = json_object_get(object, key);
        path += path[len] == '.' ? len + 1 : len;
    }
    return json_is_null(object) ? NULL : object;
}

/* A NUL inside would make another name of it. */
static const char *text_of(const json_t *value) {
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

const char *rsw_walk_text(const json_t *object, const char *path) {
    const char *text = text_of(rsw_walk_at(object, path));
    return text != NULL ? text : "";
}

const char *rsw_walk_where(const struct rsw_walk *walk, char out[RSW_WHERE_MAX], const char *fmt, ...) {
    int len = snprintf(out, RSW_WHERE_MAX, "%s ", walk->who);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + len, RSW_WHERE_MAX - (size_t)len, fmt, args);
    va_end(args);
    rsw_text_clean(out);
    return out;
}

int rsw_walk_image(struct rsw_walk *walk, const char *where, const json_t *object, const char *key,
                   bool required, struct rsw_error *err) {
    const json_t *value = rsw_walk_at(object, key);
    const char *text = value != NULL ? text_of(value) : "";
    if (text == NULL) {
        return rsw_uses_add_bad(walk->uses, where, err, "%s is no text", key);
    }
    if (text[strspn(text, " \t\r\n")] == 0) {
        return required ? rsw_uses_add_bad(walk->uses, where, err, "%s is missing", key) : 0;
    }
    return rsw_uses_add(walk->uses, where, text, err);
}

int rsw_walk_list(struct rsw_walk *walk, const json_t *object, const char *key, bool required,
                  int (*each)(struct rsw_walk *walk, const json_t *element, const char *key,
                              struct rsw_error *err),
                  struct rsw_error *err) {
    const json_t *list = rsw_walk_at(object, key);
    if (list != NULL && !json_is_array(list)) {
        return rsw_uses_add_bad(walk->uses, walk->who, err, "%s is no list", key);
    }
    if (json_array_size(list) == 0) {
        return required ? rsw_uses_add_bad(walk->uses, walk->who, err, "it has no %s", key) : 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        int rc = json_is_object(element) ? each(walk, element, key, err)
                                         : rsw_uses_add_bad(walk->uses, walk->who, err,
                                                            "%s has something that is no object", key);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- pod templates ---- */

static int walk_template(struct rsw_walk *walk, const json_t *object, const char *path,
                         struct rsw_error *err) {
    const json_t *spec = rsw_walk_at(object, path);
    return json_is_object(spec) ? rsw_walk_pod_spec(walk, spec, false, err)
                                : rsw_uses_add_bad(walk->uses, walk->who, err, "it has no %s", path);
}

static int walk_spec_template(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    return walk_template(walk, object, "spec.template.spec", err);
}

static int walk_bare_template(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    return walk_template(walk, object, "template.spec", err);
}

static int walk_cron_job(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    return walk_template(walk, object, "spec.jobTemplate.spec.template.spec", err);
}

/* Its strategy may have an image of its own. */
static int walk_deployment_config(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    return walk_spec_template(walk, object, err) != 0
               ? -1
               : rsw_walk_image(walk, rsw_walk_where(walk, where, "custom strategy"),
                                rsw_walk_at(object, "spec.strategy.customParams"), "image", false, err);
}

/* Somebody's own kind: it starts pods if it has containers where others have them. So does a
 * ControllerRevision, to which a DaemonSet or StatefulSet can be rolled back; but controllers of others put
 * there what they like. */
static int walk_unknown(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    static const char *const paths[] = {"spec.template.spec", "spec.jobTemplate.spec.template.spec",
                                        "data.spec.template.spec"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const json_t *spec = rsw_walk_at(object, paths[i]);
        if (rsw_walk_at(spec, "containers") != NULL) {
            return rsw_walk_pod_spec(walk, spec, false, err);
        }
    }
    walk->uses->passed_over++;
    return 0;
}

/* ---- kinds ---- */

typedef int walk_kind(struct rsw_walk *walk, const json_t *object, struct rsw_error *err);

/* Others have kinds of these names too. Old OpenShift has all of its own in the group "". */
static const struct {
    const char *kind;
    const char *groups[3];
    walk_kind *walk;
} kinds[] = {
    {"Pod", {""}, rsw_walk_pod},
    {"PodTemplate", {""}, walk_bare_template},
    {"ReplicationController", {""}, walk_spec_template},
    {"ReplicaSet", {"apps", "extensions"}, walk_spec_template},
    {"Deployment", {"apps", "extensions"}, walk_spec_template},
    {"DaemonSet", {"apps", "extensions"}, walk_spec_template},
    {"StatefulSet", {"apps"}, walk_spec_template},
    {"Job", {"batch"}, walk_spec_template},
    {"CronJob", {"batch"}, walk_cron_job},
    {"DeploymentConfig", {"apps.openshift.io", ""}, walk_deployment_config},
    {"BuildConfig", {"build.openshift.io", ""}, rsw_walk_build},
    {"Build", {"build.openshift.io", ""}, rsw_walk_build},
    {"ImageStream", {"image.openshift.io", ""}, rsw_walk_stream},
    {"Image", {"image.openshift.io", ""}, rsw_walk_image_object},
};

/* "apps" of "apps/v1", "" of "v1". */
static bool is_group(const char *version, const char *group) {
    const char *slash = strchr(version, '/');
    size_t len = slash != NULL ? (size_t)(slash - version) : 0;
    return strlen(group) == len && strncmp(version, group, len) == 0;
}

static walk_kind *find_kind(const char *kind, const char *version) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t g = 0; g < 3 && kinds[i].groups[g] != NULL && strcmp(kinds[i].kind, kind) == 0; g++) {
            if (is_group(version, kinds[i].groups[g])) {
                return kinds[i].walk;
            }
        }
    }
    return walk_unknown;
}

/* ---- one object ---- */

static bool ends_in_list(const char *kind) {
    size_t len = strlen(kind);
    return len >= 4 && strcmp(kind + len - 4, "List") == 0;
}

static int walk_inner_list(struct rsw_walk *walk, const json_t *list, struct rsw_error *err) {
    const json_t *items = json_object_get(list, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (rsw_walk_object(walk, json_array_get(items, i), rsw_walk_text(list, "kind"),
                            rsw_walk_text(list, "apiVersion"), err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_names(struct rsw_walk *walk, const json_t *object, char *kind, size_t size,
                      const char *list_kind) {
    const char *own = rsw_walk_text(object, "kind");
    walk->space = rsw_walk_text(object, "metadata.namespace");
    walk->name = rsw_walk_text(object, "metadata.name");
    if (own[0] != 0) {
        snprintf(kind, size, "%s", own);
    } else if (list_kind != NULL && ends_in_list(list_kind)) {
        snprintf(kind, size, "%.*s", (int)(strlen(list_kind) - strlen("List")), list_kind);
    }
    snprintf(walk->who, sizeof walk->who, "%.64s %.63s%s%.253s", kind[0] != 0 ? kind : "object", walk->space,
             walk->space[0] != 0 ? "/" : "", walk->name[0] != 0 ? walk->name : "without a name");
    rsw_text_clean(walk->who);
    return kind[0] != 0 ? 0 : -1;
}

int rsw_walk_object(struct rsw_walk *walk, const json_t *object, const char *list_kind,
                    const char *list_version, struct rsw_error *err) {
    char kind[128] = "";
    if (!json_is_object(object)) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "something in it is no object");
    }
    if (take_names(walk, object, kind, sizeof kind, list_kind) != 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "%s has no kind, and its list has not told one before: write the list as kubectl "
            "does",
            walk->who);
    }
    const char *version = rsw_walk_text(object, "apiVersion");
    if (version[0] == 0 && list_version != NULL) {
        version = list_version;
    }
    if (strcmp(kind, "Status") == 0 && is_group(version, "")) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "it is the answer of a server that something failed: %s",
                             rsw_walk_text(object, "message"));
    }
    if (ends_in_list(kind) && json_is_array(json_object_get(object, "items"))) {
        return walk_inner_list(walk, object, err);
    }
    walk->uses->objects++;
    return find_kind(kind, version)(walk, object, err);
}
