#include "registry/url.h"

#include "util/curl.h"

#include "util/cleanup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After rsw_curl has given it. */
static const struct rsw_curl *lib(void) {
    return rsw_curl(NULL);
}

static void cleanup_curlu(CURLU **url) {
    lib()->curl_url_cleanup(*url);
}
#define AUTO_CURLU __attribute__((cleanup(cleanup_curlu))) CURLU

static void cleanup_part(char **part) {
    lib()->curl_free(*part);
}
#define AUTO_PART __attribute__((cleanup(cleanup_part))) char

/* A user in a URL would end up in logs. */
#define FLAGS (CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER)

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static bool has_part(CURLU *url, CURLUPart which) {
    AUTO_PART *part = NULL;
    return lib()->curl_url_get(url, which, &part, 0) == CURLUE_OK && part != NULL;
}

static int put_origin(struct rsw_url *out, const char *scheme, const char *host, const char *port,
                      struct rsw_error *err) {
    if (asprintf(&out->origin, "%s://%s:%s", scheme, host, port) < 0) {
        out->origin = NULL;
        return no_memory(err);
    }
    for (char *c = out->origin; *c != 0; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return 0;
}

static int take_parts(struct rsw_url *out, CURLU *url, const char *what, struct rsw_error *err) {
    AUTO_PART *scheme = NULL;
    AUTO_PART *host = NULL;
    AUTO_PART *port = NULL;
    AUTO_PART *path = NULL;
    AUTO_PART *text = NULL;
    if (lib()->curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        lib()->curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == 0 ||
        lib()->curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
        lib()->curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is no URL", what);
    }
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s must begin with http:// or https://", what);
    }
    if (lib()->curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is no URL: the port", what);
    }
    out->secure = strcmp(scheme, "https") == 0;
    out->plain = !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT);
    out->text = strdup(text);
    out->path = strdup(path);
    if (out->text == NULL || out->path == NULL) {
        return no_memory(err);
    }
    return put_origin(out, scheme, host, port, err);
}

int rsw_url_join(struct rsw_url *out, const char *base, const char *location, const char *what,
                 struct rsw_error *err) {
    *out = (struct rsw_url)RSW_URL_INIT;
    if (rsw_curl(err) == NULL) {
        return -1;
    }
    AUTO_CURLU *url = lib()->curl_url();
    if (url == NULL) {
        return no_memory(err);
    }
    CURLUcode rc = base == NULL ? CURLUE_OK : lib()->curl_url_set(url, CURLUPART_URL, base, FLAGS);
    if (rc == CURLUE_OK) {
        rc = lib()->curl_url_set(url, CURLUPART_URL, location, FLAGS);
    }
    if (rc == CURLUE_OUT_OF_MEMORY) {
        return no_memory(err);
    }
    if (rc != CURLUE_OK) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is no URL (http://HOST:PORT or https://HOST:PORT): %s",
                             what, lib()->curl_url_strerror(rc));
    }
    if (take_parts(out, url, what, err) != 0) {
        rsw_url_release(out);
        return -1;
    }
    return 0;
}

int rsw_url_parse(struct rsw_url *out, const char *text, const char *what, struct rsw_error *err) {
    return rsw_url_join(out, NULL, text, what, err);
}

int rsw_url_parse_base(struct rsw_url *out, char **base, const char *text, const char *what,
                       struct rsw_error *err) {
    *base = NULL;
    if (rsw_url_parse(out, text, what, err) != 0) {
        return -1;
    }
    if (!out->plain) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s must have no query and no fragment", what);
    }
    *base = strdup(out->text);
    if (*base == NULL) {
        return no_memory(err);
    }
    for (size_t len = strlen(*base); len > 0 && (*base)[len - 1] == '/'; len--) {
        (*base)[len - 1] = 0;
    }
    return 0;
}

int rsw_url_add_query(char **out, const char *text, const char *name, const char *value,
                      struct rsw_error *err) {
    if (rsw_curl(err) == NULL) {
        return -1;
    }
    AUTO_CURLU *url = lib()->curl_url();
    AUTO_PART *whole = NULL;
    RSW_AUTO_FREE char *pair = NULL;
    if (asprintf(&pair, "%s=%s", name, value) < 0) {
        pair = NULL;
        return no_memory(err);
    }
    if (url == NULL || lib()->curl_url_set(url, CURLUPART_URL, text, FLAGS) != CURLUE_OK ||
        lib()->curl_url_set(url, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) != CURLUE_OK ||
        lib()->curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK) {
        return no_memory(err);
    }
    *out = strdup(whole);
    return *out != NULL ? 0 : no_memory(err);
}

void rsw_url_release(struct rsw_url *url) {
    free(url->text);
    free(url->origin);
    free(url->path);
    *url = (struct rsw_url)RSW_URL_INIT;
}
