#include "registry_config.h"

#include "file.h"
#include "registry_findings.h"
#include "registry_schema.h"
#include "util/yaml_tree.h"

#include "util/text.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Keys of `storage` that are no driver: Storage.Type in configuration.go. */
static bool is_reserved(const char *key) {
    static const char *const reserved[] = {"maintenance", "cache", "delete", "redirect", "tag"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(key, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Merge keys bring in values from elsewhere. The registry follows them and the schema does not, so a file
 * that has one could say something that we do not see. */
static int refuse_merges(struct rsw_yaml *yaml, const char *name, struct rsw_error *err) {
    for (yaml_node_t *node = yaml->document.nodes.start; node < yaml->document.nodes.top; node++) {
        yaml_node_t *merge = rsw_yaml_key(yaml, node, "<<");
        if (merge != NULL) {
            return rsw_error_set(err, RSW_EINVAL, 0,
                                 "%s:%lu: merge keys (<<) are not read; write the values out", name,
                                 rsw_yaml_line(merge));
        }
    }
    return 0;
}

static int find_driver(struct rsw_registry_config *config, struct rsw_yaml *yaml, char **driver,
                       struct rsw_error *err) {
    yaml_node_t *storage = rsw_yaml_get(yaml, rsw_yaml_root(yaml), "storage");
    const char *found = rsw_yaml_is_null(storage) ? NULL : rsw_yaml_text(storage);
    config->storage_line = rsw_yaml_line(storage);
    if (storage != NULL && storage->type == YAML_MAPPING_NODE) {
        yaml_node_pair_t *pair = storage->data.mapping.pairs.start;
        for (; pair < storage->data.mapping.pairs.top; pair++) {
            const char *key = rsw_yaml_text(rsw_yaml_node(yaml, pair->key));
            if (key == NULL || is_reserved(key)) {
                continue;
            }
            config->storage_line = rsw_yaml_line(rsw_yaml_node(yaml, pair->key));
            if (found != NULL) {
                return rsw_error_set(err, RSW_EINVAL, 0,
                                     "%s:%lu: storage has more than one driver: %s and %s", config->name,
                                     config->storage_line, found, key);
            }
            found = key;
        }
    }
    *driver = strdup(found != NULL ? found : "");
    return *driver == NULL ? rsw_error_set(err, RSW_ENOMEM, 0, "out of memory") : 0;
}

/* As Go's YAML reads a bool. */
static int read_bool(bool *out, bool fallback, const struct rsw_registry_config *config, unsigned long line,
                     const char *key, const char *text, struct rsw_error *err) {
    static const char *const yes[] = {"true", "yes", "on", "y"};
    static const char *const no[] = {"false", "no", "off", "n"};
    *out = fallback;
    if (text == NULL || *text == 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: %s: \"%s\" is not true or false", config->name, line,
                         key, text);
}

/* Line of the key `enabled` in the mapping under a key. */
static unsigned long line_of_enabled(struct rsw_yaml *yaml, yaml_node_t *node, const char *key) {
    return rsw_yaml_line(rsw_yaml_key(yaml, rsw_yaml_get(yaml, node, key), "enabled"));
}

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

/* How the driver says that its objects are to be kept. */
static int read_s3_kept(struct rsw_registry_config *config, struct rsw_yaml *yaml, yaml_node_t *node,
                        struct rsw_error *err) {
    const char *name = or_empty(config->s3->storageclass);
    if (strlen(name) >= sizeof config->s3_class) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: storage.s3.storageclass is too long", config->name,
                             rsw_yaml_line(rsw_yaml_key(yaml, node, "storageclass")));
    }
    for (size_t i = 0; name[i] != 0; i++) { /* the driver does that too */
        config->s3_class[i] = (char)toupper((unsigned char)name[i]);
    }
    return read_bool(&config->s3_encrypts, false, config, rsw_yaml_line(rsw_yaml_key(yaml, node, "encrypt")),
                     "storage.s3.encrypt", config->s3->encrypt, err);
}

static int read_s3(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    const struct rsw_raw_storage *storage = config->raw->storage;
    const struct rsw_raw_s3 *s3 = storage->s3 != NULL ? storage->s3 : storage->s3aws;
    yaml_node_t *node =
        rsw_yaml_get(yaml, rsw_yaml_get(yaml, rsw_yaml_root(yaml), "storage"), config->driver);
    bool secure = true;
    if (s3 == NULL) {
        return 0;
    }
    config->s3 = s3;
    if (read_bool(&secure, true, config, rsw_yaml_line(rsw_yaml_key(yaml, node, "secure")),
                  "storage.s3.secure", s3->secure, err) != 0 ||
        read_bool(&config->s3_unverified, false, config,
                  rsw_yaml_line(rsw_yaml_key(yaml, node, "skipverify")), "storage.s3.skipverify",
                  s3->skipverify, err) != 0 ||
        read_bool(&config->s3_path, false, config, rsw_yaml_line(rsw_yaml_key(yaml, node, "forcepathstyle")),
                  "storage.s3.forcepathstyle", s3->forcepathstyle, err) != 0) {
        return -1;
    }
    config->s3_plain = !secure;
    return read_s3_kept(config, yaml, node, err);
}

static int read_storage(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    const struct rsw_raw_storage *storage = config->raw->storage;
    yaml_node_t *node = rsw_yaml_get(yaml, rsw_yaml_root(yaml), "storage");
    config->root_directory = "/var/lib/registry"; /* driver/filesystem: defaultRootDirectory */
    config->upload_purging = true;                /* handlers/app.go: on, age 168h, if nothing is said */
    config->upload_purging_age = "168h";
    if (storage == NULL) {
        return 0;
    }
    if (storage->filesystem != NULL && storage->filesystem->rootdirectory != NULL) {
        config->root_directory = storage->filesystem->rootdirectory;
    }
    if (read_s3(config, yaml, err) != 0) {
        return -1;
    }
    if (storage->redirect != NULL) {
        config->redirect_disabled = or_empty(storage->redirect->disable);
    }
    if (storage->cache != NULL) {
        const char *cache = storage->cache->blobdescriptor != NULL ? storage->cache->blobdescriptor
                                                                   : storage->cache->layerinfo;
        config->cache = cache == NULL || *cache == 0     ? RSW_CONFIG_CACHE_NONE
                        : strcmp(cache, "inmemory") == 0 ? RSW_CONFIG_CACHE_MEMORY
                        : strcmp(cache, "redis") == 0    ? RSW_CONFIG_CACHE_REDIS
                                                         : RSW_CONFIG_CACHE_OTHER;
    }
    if (storage->deletion != NULL &&
        read_bool(&config->delete_enabled, false, config, line_of_enabled(yaml, node, "delete"),
                  "storage.delete.enabled", storage->deletion->enabled, err) != 0) {
        return -1;
    }
    const struct rsw_raw_maintenance *maintenance = storage->maintenance;
    yaml_node_t *upkeep = rsw_yaml_get(yaml, node, "maintenance");
    if (maintenance != NULL && maintenance->readonly != NULL &&
        read_bool(&config->read_only, false, config, line_of_enabled(yaml, upkeep, "readonly"),
                  "storage.maintenance.readonly.enabled", maintenance->readonly->enabled, err) != 0) {
        return -1;
    }
    if (maintenance == NULL || maintenance->uploadpurging == NULL) {
        return 0;
    }
    if (maintenance->uploadpurging->age != NULL) {
        config->upload_purging_age = maintenance->uploadpurging->age;
    }
    return read_bool(&config->upload_purging, true, config, line_of_enabled(yaml, upkeep, "uploadpurging"),
                     "storage.maintenance.uploadpurging.enabled", maintenance->uploadpurging->enabled, err);
}

/* The path of a URL ends in /events, with or without a slash or a query behind it. */
static bool is_ours(const char *url) {
    size_t len = strcspn(url, "?#");
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    return len >= 7 && strncmp(url + len - 7, "/events", 7) == 0;
}

static int read_endpoints(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    const struct rsw_raw_notifications *notifications = config->raw->notifications;
    if (notifications == NULL) {
        return 0;
    }
    yaml_node_t *node = rsw_yaml_get(yaml, rsw_yaml_root(yaml), "notifications");
    if (notifications->events != NULL &&
        read_bool(&config->include_references, false, config, rsw_yaml_line(node),
                  "notifications.events.includereferences", notifications->events->includereferences,
                  err) != 0) {
        return -1;
    }
    yaml_node_t *list = rsw_yaml_get(yaml, node, "endpoints");
    config->endpoints = calloc((size_t)notifications->endpoints_count + 1, sizeof *config->endpoints);
    if (config->endpoints == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (unsigned i = 0; i < notifications->endpoints_count; i++) {
        const struct rsw_raw_endpoint *raw = &notifications->endpoints[i];
        struct rsw_registry_endpoint *endpoint = &config->endpoints[config->endpoint_count++];
        endpoint->name = or_empty(raw->name);
        endpoint->url = or_empty(raw->url);
        endpoint->ours = is_ours(endpoint->url);
        if (list != NULL && list->type == YAML_SEQUENCE_NODE &&
            list->data.sequence.items.start + i < list->data.sequence.items.top) {
            endpoint->line = rsw_yaml_line(rsw_yaml_node(yaml, list->data.sequence.items.start[i]));
        }
        if (read_bool(&endpoint->disabled, false, config, endpoint->line, "disabled", raw->disabled, err) !=
            0) {
            return -1;
        }
    }
    return 0;
}

static int read_redis(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    const struct rsw_raw_redis *redis = config->raw->redis;
    uint64_t db = 0;
    if (redis == NULL) {
        return 0;
    }
    config->redis_address = redis->addr != NULL            ? redis->addr
                            : redis->addrs.items_count > 0 ? or_empty(redis->addrs.items[0])
                                                           : "";
    config->redis_several = redis->addrs.items_count > 1 || *or_empty(redis->mastername) != 0;
    config->redis_tls =
        redis->tls != NULL && (*or_empty(redis->tls->certificate) != 0 || *or_empty(redis->tls->key) != 0);
    config->redis_user = or_empty(redis->username);
    config->redis_password = or_empty(redis->password);
    if (*or_empty(redis->db) != 0 && !rsw_number_parse(&db, redis->db, UINT16_MAX)) {
        yaml_node_t *node = rsw_yaml_get(yaml, rsw_yaml_root(yaml), "redis");
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: redis.db: \"%s\" is not a database's number",
                             config->name, rsw_yaml_line(rsw_yaml_key(yaml, node, "db")), redis->db);
    }
    config->redis_db = (unsigned)db;
    return 0;
}

static void read_http(struct rsw_registry_config *config) {
    const struct rsw_raw_http *http = config->raw->http;
    if (http == NULL) {
        return;
    }
    const char *net = or_empty(http->net);
    config->http_address = *net == 0 || strcmp(net, "tcp") == 0 ? or_empty(http->addr) : "";
    config->http_prefix = or_empty(http->prefix);
    config->http_tls =
        http->tls != NULL &&
        (*or_empty(http->tls->certificate) != 0 ||
         (http->tls->letsencrypt != NULL && *or_empty(http->tls->letsencrypt->cachefile) != 0));
}

static int read_others(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    const struct rsw_registry_raw *raw = config->raw;
    if (raw->proxy != NULL) {
        config->proxy_url = or_empty(raw->proxy->remoteurl);
    }
    if (read_redis(config, yaml, err) != 0) {
        return -1;
    }
    read_http(config);
    if (raw->middleware == NULL) {
        return 0;
    }
    unsigned long line = rsw_yaml_line(rsw_yaml_key(yaml, rsw_yaml_root(yaml), "middleware"));
    for (unsigned i = 0; i < raw->middleware->repository_count; i++) {
        const struct rsw_raw_middleware *middleware = &raw->middleware->repository[i];
        bool disabled;
        if (read_bool(&disabled, false, config, line, "middleware.repository", middleware->disabled, err) !=
            0) {
            return -1;
        }
        if (!disabled && *config->repository_middleware == 0) {
            config->repository_middleware = middleware->name != NULL ? middleware->name : "unnamed";
        }
    }
    return 0;
}

static int read_all(struct rsw_registry_config *config, const void *bytes, size_t len,
                    struct rsw_error *err) {
    RSW_AUTO_YAML yaml = {.loaded = false};
    if (rsw_yaml_parse(&yaml, config->name, bytes, len, err) != 0) {
        return -1;
    }
    yaml_node_t *root = rsw_yaml_root(&yaml);
    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:1: this is no registry configuration", config->name);
    }
    char *driver = NULL;
    if (refuse_merges(&yaml, config->name, err) != 0 || find_driver(config, &yaml, &driver, err) != 0) {
        return -1;
    }
    config->driver = driver;
    yaml_node_t *storage = rsw_yaml_get(&yaml, root, "storage");
    config->bare = storage != NULL && storage->type == YAML_SCALAR_NODE && !rsw_yaml_is_null(storage);
    if (rsw_registry_raw_load(&config->raw, config->name, bytes, len, config->bare, err) != 0 ||
        read_storage(config, &yaml, err) != 0 || read_endpoints(config, &yaml, err) != 0 ||
        read_others(config, &yaml, err) != 0) {
        return -1;
    }
    return rsw_registry_findings(config, &yaml, err);
}

