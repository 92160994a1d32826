/* rsw_s3_xml_read and _find: end, whatever they are given; what they give are texts; a document that is none
 * tells nothing. */
#include "storage/s3_xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

static int on_object(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    size_t *count = arg;
    (void)err;
    if (object == NULL) {
        *count = 0;
        return 0;
    }
    char key[3 * RSW_S3_KEY_MAX + 1];
    size_t len = strlen(object->key);
    require(len < sizeof key);
    memcpy(key, object->key, len + 1);
    require(!rsw_s3_decode(key) || strlen(key) <= len);
    require(object->code == NULL || strlen(object->code) < 64);
    require(strlen(object->version) <= RSW_S3_KEY_MAX);
    return ++*count > 10000 ? rsw_error_set(err, RSW_ESTOPPED, 0, "enough") : 0;
}

static void find(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_buf text = RSW_BUF_INIT;
    int answer = rsw_s3_xml_find(&text, data, size, "Expiration", &err);
    require((answer == RSW_FAILED) == (err.code != RSW_OK));
    require(answer != RSW_FOUND || (text.len > 0 && text.len < size));
    rsw_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_s3_answer answer;
    find(data, size);
    size_t count = 1;
    if (rsw_s3_xml_read(&answer, data, size, on_object, &count, &err) != 0) {
        require(err.code != RSW_OK);
        return 0;
    }
    require(memchr(answer.code, 0, sizeof answer.code) != NULL);
    require(memchr(answer.message, 0, sizeof answer.message) != NULL);
    require(memchr(answer.token, 0, sizeof answer.token) != NULL);
    require(answer.kind != RSW_S3_NONE || (answer.token[0] == 0 && !answer.truncated && answer.code[0] == 0));
    require((answer.kind == RSW_S3_ERROR) == (answer.code[0] != 0));
    return 0;
}
