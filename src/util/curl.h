/* libcurl, as far as we need it; see util/library.h. */
#ifndef REGSWEEP_UTIL_CURL_H
#define REGSWEEP_UTIL_CURL_H

#include <regsweep/error.h>

#define CURL_DISABLE_TYPECHECK /* its macros would call a function that is not linked */
#include <curl/curl.h>

/* Each as libcurl(3) has it. */
struct rsw_curl {
    __typeof__(&curl_easy_cleanup) curl_easy_cleanup;
    __typeof__(&curl_easy_getinfo) curl_easy_getinfo;
    __typeof__(&curl_easy_header) curl_easy_header;
    __typeof__(&curl_easy_init) curl_easy_init;
    __typeof__(&curl_easy_perform) curl_easy_perform;
    __typeof__(&curl_easy_reset) curl_easy_reset;
    __typeof__(&curl_easy_setopt) curl_easy_setopt;
    __typeof__(&curl_easy_strerror) curl_easy_strerror;
    __typeof__(&curl_free) curl_free;
    __typeof__(&curl_getdate) curl_getdate;
    __typeof__(&curl_global_cleanup) curl_global_cleanup;
    __typeof__(&curl_global_init) curl_global_init;
    __typeof__(&curl_multi_add_handle) curl_multi_add_handle;
    __typeof__(&curl_multi_cleanup) curl_multi_cleanup;
    __typeof__(&curl_multi_info_read) curl_multi_info_read;
    __typeof__(&curl_multi_init) curl_multi_init;
    __typeof__(&curl_multi_perform) curl_multi_perform;
    __typeof__(&curl_multi_poll) curl_multi_poll;
    __typeof__(&curl_multi_remove_handle) curl_multi_remove_handle;
    __typeof__(&curl_multi_setopt) curl_multi_setopt;
    __typeof__(&curl_multi_strerror) curl_multi_strerror;
    __typeof__(&curl_multi_wakeup) curl_multi_wakeup;
    __typeof__(&curl_slist_append) curl_slist_append;
    __typeof__(&curl_slist_free_all) curl_slist_free_all;
    __typeof__(&curl_url) curl_url;
    __typeof__(&curl_url_cleanup) curl_url_cleanup;
    __typeof__(&curl_url_get) curl_url_get;
    __typeof__(&curl_url_set) curl_url_set;
    __typeof__(&curl_url_strerror) curl_url_strerror;
};

/* NULL, and the error: it cannot be loaded. For any number of threads; once it gave a library it always does.
 */
const struct rsw_curl *rsw_curl(struct rsw_error *err);
/* A header of the answer, the first of that name with index 0; NULL: there is none. Good until the next
 * request. The handle is of a library that was loaded. */
const char *rsw_curl_header(CURL *handle, const char *name, size_t index);

#endif
