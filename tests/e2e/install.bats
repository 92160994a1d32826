#!/usr/bin/env bats
# What `cmake --install` leaves is enough to run the program and to build against the library.
# shellcheck disable=SC2154
load lib

: "${BUILD_DIR:?the build directory that is installed from}"

setup() {
    e2e_setup
    PREFIX=$WORK/prefix
    cmake --install "$BUILD_DIR" --prefix "$PREFIX" >"$WORK/install.log"
    LIBRARY=$(find "$PREFIX" -name 'libregsweep.so' -printf '%h\n')
}
teardown() { e2e_teardown; }

@test "the installed program runs" {
    run "$PREFIX/bin/regsweep" --version
    status_is 0
    run "$PREFIX/bin/regsweep" --help
    status_is 0
    says sweep
}

# build LIBDIR PKG-CONFIG-OPTION…: the program of $WORK/user.c with the library there, however pkg-config says.
build() {
    local sanitize=''
    if nm "$1"/libregsweep.* 2>/dev/null | grep -q ' U __asan_init'; then
        sanitize=-fsanitize=address,undefined
    fi
    # shellcheck disable=SC2046,SC2086 # several words each
    gcc -Wall -Werror $sanitize -o "$WORK/user" "$WORK/user.c" \
        $(PKG_CONFIG_PATH=$1/pkgconfig pkg-config "${@:2}" --cflags --libs regsweep)
}

