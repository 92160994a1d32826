/* The program as a whole, called as a function: help, usage, exit status. */
#include "cli.h"
#include "man.h"

#include "index/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct run {
    int status;
    char *out; /* owned */
    char *talk;
};

static void run_release(struct run *run) {
    free(run->out);
    free(run->talk);
}

static struct run run_program(const char *command_line, const char *variable) {
    struct run run = {.status = -1};
    char *argv[16] = {(char *)"regsweep"};
    char *environment[] = {(char *)(uintptr_t)variable, NULL};
    int argc = 1;
    char *words = strdup(command_line);
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    size_t len;
    struct rsw_cli cli;
    rsw_cli_init(&cli);
    cli.out = open_memstream(&run.out, &len);
    cli.talk = open_memstream(&run.talk, &len);
    assert_non_null(cli.out);
    assert_non_null(cli.talk);
    run.status = rsw_cli_main(&cli, argc, argv, environment);
    rsw_cli_release(&cli);
    fclose(cli.out);
    fclose(cli.talk);
    free(words);
    return run;
}

static void expect(const char *command_line, int status, const char *out, const char *talk) {
    struct run run = run_program(command_line, NULL);
    if (run.status != status || strstr(run.out, out) == NULL || strstr(run.talk, talk) == NULL) {
        fail_msg("regsweep %s: status %d, out: %s, talk: %s", command_line, run.status, run.out, run.talk);
    }
    run_release(&run);
}

/* Every option of these commands is in the text. */
static void expect_options(const char *what, const char *text, unsigned bits, bool roff) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->places & RSW_IN_FLAG) == 0 || (option->commands & bits) == 0) {
            continue;
        }
        const char *dash = roff ? "\\-" : "-";
        char flag[128];
        size_t len = (size_t)snprintf(flag, sizeof flag, "%s%s", dash, dash);
        for (const char *c = option->name; *c != 0; c++) {
            len += (size_t)snprintf(flag + len, sizeof flag - len, "%s",
                                    *c == '-' ? dash : (const char[]){*c, 0});
        }
        if (strstr(text, flag) == NULL) {
            fail_msg("%s does not name %s", what, flag);
        }
    }
}

static void expect_help(const struct rsw_command *command, const struct rsw_command *form) {
    char line[128];
    snprintf(line, sizeof line, "%s %s --help", command->name, form != NULL ? form->name : "");
    struct run run = run_program(line, NULL);
    assert_int_equal(run.status, RSW_EXIT_DONE);
    assert_string_equal(run.talk, "");
    assert_memory_equal(run.out, "Usage: regsweep ", 16);
    expect_options(line, run.out, form != NULL ? form->bit : command->bit, false);
    for (const char *at = run.out; *at != 0; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") > 100) {
            fail_msg("%s: a line is too long: %.120s", line, at);
        }
    }
    run_release(&run);
}

static void every_command_and_form_has_help_that_lists_its_options(void **state) {
    (void)state;
    for (const struct rsw_command *command = rsw_command_table; command->name != NULL; command++) {
        expect_help(command, NULL);
        for (const struct rsw_command *form = command->forms; form != NULL && form->name != NULL; form++) {
            expect_help(command, form);
        }
    }
    struct run run = run_program("--help", NULL);
    for (const struct rsw_command *command = rsw_command_table; command->name != NULL; command++) {
        assert_non_null(strstr(run.out, command->name));
        assert_non_null(strstr(run.out, command->help));
    }
    run_release(&run);
}

static void expect_page(const struct rsw_command *command) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    rsw_man_page(out, command, ".SH DESCRIPTION\nText.\n");
    fclose(out);
    expect_options("manual page", text, command != NULL ? command->bit : RSW_FOR_ALL, true);
    assert_non_null(strstr(text, ".SH DESCRIPTION\nText.\n.SH "));
    free(text);
}

static void every_manual_page_names_every_option(void **state) {
    (void)state;
    expect_page(NULL);
    for (const struct rsw_command *command = rsw_command_table; command->name != NULL; command++) {
        expect_page(command);
    }
}

