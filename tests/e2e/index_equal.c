/* index_equal DIR1 DIR2: exit 0 if both indexes say the same about storage, 1 with the differences on stdout
 * if not, 2 if one cannot be read. With one DIR: prints what it says. */
#include "../unit/compare.h"

#define LINES_MAX 200

static int open_index(struct rsw_index **index, const char *dir) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index_options options = {.read_only = true};
    if (rsw_index_open(index, dir, &options, &err) != 0) {
        fprintf(stderr, "index_equal: %s: %s\n", dir, err.message);
        return -1;
    }
    return 0;
}

static int compare(struct rsw_index *first, struct rsw_index *second) {
    struct rsw_error err = RSW_ERROR_INIT;
    int differences = second == NULL ? print_index(first, stdout, &err)
                                     : compare_indexes(first, second, stdout, LINES_MAX, &err);
    if (differences < 0) {
        fprintf(stderr, "index_equal: %s\n", err.message);
        return 2;
    }
    if (differences > LINES_MAX) {
        printf("… %d differences in all\n", differences);
    }
    return differences == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    struct rsw_index *first = NULL;
    struct rsw_index *second = NULL;
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: index_equal DIR1 [DIR2]\n");
        return 64;
    }
    int status = 2;
    if (open_index(&first, argv[1]) == 0 && (argc == 2 || open_index(&second, argv[2]) == 0)) {
        status = compare(first, second);
    }
    rsw_index_close(first);
    rsw_index_close(second);
    return status;
}
