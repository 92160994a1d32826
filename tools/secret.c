#include "secret.h"

#include "file.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_MAX ((size_t)4096)

static int accept(char **out, const struct rsw_secret *secret, const char *where, const char *text,
                  size_t len, struct rsw_error *err) {
    if (len > 0 && text[len - 1] == '\n') {
        len--;
        len -= len > 0 && text[len - 1] == '\r';
    }
    if (len == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: the %s is empty", where, secret->name);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s: the %s must be one line of text", where,
                                 secret->name);
        }
    }
    *out = strndup(text, len);
    return *out == NULL ? rsw_error_set(err, RSW_ENOMEM, 0, "out of memory") : 0;
}

int rsw_secret_load(char **out, const char **where, const struct rsw_options *options,
                    const struct rsw_secret *secret, const struct rsw_log *log, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    struct stat status;
    struct rsw_error why = RSW_ERROR_INIT;
    *out = NULL;
    bool from_file =
        secret->file != NULL &&
        (secret->text == NULL || rsw_option_source(options, secret->file_option) >= RSW_SOURCE_ENVIRONMENT);
    const char *place = from_file ? secret->file : secret->variable;
    if (where != NULL) {
        *where = place;
    }
    if (!from_file) {
        return secret->text == NULL ? 0 : accept(out, secret, place, secret->text, strlen(secret->text), err);
    }
    if (rsw_file_read(&bytes, secret->file, SECRET_MAX, &status, &why) != 0) {
        return rsw_error_set(err, why.code == RSW_ENOMEM ? RSW_ENOMEM : RSW_EINVAL, why.errnum, "--%s: %s",
                             secret->file_option, why.message);
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0) {
        rsw_log(log, RSW_LOG_WARNING, "every user of this machine can read the %s in %s; chmod o-r it",
                secret->name, secret->file);
    }
    int rc = accept(out, secret, place, bytes.data != NULL ? (const char *)bytes.data : "", bytes.len, err);
    if (bytes.data != NULL) {
        explicit_bzero(bytes.data, bytes.len);
    }
    return rc;
}

void rsw_secret_free(char **secret) {
    if (*secret != NULL) {
        explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}
