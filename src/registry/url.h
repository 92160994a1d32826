/* URLs, read by the same parser that the transfer uses, so that what was checked is what is asked. */
#ifndef REGSWEEP_REGISTRY_URL_H
#define REGSWEEP_REGISTRY_URL_H

#include <regsweep/error.h>

#include <stdbool.h>

struct rsw_url {
    char *text;   /* owned: the whole, normal form */
    char *origin; /* owned: "https://host:443", lower case: what may see a credential */
    char *path;   /* owned: begins with a slash; no query, no fragment */
    bool plain;   /* origin and path are all of it: no query, no fragment */
    bool secure;  /* https */
};
#define RSW_URL_INIT                                                                                         \
    { NULL, NULL, NULL, false, false }

/* Only http and https, with a host, without a user or password. 0, or -1: RSW_EINVAL with no more of the text
 * in the message than `what`; RSW_ENOMEM. */
int rsw_url_parse(struct rsw_url *out, const char *text, const char *what, struct rsw_error *err);
/* One that others are built on: it has no query and no fragment. *base is its text without a slash at the
 * end, the caller's to free. */
int rsw_url_parse_base(struct rsw_url *out, char **base, const char *text, const char *what,
                       struct rsw_error *err);
/* A reference as a Location header has it, absolute or relative to `base`. */
int rsw_url_join(struct rsw_url *out, const char *base, const char *location, const char *what,
                 struct rsw_error *err);
/* `text` with one more name=value at the end of its query, encoded; *out is the caller's to free. 0 or -1. */
int rsw_url_add_query(char **out, const char *text, const char *name, const char *value,
                      struct rsw_error *err);
void rsw_url_release(struct rsw_url *url);

#define RSW_AUTO_URL __attribute__((cleanup(rsw_url_release))) struct rsw_url

#endif
