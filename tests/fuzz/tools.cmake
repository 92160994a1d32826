regsweep_fuzz_target(config SOURCES ${CMAKE_CURRENT_LIST_DIR}/config.c LIBS regsweep_cli)
regsweep_fuzz_target(sweeps SOURCES ${CMAKE_CURRENT_LIST_DIR}/sweeps.c LIBS regsweep_cli)
