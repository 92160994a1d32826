/* One contract, every backend. */
#include "storage_contract.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

static const char *root;

static struct rsw_storage *fs_open(void) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    char url[128];
    root = help_make_root();
    snprintf(url, sizeof url, "file://%s", root);
    assert_int_equal(rsw_storage_open(&storage, url, &err), 0);
    return storage;
}

static void fs_put(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                   int64_t mtime_ms) {
    (void)storage;
    help_put(root, key, bytes, len, mtime_ms);
}

static void fs_close(struct rsw_storage *storage) {
    rsw_storage_close(storage);
    help_remove_root(root);
}

static struct rsw_storage *memory_open(void) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    assert_int_equal(rsw_storage_open_memory(&storage, &err), 0);
    return storage;
}

static struct rsw_storage *flat_open(void) {
    struct rsw_storage *storage = memory_open();
    rsw_memory_flat(storage, true);
    return storage;
}

static void memory_put(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                       int64_t mtime_ms) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_memory_put(storage, key, bytes, len, mtime_ms, &err), 0);
}

int main(void) {
    static const struct contract_backend memory = {.name = "memory",
                                                   .has_directories = true,
                                                   .brings_content = true,
                                                   .keeps_time = true,
                                                   .tells_removed = true,
                                                   .open = memory_open,
                                                   .put = memory_put,
                                                   .close = rsw_storage_close};
    struct contract_backend flat = memory;
    flat.name = "object store";
    flat.has_directories = flat.brings_content = false;
    flat.open = flat_open;
    struct contract_backend fs = memory;
    fs.name = "filesystem";
    fs.open = fs_open;
    fs.put = fs_put;
    fs.close = fs_close;
    int failed = contract_run(&memory) + contract_run(&flat) + contract_run(&fs);
    /* Last, for a filter stays with the process. */
    if (help_forbid(SYS_openat2, ENOSYS)) {
        fs.name = "filesystem on a kernel without openat2";
        failed += contract_run(&fs);
    } else {
        print_message("no seccomp here: the filesystem without openat2 is not tested\n");
    }
    if (help_forbid(SYS_openat2, EPERM)) {
        fs.name = "filesystem where openat2 is forbidden";
        failed += contract_run(&fs);
    }
    if (help_forbid(SYS_linkat, EPERM)) {
        fs.name = "filesystem without hard links";
        failed += contract_run(&fs);
    }
    return failed;
}
