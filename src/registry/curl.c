#include "registry/curl.h"

#include "util/library.h"

#include <pthread.h>

static const struct rsw_function list[] = {
    RSW_FUNCTION(struct rsw_curl, curl_easy_cleanup),
    RSW_FUNCTION(struct rsw_curl, curl_easy_getinfo),
    RSW_FUNCTION(struct rsw_curl, curl_easy_header),
    RSW_FUNCTION(struct rsw_curl, curl_easy_init),
    RSW_FUNCTION(struct rsw_curl, curl_easy_perform),
    RSW_FUNCTION(struct rsw_curl, curl_easy_reset),
    RSW_FUNCTION(struct rsw_curl, curl_easy_setopt),
    RSW_FUNCTION(struct rsw_curl, curl_easy_strerror),
    RSW_FUNCTION(struct rsw_curl, curl_free),
    RSW_FUNCTION(struct rsw_curl, curl_getdate),
    RSW_FUNCTION(struct rsw_curl, curl_global_cleanup),
    RSW_FUNCTION(struct rsw_curl, curl_global_init),
    RSW_FUNCTION(struct rsw_curl, curl_slist_append),
    RSW_FUNCTION(struct rsw_curl, curl_slist_free_all),
    RSW_FUNCTION(struct rsw_curl, curl_url),
    RSW_FUNCTION(struct rsw_curl, curl_url_cleanup),
    RSW_FUNCTION(struct rsw_curl, curl_url_get),
    RSW_FUNCTION(struct rsw_curl, curl_url_set),
    RSW_FUNCTION(struct rsw_curl, curl_url_strerror),
};

static struct rsw_curl curl;
static struct rsw_error why = RSW_ERROR_INIT;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    rsw_library_load(&curl, list, sizeof list / sizeof *list, REGSWEEP_LIBCURL, &why);
}

const struct rsw_curl *rsw_curl(struct rsw_error *err) {
    pthread_once(&once, load);
    if (why.code != RSW_OK) {
        rsw_error_set(err, why.code, why.errnum, "%s", why.message);
        return NULL;
    }
    return &curl;
}
