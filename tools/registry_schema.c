#include "registry_schema.h"

#include "util/library.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONAL (CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL)
#define TEXT(key, type, member) CYAML_FIELD_STRING_PTR(key, OPTIONAL, type, member, 0, CYAML_UNLIMITED)
#define MAPPING(key, type, member, fields) CYAML_FIELD_MAPPING_PTR(key, OPTIONAL, type, member, fields)
/* The number of entries goes into the member of the same name with _count behind it. */
#define LIST(key, type, member, entry)                                                                       \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL, type, member, entry, 0, CYAML_UNLIMITED)
#define TEXTS(key, type, member) LIST(key, type, member.items, &text_entry)
#define END CYAML_FIELD_END

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER_NULL_STR, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t filesystem_fields[] = {
    TEXT("rootdirectory", struct rsw_raw_filesystem, rootdirectory), END};
static const cyaml_schema_field_t s3_fields[] = {TEXT("accesskey", struct rsw_raw_s3, accesskey),
                                                 TEXT("secretkey", struct rsw_raw_s3, secretkey),
                                                 TEXT("sessiontoken", struct rsw_raw_s3, sessiontoken),
                                                 TEXT("region", struct rsw_raw_s3, region),
                                                 TEXT("regionendpoint", struct rsw_raw_s3, regionendpoint),
                                                 TEXT("forcepathstyle", struct rsw_raw_s3, forcepathstyle),
                                                 TEXT("bucket", struct rsw_raw_s3, bucket),
                                                 TEXT("rootdirectory", struct rsw_raw_s3, rootdirectory),
                                                 TEXT("secure", struct rsw_raw_s3, secure),
                                                 TEXT("skipverify", struct rsw_raw_s3, skipverify),
                                                 TEXT("encrypt", struct rsw_raw_s3, encrypt),
                                                 TEXT("keyid", struct rsw_raw_s3, keyid),
                                                 TEXT("storageclass", struct rsw_raw_s3, storageclass),
                                                 TEXT("objectacl", struct rsw_raw_s3, objectacl),
                                                 END};
static const cyaml_schema_field_t enabled_fields[] = {TEXT("enabled", struct rsw_raw_enabled, enabled),
                                                      TEXT("age", struct rsw_raw_enabled, age), END};
static const cyaml_schema_field_t cache_fields[] = {
    TEXT("blobdescriptor", struct rsw_raw_cache, blobdescriptor),
    TEXT("layerinfo", struct rsw_raw_cache, layerinfo), END};
static const cyaml_schema_field_t maintenance_fields[] = {
    MAPPING("readonly", struct rsw_raw_maintenance, readonly, enabled_fields),
    MAPPING("uploadpurging", struct rsw_raw_maintenance, uploadpurging, enabled_fields), END};
static const cyaml_schema_field_t redirect_fields[] = {TEXT("disable", struct rsw_raw_redirect, disable),
                                                       END};
static const cyaml_schema_field_t storage_fields[] = {
    MAPPING("filesystem", struct rsw_raw_storage, filesystem, filesystem_fields),
    MAPPING("s3", struct rsw_raw_storage, s3, s3_fields),
    MAPPING("s3aws", struct rsw_raw_storage, s3aws, s3_fields),
    MAPPING("delete", struct rsw_raw_storage, deletion, enabled_fields),
    MAPPING("cache", struct rsw_raw_storage, cache, cache_fields),
    MAPPING("maintenance", struct rsw_raw_storage, maintenance, maintenance_fields),
    MAPPING("redirect", struct rsw_raw_storage, redirect, redirect_fields),
    END};

static const cyaml_schema_field_t ignore_fields[] = {TEXTS("mediatypes", struct rsw_raw_ignore, mediatypes),
                                                     TEXTS("actions", struct rsw_raw_ignore, actions), END};
