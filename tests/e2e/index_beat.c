/* index_beat DIR [SECONDS]: prints what an index says of `serve` and of the registry's processes: its last
 * heartbeat, in milliseconds, then one line an instance with the marks of its last fence. With SECONDS it
 * moves the heartbeat by so many first. */
#include "index/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int work(struct rsw_index *index, int64_t move_ms, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_state state;
    struct rsw_instance instance;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) == RSW_FOUND) {
        state.beat_ms += move_ms;
        rsw_state_put(txn, &state);
        printf("%" PRId64 "\n", state.beat_ms);
    }
    rsw_iter_instances(&iter, txn);
    while (rsw_instance_next(&iter, &instance) == RSW_FOUND) {
        printf("%s layer=%s manifest=%s\n", instance.id, instance.fence_layer, instance.fence_manifest);
    }
    return rsw_txn_commit(&txn, err);
}

int main(int argc, char **argv) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index_options options = {.create = false};
    struct rsw_index *index = NULL;
    if (argc < 2 || rsw_index_open(&index, argv[1], &options, &err) != 0) {
        fprintf(stderr, "index_beat: %s\n", argc < 2 ? "which index?" : err.message);
        return 2;
    }
    int rc = work(index, argc > 2 ? strtoll(argv[2], NULL, 10) * 1000 : 0, &err);
    rsw_index_close(index);
    if (rc != 0) {
        fprintf(stderr, "index_beat: %s\n", err.message);
        return 2;
    }
    return 0;
}
