regsweep_unit_test(gc_lease SOURCES gc_lease.c MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_policy
    SOURCES gc_policy.c gc_help.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_forget
    SOURCES gc_forget.c gc_help.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_mark
    SOURCES gc_mark.c gc_help.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_random
    SOURCES gc_random.c gc_help.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_sweep
    SOURCES gc_sweep.c gc_registry.c tree.c compare.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_crash
    SOURCES gc_crash.c gc_registry.c tree.c compare.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_verify
    SOURCES gc_verify.c gc_registry.c tree.c compare.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_damage
    SOURCES gc_damage.c gc_registry.c tree.c compare.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_quarantine
    SOURCES gc_quarantine.c storage_help.c tree.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_fence
    SOURCES gc_fence.c index_support.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_restore
    SOURCES gc_restore.c storage_help.c tree.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_others
    SOURCES gc_others.c storage_help.c tree.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_online
    SOURCES gc_online.c gc_registry.c tree.c compare.c
    MODULES gc scan policy oci registry storage index util)
# rsw_revive is the test's own.
regsweep_unit_test(gc_reviver
    SOURCES gc_reviver.c ${PROJECT_SOURCE_DIR}/src/gc/reviver.c
    MODULES util)
regsweep_unit_test(gc_doctor
    SOURCES gc_doctor.c index_support.c
    MODULES gc scan policy oci registry storage index util)
regsweep_unit_test(gc_replicas
    SOURCES gc_replicas.c registry_mock.c
    MODULES gc scan policy oci registry storage index util LIBS PkgConfig::MICROHTTPD)

# replicas_probe: for tests/e2e/replicas.bats, which runs against real registries.
add_executable(replicas_probe ${CMAKE_CURRENT_LIST_DIR}/replicas_probe.c)
target_link_libraries(replicas_probe PRIVATE regsweep_static)
