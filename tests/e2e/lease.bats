#!/usr/bin/env bats
# Two regsweep, each with its own index, on one storage: one sweeps at a time.
# shellcheck disable=SC2154,SC2034 # bats sets status, output and stderr; lib.bash reads EVENTS
load lib
load online
load two
bats_require_minimum_version 1.5.0

setup() { e2e_setup && two_setup; }
teardown() { e2e_teardown; }

@test "while one sweeps the other is refused; one that was killed is taken for dead after its lease" {
    start_two
    push_garbage 1
    sweep_of a --quarantine 1h
    wait_until "$TIMEOUT" is_hidden a
    run sweep_of b --quarantine 1s
    status_is 3
    says "another regsweep (index"
    [ "$(generations_of b)" = 0 ]

    kill -KILL "$PID_a"
    push_garbage_b 10
    run sweep_of b --quarantine 1s --wait
    status_is 0
    says "is taken for dead"
    says "is of another index"
    [ "$(generations_of b)" = 1 ]
    nothing_is_left_aside
    client pull team/app 1
}

# What the first one had taken was put back, and the second one has swept it: but for claims no file is left.
nothing_is_left_aside() {
    [ -z "$(find "$ROOT/regsweep/quarantine" -type f ! -name README ! -name '*.owner')" ]
}

@test "the quarantine of an index that is lost is put back before a sweep with the registry stopped" {
    start_two
    push_garbage 1
    sweep_of a --quarantine 1h
    wait_until "$TIMEOUT" is_hidden a
    kill -KILL "$PID_a" "$PID_b"
    stop_registry
    rm -r "$WORK/a" "$WORK/b"
    run sweep_stopped c
    status_is 0
    says "is of another index"
    nothing_is_left_aside
    start_registry
    client pull team/app 1
}

push_garbage_b() {
    client image team/app:1 --seed "$1" --layers 2
    client image team/app:1 --seed "$(($1 + 1))" --layers 2
    wait_until "$TIMEOUT" more_garbage
}

more_garbage() {
    regsweep sweep --index "$WORK/b" --untagged remove --grace 1s --json 2>/dev/null | jq -e '.totals.revisions >= 1'
}

@test "with the registry stopped nobody sweeps either while another has the lease" {
    start_two
    push_garbage 1
    sweep_of a --quarantine 1h
    wait_until "$TIMEOUT" is_hidden a
    stop_registry
    run sweep_stopped b
    status_is 3
    says "another regsweep (index"
    is_hidden a
    run sweep_stopped a
    status_is 0
    run sweep_stopped b
    status_is 0 # it was given back
}

@test "one that was stopped and goes on does not delete while another has the lease" {
    start_two
    push_garbage 1
    sweep_of a --quarantine 1s >/dev/null
    wait_until "$TIMEOUT" is_hidden a
    kill -STOP "$PID_a"
    push_garbage_b 10
    sweep_of b --quarantine 1h
    wait_until "$TIMEOUT" is_hidden b
    kill -CONT "$PID_a"
    sleep 8 # two leases: its generation is long due
    is_hidden a
    [ "$(generation_of a generation)" != "$(generation_of b generation)" ] # each has a folder of its own in the quarantine
    kill -TERM "$PID_b"
    wait_until "$TIMEOUT" purged a
    client pull team/app 1
}

purged() {
    [ "$(generation_of "$1" state)" = purged ]
}

@test "a lease that a network could outlast is refused, but in a test" {
    rs scan --quiet
    run rs sweep --confirm --lease 30s --registry "$REGISTRY"
    status_is 64
    says "--lease 30s is shorter than 1m"
    run rs serve --listen 127.0.0.1:0 --lease 30s --registry "$REGISTRY"
    status_is 64
    says "--lease 30s is shorter than 1m"
    run rs sweep --confirm --lease 30s --settle 1s --registry "$REGISTRY" # nobody is there
    says "--lease 30s is for tests"
    run rs sweep --confirm --lease 0 --registry "$REGISTRY"
    [[ $output != *"--lease"* ]]
}

@test "by one schedule exactly one of two sweeps" {
    # So that both are up, and the garbage old, before it is time.
    local now at
    now=$(date +%s)
    at=$(((now + 50) / 60 * 60 + 60))
    TZ=UTC start_two --schedule "$(date -u -d "@$at" +%H:%M)" --schedule-delay 3s
    push_garbage 1
    [ "$(date +%s)" -lt "$at" ] || fail "this machine is too slow: the time has come before the garbage"
    sleep $((at - $(date +%s) + 4))
    wait_until "$TIMEOUT" both_have_looked
    sleep 5
    [ $(($(generations_of a) + $(generations_of b))) = 1 ]
    cat "$WORK/a.log" "$WORK/b.log" | grep -c 'sweep [0-9a-f]*, which was asked for, begins' | grep -qx 1
    client pull team/app 1
}

both_have_looked() {
    local name
    for name in a b; do
        grep -qE 'no scheduled sweep now|which was asked for, begins' "$WORK/$name.log" || return 1
    done
}

@test "a scheduled sweep that cannot begin leaves the storage to the other" {
    serve_of a --schedule 1m --schedule-delay 0s --in-use "$WORK/none.json" --registry-name registry.example.com
    serve_of b
    EVENTS="http://127.0.0.1:$PORT_a/events http://127.0.0.1:$PORT_b/events"
    start_registry
    push_garbage 1
    wait_until 90 grep -q 'ended with status 3' "$WORK/a.log"
    sleep 2 # it renews what it has every second
    wait_until "$TIMEOUT" sweep_of b --quarantine 1s --wait # not while the first one tries again
    [ "$(generations_of b)" = 1 ]
    client pull team/app 1
}

failures() {
    grep -c 'it is tried again in 1s' "$WORK/a.log" || true
}

fails_anew() {
    (($(failures) > before))
}

@test "a scheduled sweep that fails is tried again before the next is due" {
    serve_of a --schedule 1m --schedule-delay 0s --in-use "$WORK/used.json" --registry-name registry.example.com
    EVENTS="http://127.0.0.1:$PORT_a/events" SERVE=http://127.0.0.1:$PORT_a
    start_registry
    client image team/app:1 --seed 1 --layers 2
    client image team/app:1 --seed 2 --layers 2
    wait_until "$TIMEOUT" garbage_is_old a
    before=$(failures)
    wait_until 130 fails_anew # or it had failed long ago, and was given up
    [ "$(metric regsweep_schedule_failed)" = 1 ]
    jq -n '{kind: "List", apiVersion: "v1", items: [{kind: "Pod", apiVersion: "v1", metadata: {name: "a"},
        spec: {containers: [{name: "a", image: "registry.example.com/team/app:1"}]}}]}' >"$WORK/used.new"
    mv "$WORK/used.new" "$WORK/used.json"
    wait_until "$TIMEOUT" grep -q 'ended with status 0' "$WORK/a.log"
    sed '/ended with status 0/q' "$WORK/a.log" | tac | sed '/it is tried again/q' >"$WORK/between"
    if grep 'the next scheduled sweep is at' "$WORK/between"; then
        cat "$WORK/a.log"
        fail "the next scheduled sweep was it"
    fi
    wait_until "$TIMEOUT" schedule_is_well
    [ "$(metric regsweep_schedule_failures_total)" -ge 1 ]
    wait_until "$TIMEOUT" purged a
    client pull team/app 1
}

schedule_is_well() {
    [ "$(metric regsweep_schedule_failed)" = 0 ]
}
