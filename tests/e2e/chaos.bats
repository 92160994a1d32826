#!/usr/bin/env bats
# The soak, while serve, the registry or the sweep is killed with SIGKILL at random moments and started again.
load lib
load soak
# shellcheck disable=SC2034 # soak.bash reads it
SOAK_SECONDS=45

setup() { soak_setup; }
teardown() { e2e_teardown; }

@test "serve, registries (with their events), sweeps or everything killed at random lose nothing" {
    start_soak serve --chaos serve --cache inmemory --seed 11 --threads 3
    start_soak all --chaos serve,registry,sweep --cache inmemory --seed 16 --threads 3
    start_soak registry --chaos registry --cache none --seed 12 --threads 3
    start_soak registries --chaos registry --cache inmemory --replicas 2 --seed 13 --threads 3
    start_soak sweep --chaos sweep --cache none --seed 14 --threads 3
    start_soak sweep-redis --chaos sweep --cache redis --seed 15 --threads 3
    soaks_are_clean
    result serve '.kills.serve > 0'
    result all '.kills | .serve > 0 and .registry > 0 and .sweep > 0'
    result registry '.kills.registry > 0'
    result registries '.kills.registry > 0'
    result sweep '.kills.sweep > 0'
    result sweep-redis '.kills.sweep > 0'
}