static void every_option_has_what_help_and_file_need(void **state) {
    (void)state;
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        size_t len = strlen(option->help);
        assert_true(len > 0 && option->help[len - 1] == '.');
        assert_true((option->argument == NULL) == (option->kind == RSW_OPTION_FLAG));
        assert_true(option->commands != 0 && option->places != 0);
        assert_ptr_equal(rsw_option_find(option->name), option);
    }
}

static void wrong_usage_ends_with_64_and_a_hint(void **state) {
    (void)state;
    expect("", RSW_EXIT_USAGE, "", "regsweep: no command was given\nregsweep: try: regsweep --help\n");
    expect("swep", RSW_EXIT_USAGE, "", "unknown command \"swep\"; did you mean \"sweep\"?");
    expect("frobnicate", RSW_EXIT_USAGE, "", "unknown command \"frobnicate\"\n");
    expect("inspect", RSW_EXIT_USAGE, "", "inspect needs a form");
    expect("inspect blobs x", RSW_EXIT_USAGE, "", "unknown form \"blobs\"; did you mean \"blob\"?");
    expect("inspect blob", RSW_EXIT_USAGE, "", "blob needs DIGEST\nregsweep: try: regsweep inspect --help\n");
    expect("inspect blob a b", RSW_EXIT_USAGE, "", "blob takes DIGEST, and \"b\" is too much");
    expect("sweep now", RSW_EXIT_USAGE, "", "sweep takes no argument, and \"now\" is too much");
    expect("scan --confirm", RSW_EXIT_USAGE, "", "scan takes no --confirm");
    expect("inspect stats --grace 1h", RSW_EXIT_USAGE, "", "stats takes no --grace");
    expect("sweep --confirm --offline --upload-max-age 0", RSW_EXIT_USAGE, "",
           "--upload-max-age 0s is shorter than --grace 1d");
    expect("sweep --confirm --grace 8d", RSW_EXIT_USAGE, "",
           "--upload-max-age 7d is shorter than --grace 8d");
    expect("scan --index /nowhere", RSW_EXIT_USAGE, "", "where is the registry's storage?");
    expect("scan --storage ftp://x", RSW_EXIT_USAGE, "", "storage 'ftp://x': write file:///");
    expect("scan --storage registry", RSW_EXIT_USAGE, "", "storage 'registry': ");
    expect("scan --storage s3:///images", RSW_EXIT_USAGE, "", "write s3://bucket or s3://bucket/path");
    expect("scan --storage s3://bucket --s3-endpoint here:80", RSW_EXIT_USAGE, "", "the endpoint of S3");
    expect("scan --storage s3://bucket --s3-region no/where", RSW_EXIT_USAGE, "",
           "is not the name of a region");
    expect("scan --storage s3://bucket --s3-storage-class GLACIER", RSW_EXIT_USAGE, "",
           "no registry can read");
    expect("scan --storage /nowhere", RSW_EXIT_FAILED, "", "regsweep: ");
    expect("sweep --config /nonexistent/regsweep.yml", RSW_EXIT_USAGE, "",
           "cannot read /nonexistent/regsweep.yml: No such file or directory");
}

static void version_and_help_need_nothing_else(void **state) {
    (void)state;
    expect("--version", RSW_EXIT_DONE, "regsweep " REGSWEEP_VERSION "\n", "");
    expect("help", RSW_EXIT_DONE, "Usage: regsweep COMMAND", "");
    expect("help sweep", RSW_EXIT_DONE, "Usage: regsweep sweep", "");
    expect("inspect why -h", RSW_EXIT_DONE, "Usage: regsweep inspect why", "");
    expect("help nonsense", RSW_EXIT_USAGE, "", "unknown command");
}

static void an_index_that_is_not_there_is_an_error_with_its_directory(void **state) {
    (void)state;
    expect("inspect stats --index /nonexistent/index", RSW_EXIT_FAILED, "", "/nonexistent/index");
    struct run run = run_program("inspect stats", "REGSWEEP_INDEX=/nonexistent/variable");
    assert_int_equal(run.status, RSW_EXIT_FAILED);
    assert_non_null(strstr(run.talk, "/nonexistent/variable"));
    run_release(&run);
}

