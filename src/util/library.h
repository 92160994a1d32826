/* Libraries that only some commands need. Linking to them would cost every command, each time, longer than a
 * dry run takes: they bring others along, and all of these want to be relocated. So they are loaded when
 * somebody asks for them first, and never let go. */
#ifndef REGSWEEP_UTIL_LIBRARY_H
#define REGSWEEP_UTIL_LIBRARY_H

#include <regsweep/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A function of a library, and the place of its pointer in a struct of such. The member has the name of the
 * function. */
struct rsw_function {
    const char *name;
    size_t place;
};
#define RSW_FUNCTION(type, function)                                                                         \
    { #function, offsetof(type, function) }

struct rsw_library {
    const char *soname;
    void *functions; /* the struct */
    const struct rsw_function *list;
    size_t count;
    atomic_bool loaded; /* and the struct is filled */
};
#define RSW_LIBRARY(soname, functions, list)                                                                 \
    { soname, &(functions), list, sizeof(list) / sizeof *(list), false }

/* Loads it where nobody has yet. For any number of threads, cheap once it is loaded. 0; or -1 with
 * RSW_EUNSUPPORTED and what to install: it is not there, or is another release. */
int rsw_library_load(struct rsw_library *library, struct rsw_error *err);

#endif
