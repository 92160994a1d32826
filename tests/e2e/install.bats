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

@test "a program built by pkg-config against the shared library scans a tree" {
    "$MAKE_TREE" "$ROOT" --pushes 42 --repositories 2
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
    if (argc != 3 || rsw_index_open(&index, argv[1], &how, &err) != 0 ||
        rsw_storage_open(&storage, argv[2], &err) != 0 || rsw_scan(&result, index, storage, &options, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%llu blobs\n", (unsigned long long)result.blobs);
    rsw_storage_close(storage);
    rsw_index_close(index);
    return 0;
}
C
    export PKG_CONFIG_PATH=$LIBRARY/pkgconfig
    sanitize=''
    if nm -D "$LIBRARY/libregsweep.so" | grep -q ' U __asan_init'; then
        sanitize=-fsanitize=address,undefined
    fi
    # shellcheck disable=SC2046,SC2086 # several words each
    gcc -Wall -Werror $sanitize -o "$WORK/user" "$WORK/user.c" \
        $(pkg-config --define-variable=prefix="$PREFIX" --cflags --libs regsweep)
    LD_LIBRARY_PATH=$LIBRARY run "$WORK/user" "$INDEX" "$ROOT"
    status_is 0
    [ "$output" = "$(disk blobs "$ROOT" | wc -l) blobs" ]
}

@test "the shared library is versioned and exports nothing but names of ours" {
    [ -L "$LIBRARY/libregsweep.so" ]
    readelf -d "$LIBRARY/libregsweep.so" | grep -q 'soname: \[libregsweep.so.[0-9]'
    run bash -c "nm -D --defined-only '$LIBRARY/libregsweep.so' | awk '{ print \$3 }' | grep -v '^rsw_'"
    [ -z "$output" ] || fail "exported too: $output"
}
