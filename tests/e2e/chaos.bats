#!/usr/bin/env bats
# The soak, while serve, the registry or the sweep is killed with SIGKILL at random moments and started again.
load lib
load soak
# shellcheck disable=SC2034 # soak.bash reads it
SOAK_SECONDS=60

setup() { soak_setup; }
teardown() { e2e_teardown; }

@test "serve killed at random, or everything, loses nothing" {
    start_soak serve --chaos serve --cache inmemory --seed 11 --threads 3
    start_soak all --chaos serve,registry,sweep --cache inmemory --seed 16 --threads 3
    soaks_are_clean
    result serve '.kills.serve > 0'
    result all '.kills | .serve > 0 and .registry > 0 and .sweep > 0'
}

@test "registries killed at random, their events lost, lose nothing" {
    start_soak none --chaos registry --cache none --seed 12 --threads 3
    start_soak inmemory --chaos registry --cache inmemory --replicas 2 --seed 13 --threads 3
    soaks_are_clean
    result none '.kills.registry > 0'
    result inmemory '.kills.registry > 0'
}

@test "sweeps killed at random lose nothing" {
    start_soak none --chaos sweep --cache none --seed 14 --threads 3
    start_soak redis --chaos sweep --cache redis --seed 15 --threads 3
    soaks_are_clean
    result none '.kills.sweep > 0'
    result redis '.kills.sweep > 0'
}
