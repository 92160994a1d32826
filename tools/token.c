#include "token.h"

#include "file.h"

#include <string.h>

#define TOKEN_MAX ((size_t)4096)

static int accept(char **out, const char *where, const char *text, size_t len, struct rsw_error *err) {
    if (len > 0 && text[len - 1] == '\n') {
        len--;
        len -= len > 0 && text[len - 1] == '\r';
    }
    if (len == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: the token is empty", where);
    }
    for (size_t i = 0; i < len; i++) {
        /* It travels in a header: what cannot stand there would never match. */
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f) {
            return rsw_error_set(
                err, RSW_EINVAL, 0,
                "%s: the token must be one line of letters, digits and signs, without blanks", where);
        }
    }
    *out = strndup(text, len);
    return *out == NULL ? rsw_error_set(err, RSW_ENOMEM, 0, "out of memory") : 0;
}

int rsw_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                   struct rsw_error *err) {
    *out = NULL;
    bool from_file =
        options->token_file != NULL &&
        (options->token == NULL || rsw_option_source(options, "token-file") >= RSW_SOURCE_ENVIRONMENT);
    if (!from_file) {
        return options->token == NULL
                   ? 0
                   : accept(out, "REGSWEEP_TOKEN", options->token, strlen(options->token), err);
    }
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    struct stat status;
    if (rsw_file_read(&bytes, options->token_file, TOKEN_MAX, &status, err) != 0) {
        return -1;
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0) {
        rsw_log(log, RSW_LOG_WARNING, "every user of this machine can read the token in %s; chmod o-r it",
                options->token_file);
    }
    return accept(out, options->token_file, bytes.data != NULL ? (const char *)bytes.data : "", bytes.len,
                  err);
}
