#include "util/library.h"

#include <dlfcn.h>
#include <string.h>

int rsw_library_load(void *functions, const struct rsw_function *list, size_t count, const char *soname,
                     struct rsw_error *err) {
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return rsw_error_set(err, RSW_EIO, 0, "cannot load %s: install it (%s)", soname, dlerror());
    }
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, list[i].name);
        if (function == NULL) {
            return rsw_error_set(err, RSW_EIO, 0,
                                 "%s has no %s: install the release that regsweep was built for", soname,
                                 list[i].name);
        }
        memcpy((char *)functions + list[i].place, &function, sizeof function);
    }
    return 0;
}
