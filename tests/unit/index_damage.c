/* What is not as it should be: no room, no rights, other files, other schemas, damaged bytes. */
#include "index_support.h"

#include "index/kv.h"
#include "index/schema.h"
#include "index/txn.h"
#include "util/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static const struct rsw_index_options create = {.create = true};
static const struct rsw_index_options plain = {0};
static const struct rsw_index_options reading = {.read_only = true};

/* ---- no index, or another kind of file ---- */

static void write_file(const char *path, const void *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void without_create_no_index_is_made(void **state) {
    const struct place *place = *state;
    struct stat stat_buf;
    expect_open_fails(place, &plain, RSW_EINVAL, "there is no index");
    expect_open_fails(place, &reading, RSW_EINVAL, "there is no index");
    assert_int_equal(stat(place->data, &stat_buf), -1);
}

static void a_file_that_is_no_index_is_refused_and_left_alone(void **state) {
    const struct place *place = *state;
    char text[8192];
    char back[8192];
    memset(text, 'x', sizeof text);
    write_file(place->data, text, sizeof text);
    expect_open_fails(place, &create, RSW_ESCHEMA, "not an index of regsweep");
    write_file(place->data, text, 10);
    expect_open_fails(place, &create, RSW_ESCHEMA, "not an index of regsweep");
    int fd = open(place->data, O_RDONLY);
    assert_int_equal(read(fd, back, sizeof back), 10);
    close(fd);
    assert_memory_equal(back, text, 10);
}

static void a_directory_in_place_of_the_file_is_refused(void **state) {
    const struct place *place = *state;
    assert_int_equal(mkdir(place->data, 0700), 0);
    expect_open_fails(place, &create, RSW_ESCHEMA, "not a regular file");
}

/* An LMDB file with these tables, and one entry in the first. */
static void make_foreign(const struct place *place, const char *const *tables, size_t count) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_kv *kv = NULL;
    struct rsw_kv_txn *txn = NULL;
    struct rsw_kv_options options = {.tables = tables, .table_count = count};
    assert_int_equal(rsw_kv_open(&kv, place->dir, &options, &err), 0);
    assert_int_equal(rsw_kv_open_tables(kv, count, true, &err), RSW_FOUND);
    assert_int_equal(rsw_kv_begin(&txn, kv, true, &err), 0);
    struct rsw_span bytes = {.data = (const uint8_t *)"key", .len = 3};
    assert_int_equal(rsw_kv_put(txn, 0, bytes, bytes, &err), RSW_ABSENT);
    assert_int_equal(rsw_kv_commit(txn, &err), 0);
    rsw_kv_close(kv);
}

static void another_programs_lmdb_file_is_refused(void **state) {
    static const char *const other[] = {"accounts"};
    make_foreign(*state, other, 1);
    expect_open_fails(*state, &create, RSW_ESCHEMA, "no index of regsweep");
    expect_open_fails(*state, &reading, RSW_ESCHEMA, "no index of regsweep");
}

static void another_programs_lmdb_file_with_a_table_of_the_same_name_is_refused(void **state) {
    static const char *const other[] = {"meta"};
    make_foreign(*state, other, 1);
    expect_open_fails(*state, &create, RSW_ESCHEMA, "no index of regsweep");
}

/* Writes a schema record as regsweep of that version would, with `extra` bytes more, and a checksum if
 * `whole`.
 */