int rsw_registry_config_parse(struct rsw_registry_config **out, const char *name, const void *bytes,
                              size_t len, struct rsw_error *err) {
    struct rsw_registry_config *config = calloc(1, sizeof *config);
    *out = NULL;
    if (config == NULL || (config->name = strdup(name)) == NULL) {
        free(config);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    config->redis_address = config->redirect_disabled = config->proxy_url = "";
    config->redis_user = config->redis_password = config->http_address = config->http_prefix = "";
    config->repository_middleware = config->upload_purging_age = "";
    if (read_all(config, bytes, len, err) != 0) {
        rsw_registry_config_free(config);
        return -1;
    }
    *out = config;
    return 0;
}

int rsw_registry_config_load(struct rsw_registry_config **out, const char *path, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    *out = NULL;
    if (rsw_file_read(&bytes, path, RSW_REGISTRY_CONFIG_MAX, NULL, err) != 0) {
        return -1;
    }
    return rsw_registry_config_parse(out, path, bytes.data, bytes.len, err);
}

void rsw_registry_config_free(struct rsw_registry_config *config) {
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->finding_count; i++) {
        free(config->findings[i].what);
    }
    free(config->findings);
    free(config->endpoints);
    rsw_registry_raw_free(config->raw, config->bare);
    free(config->driver);
    free(config->name);
    free(config);
}

