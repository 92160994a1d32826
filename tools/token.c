#include "token.h"

#include "secret.h"

#include <string.h>

static int load(char **out, const struct rsw_options *options, const struct rsw_secret *secret,
                const struct rsw_log *log, struct rsw_error *err) {
    const char *where;
    if (rsw_secret_load(out, &where, options, secret, log, err) != 0) {
        return -1;
    }
    for (const char *at = *out != NULL ? *out : ""; *at != 0; at++) {
        /* It travels in a header: what cannot stand there would never match. */
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f) {
            rsw_secret_free(out);
            return rsw_error_set(
                err, RSW_EINVAL, 0,
                "%s: the token must be one line of letters, digits and signs, without blanks", where);
        }
    }
    return 0;
}

int rsw_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                   struct rsw_error *err) {
    const struct rsw_secret secret = {"token", "token-file", options->token_file, "REGSWEEP_TOKEN",
                                      options->token};
    return load(out, options, &secret, log, err);
}

int rsw_sweep_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                         struct rsw_error *err) {
    const struct rsw_secret secret = {"token", "sweep-token-file", options->sweep_token_file,
                                      "REGSWEEP_SWEEP_TOKEN", options->sweep_token};
    return load(out, options, &secret, log, err);
}

int rsw_callback_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                            struct rsw_error *err) {
    const struct rsw_secret secret = {.name = "token",
                                      .file_option = "deletion-callback-token-file",
                                      .file = options->deletion_callback_token_file};
    return load(out, options, &secret, log, err);
}
