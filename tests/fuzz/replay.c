/* Runs a fuzz target once over every file of the given folders: what ctest does with the corpora. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    size_t room = 1 << 16;
    size_t len = 0;
    uint8_t *bytes = malloc(room);
    while (bytes != NULL) {
        size_t got = fread(bytes + len, 1, room - len, file);
        len += got;
        if (got == 0 || len < room) {
            break;
        }
        uint8_t *more = realloc(bytes, room *= 2);
        if (more == NULL) {
            free(bytes);
        }
        bytes = more;
    }
    fclose(file);
    if (bytes == NULL) {
        return -1;
    }
    /* An exact copy, so that a sanitizer sees a read past the end. */
    uint8_t *exact = realloc(bytes, len > 0 ? len : 1);
    LLVMFuzzerTestOneInput(exact != NULL ? exact : bytes, len);
    free(exact != NULL ? exact : bytes);
    return 0;
}

int main(int argc, char **argv) {
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char path[4096];
            if (entry->d_name[0] == '.') {
                continue;
            }
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) != 0) {
                closedir(dir);
                return 1;
            }
            count++;
        }
        closedir(dir);
    }
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
