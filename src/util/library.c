#include "util/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* only one thread loads */

static int load(const struct rsw_library *library, struct rsw_error *err) {
    void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return rsw_error_set(err, RSW_EUNSUPPORTED, 0, "cannot load %s: install it (%s)", library->soname,
                             dlerror());
    }
    for (size_t i = 0; i < library->count; i++) {
        void *function = dlsym(handle, library->list[i].name);
        if (function == NULL) {
            return rsw_error_set(err, RSW_EUNSUPPORTED, 0,
                                 "%s has no %s: install the release that regsweep was built for",
                                 library->soname, library->list[i].name);
        }
        memcpy((char *)library->functions + library->list[i].place, &function, sizeof function);
    }
    return 0;
}

int rsw_library_load(struct rsw_library *library, struct rsw_error *err) {
    if (atomic_load_explicit(&library->loaded, memory_order_acquire)) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    int rc = atomic_load_explicit(&library->loaded, memory_order_relaxed) ? 0 : load(library, err);
    if (rc == 0) {
        atomic_store_explicit(&library->loaded, true, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}
