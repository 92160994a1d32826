/* From a URL and options to a handle. */
#include "storage/s3.h"

#include "util/cleanup.h"
#include "util/crypto.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 8
#define PAUSE_MS 100
#define COPY_MAX (5 * UINT64_C(1024) * 1024 * 1024)  /* S3 copies no more in one request */
#define PART_SIZE (1 * UINT64_C(1024) * 1024 * 1024) /* of at most 10,000: an object has 5 TiB */
#define SKEW_MAX_MS (5 * 60 * INT64_C(1000))
#define REGION_DEFAULT "us-east-1"
#define SCHEME "s3://"

static void s3_release(struct rsw_s3 *s3) {
    rsw_s3_credentials_release(&s3->credentials);
    free(s3->bucket);
    free(s3->prefix);
    free(s3->origin);
    free(s3->bucket_path);
    free(s3->region);
    free(s3->ca_file);
    free(s3->proxy);
    free(s3);
}

static void s3_free(struct rsw_storage *storage) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    rsw_s3_io_stop(&s3->io);
    s3_release(s3);
}

/* ---- bucket and prefix ---- */

/* As the driver makes its keys: the root directory without a slash at either end, one between it and them. */
static int take_url(struct rsw_s3 *s3, const char *url, struct rsw_error *err) {
    const char *bucket = url + strlen(SCHEME);
    size_t len = strcspn(bucket, "/");
    const char *prefix = bucket + len + strspn(bucket + len, "/");
    size_t prefix_len = strlen(prefix);
    while (prefix_len > 0 && prefix[prefix_len - 1] == '/') {
        prefix_len--;
    }
    if (rsw_storage_check_url(url, err) != 0) {
        return -1;
    }
    s3->bucket = strndup(bucket, len);
    int made = asprintf(&s3->prefix, "%.*s%s", (int)prefix_len, prefix, prefix_len > 0 ? "/" : "");
    if (made < 0) {
        s3->prefix = NULL;
    }
    return s3->bucket == NULL || s3->prefix == NULL ? rsw_s3_no_memory(err) : 0;
}

/* ---- where it is ---- */

/* A bucket's name with a dot in it does not match the certificate, one with a capital or '_' is no host. */
static bool fits_host(const char *bucket) {
    for (; *bucket != 0; bucket++) {
        if (!(*bucket >= 'a' && *bucket <= 'z') && !isdigit((unsigned char)*bucket) && *bucket != '-') {
            return false;
        }
    }
    return true;
}

/* Scheme and host, "http://" and what is behind it, of an endpoint; without the scheme's own port, which no
 * other client names in what it signs, and which a proxy in between may leave out. */
static int take_endpoint(const char *endpoint, const char **host, size_t *len, struct rsw_error *err) {
    bool plain = strncmp(endpoint, "http://", 7) == 0;
    *host = endpoint + (plain ? 7 : 8);
    bool known = plain || strncmp(endpoint, "https://", 8) == 0;
    *len = known ? strcspn(*host, "/?#@ ") : 0;
    if (*len == 0 || (*host)[*len + strspn(*host + *len, "/")] != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the endpoint of S3 must be http://HOST:PORT or https://HOST:PORT%s",
                             known && strchr(*host, '@') != NULL ? ", without a user" : "");
    }
    const char *port = plain ? ":80" : ":443";
    size_t port_len = strlen(port);
    if (*len > port_len && memcmp(*host + *len - port_len, port, port_len) == 0) {
        *len -= port_len;
    }
    return 0;
}