static const cyaml_schema_field_t endpoint_fields[] = {
    TEXT("name", struct rsw_raw_endpoint, name),
    TEXT("url", struct rsw_raw_endpoint, url),
    TEXT("disabled", struct rsw_raw_endpoint, disabled),
    TEXT("timeout", struct rsw_raw_endpoint, timeout),
    TEXT("threshold", struct rsw_raw_endpoint, threshold),
    TEXT("backoff", struct rsw_raw_endpoint, backoff),
    TEXTS("ignoredmediatypes", struct rsw_raw_endpoint, ignoredmediatypes),
    MAPPING("ignore", struct rsw_raw_endpoint, ignore, ignore_fields),
    END};
static const cyaml_schema_value_t endpoint_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct rsw_raw_endpoint, endpoint_fields)};
static const cyaml_schema_field_t events_fields[] = {
    TEXT("includereferences", struct rsw_raw_events, includereferences), END};
static const cyaml_schema_field_t notifications_fields[] = {
    MAPPING("events", struct rsw_raw_notifications, events, events_fields),
    LIST("endpoints", struct rsw_raw_notifications, endpoints, &endpoint_entry), END};

static const cyaml_schema_field_t proxy_fields[] = {TEXT("remoteurl", struct rsw_raw_proxy, remoteurl), END};
static const cyaml_schema_field_t middleware_fields[] = {
    TEXT("name", struct rsw_raw_middleware, name), TEXT("disabled", struct rsw_raw_middleware, disabled),
    END};
static const cyaml_schema_value_t middleware_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct rsw_raw_middleware, middleware_fields)};
static const cyaml_schema_field_t middlewares_fields[] = {
    LIST("registry", struct rsw_raw_middlewares, registry, &middleware_entry),
    LIST("repository", struct rsw_raw_middlewares, repository, &middleware_entry),
    LIST("storage", struct rsw_raw_middlewares, storage, &middleware_entry), END};
static const cyaml_schema_field_t redis_tls_fields[] = {
    TEXT("certificate", struct rsw_raw_redis_tls, certificate), TEXT("key", struct rsw_raw_redis_tls, key),
    END};
static const cyaml_schema_field_t redis_fields[] = {
    TEXT("addr", struct rsw_raw_redis, addr),
    TEXTS("addrs", struct rsw_raw_redis, addrs),
    TEXT("username", struct rsw_raw_redis, username),
    TEXT("password", struct rsw_raw_redis, password),
    TEXT("db", struct rsw_raw_redis, db),
    TEXT("mastername", struct rsw_raw_redis, mastername),
    MAPPING("tls", struct rsw_raw_redis, tls, redis_tls_fields),
    END};
static const cyaml_schema_field_t letsencrypt_fields[] = {
    TEXT("cachefile", struct rsw_raw_letsencrypt, cachefile), END};
static const cyaml_schema_field_t http_tls_fields[] = {
    TEXT("certificate", struct rsw_raw_http_tls, certificate),
    MAPPING("letsencrypt", struct rsw_raw_http_tls, letsencrypt, letsencrypt_fields), END};
static const cyaml_schema_field_t http_fields[] = {
    TEXT("addr", struct rsw_raw_http, addr), TEXT("net", struct rsw_raw_http, net),
    TEXT("prefix", struct rsw_raw_http, prefix), MAPPING("tls", struct rsw_raw_http, tls, http_tls_fields),
    END};

#define OTHER_FIELDS                                                                                         \
    MAPPING("notifications", struct rsw_registry_raw, notifications, notifications_fields),                  \
        MAPPING("proxy", struct rsw_registry_raw, proxy, proxy_fields),                                      \
        MAPPING("middleware", struct rsw_registry_raw, middleware, middlewares_fields),                      \
        MAPPING("redis", struct rsw_registry_raw, redis, redis_fields),                                      \
        MAPPING("http", struct rsw_registry_raw, http, http_fields), END

