/* The registry's configuration as the schema in registry_schema.c reads it: every scalar is a text, because
 * Go's YAML knows more ways to write true and false than libcyaml does (which takes `off` for true). NULL
 * stands for "not there" everywhere. */
#ifndef REGSWEEP_TOOLS_REGISTRY_SCHEMA_H
#define REGSWEEP_TOOLS_REGISTRY_SCHEMA_H

#include <regsweep/error.h>

#include <stddef.h>

struct rsw_raw_enabled {
    char *enabled;
    char *age; /* uploadpurging */
};
struct rsw_raw_maintenance {
    struct rsw_raw_enabled *readonly;
    struct rsw_raw_enabled *uploadpurging;
};
struct rsw_raw_cache {
    char *blobdescriptor;
    char *layerinfo; /* what blobdescriptor was called before 2.3; still read */
};
struct rsw_raw_filesystem {
    char *rootdirectory;
};
struct rsw_raw_s3 {
    char *accesskey;
    char *secretkey;
    char *sessiontoken;
    char *region;
    char *regionendpoint;
    char *forcepathstyle;
    char *bucket;
    char *rootdirectory;
    char *secure;
    char *skipverify;
    char *encrypt;
    char *keyid;
    char *storageclass;
    char *objectacl;
};
struct rsw_raw_redirect {
    char *disable;
};
struct rsw_raw_storage {
    struct rsw_raw_filesystem *filesystem;
    struct rsw_raw_s3 *s3;
    struct rsw_raw_s3 *s3aws; /* the same driver under its other name */
    struct rsw_raw_enabled *deletion;
    struct rsw_raw_cache *cache;
    struct rsw_raw_maintenance *maintenance;
    struct rsw_raw_redirect *redirect;
};
struct rsw_raw_strings {
    char **items;
    unsigned items_count;
};
struct rsw_raw_ignore {
    struct rsw_raw_strings mediatypes;
    struct rsw_raw_strings actions;
};
struct rsw_raw_endpoint {
    char *name;
    char *url;
    char *disabled;
    char *timeout;
    char *threshold;
    char *backoff;
    struct rsw_raw_strings ignoredmediatypes;
    struct rsw_raw_ignore *ignore;
};
struct rsw_raw_events {
    char *includereferences;
};
struct rsw_raw_notifications {
    struct rsw_raw_events *events;
    struct rsw_raw_endpoint *endpoints;
    unsigned endpoints_count;
};
struct rsw_raw_proxy {
    char *remoteurl;
};
struct rsw_raw_middleware {
    char *name;
    char *disabled;
};
struct rsw_raw_middlewares {
    struct rsw_raw_middleware *registry;
    unsigned registry_count;
    struct rsw_raw_middleware *repository;
    unsigned repository_count;
    struct rsw_raw_middleware *storage;
    unsigned storage_count;
};
struct rsw_raw_redis_tls {
    char *certificate;
    char *key;
};
struct rsw_raw_redis {
    char *addr;                   /* 2.8 */
    struct rsw_raw_strings addrs; /* 3.x; this and what follows, but for password and db */
    char *username;
    char *password;
    char *db;
    char *mastername; /* of a sentinel's */
    struct rsw_raw_redis_tls *tls;
};
struct rsw_raw_letsencrypt {
    char *cachefile;
};
struct rsw_raw_http_tls {
    char *certificate;
    struct rsw_raw_letsencrypt *letsencrypt;
};
struct rsw_raw_http {
    char *addr;
    char *net;
    char *prefix;
    struct rsw_raw_http_tls *tls;
};

struct rsw_registry_raw {
    struct rsw_raw_storage *storage;
    char *storage_name; /* `storage: inmemory` */
    struct rsw_raw_notifications *notifications;
    struct rsw_raw_proxy *proxy;
    struct rsw_raw_middlewares *middleware;
    struct rsw_raw_redis *redis;
    struct rsw_raw_http *http;
};

/* `bare`: storage is a name, not a mapping. 0, or -1: RSW_EINVAL with "<name>:<line>: …", RSW_ENOMEM. */
int rsw_registry_raw_load(struct rsw_registry_raw **out, const char *name, const void *bytes, size_t len,
                          int bare, struct rsw_error *err);
void rsw_registry_raw_free(struct rsw_registry_raw *raw, int bare);

#endif
