#!/usr/bin/env bats
# Clients push, mount, re-tag, delete and pull while generations follow each other as fast as they can. What was acknowledged,
# and not deleted since, must be whole at the end; once all is deleted, two generations must leave nothing.
load lib
load soak

setup() { soak_setup; }
teardown() { e2e_teardown; }

@test "without a cache, with inmemory, with Redis, and with two replicas on one storage nothing is lost and nothing stays" {
    start_soak none --cache none --seed 1 --threads 3
    start_soak inmemory --cache inmemory --seed 2 --threads 3
    start_soak replicas --cache none --replicas 2 --seed 4 --threads 3
    start_soak replicas-inmemory --cache inmemory --replicas 2 --seed 5 --threads 3
    start_soak redis --cache redis --seed 3
    soaks_are_clean
}
