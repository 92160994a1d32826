/* How commands talk: results to cli->out, everything else to cli->talk. */
#include "cli.h"

#include "help.h"

#include "util/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void say(struct rsw_cli *cli, const char *fmt, va_list args) {
    char text[RSW_MESSAGE_MAX * 2];
    char hinted[RSW_MESSAGE_MAX * 3];
    vsnprintf(text, sizeof text, fmt, args);
    rsw_hint_index(hinted, sizeof hinted, text, &cli->options);
    rsw_text_clean(hinted);
    fprintf(cli->talk, "regsweep: %s\n", hinted);
}

static void sayf(struct rsw_cli *cli, const char *fmt, ...) RSW_PRINTF(2, 3);

static void sayf(struct rsw_cli *cli, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(cli, fmt, args);
    va_end(args);
}

void rsw_cli_line(struct rsw_cli *cli, const char *fmt, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        cli->lost_output = true;
        return;
    }
    rsw_text_clean(text);
    fprintf(cli->out, "%s\n", text);
    free(text);
}

int rsw_cli_json(struct rsw_cli *cli, json_t *root) {
    int failed = root == NULL ? -1 : json_dumpf(root, cli->out, JSON_COMPACT);
    json_decref(root);
    fputc('\n', cli->out);
    cli->told = true;
    /* A write error stays in the stream and is told at the end; here memory can have run out. */
    if (failed != 0 && !ferror(cli->out)) {
        return rsw_cli_failf(cli, "cannot write the result: out of memory");
    }
    return RSW_EXIT_DONE;
}

int rsw_cli_exit_of(const struct rsw_error *err) {
    switch (err->code) {
    case RSW_EREFUSED:
    case RSW_EBUSY:
        return RSW_EXIT_REFUSED;
    case RSW_EPARTIAL:
        return RSW_EXIT_PARTIAL;
    default:
        return RSW_EXIT_FAILED;
    }
}

int rsw_cli_fail(struct rsw_cli *cli, const struct rsw_error *err) {
    sayf(cli, "%s", err->message[0] != 0 ? err->message : "failed, and nobody said why");
    return rsw_cli_exit_of(err);
}

int rsw_cli_fail_usage(struct rsw_cli *cli, const struct rsw_error *err) {
    return rsw_cli_usage(cli, "%s", err->message);
}

int rsw_cli_fail_options(struct rsw_cli *cli, const struct rsw_error *err) {
    bool theirs = err->code == RSW_EINVAL || err->code == RSW_EIO || err->code == RSW_EACCESS;
    return theirs ? rsw_cli_fail_usage(cli, err) : rsw_cli_fail(cli, err);
}

int rsw_cli_usage(struct rsw_cli *cli, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(cli, fmt, args);
    va_end(args);
    sayf(cli, "try: regsweep %s%s--help", cli->command_name != NULL ? cli->command_name : "",
         cli->command_name != NULL ? " " : "");
    return RSW_EXIT_USAGE;
}

int rsw_cli_failf(struct rsw_cli *cli, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(cli, fmt, args);
    va_end(args);
    return RSW_EXIT_FAILED;
}