/* The driver puts no slash before the root directory, and one behind it. */
static int url_of_s3(const struct rsw_registry_config *config, char *url, size_t size,
                     struct rsw_error *err) {
    const char *bucket = config->s3 == NULL ? "" : or_empty(config->s3->bucket);
    const char *root = config->s3 == NULL ? "" : or_empty(config->s3->rootdirectory);
    if (*bucket == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: storage.%s names no bucket", config->name,
                             config->storage_line, config->driver);
    }
    root += strspn(root, "/");
    int len = snprintf(url, size, "s3://%s%s%s", bucket, *root != 0 ? "/" : "", root);
    return len >= 0 && (size_t)len < size
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: rootdirectory is too long", config->name,
                               config->storage_line);
}

int rsw_registry_config_storage(const struct rsw_registry_config *config, char *url, size_t size,
                                struct rsw_error *err) {
    if (*config->driver == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: storage names no driver (such as filesystem)",
                             config->name);
    }
    if (strcmp(config->driver, "s3") == 0 || strcmp(config->driver, "s3aws") == 0) {
        return url_of_s3(config, url, size, err);
    }
    if (strcmp(config->driver, "filesystem") != 0) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "%s:%lu: storage driver \"%s\" is none that regsweep can work on (filesystem, s3)", config->name,
            config->storage_line, config->driver);
    }
    if (config->root_directory[0] != '/') {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s:%lu: rootdirectory \"%s\" depends on where the registry was started; "
                             "give --storage file:///PATH",
                             config->name, config->storage_line, config->root_directory);
    }
    int len =
        snprintf(url, size, "%s", config->root_directory); /* as a path: in a URL a % has another meaning */
    if (len < 0 || (size_t)len >= size) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: rootdirectory is too long", config->name,
                             config->storage_line);
    }
    return 0;
}

int rsw_registry_config_allows(const struct rsw_registry_config *config, struct rsw_error *err) {
    if (config->finding_count == 0 || !config->findings[0].refuse) {
        return 0;
    }
    const struct rsw_registry_finding *finding = &config->findings[0];
    return rsw_error_set(err, RSW_EREFUSED, 0, "%s:%lu: %s; %s", config->name, finding->line, finding->what,
                         finding->remedy);
}
