/* Libraries that only some commands need. Linking to them would cost every command, each time, longer than a
 * dry run takes: they bring others along, and all of these want to be relocated. So they are loaded when
 * somebody asks for them first, and never let go. */
#ifndef REGSWEEP_UTIL_LIBRARY_H
#define REGSWEEP_UTIL_LIBRARY_H

#include <regsweep/error.h>

#include <stddef.h>

/* A function of a library, and the place of its pointer in a struct of such. The member has the name of the
 * function. */
struct rsw_function {
    const char *name;
    size_t place;
};
#define RSW_FUNCTION(type, function)                                                                         \
    { #function, offsetof(type, function) }

/* Fills the struct `functions`. -1, with RSW_EIO and what to install: the library is not there, or is another
 * one. */
int rsw_library_load(void *functions, const struct rsw_function *list, size_t count, const char *soname,
                     struct rsw_error *err);

#endif