static void set_schema(const struct place *place, uint32_t version, size_t extra, bool whole) {
    static const char *const tables[] = {"meta"};
    uint8_t value[64] = {0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_kv *kv = NULL;
    struct rsw_kv_txn *txn = NULL;
    struct rsw_kv_options options = {.tables = tables, .table_count = 1};
    rsw_index_close(open_index(place));
    assert_int_equal(rsw_kv_open(&kv, place->dir, &options, &err), 0);
    assert_int_equal(rsw_kv_open_tables(kv, 1, false, &err), RSW_FOUND);
    assert_int_equal(rsw_kv_begin(&txn, kv, true, &err), 0);
    memcpy(value, RSW_SCHEMA_MAGIC, 8);
    rsw_put_le32(value + RSW_V_SCHEMA_VERSION, version);
    struct rsw_span key = {.data = (const uint8_t *)"schema", .len = 6};
    struct rsw_span record = {.data = value, .len = RSW_V_SCHEMA_SIZE + extra};
    if (whole) {
        rsw_put_le32(value + record.len, rsw_sum(RSW_T_META, key, record));
    }
    record.len += RSW_SUM_SIZE;
    assert_int_equal(rsw_kv_put(txn, 0, key, record, &err), RSW_FOUND);
    assert_int_equal(rsw_kv_commit(txn, &err), 0);
    rsw_kv_close(kv);
}

static void an_index_of_a_newer_schema_is_refused_by_its_number(void **state) {
    set_schema(*state, 7, 12, false);
    expect_open_fails(*state, &create, RSW_ESCHEMA,
                      "written by a newer regsweep (schema 7, this one reads 5)");
    expect_open_fails(*state, &reading, RSW_ESCHEMA,
                      "written by a newer regsweep (schema 7, this one reads 5)");
}

static void an_index_of_an_older_schema_is_refused_with_the_remedy(void **state) {
    set_schema(*state, 1, 0, true);
    expect_open_fails(*state, &create, RSW_ESCHEMA,
                      "written by an older regsweep (schema 1, this one reads 5); build it anew with: "
                      "regsweep scan --rebuild");
}

static void a_schema_record_that_is_damaged_is_not_believed(void **state) {
    set_schema(*state, RSW_SCHEMA, 0, false);
    expect_open_fails(*state, &create, RSW_ECORRUPT, "regsweep scan --rebuild");
}

/* ---- no room ---- */

static int fill(struct rsw_index *index, struct rsw_error *err, uint32_t *committed) {
    for (;;) {
        struct rsw_txn *txn = NULL;
        if (rsw_txn_begin_write(&txn, index, err) != 0) {
            return -1;
        }
        for (uint32_t i = 0; i < 500; i++) {
            struct rsw_digest digest = digest_number(*committed + i);
            rsw_fact_blob(txn, &digest, 1, 1);
        }
        if (rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
        *committed += 500;
    }
}

static void expect_all(struct rsw_index *index, uint32_t count) {
    struct rsw_txn *txn = begin_read(index);
    struct rsw_blob blob;
    for (uint32_t i = 0; i < count + 1; i++) {
        struct rsw_digest digest = digest_number(i);
        assert_int_equal(rsw_blob_find(txn, &digest, &blob), i < count ? RSW_FOUND : RSW_ABSENT);
    }
    rsw_txn_abort(&txn);
}

static void a_full_map_is_told_and_harms_nothing(void **state) {
    const struct rsw_index_options small = {.create = true, .map_size = 2 * MIB};
    const struct rsw_index_options bigger = {.map_size = 4 * MIB};
    struct rsw_error err = RSW_ERROR_INIT;
    uint32_t committed = 0;
    struct rsw_index *index = open_with(*state, &small);
    assert_int_equal(fill(index, &err, &committed), -1);
    assert_int_equal(err.code, RSW_EFULL);
    assert_non_null(strstr(err.message, "limit of 2 MiB"));
    assert_true(committed > 0);
    expect_all(index, committed);
    rsw_index_close(index);
    index = open_with(*state, &bigger);
    uint32_t before = committed;
    rsw_error_clear(&err);
    assert_int_equal(fill(index, &err, &committed), -1);
    assert_int_equal(err.code, RSW_EFULL);
    assert_true(committed > before);
    expect_all(index, committed);
    rsw_index_close(index);
}

/* In a child, for a limit of file size is for good. */
static void fill_under_a_limit(const struct place *place) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rlimit limit = {.rlim_cur = 2 * MIB + 1000, .rlim_max = RLIM_INFINITY};
    uint32_t committed = 0;
    signal(SIGXFSZ, SIG_IGN);
    struct rsw_index *index = open_index(place);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(3);
    }
    bool told = fill(index, &err, &committed) == -1 && err.code == RSW_EFULL &&
                strstr(err.message, "no room on disk") != NULL;
    if (!told) {
        fprintf(stderr, "code %d: %s\n", (int)err.code, err.message);
        _exit(1);
    }
    expect_all(index, committed);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    struct rsw_txn *txn = begin_write(index); /* with room again it goes on, on the same handle */
    rsw_fact_repo(txn, "a", 1);
    commit(&txn);
    rsw_index_close(index);
    _exit(committed > 0 ? 0 : 2);
}

