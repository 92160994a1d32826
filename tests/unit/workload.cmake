foreach(part IN ITEMS name object documents)
    regsweep_unit_test(workload_${part} SOURCES workload_${part}.c workload_help.c MODULES workload registry oci util)
    target_compile_definitions(unit_workload_${part} PRIVATE "REGSWEEP_TEST_DATA=\"${PROJECT_SOURCE_DIR}/tests/data\"")
endforeach()
regsweep_unit_test(workload_api SOURCES workload_api.c workload_help.c MODULES workload registry oci util
                   LIBS PkgConfig::MICROHTTPD)
