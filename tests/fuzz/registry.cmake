regsweep_fuzz_target(challenge SOURCES ${CMAKE_CURRENT_LIST_DIR}/challenge.c MODULES registry util)
