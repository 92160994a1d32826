regsweep_fuzz_target(manifest SOURCES ${CMAKE_CURRENT_LIST_DIR}/manifest.c MODULES oci util)
regsweep_fuzz_target(digest SOURCES ${CMAKE_CURRENT_LIST_DIR}/digest.c MODULES util)
regsweep_fuzz_target(reference SOURCES ${CMAKE_CURRENT_LIST_DIR}/reference.c MODULES oci util)
