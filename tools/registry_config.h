/* --registry-config: what the registry's own config.yml tells of storage, and of what would hurt.
 *
 * Source: distribution configuration/configuration.go (2.8.2, 3.0.0, and main as of August 2026). The
 * registry's environment (REGISTRY_STORAGE_…) can override every key and is not seen here.
 */
#ifndef REGSWEEP_TOOLS_REGISTRY_CONFIG_H
#define REGSWEEP_TOOLS_REGISTRY_CONFIG_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>

enum rsw_registry_cache {
    RSW_CONFIG_CACHE_NONE,
    RSW_CONFIG_CACHE_MEMORY,
    RSW_CONFIG_CACHE_REDIS,
    RSW_CONFIG_CACHE_OTHER
};

struct rsw_registry_endpoint {
    const char *name; /* "" if it has none */
    const char *url;  /* "" if it has none */
    bool disabled;
    bool ours; /* its URL ends in /events, where `serve` listens */
    bool deaf; /* it is told to leave out something that the index needs */
    unsigned long line;
};

/* Something that would hurt, or forbids sweeping. */
struct rsw_registry_finding {
    bool refuse;        /* regsweep must not work beside such a registry */
    bool offline;       /* hurts after a sweep --offline, and nobody else */
    unsigned long line; /* 0: something is not there */
    char *what;         /* owned; what is so and what comes of it */
    const char *remedy; /* static */
};

struct rsw_registry_config {
    char *name; /* owned; the path, for messages */
    /* Text below is borrowed from `raw`, or static. */
    char *driver;                /* owned; "filesystem", "s3", …, "" if storage names none */
    const char *root_directory;  /* filesystem: absolute or not, as written, or the registry's default */
    const struct rsw_raw_s3 *s3; /* NULL: storage is not on S3 */
    bool s3_plain;               /* secure: false */
    bool s3_unverified;          /* skipverify: true */
    bool s3_path;                /* forcepathstyle: true */
    bool s3_encrypts;            /* encrypt: true */
    char s3_class[64];           /* storageclass, as the driver sends it; "": it is not said */
    unsigned long storage_line;
    bool delete_enabled;
    bool read_only;
    enum rsw_registry_cache cache;
    const char *redis_address; /* "" if none; the first, where there are several */
    bool redis_several;        /* a cluster, or sentinels */
    bool redis_tls;
    const char *redis_user;     /* "" if none */
    const char *redis_password; /* "" if none */
    unsigned redis_db;
    const char *http_address; /* where it listens, as written; "" if it does not say, or not over TCP */
    const char *http_prefix;  /* as written, "" if none */
    bool http_tls;
    bool upload_purging; /* on unless switched off */
    const char *upload_purging_age;
    const char *redirect_disabled; /* as written, "" if not */
    bool include_references;
    const char *proxy_url;                   /* "" if it is no pull-through cache */
    const char *repository_middleware;       /* name of the first one in use, "" if none */
    struct rsw_registry_endpoint *endpoints; /* owned */
    size_t endpoint_count;
    struct rsw_registry_finding *findings; /* owned; those that refuse come first */
    size_t finding_count;
    struct rsw_registry_raw *raw; /* owned: the file as the schema has it */
    bool bare;                    /* `storage: inmemory`: a name alone */
};

/* Reads and judges a file. 0 and *out owned by the caller, or -1: RSW_EINVAL "<path>:<line>: <what>",
 * RSW_EIO, RSW_EACCESS, RSW_ENOMEM. */
int rsw_registry_config_load(struct rsw_registry_config **out, const char *path, struct rsw_error *err);
/* The same for bytes at hand; `name` stands for the path in messages. */
int rsw_registry_config_parse(struct rsw_registry_config **out, const char *name, const void *bytes,
                              size_t len, struct rsw_error *err);
void rsw_registry_config_free(struct rsw_registry_config *config);

/* Writes where storage is: the path of a filesystem as it stands, or s3://bucket/rootdirectory. 0, or -1:
 * RSW_EUNSUPPORTED for a driver that regsweep does not speak, RSW_EINVAL for a root directory that is not
 * absolute. */
int rsw_registry_config_storage(const struct rsw_registry_config *config, char *url, size_t size,
                                struct rsw_error *err);
/* 0, or -1 (RSW_EREFUSED) with the first finding that forbids sweeping, and its remedy. */
int rsw_registry_config_allows(const struct rsw_registry_config *config, struct rsw_error *err);

#define RSW_REGISTRY_CONFIG_MAX ((size_t)4 * 1024 * 1024)

#endif
