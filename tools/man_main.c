/* regsweep_man OUTDIR TEXTDIR: writes every manual page. Runs at build time. */
#include "file.h"
#include "man.h"

#include <stdbool.h>

#include <errno.h>
#include <string.h>

#define TEXT_MAX_BYTES ((size_t)256 * 1024)

static int write_page(const char *out_dir, const char *text_dir, const struct rsw_command *command) {
    char path[4096];
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_BUF text = RSW_BUF_INIT;
    snprintf(path, sizeof path, "%s/%s.in", text_dir, command != NULL ? command->name : "regsweep");
    if (rsw_file_read(&text, path, TEXT_MAX_BYTES, NULL, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    snprintf(path, sizeof path, "%s/regsweep%s%s.1", out_dir, command != NULL ? "-" : "",
             command != NULL ? command->name : "");
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    rsw_man_page(out, command, text.data != NULL ? (const char *)text.data : "");
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        fprintf(stderr, "%s: cannot be written\n", path);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: regsweep_man OUTDIR TEXTDIR\n");
        return 64;
    }
    int failed = write_page(argv[1], argv[2], NULL);
    for (const struct rsw_command *command = rsw_command_table; command->name != NULL; command++) {
        failed |= write_page(argv[1], argv[2], command);
    }
    return failed != 0;
}
