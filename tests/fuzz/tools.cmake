regsweep_fuzz_target(config SOURCES ${CMAKE_CURRENT_LIST_DIR}/config.c LIBS regsweep_cli)
