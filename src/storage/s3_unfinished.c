/* Uploads in parts that nobody finished: they are listed by a request of their own. */
#include "storage/s3.h"

#include "util/cleanup.h"
#include "util/grow.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX ((size_t)8 * 1024 * 1024) /* a page has a thousand */

struct upload {
    char *key;   /* owned: below the registry's root directory */
    char *query; /* owned: "uploadId=…", encoded */
};

struct page {
    const struct rsw_s3 *s3;
    struct rsw_unfinished *unfinished;
    struct upload *uploads; /* owned: those to be called off */
    size_t count, room;
    bool failed; /* out of memory, or nobody understands it */
    bool truncated;
    char next_key[RSW_S3_KEY_MAX + 1];
    char next_id[RSW_S3_KEY_MAX + 1];
    /* Of the upload at hand. */
    char key[RSW_S3_KEY_MAX + 1];
    char id[RSW_S3_KEY_MAX + 1];
    int64_t begun_ms;
};

static void page_release(struct page *page) {
    for (size_t i = 0; i < page->count; i++) {
        free(page->uploads[i].key);
        free(page->uploads[i].query);
    }
    free(page->uploads);
}
#define AUTO_PAGE __attribute__((cleanup(page_release))) struct page

/* "name=value", encoded. 0 or -1. */
static int add_pair(struct rsw_buf *out, const char *name, const char *value) {
    return rsw_buf_addf(out, NULL, "%s=", name) != 0 || rsw_s3_encode(out, value, true, NULL) != 0 ? -1 : 0;
}

static void take_upload(struct page *page) {
    size_t own = strlen(page->s3->prefix);
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    if (page->key[0] == 0 || page->id[0] == 0 || page->begun_ms == 0) {
        page->failed = true;
        return;
    }
    if (strncmp(page->key, page->s3->prefix, own) != 0 ||
        !page->unfinished->wanted(page->unfinished->arg, page->key + own, page->begun_ms)) {
        return;
    }
    struct upload *grown = rsw_grown(page->uploads, &page->room, page->count + 1, sizeof *grown);
    if (grown == NULL || add_pair(&query, "uploadId", page->id) != 0) {
        page->uploads = grown != NULL ? grown : page->uploads;
        page->failed = true;
        return;
    }
    page->uploads = grown;
    struct upload *upload = &grown[page->count++];
    *upload = (struct upload){.key = strdup(page->key + own), .query = strdup((const char *)query.data)};
    page->failed |= upload->key == NULL || upload->query == NULL;
}

/* False: too long to be what it should be. */
static bool keep(char out[RSW_S3_KEY_MAX + 1], const char *text) {
    size_t len = strlen(text);
    bool fits = len <= RSW_S3_KEY_MAX;
    memcpy(out, text, fits ? len + 1 : 0);
    return fits;
}