static int take_place(struct rsw_s3 *s3, const struct rsw_s3_options *options, struct rsw_error *err) {
    RSW_AUTO_FREE char *aws = NULL;
    const char *host;
    size_t len;
    if (asprintf(&aws, "https://s3.%s.amazonaws.com%s", s3->region,
                 strncmp(s3->region, "cn-", 3) == 0 ? ".cn" : "") < 0) {
        aws = NULL;
        return rsw_s3_no_memory(err);
    }
    const char *endpoint = options->endpoint != NULL ? options->endpoint : aws;
    if (take_endpoint(endpoint, &host, &len, err) != 0) {
        return -1;
    }
    bool in_host =
        options->style == RSW_S3_STYLE_HOST ||
        (options->style == RSW_S3_STYLE_AUTO && options->endpoint == NULL && fits_host(s3->bucket));
    if (asprintf(&s3->origin, "%.*s%s%s%.*s", (int)(host - endpoint), endpoint, in_host ? s3->bucket : "",
                 in_host ? "." : "", (int)len, host) < 0) {
        s3->origin = NULL;
        return rsw_s3_no_memory(err);
    }
    if (asprintf(&s3->bucket_path, "%s%s", in_host ? "" : "/", in_host ? "" : s3->bucket) < 0) {
        s3->bucket_path = NULL;
        return rsw_s3_no_memory(err);
    }
    return 0;
}

/* It becomes part of a host's name and of the signature's parameters. */
static bool is_region(const char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_') {
            return false;
        }
    }
    return len > 0 && len < 64;
}

/* What files and lenders do not say now they may say later: it is not how we were called. */
static int is_untold(struct rsw_error *err) {
    if (err != NULL && err->code == RSW_EINVAL) {
        err->code = RSW_EACCESS;
    }
    return -1;
}

static int take_region(struct rsw_s3 *s3, const struct rsw_s3_options *options, struct rsw_error *err) {
    if (options->region == NULL && rsw_s3_region_load(&s3->region, getenv, err) != 0) {
        return is_untold(err);
    }
    if (s3->region == NULL) {
        s3->region = strdup(options->region != NULL ? options->region : REGION_DEFAULT);
    }
    if (s3->region == NULL) {
        return rsw_s3_no_memory(err);
    }
    if (!is_region(s3->region)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "\"%s\" is not the name of a region", s3->region);
    }
    return 0;
}

/* ---- the whole ---- */

static int copy_or_none(char **out, const char *text, const char *fallback, struct rsw_error *err) {
    const char *from = text != NULL ? text : fallback;
    *out = from == NULL ? NULL : strdup(from);
    return from != NULL && *out == NULL ? rsw_s3_no_memory(err) : 0;
}

static int take_credentials(struct rsw_s3 *s3, const struct rsw_s3_options *options, struct rsw_error *err) {
    if (options->access_key != NULL && options->secret_key != NULL) {
        const char *token = options->session_token != NULL ? options->session_token : "";
        if (rsw_s3_secret_check("the access key", options->access_key, err) != 0 ||
            rsw_s3_secret_check("the secret key", options->secret_key, err) != 0 ||
            rsw_s3_secret_check("the session token", token, err) != 0) {
            return -1;
        }
        return rsw_s3_credentials_set(&s3->credentials, options->access_key, options->secret_key,
                                      options->session_token, err);
    }
    return rsw_s3_credentials_load(&s3->credentials, getenv, s3->region, err) == 0 ? 0 : is_untold(err);
}

static int fill(struct rsw_s3 *s3, const char *url, const struct rsw_s3_options *options,
                struct rsw_error *err) {
    s3->insecure = options->insecure;
    s3->tries = TRIES;
    s3->pause_ms = PAUSE_MS;
    s3->removal_ms = RSW_REMOVAL_SENT_MS;
    s3->copy_max = COPY_MAX;
    s3->part_size = PART_SIZE;
    s3->log = options->log != NULL ? *options->log : (struct rsw_log){.write = NULL};
    if (take_url(s3, url, err) != 0 || rsw_s3_kept_set(s3, options, err) != 0 ||
        take_region(s3, options, err) != 0 || take_place(s3, options, err) != 0 ||
        take_credentials(s3, options, err) != 0 ||
        copy_or_none(&s3->ca_file, options->ca_file, NULL, err) != 0 ||
        copy_or_none(&s3->proxy, options->proxy, "", err) != 0 || rsw_crypto(err) == NULL ||
        rsw_s3_xml_load(err) != 0) {
        return -1;
    }
    return rsw_s3_io_start(&s3->io, options->requests_per_second, err);
}