static int in_child(void (*run)(const struct place *), const struct place *place) {
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run(place);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_limit_of_file_size_is_told_as_no_room(void **state) {
    int status = in_child(fill_under_a_limit, *state);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_is_told_and_harms_nothing(void **state) {
    const struct place *place = *state;
    if (mount("regsweep-test", place->dir, "tmpfs", 0, "size=2m") != 0) {
        skip(); /* not root */
    }
    struct rsw_error err = RSW_ERROR_INIT;
    uint32_t committed = 0;
    struct rsw_index *index = open_index(place);
    int rc = fill(index, &err, &committed);
    rsw_index_close(index);
    index = open_index(place);
    expect_all(index, committed);
    rsw_index_close(index);
    assert_int_equal(umount2(place->dir, MNT_DETACH), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, RSW_EFULL);
    assert_non_null(strstr(err.message, "no room on disk"));
    assert_true(committed > 0);
}

/* ---- no rights ---- */

static void a_read_only_handle_reads_and_refuses_to_write(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_txn *txn = begin_write(index);
    rsw_fact_repo(txn, "a", 1);
    commit(&txn);
    rsw_index_close(index);
    index = open_with(*state, &reading);
    struct rsw_repo repo;
    txn = begin_read(index);
    assert_int_equal(rsw_repo_find(txn, "a", &repo), RSW_FOUND);
    rsw_txn_abort(&txn);
    assert_int_equal(rsw_txn_begin_write(&txn, index, &err), -1);
    assert_int_equal(err.code, RSW_EACCESS);
    rsw_index_close(index);
}

static void a_read_only_filesystem_can_be_read_from(void **state) {
    const struct place *place = *state;
    rsw_index_close(open_index(place));
    if (mount(place->dir, place->dir, NULL, MS_BIND, NULL) != 0) {
        skip(); /* not root */
    }
    int mounted = mount(NULL, place->dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    struct rsw_index *denied = NULL;
    struct rsw_txn *txn = NULL;
    struct rsw_state got;
    int opened = rsw_index_open(&index, place->dir, &reading, &err);
    int answer =
        opened == 0 && rsw_txn_begin_read(&txn, index, &err) == 0 ? rsw_state_get(txn, &got) : RSW_FAILED;
    rsw_txn_abort(&txn);
    rsw_index_close(index);
    struct rsw_error denial = RSW_ERROR_INIT;
    int rc = rsw_index_open(&denied, place->dir, &plain, &denial);
    assert_int_equal(umount2(place->dir, MNT_DETACH), 0);
    assert_int_equal(mounted, 0);
    if (answer != RSW_FOUND) {
        fail_msg("cannot read: %s", err.message);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(denial.code, RSW_EACCESS);
}

/* As nobody, who may read the files but not write them. */
static void read_as_nobody(const struct place *place) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    struct rsw_txn *txn = NULL;
    struct rsw_state got;
    if (setgid(65534) != 0 || setuid(65534) != 0) {
        _exit(3);
    }
    int rc = rsw_index_open(&index, place->dir, &reading, &err);
    if (rc != 0) {
        _exit(err.code == RSW_EACCESS ? 4 : 5);
    }
    bool read = rsw_txn_begin_read(&txn, index, &err) == 0 && rsw_state_get(txn, &got) == RSW_FOUND;
    rsw_txn_abort(&txn);
    rsw_index_close(index);
    _exit(read ? 0 : 6);
}

static void without_rights_to_the_lock_file_reading_needs_that_nobody_writes(void **state) {
    const struct place *place = *state;
    if (geteuid() != 0) {
        skip();
    }
    struct rsw_index *index = open_index(place);
    char path[128];
    static const char *const files[] = {"data.mdb", "lock.mdb", "index.lock"};
    assert_int_equal(chmod(place->dir, 0755), 0);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", place->dir, files[i]);
        assert_int_equal(chmod(path, 0644), 0);
    }
    int status = in_child(read_as_nobody, place);
    assert_int_equal(WEXITSTATUS(status), 4); /* its pages could be reused under the reader */
    rsw_index_close(index);
    status = in_child(read_as_nobody, place);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- damage ---- */

#define BLOBS 300
#define TAGS 200

/* A small index with something in every table that is walked below. */
static void fill_model(struct rsw_index *index) {
    struct rsw_txn *txn = begin_write(index);
    uint32_t repo = rsw_fact_repo(txn, "library/model", 1);
    for (uint32_t i = 1; i <= BLOBS; i++) {
        struct rsw_digest digest = digest_number(i);
        assert_int_equal(rsw_fact_blob(txn, &digest, i * 7, i), i);
        rsw_fact_touch(txn, RSW_LINK, repo, i, i * 3, 0);
    }
    for (uint32_t i = 1; i <= TAGS; i++) {
        struct rsw_ref refs[2] = {{.digest = digest_number(i + 1), .kind = RSW_REF_LAYER, .types = 1},
                                  {.digest = digest_number(i + 2), .kind = RSW_REF_CONFIG, .types = 2}};
        char name[16];
        snprintf(name, sizeof name, "v%04u", i);
        rsw_refs_put(txn, i, RSW_TYPE_MANIFEST, true, refs, 2, 1);
        rsw_fact_tag_event(txn, repo, name, i, i, i);
    }
    commit(&txn);
    /* One more, because of two bits in the file, which tell LMDB which commit is the last, the one that is
     * two less cannot be watched over: what it leads back to, the commit before, is whole and true of its
     * time. */
    struct rsw_instance instance = {.id = "i"};
    txn = begin_write(index);
    rsw_instance_put(txn, &instance);
    commit(&txn);
}

enum verdict { GOOD = 0, TOLD = 40, WRONG = 42 };

/* A record may come out of its turn, but only if the walk does not end well. */
struct walk {
    uint32_t met;
    bool out_of_turn;
};

static void meet(struct walk *walk, uint32_t number) {
    walk->out_of_turn |= number != ++walk->met;
}

static enum verdict end_of_walk(int answer, const struct walk *walk, uint32_t all) {
    return answer == RSW_FAILED ? TOLD : walk->met == all && !walk->out_of_turn ? GOOD : WRONG;
}

static enum verdict walk_blobs(struct rsw_txn *txn) {
    struct rsw_blob blob;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct walk walk = {0};
    int answer;
    rsw_iter_blobs(&iter, txn);
    while ((answer = rsw_blob_next(&iter, &blob)) == RSW_FOUND) {
        struct rsw_digest digest = digest_number(blob.id);
        meet(&walk, blob.id);
        if (!rsw_digest_equal(&blob.digest, &digest) || blob.size != blob.id * 7 ||
            blob.first_seen_ms != blob.id || (blob.flags & RSW_BLOB_PRESENT) == 0 ||
            blob.missing_since_ms != 0) {
            return WRONG;
        }
    }
    return end_of_walk(answer, &walk, BLOBS);
}

static enum verdict walk_links(struct rsw_txn *txn) {
    struct rsw_member link;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct walk walk = {0};
    int answer;
    rsw_iter_members(&iter, txn, RSW_LINK, 0);
    while ((answer = rsw_member_next(&iter, &link)) == RSW_FOUND) {
        meet(&walk, link.blob);
        if (link.repo != 1 || link.target != link.blob || link.touched_ms != link.blob * 3 ||
            link.flags != RSW_MEMBER_PRESENT) {
            return WRONG;
        }
    }
    return end_of_walk(answer, &walk, BLOBS);
}

static enum verdict walk_tags(struct rsw_txn *txn) {
    struct rsw_tag tag;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct walk walk = {0};
    int answer;
    rsw_iter_tags(&iter, txn, 0);
    while ((answer = rsw_tag_next(&iter, &tag)) == RSW_FOUND) {
        char name[16];
        snprintf(name, sizeof name, "v%04u", tag.head);
        meet(&walk, tag.head);
        if (tag.repo != 1 || strcmp(tag.name, name) != 0 || tag.flags != RSW_TAG_UNSETTLED) {
            return WRONG;
        }
    }
    return end_of_walk(answer, &walk, TAGS);
}

static enum verdict walk_refs(struct rsw_txn *txn) {
    struct rsw_refs refs;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct walk walk = {0};
    uint32_t manifest = 0;
    int answer;
    rsw_iter_refs(&iter, txn);
    while ((answer = rsw_refs_next(&iter, &manifest, &refs)) == RSW_FOUND) {
        meet(&walk, manifest);
        if (refs.count != 2 || rsw_refs_child(&refs, 0) != manifest + 1 ||
            rsw_refs_child(&refs, 1) != manifest + 2 || rsw_refs_kind(&refs, 1) != RSW_REF_CONFIG) {
            return WRONG;
        }
    }
    return end_of_walk(answer, &walk, TAGS);
}

static enum verdict find_blobs(struct rsw_txn *txn) {
    for (uint32_t i = 1; i <= BLOBS; i += 3) {
        struct rsw_digest digest = digest_number(i);
        struct rsw_blob blob;
        int answer = rsw_blob_find(txn, &digest, &blob);
        if (answer == RSW_FAILED) {
            return TOLD;
        }
        if (answer == RSW_FOUND && (blob.id != i || blob.size != i * 7)) {
            return WRONG;
        }
    }
    return GOOD;
}

static enum verdict read_model(const struct place *place) {
    static enum verdict (*const walks[])(struct rsw_txn *) = {walk_blobs, walk_links, walk_tags, walk_refs,
                                                              find_blobs};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    if (rsw_index_open(&index, place->dir, &plain, &err) != 0) {
        return TOLD;
    }
    enum verdict worst = GOOD;
    for (size_t i = 0; i < sizeof walks / sizeof *walks && worst != WRONG; i++) {
        struct rsw_txn *txn = NULL; /* each its own: errors stick */
        enum verdict verdict = rsw_txn_begin_read(&txn, index, &err) == 0 ? walks[i](txn) : TOLD;
        bool silent = verdict == TOLD && err.code == RSW_OK && !rsw_txn_failed(txn, &err);
        worst = silent ? WRONG : verdict > worst ? verdict : worst;
        rsw_txn_abort(&txn);
    }
    rsw_index_close(index);
    return worst;
}

static void read_model_and_exit(const struct place *place) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    alarm(20);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    _exit((int)read_model(place));
}

struct tally {
    unsigned good;
    unsigned told;
    unsigned killed; /* LMDB ran over the damage: SIGSEGV, SIGBUS or SIGABRT, which the program explains */
};

static void flip_and_read(const struct place *place, int fd, off_t at, int bit, struct tally *tally) {
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    uint8_t flipped = (uint8_t)(byte ^ (1 << bit));
    assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
    int status = in_child(read_model_and_exit, place);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        if (sig != SIGSEGV && sig != SIGBUS && sig != SIGABRT) {
            fail_msg("bit %d at %lld: signal %d", bit, (long long)at, sig);
        }
        tally->killed++;
    } else if (WEXITSTATUS(status) == GOOD) {
        tally->good++;
    } else if (WEXITSTATUS(status) == TOLD) {
        tally->told++;
    } else if (WEXITSTATUS(status) == WRONG) {
        fail_msg("bit %d at %lld: wrong data was given out as good", bit, (long long)at);
    } else {
        tally->killed++; /* a sanitizer has its own way to end */
    }
}

static void no_flipped_bit_is_ever_given_out_as_good_data(void **state) {
    const struct place *place = *state;
    struct rsw_index *index = open_index(place);
    struct tally tally = {0};
    fill_model(index);
    rsw_index_close(index);
    assert_int_equal(read_model(place), GOOD);
    off_t end = end_of_pages(place);
    int fd = open(place->data, O_RDWR);
    unsigned random = 1;
    for (int i = 0; i < 700; i++) {
        random = random * 1103515245 + 12345;
        off_t at = (off_t)(((uint64_t)random << 8) % (uint64_t)end) + (random >> 24) % 256;
        if (i < 200) {
            at = i < 100 ? i * 2 : 4096 + i; /* both meta pages */
        }
        if (at < end) {
            flip_and_read(place, fd, at, i % 8, &tally);
        }
    }
    close(fd);
    assert_int_equal(read_model(place), GOOD);
    print_message("%u without effect, %u told, %u killed\n", tally.good, tally.told, tally.killed);
    assert_true(tally.told > 100);
}

/* Of a record with many rows: the bytes of its last row, and where the record begins and ends around them. */
struct packed {
    const char *table;
    uint8_t bytes[32];
    size_t len;
    ssize_t before;
    ssize_t behind;
};

static void flip_each(const struct place *place, const struct packed *packed) {
    static char file[4 * MIB];
    int fd = open(place->data, O_RDWR);
    ssize_t size = read(fd, file, sizeof file);
    assert_true(size >= (ssize_t)end_of_pages(place));
    struct tally tally = {0};
    unsigned records = 0;
    for (ssize_t i = packed->before; i + packed->behind < size; i++) {
        if (memcmp(file + i, packed->bytes, packed->len) == 0) {
            records++;
            for (ssize_t at = i - packed->before; at < i + packed->behind; at++) {
                flip_and_read(place, fd, at, (int)(at % 8), &tally);
            }
        }
    }
    close(fd);
    print_message("%s: %u records, %u bytes told\n", packed->table, records, tally.told);
    assert_int_equal(records, 1);
    assert_int_equal(tally.good, 0);
    assert_int_equal(tally.killed, 0);
    assert_int_equal(tally.told, packed->before + packed->behind);
}

/* A bit of every byte of one record with many rows, found in the file by its bytes. */
static void every_byte_of_a_record_is_watched_over(void **state) {
    const struct place *place = *state;
    struct rsw_index *index = open_index(place);
    fill_model(index);
    rsw_index_close(index);
    struct packed row = {"blob",
                         {0},
                         16,
                         (RSW_BLOBS_EACH - 1) * RSW_V_BLOB_ROW + RSW_V_BLOB_BYTES,
                         RSW_V_BLOB_ROW - RSW_V_BLOB_BYTES + RSW_SUM_SIZE};
    rsw_put_le64(row.bytes, 159 * 7); /* size, and when it was first seen */
    rsw_put_le64(row.bytes + 8, 159);
    flip_each(place, &row);
    /* Parts of two, for another table has each by itself. */
    struct packed name = {
        "digest_of", {0}, 32, RSW_V_DIGESTS + (RSW_DIGESTS_EACH - 1) * 32 - 16, 16 + 32 + RSW_SUM_SIZE};
    const unsigned last = 22 * RSW_DIGESTS_EACH - 1; /* of a record that is full */
    struct rsw_digest digest = digest_number(last - 1);
    memcpy(name.bytes, digest.bytes + 16, 16);
    digest = digest_number(last);
    memcpy(name.bytes + 16, digest.bytes, 16);
    flip_each(place, &name);
    struct packed link = {
        "link", {0}, 16, (RSW_MEMBERS_MAX - 1) * RSW_V_MEMBER_SIZE, RSW_V_MEMBER_SIZE + RSW_SUM_SIZE};
    rsw_put_le32(link.bytes, RSW_MEMBERS_MAX); /* the first record is full */
    rsw_put_le32(link.bytes + 4, RSW_MEMBERS_MAX);
    rsw_put_le64(link.bytes + 8, RSW_MEMBERS_MAX * 3);
    flip_each(place, &link);
}

/* Each leaf page in turn says that it has one entry less: nothing that is read is wrong, but one is missing.
 */
static void a_record_that_a_damaged_page_hides_is_missed(void **state) {
    const struct place *place = *state;
    struct rsw_index *index = open_index(place);
    fill_model(index);
    rsw_index_close(index);
    off_t end = end_of_pages(place);
    int fd = open(place->data, O_RDWR);
    unsigned told = 0;
    for (off_t page = 2L * 4096; page < end; page += 4096) {
        uint16_t head[2]; /* flags, and the end of the array of entries */
        assert_int_equal(pread(fd, head, sizeof head, page + 10), sizeof head);
        if (head[0] != 2 || head[1] < 20) {
            continue;
        }
        uint16_t less = (uint16_t)(head[1] - 2);
        assert_int_equal(pwrite(fd, &less, sizeof less, page + 12), sizeof less);
        enum verdict verdict = read_model(place);
        assert_int_equal(pwrite(fd, &head[1], sizeof head[1], page + 12), sizeof head[1]);
        assert_int_not_equal(verdict, WRONG);
        told += verdict == TOLD;
    }
    close(fd);
    assert_true(told >= 10);
}

/* Where LMDB keeps the number of the last commit, once in each of the first two pages. */
#define NUMBER_AT 144
#define PAGE 4096

static uint64_t number_at(int fd, off_t at) {
    uint64_t number = 0;
    assert_int_equal(pread(fd, &number, sizeof number, at), sizeof number);
    return number;
}

/* An older commit must not pass for the last one. Where the last number is 1 more than a multiple of 4 every
 * bit of both numbers is watched over (see fill_model for the one that is not). */
static void a_wrong_number_of_the_last_commit_is_told(void **state) {
    const struct place *place = *state;
    struct rsw_index *index = open_index(place);
    int fd = open(place->data, O_RDWR);
    for (int64_t i = 0; number_at(fd, PAGE + NUMBER_AT) % 4 != 1 || i == 0 ||
                        number_at(fd, PAGE + NUMBER_AT) < number_at(fd, NUMBER_AT);
         i++) {
        struct rsw_txn *txn = begin_write(index);
        rsw_state_gap(txn, i, "one more commit");
        commit(&txn);
    }
    rsw_index_close(index);
    for (off_t page = 0; page <= PAGE; page += PAGE) {
        uint64_t number = number_at(fd, page + NUMBER_AT);
        for (int bit = 0; bit < 64; bit++) {
            uint64_t wrong = number ^ UINT64_C(1) << bit;
            assert_int_equal(pwrite(fd, &wrong, sizeof wrong, page + NUMBER_AT), sizeof wrong);
            index = NULL;
            struct rsw_error err = RSW_ERROR_INIT;
            struct rsw_txn *txn = NULL;
            int rc = rsw_index_open(&index, place->dir, &plain, &err);
            rc = rc == 0 ? rsw_txn_begin_read(&txn, index, &err) : rc;
            if (rc == 0 || err.code != RSW_ECORRUPT) {
                fail_msg("bit %d of the number in page %d: %s", bit, (int)(page / PAGE), err.message);
            }
            rsw_index_close(index);
        }
        assert_int_equal(pwrite(fd, &number, sizeof number, page + NUMBER_AT), sizeof number);
    }
    close(fd);
    index = open_with(place, &plain);
    rsw_index_close(index);
}

static void a_truncated_index_is_told_with_the_remedy(void **state) {
    const struct place *place = *state;
    struct rsw_index *index = open_index(place);
    fill_model(index);
    rsw_index_close(index);
    off_t end = end_of_pages(place);
    off_t sizes[] = {end - 1, end / 2, 8192, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(truncate(place->data, sizes[i]), 0);
        enum rsw_code code = RSW_ECORRUPT;
        expect_open_fails(place, &create, code, "regsweep scan --rebuild");
        expect_open_fails(place, &reading, code, "regsweep scan --rebuild");
    }
    const struct rsw_index_options rebuild = {.create = true, .rebuild = true};
    index = open_with(place, &rebuild);
    fill_model(index);
    rsw_index_close(index);
    assert_int_equal(read_model(place), GOOD);
}

/* LMDB never writes a page that one transaction took and gave back, so the last page may lie behind all that
 * was ever written. Such a file is sound; it was once told to be truncated. */
static void a_page_that_was_taken_and_given_back_looks_like_no_truncation(void **state) {
    const struct place *place = *state;
    static const uint8_t large[1024 * 1024];
    static const char *const tables[] = {"t"};
    const struct rsw_kv_options options = {.tables = tables, .table_count = 1};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_kv *kv = NULL;
    assert_int_equal(rsw_kv_open(&kv, place->dir, &options, &err), 0);
    assert_int_equal(rsw_kv_open_tables(kv, 1, true, &err), RSW_FOUND);
    for (uint8_t round = 0; round < 10; round++) {
        struct rsw_kv_txn *txn = NULL;
        struct rsw_span key = {&round, 1};
        struct rsw_span value = {large,
                                 round * sizeof large / 10}; /* no hole of earlier rounds has room for it */
        assert_int_equal(rsw_kv_begin(&txn, kv, true, &err), 0);
        assert_int_equal(rsw_kv_put(txn, 0, key, value, &err), RSW_ABSENT);
        assert_int_equal(rsw_kv_del(txn, 0, key, &err), RSW_FOUND);
        value.len = 1;
        assert_int_equal(rsw_kv_put(txn, 0, key, value, &err), RSW_ABSENT);
        assert_int_equal(rsw_kv_commit(txn, &err), 0);
        struct stat stat_buf;
        assert_int_equal(stat(place->data, &stat_buf), 0);
        assert_true(stat_buf.st_size >= end_of_pages(place));
    }
    rsw_kv_close(kv);
}

static void a_crash_before_the_first_commit_leaves_an_index_that_can_be_filled(void **state) {
    const struct place *place = *state;
    write_file(place->data, "", 0); /* made, but nothing written yet */
    expect_open_fails(place, &plain, RSW_EINVAL, "there is no index");
    struct rsw_index *index = open_index(place);
    fill_model(index);
    rsw_index_close(index);
    assert_int_equal(read_model(place), GOOD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_create_no_index_is_made),
        TEST(a_file_that_is_no_index_is_refused_and_left_alone),
        TEST(a_directory_in_place_of_the_file_is_refused),
        TEST(another_programs_lmdb_file_is_refused),
        TEST(another_programs_lmdb_file_with_a_table_of_the_same_name_is_refused),
        TEST(an_index_of_a_newer_schema_is_refused_by_its_number),
        TEST(an_index_of_an_older_schema_is_refused_with_the_remedy),
        TEST(a_schema_record_that_is_damaged_is_not_believed),
        TEST(a_full_map_is_told_and_harms_nothing),
        TEST(a_limit_of_file_size_is_told_as_no_room),
        TEST(a_full_disk_is_told_and_harms_nothing),
        TEST(a_read_only_handle_reads_and_refuses_to_write),
        TEST(a_read_only_filesystem_can_be_read_from),
        TEST(without_rights_to_the_lock_file_reading_needs_that_nobody_writes),
        TEST(no_flipped_bit_is_ever_given_out_as_good_data),
        TEST(every_byte_of_a_record_is_watched_over),
        TEST(a_record_that_a_damaged_page_hides_is_missed),
        TEST(a_wrong_number_of_the_last_commit_is_told),
        TEST(a_truncated_index_is_told_with_the_remedy),
        TEST(a_page_that_was_taken_and_given_back_looks_like_no_truncation),
        TEST(a_crash_before_the_first_commit_leaves_an_index_that_can_be_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