static void a_registry_that_must_not_be_swept_is_refused_with_3(void **state) {
    (void)state;
    expect("sweep --registry-config " REGSWEEP_TEST_DATA "/registry-config/proxy.yml", RSW_EXIT_REFUSED, "",
           "pull-through cache");
    expect("scan --storage /tmp --registry-config " REGSWEEP_TEST_DATA "/registry-config/openshift.yml",
           RSW_EXIT_REFUSED, "", "repository middleware");
    expect("scan --registry-config " REGSWEEP_TEST_DATA "/registry-config/bare.yml", RSW_EXIT_USAGE, "",
           "none that regsweep can work on");
    expect("scan --registry-config " REGSWEEP_TEST_DATA "/registry-config/merge-key.yml", RSW_EXIT_USAGE, "",
           "merge-key.yml:7: merge keys");
}

static void errors_end_with_the_status_that_goes_with_them(void **state) {
    (void)state;
    static const struct {
        enum rsw_code code;
        int status;
    } cases[] = {{RSW_EREFUSED, RSW_EXIT_REFUSED}, {RSW_EBUSY, RSW_EXIT_REFUSED},
                 {RSW_EPARTIAL, RSW_EXIT_PARTIAL}, {RSW_EINVAL, RSW_EXIT_FAILED},
                 {RSW_EIO, RSW_EXIT_FAILED},       {RSW_ESTOPPED, RSW_EXIT_FAILED}};
    char *talk = NULL;
    size_t len;
    struct rsw_cli cli;
    rsw_cli_init(&cli);
    cli.talk = open_memstream(&talk, &len);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_error err = {.code = cases[i].code, .message = "why"};
        assert_int_equal(rsw_cli_fail(&cli, &err), cases[i].status);
        assert_int_equal(rsw_cli_fail_usage(&cli, &err), RSW_EXIT_USAGE);
    }
    fclose(cli.talk);
    assert_memory_equal(talk, "regsweep: why\n", 14);
    free(talk);
}

static void names_out_of_storage_cannot_steer_the_terminal_or_break_json(void **state) {
    (void)state;
    char *out = NULL;
    size_t len;
    struct rsw_cli cli;
    rsw_cli_init(&cli);
    cli.out = open_memstream(&out, &len);
    rsw_cli_line(&cli, "tag %s", "a\033[2J\nb");
    fflush(cli.out);
    assert_string_equal(out, "tag a?[2J?b\n");
    json_t *root = json_object();
    rsw_json_set(&root, "name", rsw_json_text("\xff ok \xc3\xa4 \xed\xa0\x80"));
    rsw_json_set(&root, "when", rsw_json_time(0));
    assert_int_equal(rsw_cli_json(&cli, root), RSW_EXIT_DONE);
    fclose(cli.out);
    assert_non_null(strstr(out, "{\"name\":\"\xef\xbf\xbd ok \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                "\"when\":null}\n"));
    free(out);
}

static void a_pin_that_is_none_is_told(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_mark_options mark;
    struct rsw_cli cli;
    static const char good[] = "a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const struct rsw_option *pin = rsw_option_find("pin");
    rsw_cli_init(&cli);
    assert_int_equal(rsw_options_init(&cli.options, &err), 0);
    assert_int_equal(rsw_option_set(&cli.options, pin, RSW_SOURCE_FLAG, "--pin", good, &err), 0);
    assert_int_equal(rsw_option_set(&cli.options, pin, RSW_SOURCE_FLAG, "--pin", good + 4, &err), 0);
    assert_int_equal(rsw_cli_mark_options(&cli, &mark, &err), 0);
    assert_int_equal(mark.pin_count, 2);
    assert_string_equal(mark.pins[0].repo, "a/b");
    assert_null(mark.pins[1].repo);
    assert_true(rsw_digest_equal(&mark.pins[0].digest, &mark.pins[1].digest));
    assert_int_equal(rsw_option_set(&cli.options, pin, RSW_SOURCE_FLAG, "--pin", "a/b:tag", &err), 0);
    assert_int_equal(rsw_cli_mark_options(&cli, &mark, &err), 0);
    assert_string_equal(mark.pins[2].tag, "tag");
    assert_int_equal(rsw_option_set(&cli.options, pin, RSW_SOURCE_FLAG, "--pin", "a/b", &err), 0);
    assert_int_equal(rsw_cli_mark_options(&cli, &mark, &err), -1);
    assert_non_null(strstr(err.message, "--pin: \"a/b\" is not a digest, NAME@DIGEST or NAME:TAG"));
    rsw_cli_release(&cli);
}