/* A schema has one type a key, and the registry takes two for `storage`: hence two schemas. */
static const cyaml_schema_field_t mapping_fields[] = {
    MAPPING("storage", struct rsw_registry_raw, storage, storage_fields), OTHER_FIELDS};
static const cyaml_schema_field_t bare_fields[] = {TEXT("storage", struct rsw_registry_raw, storage_name),
                                                   OTHER_FIELDS};
static const cyaml_schema_value_t schemas[] = {
    {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct rsw_registry_raw, mapping_fields)},
    {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct rsw_registry_raw, bare_fields)}};

/* Each as cyaml.h has it. */
struct libcyaml {
    __typeof__(&cyaml_load_data) cyaml_load_data;
    __typeof__(&cyaml_free) cyaml_free;
    __typeof__(&cyaml_strerror) cyaml_strerror;
    __typeof__(&cyaml_mem) cyaml_mem;
};

static const struct rsw_function functions[] = {
    RSW_FUNCTION(struct libcyaml, cyaml_load_data),
    RSW_FUNCTION(struct libcyaml, cyaml_free),
    RSW_FUNCTION(struct libcyaml, cyaml_strerror),
    RSW_FUNCTION(struct libcyaml, cyaml_mem),
};

static struct libcyaml libcyaml;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBCYAML, libcyaml, functions);

/* libcyaml says where it stopped only in its log: the place comes first, innermost, then those around it. */
struct place {
    char key[64];
    unsigned long line;
};

static void note_place(cyaml_log_t level, void *context, const char *format, va_list args) {
    struct place *place = context;
    char text[256];
    (void)level;
    vsnprintf(text, sizeof text, format, args);
    const char *line = strstr(text, "(line: ");
    if (line == NULL || place->line != 0) {
        return;
    }
    place->line = strtoul(line + 7, NULL, 10);
    const char *quote = strchr(text, '\'');
    if (strstr(text, "mapping field") != NULL && quote != NULL && quote < line) {
        snprintf(place->key, sizeof place->key, "%.*s: ", (int)strcspn(quote + 1, "'"), quote + 1);
    }
}

static cyaml_config_t configuration(struct place *place) {
    return (cyaml_config_t){.log_fn = note_place,
                            .log_ctx = place,
                            .log_level = CYAML_LOG_ERROR,
                            .mem_fn = libcyaml.cyaml_mem,
                            .flags = CYAML_CFG_IGNORE_UNKNOWN_KEYS};
}

static const char *explain(cyaml_err_t problem) {
    switch (problem) {
    case CYAML_ERR_INVALID_VALUE:
    case CYAML_ERR_UNEXPECTED_EVENT:
        return "a value of another shape (text, list, mapping) is expected here";
    case CYAML_ERR_INVALID_ALIAS:
        return "an alias without its anchor";
    default:
        return libcyaml.cyaml_strerror(problem);
    }
}

int rsw_registry_raw_load(struct rsw_registry_raw **out, const char *name, const void *bytes, size_t len,
                          int bare, struct rsw_error *err) {
    struct place place = {.line = 0};
    *out = NULL;
    if (rsw_library_load(&library, err) != 0) {
        return -1;
    }
    cyaml_config_t how = configuration(&place);
    cyaml_data_t *data = NULL;
    cyaml_err_t problem = libcyaml.cyaml_load_data(bytes, len, &how, &schemas[bare != 0], &data, NULL);
    *out = data;
    if (problem == CYAML_ERR_OOM) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "%s: out of memory", name);
    }
    if (problem != CYAML_OK) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: %s%s", name, place.line, place.key,
                             explain(problem));
    }
    return 0;
}

void rsw_registry_raw_free(struct rsw_registry_raw *raw, int bare) {
    struct place place = {.line = 1};
    cyaml_config_t how = configuration(&place);
    if (raw != NULL) {
        libcyaml.cyaml_free(&how, &schemas[bare != 0], raw, 0);
    }
}