static void s3_requests(const struct rsw_storage *storage, struct rsw_storage_requests *out) {
    const atomic_uint_fast64_t *asked = ((const struct rsw_s3 *)storage)->io.asked;
    *out = (struct rsw_storage_requests){.lists = atomic_load(&asked[RSW_S3_LISTS]),
                                         .reads = atomic_load(&asked[RSW_S3_READS]),
                                         .looks = atomic_load(&asked[RSW_S3_LOOKS]),
                                         .writes = atomic_load(&asked[RSW_S3_WRITES]),
                                         .removals = atomic_load(&asked[RSW_S3_REMOVALS])};
}

static int64_t s3_ahead_ms(const struct rsw_storage *storage) {
    return atomic_load(&((const struct rsw_s3 *)storage)->io.ahead_ms);
}

/* One look, which tells what is wrong with bucket, credentials and clocks; then what the bucket keeps. */
static int try_it(struct rsw_s3 *s3, struct rsw_error *err) {
    char apart[32];
    if (rsw_s3_prune(&s3->base, "", err) == RSW_FAILED) {
        return -1;
    }
    int64_t ahead_ms = atomic_load(&s3->io.ahead_ms);
    if (ahead_ms >= -SKEW_MAX_MS && ahead_ms <= SKEW_MAX_MS) {
        return rsw_s3_ask_versions(s3, err);
    }
    return rsw_error_set(
        err, RSW_EREFUSED, 0,
        "the clock of %s is %s %s ours, and what is young is told by both: set the one that is wrong "
        "(timedatectl shows whether this machine keeps its own right)",
        s3->origin,
        rsw_duration_format((ahead_ms > 0 ? ahead_ms : -ahead_ms) / 1000 * 1000, apart, sizeof apart),
        ahead_ms > 0 ? "ahead of" : "behind");
}

void rsw_s3_set_patience(struct rsw_storage *storage, unsigned tries, int64_t pause_ms, int64_t removal_ms) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    s3->tries = tries;
    s3->pause_ms = pause_ms;
    s3->removal_ms = removal_ms;
}

int rsw_storage_open_s3(struct rsw_storage **out, const char *url, const struct rsw_s3_options *options,
                        struct rsw_error *err) {
    static const struct rsw_storage_ops ops = {.list = rsw_s3_list,
                                               .look = rsw_s3_look,
                                               .look_listed = rsw_s3_look_listed,
                                               .read = rsw_s3_read,
                                               .remove = rsw_s3_remove,
                                               .prune = rsw_s3_prune,
                                               .rmdir = rsw_s3_rmdir,
                                               .move = rsw_s3_move,
                                               .copy = rsw_s3_copy,
                                               .write = rsw_s3_write,
                                               .note = rsw_s3_note,
                                               .hide = rsw_s3_hide,
                                               .show = rsw_s3_show,
                                               .drop = rsw_s3_drop,
                                               .call_off = rsw_s3_call_off,
                                               .old_versions = rsw_s3_old_versions,
                                               .still_versions = rsw_s3_still_versions,
                                               .habits = rsw_s3_habits,
                                               .rights = rsw_s3_rights,
                                               .ahead_ms = s3_ahead_ms,
                                               .requests = s3_requests,
                                               .free = s3_free};
    static const struct rsw_s3_options none = {.endpoint = NULL};
    *out = NULL;
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "storage '%s' is not on S3", url);
    }
    struct rsw_s3 *s3 = calloc(1, sizeof *s3);
    char *copy = s3 == NULL ? NULL : strdup(url);
    if (copy == NULL) {
        free(s3);
        return rsw_s3_no_memory(err);
    }
    s3->base = (struct rsw_storage){.ops = &ops, .url = copy, .flat = true, .loose = true};
    if (fill(s3, url, options != NULL ? options : &none, err) != 0) {
        s3_release(s3);
        free(copy);
        return -1;
    }
    *out = &s3->base;
    if (try_it(s3, err) != 0) {
        rsw_storage_close(*out);
        *out = NULL;
        return -1;
    }
    return 0;
}
