#include "rebuild.h"

#include "index/pin.h"
#include "util/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct self {
    char identity[RSW_IDENTITY_MAX]; /* "": it had none yet */
    uint64_t generations;            /* the last number that it gave to one: none is given twice */
};

struct kept {
    struct self self;
    struct rsw_kept_pin *pins; /* owned */
    size_t count, room;
};

static void release(struct kept *kept) {
    free(kept->pins);
}

static uint64_t count_deletions(struct rsw_txn *txn) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    uint64_t count = 0;
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        count += rsw_deletion_ended(&deletion) ? 0 : 1;
    }
    return count;
}

/* Writes to `to` who it is, and the pins, each as it is in memory, with one without text behind them. */
static int read_old(struct rsw_cli *cli, FILE *to, struct rsw_error *err) {
    const struct rsw_index_options look = {.read_only = true, .older = true};
    const struct rsw_kept_pin end = {.text = ""};
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_pin pin;
    struct rsw_state state;
    struct self self = {.identity = ""};
    if (rsw_cli_open_index(cli, &look, err) != 0 || rsw_txn_begin_read(&txn, cli->index, err) != 0 ||
        rsw_identity_get(txn, self.identity) == RSW_FAILED || rsw_state_get(txn, &state) != RSW_FOUND) {
        return -1;
    }
    self.generations = state.next_generation - 1;
    fwrite(&self, sizeof self, 1, to);
    rsw_iter_kept_pins(&iter, txn);
    while (rsw_kept_pin_next(&iter, &pin) == RSW_FOUND) {
        fwrite(&pin, sizeof pin, 1, to);
    }
    uint64_t deletions = count_deletions(txn);
    if (deletions > 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%" PRIu64 " deletions that were asked for go with the old index: ask for them again",
                deletions);
    }
    return rsw_txn_failed(txn, err) || fwrite(&end, sizeof end, 1, to) != 1 || fflush(to) != 0 ? -1 : 0;
}

/* In a process of its own: a damaged index can end who reads it, and to be thrown away is its remedy. */
static void run_reader(struct rsw_cli *cli, int to) {
    struct rsw_error err = RSW_ERROR_INIT;
    FILE *file = fdopen(to, "w");
    int rc = file != NULL ? read_old(cli, file, &err) : -1;
    _exit(rc == 0 || err.errnum == ENOENT ? 0 : 1);
}

static int gather(struct kept *out, FILE *from) {
    struct rsw_kept_pin pin;
    struct self self;
    if (fread(&self, sizeof self, 1, from) != 1) {
        return 0; /* there was no index */
    }
    out->self = self;
    while (fread(&pin, sizeof pin, 1, from) == 1 && pin.text[0] != 0) {
        struct rsw_kept_pin *pins = rsw_grown(out->pins, &out->room, out->count + 1, sizeof *pins);
        if (pins == NULL) {
            return -1;
        }
        out->pins = pins;
        pins[out->count++] = pin;
    }
    return 0;
}

/* 0, or -1: they cannot be told. */
static int ask_reader(struct kept *out, struct rsw_cli *cli) {
    int ends[2];
    int status = -1;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    fflush(cli->out);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_reader(cli, ends[1]);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    int rc = pid > 0 && from != NULL ? gather(out, from) : -1;
    if (from != NULL) {
        fclose(from);
    } else {
        close(ends[0]);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? rc
                                                                                                       : -1;
}

static int write_kept(struct rsw_cli *cli, const struct kept *kept, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, cli->index, err) != 0) {
        return -1;
    }
    if (kept->self.identity[0] != 0) {
        rsw_identity_put(txn, kept->self.identity);
    }
    rsw_generation_skip(txn, kept->self.generations);
    for (size_t i = 0; i < kept->count; i++) {
        rsw_kept_pin_put(txn, &kept->pins[i]);
    }
    return rsw_txn_commit(&txn, err);
}

int rsw_rebuild_index(struct rsw_cli *cli, const struct rsw_index_options *how, struct rsw_error *err) {
    __attribute__((cleanup(release))) struct kept kept = {.count = 0};
    if (ask_reader(&kept, cli) != 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "what regsweep pin wrote into the old index cannot be told for sure: look at it, and pin "
                "again what is "
                "missing");
    }
    return rsw_cli_open_index(cli, how, err) == 0 ? write_kept(cli, &kept, err) : -1;
}
