set(scan_modules util index oci storage scan)
set(scan_libs PkgConfig::LMDB PkgConfig::JANSSON PkgConfig::CRYPTO)

foreach(part IN ITEMS build bad reconcile faults beside checker sums)
    regsweep_unit_test(scan_${part}
        SOURCES scan_${part}.c scan_help.c tree.c compare.c
        MODULES ${scan_modules} LIBS ${scan_libs})
endforeach()

# index_equal DIR1 DIR2: for the end-to-end tests.
add_executable(index_equal ${CMAKE_CURRENT_SOURCE_DIR}/../e2e/index_equal.c compare.c)
target_link_libraries(index_equal PRIVATE regsweep_flags regsweep_util regsweep_index ${scan_libs})
# index_beat DIR [SECONDS]: likewise.
add_executable(index_beat ${CMAKE_CURRENT_SOURCE_DIR}/../e2e/index_beat.c)
target_link_libraries(index_beat PRIVATE regsweep_flags regsweep_util regsweep_index ${scan_libs})