# The same of one that scans, and looks for a registry.
build_user() {
    cat >"$WORK/user.c" <<'C'
#include <regsweep/regsweep.h>

#include <stdio.h>

int main(int argc, char **argv) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    struct rsw_storage *storage = NULL;
    struct rsw_index_options how = {.create = true};
    struct rsw_scan_options options = {.threads = 2};
    struct rsw_scan_result result;
    struct rsw_lease *lease = NULL;
    struct rsw_replicas *replicas = NULL;
    struct rsw_log log = {RSW_LOG_INFO, rsw_log_to_stderr, NULL};
    const char *nobody = "http://127.0.0.1:1";
    if (argc != 3 || rsw_index_open(&index, argv[1], &how, &err) != 0 ||
        rsw_storage_open(&storage, argv[2], &err) != 0 || rsw_scan(&result, index, storage, &options, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%llu blobs\n", (unsigned long long)result.blobs);
    /* What a sweep beside a registry is given. */
    struct rsw_lease_options once = {.index = index, .storage = storage, .length_ms = RSW_LEASE_DEFAULT_MS, .log = &log};
    if (rsw_lease_open(&lease, &once, &err) != 0 || rsw_lease_take(lease, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    rsw_lease_give_back(lease);
    rsw_lease_close(lease);
    struct rsw_replicas_options where = {.urls = &nobody, .count = 1, .clock = rsw_clock_system(), .log = &log};
    if (rsw_replicas_open(&replicas, &where, &err) == 0) {
        return 1;
    }
    printf("%s\n", err.message);
    rsw_storage_close(storage);
    rsw_index_close(index);
    return 0;
}
C
    build "$@"
}

# One that sweeps: INDEX STORAGE AUDIT.
build_sweeper() {
    cat >"$WORK/user.c" <<'C'
#include <regsweep/regsweep.h>

#include <stdio.h>

static int print(void *arg, const struct rsw_sweep_item *item) {
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    (void)arg;
    printf("%s %s %s %s %s\n", rsw_item_kind_name(item->kind), rsw_reason_name(item->reason),
           item->repo != NULL ? item->repo : "-", item->digest != NULL ? rsw_digest_format(item->digest, digest) : "-",
           item->name != NULL ? item->name : "-");
    return 0;
}

static int fail(const struct rsw_error *err) {
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

int main(int argc, char **argv) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    struct rsw_storage *storage = NULL;
    struct rsw_index_options how = {.create = true};
    struct rsw_scan_options scan = {.threads = 2};
    struct rsw_scan_result scanned;
    struct rsw_sweep_options options = RSW_SWEEP_OPTIONS_INIT;
    struct rsw_sweep_result result;
    if (argc != 4 || rsw_index_open(&index, argv[1], &how, &err) != 0 ||
        rsw_storage_open(&storage, argv[2], &err) != 0 || rsw_scan(&scanned, index, storage, &scan, &err) != 0) {
        return fail(&err);
    }
    options.untagged_remove = true;
    if (rsw_sweep(&result, index, storage, &options, &err) != 0) {
        return fail(&err);
    }
    fprintf(stderr, "%llu blobs would go\n", (unsigned long long)result.counts[RSW_ITEM_BLOB]);
    options.offline = true;
    options.grace_ms = 0;
    options.item = print;
    if (rsw_sweep(&result, index, storage, &options, &err) != 0) {
        return fail(&err);
    }
    options.max_delete = 100;
    options.item = NULL;
    options.confirm = true;
    options.audit_file = argv[3];
    if (rsw_sweep(&result, index, storage, &options, &err) != 0) {
        return fail(&err);
    }
    fprintf(stderr, "%llu removed\n", (unsigned long long)result.done);
    rsw_storage_close(storage);
    rsw_index_close(index);
    return 0;
}
C
    build "$@"
}

@test "a program built by pkg-config against the shared library scans a tree" {
    "$MAKE_TREE" "$ROOT" --pushes 42 --repositories 2
    build_user "$LIBRARY"
    LD_LIBRARY_PATH=$LIBRARY run "$WORK/user" "$INDEX" "$ROOT"
    status_is 0
    [ "${lines[0]}" = "$(disk blobs "$ROOT" | wc -l) blobs" ]
    says "http://127.0.0.1:1" # where nobody is
}

@test "a program built by pkg-config against the static library scans a tree, wherever that was moved" {
    "$MAKE_TREE" "$ROOT" --pushes 42 --repositories 2
    mv "$PREFIX" "$WORK/moved"
    rm "$WORK/moved${LIBRARY#"$PREFIX"}"/libregsweep.so*
    build_user "$WORK/moved${LIBRARY#"$PREFIX"}" --static
    run "$WORK/user" "$INDEX" "$ROOT"
    status_is 0
    [ "${lines[0]}" = "$(disk blobs "$ROOT" | wc -l) blobs" ]
    says "http://127.0.0.1:1" # where nobody is
}

@test "a program on the public headers alone sweeps, and removes what the command does" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 5
    cp -a "$ROOT" "$WORK/copy"
    build_sweeper "$LIBRARY"
    LD_LIBRARY_PATH=$LIBRARY "$WORK/user" "$WORK/index2" "$WORK/copy" "$WORK/audit2" >"$WORK/items" 2>"$WORK/talk" ||
        fail "$(cat "$WORK/talk")"
    rs scan --quiet
    same_lines "$(sweep_all --untagged remove --json | jq -r '
        (.condemned.blobs[] | "blob \(.reason) - \(.digest) -"), (.condemned.links[] | "link \(.reason) \(.repo) \(.digest) -"),
        (.condemned.revisions[] | "revision \(.reason) \(.repo) \(.digest) -")' | sort)" "$(sort "$WORK/items")"
    would=$(rs sweep --untagged remove --json | jq .totals.blobs)
    removed=$(sweep_all --untagged remove --confirm --audit "$WORK/audit" --json | jq .done.removed)
    [ "$would" -gt 0 ] && [ "$removed" -gt "$would" ]
    same_lines "$(cat "$WORK/talk")" "$would blobs would go"$'\n'"$removed removed"
    same_lines "$(jq -S -c 'del(.time)' "$WORK/audit" | sort)" "$(jq -S -c 'del(.time)' "$WORK/audit2" | sort)"
    same_lines "$(cd "$ROOT" && find . | sort)" "$(cd "$WORK/copy" && find . | sort)"
}

@test "what the release preset compiles is code, for whichever compiler links the static library" {
    local object=src/util/CMakeFiles/regsweep_util.dir/digest.c.o
    cmake -S "$BATS_TEST_DIRNAME/../.." --preset release -B "$WORK/release" -DREGSWEEP_TESTS=OFF >"$WORK/release.log"
    cmake --build "$WORK/release" --target "$object" >>"$WORK/release.log"
    objdump -t "$WORK/release/$object" | grep -q ' \.text.* rsw_digest_parse$'
}

@test "the shared library is versioned and exports nothing but names of ours" {
    [ -L "$LIBRARY/libregsweep.so" ]
    readelf -d "$LIBRARY/libregsweep.so" | grep -q 'soname: \[libregsweep.so.[0-9]'
    run bash -c "nm -D --defined-only '$LIBRARY/libregsweep.so' | awk '{ print \$3 }' | grep -v '^rsw_'"
    [ -z "$output" ] || fail "exported too: $output"
}
