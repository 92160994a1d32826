# Simulated time: the places where others may act are those of --wrap; scan/pool.h is the tests' own, so the archive's is not pulled in.
set(sim_sources sim_world.c sim_registry.c sim_requests.c sim_ledger.c sim_clients.c sim_replicas.c sim_schedule.c sim_storage.c
                sim_pool.c)
foreach(function IN ITEMS rsw_txn_begin_read rsw_txn_begin_write rsw_txn_commit rsw_txn_abort rsw_monotonic_ms rsw_scan
        nanosleep)
    list(APPEND sim_wraps -Wl,--wrap=${function})
endforeach()

regsweep_unit_test(sim_sweep SOURCES sim_sweep.c ${sim_sources} LIBS regsweep_static)
target_link_options(unit_sim_sweep PRIVATE ${sim_wraps})
set_tests_properties(unit/sim_sweep PROPERTIES COST 850 TIMEOUT 900)

regsweep_unit_test(sim_stock SOURCES sim_stock.c sim_world.c sim_registry.c sim_requests.c LIBS regsweep_static)
