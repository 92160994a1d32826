#include "util/curl.h"

#include "util/library.h"

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
    RSW_FUNCTION(struct rsw_curl, curl_multi_add_handle),
    RSW_FUNCTION(struct rsw_curl, curl_multi_cleanup),
    RSW_FUNCTION(struct rsw_curl, curl_multi_info_read),
    RSW_FUNCTION(struct rsw_curl, curl_multi_init),
    RSW_FUNCTION(struct rsw_curl, curl_multi_perform),
    RSW_FUNCTION(struct rsw_curl, curl_multi_poll),
    RSW_FUNCTION(struct rsw_curl, curl_multi_remove_handle),
    RSW_FUNCTION(struct rsw_curl, curl_multi_setopt),
    RSW_FUNCTION(struct rsw_curl, curl_multi_strerror),
    RSW_FUNCTION(struct rsw_curl, curl_multi_wakeup),
    RSW_FUNCTION(struct rsw_curl, curl_slist_append),
    RSW_FUNCTION(struct rsw_curl, curl_slist_free_all),
    RSW_FUNCTION(struct rsw_curl, curl_url),
    RSW_FUNCTION(struct rsw_curl, curl_url_cleanup),
    RSW_FUNCTION(struct rsw_curl, curl_url_get),
    RSW_FUNCTION(struct rsw_curl, curl_url_set),
    RSW_FUNCTION(struct rsw_curl, curl_url_strerror),
};

static struct rsw_curl curl;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBCURL, curl, list);

const struct rsw_curl *rsw_curl(struct rsw_error *err) {
    return rsw_library_load(&library, err) == 0 ? &curl : NULL;
}

const char *rsw_curl_header(CURL *handle, const char *name, size_t index) {
    struct curl_header *found = NULL;
    return curl.curl_easy_header(handle, name, index, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value
                                                                                             : NULL;
}