static int parse(struct rsw_pins *out, const char *text, struct rsw_error *err) {
    *out = (struct rsw_pins){.count = 0};
    *err = (struct rsw_error)RSW_ERROR_INIT;
    return rsw_pins_parse(out, "pins", text, strlen(text), err);
}

static void a_file_of_pins_has_one_a_line(void **state) {
    (void)state;
    struct rsw_error err;
    struct rsw_pins pins;
    assert_int_equal(parse(&pins, "# ours\n\n  a/b:v1 \r\n\ta:v2", &err), 0);
    assert_int_equal(pins.count, 2);
    assert_string_equal(pins.items[0].repo, "a/b");
    assert_string_equal(pins.items[0].tag, "v1");
    assert_string_equal(pins.words[1].where, "pins:4");
    assert_string_equal(pins.words[1].text, "a:v2");
    rsw_pins_release(&pins);
    assert_int_equal(parse(&pins, "a:v1\na b", &err), -1);
    assert_non_null(strstr(err.message, "pins:2: \"a b\" is not a digest"));
    rsw_pins_release(&pins);
    static const char with_nul[] = "a:v1\0b\n";
    assert_int_equal(rsw_pins_parse(&pins, "pins", with_nul, sizeof with_nul - 1, &err), -1);
    rsw_pins_release(&pins);
}

enum damage { CUT_SHORT, CONTRADICTION, NOT_OF_THE_INDEX };

#define BLOBS 20000

static void fill(struct rsw_index *index) {
    struct rsw_txn *txn = NULL;
    if (rsw_txn_begin_write(&txn, index, NULL) != 0) {
        _exit(96);
    }
    for (uint32_t i = 0; i < BLOBS; i++) {
        struct rsw_digest digest = {.alg = RSW_SHA256};
        memcpy(digest.bytes, &i, sizeof i);
        rsw_blob_intern(txn, &digest, 1);
    }
    if (rsw_txn_commit(&txn, NULL) != 0) {
        _exit(95);
    }
}

/* Leaves one key in every page that leads to others, which LMDB holds to be impossible (mdb.c: MDB_page). */
static void contradict(const char *path) {
    const off_t page = sysconf(_SC_PAGESIZE);
    const uint16_t lower = 16 + 2;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint16_t flags;
    for (off_t at = 2 * page; pread(fd, &flags, sizeof flags, at + 10) == sizeof flags; at += page) {
        if (flags == 1 && pwrite(fd, &lower, sizeof lower, at + 12) != sizeof lower) {
            _exit(94);
        }
    }
    close(fd);
}

/* In a child: opens an index and does what shows that it is damaged. */
static void meet_damage(const char *dir, enum damage damage) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_cli cli;
    struct rsw_txn *txn = NULL;
    char path[128];
    rsw_cli_init(&cli);
    if (rsw_options_init(&cli.options, &err) != 0 ||
        rsw_option_set(&cli.options, rsw_option_find("index"), RSW_SOURCE_FLAG, "", dir, &err) != 0 ||
        rsw_cli_open_index(&cli, &(struct rsw_index_options){.create = true}, &err) != 0) {
        _exit(99);
    }
    if (damage == NOT_OF_THE_INDEX) {
        abort();
    }
    fill(cli.index);
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (damage == CONTRADICTION) {
        contradict(path);
    } else if (truncate(path, 0) != 0) {
        _exit(98);
    }
    if (rsw_txn_begin_read(&txn, cli.index, &err) == 0) {
        struct rsw_digest digest = {.alg = RSW_SHA256};
        struct rsw_blob blob;
        rsw_blob_find(txn, &digest, &blob);
    }
    _exit(97); /* survived */
}

