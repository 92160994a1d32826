#include "storage_help.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *help_make_root(void) {
    static char root[64];
    snprintf(root, sizeof root, "/tmp/regsweep-storage-XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(chmod(root, 0755), 0);
    return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void help_remove_root(const char *root) {
    assert_int_equal(nftw(root, remove_one, 32, FTW_DEPTH | FTW_PHYS), 0);
}

const char *help_path(const char *root, const char *key) {
    static char paths[4][8192];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, key);
    return path;
}

void help_mkdir(const char *root, const char *key) {
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", root, key);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    mkdir(path, 0755);
    assert_true(help_is_there(root, key));
}

void help_put(const char *root, const char *key, const void *bytes, size_t len, int64_t mtime_ms) {
    char dir[8192];
    snprintf(dir, sizeof dir, "%s", key);
    char *slash = strrchr(dir, '/');
    if (slash != NULL) {
        *slash = 0;
        help_mkdir(root, dir);
    }
    int fd = open(help_path(root, key), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    if (mtime_ms != 0) {
        struct timespec times[2] = {{.tv_sec = mtime_ms / 1000, .tv_nsec = mtime_ms % 1000 * 1000000}};
        times[1] = times[0];
        assert_int_equal(futimens(fd, times), 0);
    }
    close(fd);
}

bool help_is_there(const char *root, const char *key) {
    struct stat st;
    return lstat(help_path(root, key), &st) == 0;
}

static enum rsw_descend on_dir(void *arg, const char *dir_key, const char **leaf) {
    struct seen *seen = arg;
    seen->dirs++;
    if (seen->skip != NULL && strcmp(seen->skip, dir_key) == 0) {
        return RSW_DESCEND_SKIP;
    }
    if (seen->probe != NULL && strcmp(seen->probe, dir_key) == 0) {
        *leaf = seen->leaf;
        return RSW_DESCEND_PROBE;
    }
    return RSW_DESCEND;
}

static int on_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct seen *seen = arg;
    seen->pages++;
    if (count > seen->largest_page) {
        seen->largest_page = count;
    }
    seen->entries = realloc(seen->entries, (seen->count + count) * sizeof *seen->entries);
    assert_non_null(seen->entries);
    for (size_t i = 0; i < count; i++) {
        const struct rsw_entry *from = &entries[i];
        struct seen_entry *to = &seen->entries[seen->count++];
        *to = (struct seen_entry){.key = strdup(from->key),
                                  .kind = from->kind,
                                  .answer = from->answer,
                                  .errnum = from->errnum,
                                  .size = from->size,
                                  .mtime_ms = from->mtime_ms,
                                  .has_content = from->content != NULL,
                                  .content_len = from->content_len};
        assert_non_null(to->key);
        if (from->content != NULL) {
            size_t head = from->content_len < 255 ? from->content_len : 255;
            memcpy(to->content, from->content, head);
        }
    }
    if (seen->stop_after != 0 && seen->pages >= seen->stop_after) {
        return rsw_error_set(err, RSW_EFULL, 7, "the caller has enough");
    }
    return 0;
}

int help_list(struct seen *seen, struct rsw_storage *storage, const char *prefix, size_t content_max) {
    seen->storage = storage;
    rsw_error_clear(&seen->err);
    struct rsw_listing listing = {.prefix = prefix,
                                  .start = seen->start,
                                  .content_max = content_max,
                                  .descend = on_dir,
                                  .page = on_page,
                                  .arg = seen};
    return rsw_storage_list(storage, &listing, &seen->err);
}

void help_forget(struct seen *seen) {
    for (size_t i = 0; i < seen->count; i++) {
        free(seen->entries[i].key);
    }
    free(seen->entries);
    *seen = (struct seen){.count = 0};
}

const struct seen_entry *help_find(const struct seen *seen, const char *key) {
    const struct seen_entry *found = NULL;
    for (size_t i = 0; i < seen->count; i++) {
        if (strcmp(seen->entries[i].key, key) == 0) {
            assert_null(found);
            found = &seen->entries[i];
        }
    }
    return found;
}

struct rsw_look help_look(struct rsw_storage *storage, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_storage_look(storage, &look, 1);
    return look;
}

int help_remove(struct rsw_storage *storage, const char *key, int *errnum) {
    struct rsw_removal removal = {.key = key};
    rsw_storage_remove(storage, &removal, 1);
    if (errnum != NULL) {
        *errnum = removal.errnum;
    }
    return removal.answer;
}

int help_read(struct rsw_storage *storage, const char *key, char text[256], int *errnum) {
    struct rsw_read read = {.key = key, .max = 200, .content = RSW_BUF_INIT};
    rsw_storage_read(storage, &read, 1);
    snprintf(text, 256, "%.*s", (int)read.content.len,
             read.content.data == NULL ? "" : (char *)read.content.data);
    if (errnum != NULL) {
        *errnum = read.errnum;
    }
    rsw_buf_release(&read.content);
    return read.answer;
}

bool help_forbid(unsigned number, int errnum) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        return false;
    }
    errno = 0;
    return syscall(number, -1, "", -1, "", 0) < 0 && errno == errnum;
}