static void on_element(void *arg, const char *name, const char *text) {
    struct page *page = arg;
    bool good = true;
    if (text == NULL) {
        if (strcmp(name, "Upload") == 0) {
            page->key[0] = page->id[0] = 0;
            page->begun_ms = 0;
        }
    } else if (strcmp(name, "Upload") == 0) {
        take_upload(page);
    } else if (strcmp(name, "Key") == 0) {
        good = keep(page->key, text);
    } else if (strcmp(name, "UploadId") == 0) {
        good = keep(page->id, text);
    } else if (strcmp(name, "Initiated") == 0) {
        good = rsw_time_parse(&page->begun_ms, text, strlen(text));
    } else if (strcmp(name, "IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
    } else if (strcmp(name, "NextKeyMarker") == 0) {
        good = keep(page->next_key, text);
    } else if (strcmp(name, "NextUploadIdMarker") == 0) {
        good = keep(page->next_id, text);
    }
    page->failed |= !good;
}

/* Sorted by name, as the signature wants it. */
static int make_query(struct rsw_buf *out, const struct page *page) {
    const char *slash = page->unfinished->prefix[0] != 0 ? "/" : "";
    RSW_AUTO_BUF prefix = RSW_BUF_INIT;
    if (rsw_buf_addf(&prefix, NULL, "%s%s%s", page->s3->prefix, page->unfinished->prefix, slash) != 0 ||
        (page->next_key[0] != 0 &&
         (add_pair(out, "key-marker", page->next_key) != 0 || rsw_buf_addf(out, NULL, "&") != 0)) ||
        add_pair(out, "prefix", (const char *)prefix.data) != 0) {
        return -1;
    }
    return page->next_id[0] != 0
               ? rsw_buf_addf(out, NULL, "&") != 0 || add_pair(out, "upload-id-marker", page->next_id) != 0 ||
                         rsw_buf_addf(out, NULL, "&uploads=") != 0
                     ? -1
                     : 0
               : rsw_buf_addf(out, NULL, "&uploads=");
}

static int get_page(struct page *page, struct rsw_s3 *s3, struct rsw_error *err) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    if (make_query(&query, page) != 0) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    struct rsw_s3_request request = {.method = "GET", .query = (const char *)query.data, .max = ANSWER_MAX};
    rsw_s3_send(s3, &request, 1);
    RSW_AUTO_BUF bytes = request.bytes;
    if (request.errnum != 0) {
        return rsw_s3_fail(s3, &request, "list unfinished uploads below", page->unfinished->prefix, err);
    }
    page->truncated = false;
    page->next_key[0] = page->next_id[0] = 0;
    int walked = rsw_s3_xml_walk(bytes.data, bytes.len, on_element, page, err);
    if (walked != RSW_FOUND || page->failed || (page->truncated && page->next_key[0] == 0)) {
        return rsw_error_set(err, RSW_EIO, EIO,
                             "cannot list unfinished uploads of %s: nobody understands the answer",
                             s3->base.url);
    }
    return 0;
}

static void call_off(struct page *page, struct rsw_s3 *s3) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(page->count);
    for (size_t i = 0; requests != NULL && i < page->count; i++) {
        requests[i] = (struct rsw_s3_request){
            .method = "DELETE", .key = page->uploads[i].key, .query = page->uploads[i].query};
    }
    if (requests != NULL) {
        rsw_s3_send(s3, requests, page->count);
    }
    for (size_t i = 0; i < page->count; i++) {
        bool gone = requests != NULL &&
                    (requests[i].errnum == 0 || strcmp(requests[i].answer.code, "NoSuchUpload") == 0);
        page->unfinished->called_off += gone;
        page->unfinished->failed += !gone;
    }
    rsw_s3_requests_free(requests, page->count);
}

/* A page that begins where the one before did would come for ever. */
static int go_on(const struct page *page, char next_key[], char next_id[], struct rsw_error *err) {
    int order = strcmp(page->next_key, next_key);
    if (order < 0 || (order == 0 && strcmp(page->next_id, next_id) == 0)) {
        return rsw_error_set(err, RSW_EIO, EIO,
                             "cannot list unfinished uploads of %s: the store does not say where the list "
                             "goes on",
                             page->s3->base.url);
    }
    strcpy(next_key, page->next_key);
    strcpy(next_id, page->next_id);
    return 0;
}

/* What is called off while it is listed changes nothing in what follows. */
int rsw_s3_call_off(struct rsw_storage *storage, struct rsw_unfinished *unfinished, struct rsw_error *err) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    char next_key[RSW_S3_KEY_MAX + 1] = "";
    char next_id[RSW_S3_KEY_MAX + 1] = "";
    for (bool more = true; more;) {
        AUTO_PAGE page = {.s3 = s3, .unfinished = unfinished};
        strcpy(page.next_key, next_key);
        strcpy(page.next_id, next_id);
        if (get_page(&page, s3, err) != 0) {
            return -1;
        }
        call_off(&page, s3);
        more = page.truncated;
        if (more && go_on(&page, next_key, next_id, err) != 0) {
            return -1;
        }
    }
    return 0;
}