/* Gives how the child ended, and what it said. */
static int end_of_child(enum damage damage, char *dir, char *text, size_t size) {
    static const char *const files[] = {"data.mdb", "lock.mdb", "index.lock"};
    int ends[2];
    int status;
    size_t len = 0;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        meet_damage(dir, damage);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + len, size - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    close(ends[0]);
    text[len] = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    return status;
}

static void a_fault_inside_the_index_is_told_with_its_remedy(void **state) {
    (void)state;
    char dir[] = "/tmp/regsweep-tools-XXXXXX";
    char command[128];
    char text[1024];
    int status = end_of_child(CUT_SHORT, dir, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == RSW_EXIT_FAILED);
    snprintf(command, sizeof command, "regsweep scan --rebuild --index %s\n", dir);
    assert_non_null(strstr(text, "is damaged; build it anew with: "));
    assert_non_null(strstr(text, command));
}

static void an_abort_of_the_index_ends_as_a_failure(void **state) {
    (void)state;
    char dir[] = "/tmp/regsweep-tools-XXXXXX";
    char text[1024];
    int status = end_of_child(CONTRADICTION, dir, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == RSW_EXIT_FAILED);
    assert_non_null(strstr(text, "the index is damaged; build it anew"));
    assert_non_null(strstr(text, "regsweep: aborted; the line above says why\n"));
}

static void any_other_abort_is_one(void **state) {
    (void)state;
    char dir[] = "/tmp/regsweep-tools-XXXXXX";
    char text[1024];
    int status = end_of_child(NOT_OF_THE_INDEX, dir, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_null(strstr(text, "the line above says why"));
}

static void a_result_that_cannot_be_written_is_a_failure(void **state) {
    (void)state;
    struct rsw_cli cli;
    char *talk = NULL;
    size_t len;
    char *argv[] = {(char *)"regsweep", (char *)"--version", NULL};
    char *environment[] = {NULL};
    rsw_cli_init(&cli);
    cli.out = fopen("/dev/full", "w");
    if (cli.out == NULL) {
        skip();
    }
    cli.talk = open_memstream(&talk, &len);
    assert_int_equal(rsw_cli_main(&cli, 2, argv, environment), RSW_EXIT_FAILED);
    rsw_cli_release(&cli);
    fclose(cli.out);
    fclose(cli.talk);
    assert_non_null(strstr(talk, "cannot write the result: No space left on device"));
    free(talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_and_form_has_help_that_lists_its_options),
        cmocka_unit_test(every_manual_page_names_every_option),
        cmocka_unit_test(every_option_has_what_help_and_file_need),
        cmocka_unit_test(wrong_usage_ends_with_64_and_a_hint),
        cmocka_unit_test(version_and_help_need_nothing_else),
        cmocka_unit_test(an_index_that_is_not_there_is_an_error_with_its_directory),
        cmocka_unit_test(a_registry_that_must_not_be_swept_is_refused_with_3),
        cmocka_unit_test(errors_end_with_the_status_that_goes_with_them),
        cmocka_unit_test(names_out_of_storage_cannot_steer_the_terminal_or_break_json),
        cmocka_unit_test(a_pin_that_is_none_is_told),
        cmocka_unit_test(a_file_of_pins_has_one_a_line),
        cmocka_unit_test(a_fault_inside_the_index_is_told_with_its_remedy),
        cmocka_unit_test(an_abort_of_the_index_ends_as_a_failure),
        cmocka_unit_test(any_other_abort_is_one),
        cmocka_unit_test(a_result_that_cannot_be_written_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
