regsweep_fuzz_target(policy SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy.c MODULES policy util)
