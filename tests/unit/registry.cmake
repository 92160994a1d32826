regsweep_unit_test(registry_challenge SOURCES registry_challenge.c MODULES registry util)
foreach(part IN ITEMS calls auth network)
    regsweep_unit_test(registry_${part} SOURCES registry_${part}.c registry_mock.c MODULES registry util
                       LIBS PkgConfig::MICROHTTPD)
endforeach()

regsweep_unit_test(registry_redis SOURCES registry_redis.c MODULES registry util)

# registry_probe: for tests/e2e/registry.bats, which runs against a real registry.
add_executable(registry_probe ${CMAKE_CURRENT_LIST_DIR}/registry_probe.c)
target_link_libraries(registry_probe PRIVATE regsweep_flags regsweep_registry regsweep_util)
