/* replicas_probe CACHE COMMAND …: calls of src/gc/replicas.h, for the end-to-end tests. CACHE is none, memory
 * or redis.
 *
 *     forget REPO DIGEST             prints "found" or "absent"; forget-manifest likewise, of a revision
 *     ask MARK                       asks for the fence's object through each replica, by that mark
 *     fence INDEX MS                 prints "held", or "gap" and its reason
 *
 * PROBE_URLS are the replicas, with blanks between; PROBE_REDIS is Redis. What fails is told on stderr, with
 * status 1, or 3 where it is RSW_EREFUSED. */
#include "gc/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URLS_MAX 8
#define ASK_MS 30000

static int forget(struct rsw_replicas *replicas, const char *repo, const char *text, bool manifest,
                  struct rsw_error *err) {
    struct rsw_digest digest;
    if (!rsw_digest_parse(&digest, text, strlen(text))) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is no digest", text);
    }
    struct rsw_cached cached = {.repo = repo, .digest = &digest, .manifest = manifest};
    replicas->ops->forget(replicas, &cached, 1);
    if (cached.answer == RSW_FAILED) {
        *err = cached.err;
        return -1;
    }
    puts(cached.answer == RSW_FOUND ? "found" : "absent");
    return 0;
}

static int print_gap(struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    rsw_state_get(txn, &state);
    printf("gap: %s\n", state.gap_reason);
    return 0;
}

static int fence(struct rsw_replicas *replicas, const char *dir, const char *timeout, struct rsw_error *err) {
    struct rsw_index *index = NULL;
    const struct rsw_index_options how = {.create = false};
    const struct rsw_fence_options fence = {.clock = rsw_clock_system(),
                                            .timeout_ms = strtol(timeout, NULL, 10)};
    if (rsw_index_open(&index, dir, &how, err) != 0) {
        return -1;
    }
    int answer = rsw_fence(index, replicas, &fence, err);
    if (answer == RSW_FENCE_HELD) {
        puts("held");
    } else if (answer == RSW_FENCE_GAP) {
        answer = print_gap(index, err);
    }
    rsw_index_close(index);
    return answer == RSW_FAILED ? -1 : 0;
}

static int run(struct rsw_replicas *replicas, int argc, char **argv, struct rsw_error *err) {
    const char *command = argv[2];
    if (argc == 4 && strcmp(command, "ask") == 0) {
        const struct rsw_patience patience = {.until_ms = rsw_monotonic_ms() + ASK_MS};
        return replicas->ops->fence(replicas, argv[3], &patience, err);
    }
    if (argc == 5 && strcmp(command, "fence") == 0) {
        return fence(replicas, argv[3], argv[4], err);
    }
    if (argc == 5 && strncmp(command, "forget", 6) == 0) {
        return forget(replicas, argv[3], argv[4], strcmp(command, "forget-manifest") == 0, err);
    }
    return rsw_error_set(err, RSW_EINVAL, 0, "usage: replicas_probe CACHE COMMAND …");
}

int main(int argc, char **argv) {
    const char *urls[URLS_MAX];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = NULL;
    char *list = strdup(getenv("PROBE_URLS") != NULL ? getenv("PROBE_URLS") : "");
    char *rest = NULL;
    struct rsw_replicas_options options = {.urls = urls, .redis = getenv("PROBE_REDIS")};
    if (argc < 3 || list == NULL) {
        fputs("usage: replicas_probe CACHE COMMAND …\n", stderr);
        return 64;
    }
    for (char *url = strtok_r(list, " ", &rest); url != NULL && options.count < URLS_MAX;
         url = strtok_r(NULL, " ", &rest)) {
        urls[options.count++] = url;
    }
    options.cache = strcmp(argv[1], "none") == 0    ? RSW_CACHE_NONE
                    : strcmp(argv[1], "redis") == 0 ? RSW_CACHE_REDIS
                                                    : RSW_CACHE_MEMORY;
    int rc = rsw_replicas_open(&replicas, &options, &err);
    if (rc == 0) {
        rc = run(replicas, argc, argv, &err);
    }
    rsw_replicas_close(replicas);
    free(list);
    if (rc != 0) {
        fprintf(stderr, "%s\n", err.message);
    }
    return rc == 0 ? 0 : err.code == RSW_EREFUSED ? 3 : 1;
}
