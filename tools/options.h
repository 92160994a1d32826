/* Options: one table, from which come the flags, the environment variables, the keys of --config, the help,
 * the usage errors and the manual pages. The values end in one struct. */
#ifndef REGSWEEP_TOOLS_OPTIONS_H
#define REGSWEEP_TOOLS_OPTIONS_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rsw_option_kind {
    RSW_OPTION_FLAG,     /* bool */
    RSW_OPTION_STRING,   /* char *, owned; NULL if not given and without default */
    RSW_OPTION_DURATION, /* int64_t, milliseconds */
    RSW_OPTION_SIZE,     /* uint64_t, bytes */
    RSW_OPTION_PERCENT,  /* uint64_t, 0 … 100 */
    RSW_OPTION_NUMBER,   /* uint64_t, at most `max` */
    RSW_OPTION_CHOICE,   /* char *, owned: one of the words of `argument`, which are separated by '|' */
    RSW_OPTION_STRINGS,  /* struct rsw_strings; may be given again and again */
};

/* Where a value came from; the greater wins. */
enum rsw_source {
    RSW_SOURCE_DEFAULT,
    RSW_SOURCE_REGISTRY_CONFIG,
    RSW_SOURCE_CONFIG,
    RSW_SOURCE_ENVIRONMENT,
    RSW_SOURCE_FLAG,
};

enum rsw_option_places {
    RSW_IN_FLAG = 1 << 0,
    RSW_IN_ENVIRONMENT = 1 << 1,
    RSW_IN_CONFIG = 1 << 2,
    RSW_IN_ALL = RSW_IN_FLAG | RSW_IN_ENVIRONMENT | RSW_IN_CONFIG,
    RSW_IN_REQUEST = 1 << 3, /* POST /sweeps (tools/sweep_request.h) */
};

struct rsw_strings {
    char **items; /* owned, and each of them */
    size_t count;
};

/* Values of all options. Those that a command does not take hold their defaults. */
struct rsw_options {
    char *index; /* never NULL */
    char *storage;
    char *s3_endpoint;
    char *s3_region;
    char *s3_style; /* "auto", "host" or "path" */
    char *s3_ca;
    char *s3_proxy;
    char *s3_storage_class;
    char *s3_encryption; /* "auto", or as S3 names it */
    char *s3_kms_key;
    char *s3_acl;
    uint64_t s3_requests_per_second; /* 0: no limit */
    char *config;
    char *registry_config;
    bool json;
    bool quiet;
    bool verbose;
    bool help;
    bool version;
    uint64_t map_size; /* 0: grows by itself */

    bool rebuild;     /* scan */
    bool links_only;  /* scan */
    uint64_t threads; /* scan, verify; 0: chosen by the library */

    char *listen; /* serve */
    char *token_file;
    char *token;            /* from the environment alone: a secret has no place on a command line */
    char *sweep_token_file; /* serve, and sweep with `server` */
    char *sweep_token;      /* from the environment alone */
    char *tls_cert;
    char *tls_key;
    char *deletion_callback; /* serve; NULL: nobody is told */
    char *deletion_callback_token_file;
    char *deletion_callback_ca;

    bool confirm; /* sweep; the next ones for `inspect garbage` and `inspect why` too, those that can be sent
                     with POST /sweeps for serve */
    bool offline;
    char *untagged; /* "keep" or "remove" */
    int64_t grace_ms;
    int64_t upload_max_age_ms;
    int64_t version_max_age_ms; /* sweep, serve; 0: old versions stay */
    struct rsw_strings pins;    /* "DIGEST", "NAME@DIGEST" or "NAME:TAG" */
    struct rsw_strings pin_files;
    struct rsw_strings in_use; /* files; "-": standard input */
    char *in_use_api;          /* "in-cluster" or a URL */
    char *in_use_token_file;
    char *in_use_ca;
    struct rsw_strings registry_name; /* "HOST" or "HOST:PORT" */
    uint64_t image_stream_revisions;  /* 0: all */
    int64_t in_use_young_ms;
    bool ignore_bad_references;
    struct rsw_strings used; /* in a request alone: a pin, a blank, who names it */
    char *policy;
    uint64_t max_delete; /* percent */
    char *audit;         /* NULL: `audit.jsonl` in the index's directory */

    struct rsw_strings registry; /* serve, sweep, doctor; one URL a replica */
    char *registry_user;
    char *registry_password_file;
    char *registry_password; /* from the environment alone */
    char *registry_realm;
    char *registry_ca;
    char *cache; /* "auto", "none", "memory" or "redis" */
    char *redis;
    char *redis_password_file;
    char *redis_password;
    char *fence_repo;
    int64_t settle_ms;
    int64_t quarantine_ms;
    int64_t fence_timeout_ms;
    int64_t lease_ms; /* 0: none */
    int64_t swept_ms; /* no option: set by serve's schedule, see rsw_sweep_options */
    char *schedule;   /* serve; NULL: none */
    int64_t schedule_delay_ms;
    bool wait;    /* sweep */
    char *server; /* sweep; NULL: here */
    char *server_ca;
    uint64_t generation; /* restore; 0: not given */
    char *note;          /* forget, pin */
    char *until;         /* pin: a duration or a time */

    unsigned char *sources; /* owned; enum rsw_source, by number of the option in the table */
};

struct rsw_option {
    const char *name; /* "max-delete": --max-delete, REGSWEEP_MAX_DELETE, `max-delete:` */
    char letter;      /* 0: none */
    enum rsw_option_kind kind;
    unsigned commands;    /* bits of enum rsw_command_bit (tools/commands.h) */
    unsigned places;      /* bits of enum rsw_option_places */
    size_t offset;        /* in struct rsw_options */
    uint64_t max;         /* for NUMBER */
    const char *fallback; /* default, as one would write it; NULL: none */
    const char *argument; /* "DIR"; NULL for a flag */
    const char *help;     /* one or more sentences, without the default */
};

/* The table, ended by an entry without name. */
extern const struct rsw_option rsw_option_table[];
size_t rsw_option_count(void);
const struct rsw_option *rsw_option_find(const char *name);
#define RSW_VARIABLE_PREFIX "REGSWEEP_"
/* REGSWEEP_MAX_DELETE for "max-delete". Returns `text`. */
const char *rsw_option_variable(const struct rsw_option *option, char *text, size_t size);

/* All defaults. 0, or -1 (RSW_ENOMEM). */
int rsw_options_init(struct rsw_options *out, struct rsw_error *err);
void rsw_options_release(struct rsw_options *options);
/* All values, and where they came from. 0, or -1 (RSW_ENOMEM). */
int rsw_options_copy(struct rsw_options *out, const struct rsw_options *from, struct rsw_error *err);

/* Takes a value over if no greater source has given one. `where` says in words where it stands ("--grace",
 * "REGSWEEP_GRACE", "/etc/regsweep.yml:3: grace"). 0, or -1: RSW_EINVAL with `where`, the value and what is
 * expected; RSW_ENOMEM. `text` NULL is a flag given without a value. */
int rsw_option_set(struct rsw_options *options, const struct rsw_option *option, enum rsw_source source,
                   const char *where, const char *text, struct rsw_error *err);
enum rsw_source rsw_option_source(const struct rsw_options *options, const char *name);
/* Where the value of that kind stands. */
const void *rsw_option_value(const struct rsw_options *options, const struct rsw_option *option);

#define RSW_AUTO_OPTIONS __attribute__((cleanup(rsw_options_release))) struct rsw_options

#endif
