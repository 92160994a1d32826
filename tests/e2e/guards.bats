#!/usr/bin/env bats
# When a run refuses, nothing was touched and a word says why.
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # bats sets status and output, and each test is a subshell
load lib
load online
bats_require_minimum_version 1.5.0

setup() {
    e2e_setup
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 9
}
teardown() { e2e_teardown; }

refuses_and_touches_nothing() {
    local tree
    tree=$(disk hash "$ROOT")
    run "$@"
    status_is 3
    [ "$tree" = "$(disk hash "$ROOT")" ]
}

@test "--confirm without --offline refuses and says what to do" {
    rs scan --quiet
    refuses_and_touches_nothing rs sweep --confirm --grace 0
    says offline
}

@test "without a complete scan a sweep refuses" {
    regsweep scan --index "$INDEX" --storage "$WORK" --quiet || true
    rm -rf "$INDEX"
    start_serve
    stop_serve
    run rs sweep
    status_is 3
    says "run regsweep scan --index $INDEX first"
}

@test "without any index a sweep fails with a clear word" {
    run rs sweep
    [ "$status" -ne 0 ]
    says "$INDEX"
}

@test "more than --max-delete refuses with --confirm, and a dry run warns" {
    find "$REPOSITORIES" -path '*/_manifests/*' -name link -delete
    rs scan --quiet
    run rs sweep --offline --grace 0
    status_is 0
    says max-delete
    refuses_and_touches_nothing rs sweep --offline --confirm --grace 0
    says max-delete
    run --separate-stderr rs sweep --offline --confirm --grace 0 --json
    status_is 3
    [ "$(jq -r .generation <<<"$output")" = null ]
    [[ "$(jq -r .refusal <<<"$output")" == *max-delete* ]]
    run rs sweep --offline --confirm --grace 0 --max-delete 100
    status_is 0
}

@test "an index of another storage is refused" {
    rs scan --quiet
    "$MAKE_TREE" "$WORK/other" --pushes 105 --repositories 3 --seed 8
    tree=$(disk hash "$WORK/other")
    run regsweep sweep --index "$INDEX" --storage "$WORK/other" --offline --confirm --grace 0
    status_is 3
    run regsweep scan --index "$INDEX" --storage "$WORK/other"
    status_is 3
    for other in "$WORK/other" "file://$WORK/not/there" s3://bucket/path; do # nothing is asked of it
        run regsweep sweep --index "$INDEX" --storage "$other" --offline --grace 0
        status_is 3
        says "is of the storage $ROOT, not of $other"
    done
    for command in "sweep --confirm --offline" "verify" "restore --generation 1" "serve --listen 127.0.0.1:0"; do
        # shellcheck disable=SC2086 # several words
        run timeout 20 "$REGSWEEP" $command --index "$INDEX" --storage "$WORK/other"
        status_is 3
        says "is of the storage $ROOT, not of $WORK/other"
    done
    run regsweep sweep --index "$INDEX" --storage "file://$ROOT/" --offline --grace 0
    status_is 0
    [ "$tree" = "$(disk hash "$WORK/other")" ]
}

# refusal_is WORDS COMMAND…: refused, with these words on stderr and in an object on stdout.
refusal_is() {
    run --separate-stderr "${@:2}" --json
    status_is 3
    [[ $stderr == *"$1"* ]]
    jq -es --arg words "$1" '(. | length) == 1 and (.[0] | .generation == null and .totals.blobs == 0 and
        (.refusal | contains($words)))' <<<"$output"
}

@test "every refusal of a sweep is an object of JSON too" {
    rs scan --quiet
    refusal_is "with --registry URL" rs sweep --confirm
    refusal_is "is of the storage $ROOT, not of $WORK/other" regsweep sweep --index "$INDEX" --storage "$WORK/other"
    refusal_is "is of the storage $ROOT, not of $WORK/other" regsweep sweep --index "$INDEX" --storage "$WORK/other" --confirm --offline
    start_serve
    heard_at registry:5000
    refusal_is "nobody asked whether it has been stopped since" rs sweep --confirm --offline
}

# with_clock OFFSET COMMAND…: the clock on its wall is off by so much, that of nobody else.
with_clock() {
    local faketime
    faketime=$(find /usr/lib -name libfaketime.so.1 | head -n 1)
    [ -n "$faketime" ] || fail "libfaketime is not installed"
    FAKETIME=$1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 LD_PRELOAD=$faketime \
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 "${@:2}"
}

# sweep_with_clock OFFSET WORDS…: refused, with these words; no file was touched, and no generation was begun.
sweep_with_clock() {
    local tree word
    tree=$(disk hash "$ROOT/docker")
    run with_clock "$1" "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --registry "$REGISTRY" --cache none \
        --settle 1s --grace 1s --quarantine 1s --max-delete 100 --untagged remove
    status_is 3
    for word in "${@:2}"; do
        says "$word"
    done
    [ "$tree" = "$(disk hash "$ROOT/docker")" ]
    regsweep inspect generations --index "$INDEX" --json | jq -e '.generations == []'
}

@test "a clock that jumped makes a sweep beside the registry refuse, and it is said what to do" {
    start_online
    sleep 1.1 # grace
    sweep_with_clock -10m "in the future: the clock was set back" "set the clock right"
    sweep_with_clock +10m "the clock of storage is" "behind ours" "let NTP"
    online_sweep
    regsweep inspect generations --index "$INDEX" --json | jq -e '.generations[0].state == "purged"'
}

@test "an offline sweep is refused while the registry takes pushes, and goes on when it is read-only or stopped" {
    start_registry
    rs scan --quiet
    before=$(disk hash "$ROOT")
    for where in "--registry $REGISTRY" "--registry-config $WORK/registry.yml"; do
        # shellcheck disable=SC2086 # two words
        run sweep_all --confirm $where
        status_is 3
        says "the registry $REGISTRY takes pushes"
        says "make it read-only"
        [ "$before" = "$(disk hash "$ROOT")" ]
    done
    stop_registry
    READONLY=true
    start_registry
    run sweep_all --confirm --registry "$REGISTRY"
    status_is 0
    [ "$before" != "$(disk hash "$ROOT")" ]
    stop_registry
    run --separate-stderr sweep_all --confirm --registry "$REGISTRY"
    status_is 0
    [[ $stderr != *"cannot be told"* ]]
}

@test "an offline sweep goes on with a warning where something else answers than a registry" {
    rs scan --quiet
    start_serve
    run sweep_all --confirm --registry "$SERVE"
    status_is 0
    says "whether the registry takes pushes cannot be told"
}

# Scanned, with a registry that runs and was heard a moment ago.
start_heard() {
    rs scan --quiet
    start_serve
    EVENTS=$SERVE/events
    start_registry
    client image app:1
    client image app:1 --seed 2
    wait_until "$TIMEOUT" events_sent
}

@test "an offline sweep is refused where the registry was heard a moment ago and nobody is told where to ask whether it runs" {
    rs scan --quiet
    run sweep_all --confirm
    status_is 0
    start_heard
    refuses_and_touches_nothing sweep_all --confirm --untagged remove
    says "the registry was heard"
    says "nobody asked whether it has been stopped since"
    says "with --registry URL"
    stop_registry
    refuses_and_touches_nothing sweep_all --confirm --untagged remove
    # TLS: the configuration does not tell under which name.
    sed 's/^http:$/&\n  tls:\n    certificate: x\n    key: x/' "$WORK/registry.yml" >"$WORK/tls.yml"
    refuses_and_touches_nothing sweep_all --confirm --untagged remove --registry-config "$WORK/tls.yml"
    says "give the registry's URL with --registry"
    before=$(disk hash "$ROOT")
    run sweep_all --confirm --untagged remove --registry "$REGISTRY"
    status_is 0
    [ "$before" != "$(disk hash "$ROOT")" ]
}

# heard_at ADDR: of a registry there an event comes in.
heard_at() {
    curl -sf --max-time 10 -H 'Content-Type: application/vnd.docker.distribution.events.v1+json' -d '{"events": [{
        "id": "'"$RANDOM"'", "timestamp": "2026-01-01T00:00:00Z", "action": "pull", "target": {"mediaType": "application/octet-stream",
        "size": 1, "digest": "sha256:'"$(printf '%064d' 1)"'", "repository": "app"},
        "source": {"addr": "'"$1"'", "instanceID": "of '"$1"'"}}]}' "$SERVE/events"
}

@test "an offline sweep is refused where the registry was heard a moment ago and what was asked is none that says it is stopped" {
    local wrong
    start_heard
    refuses_and_touches_nothing sweep_all --confirm --untagged remove --registry "$SERVE" # something else answers
    says "the registry was heard"
    says "what was asked does not tell whether it has been stopped since"
    says "answer 404"
    wrong=http://127.0.0.1:$(free_port) # nobody is there
    refuses_and_touches_nothing sweep_all --confirm --untagged remove --registry "$wrong"
    says "nobody asked at $(hostname):$REGISTRY_PORT whether it has been stopped since, but at $wrong"
    stop_registry
    run sweep_all --confirm --untagged remove --registry "$REGISTRY"
    status_is 0
    says "$(hostname):$REGISTRY_PORT; $REGISTRY refuses the connection, so it is taken for stopped"
}

@test "an offline sweep is refused where two replicas were heard a moment ago and one was asked, or not both are stopped" {
    local first first_port first_pid
    start_heard
    first=$REGISTRY first_port=$REGISTRY_PORT first_pid=$REGISTRY_PID
    REGISTRY_PORT=
    start_registry
    client image app:9 --seed 7
    wait_until "$TIMEOUT" events_sent
    stop_registry
    refuses_and_touches_nothing sweep_all --confirm --untagged remove --registry "$REGISTRY"
    says "nobody asked at $(hostname):$first_port whether"
    refuses_and_touches_nothing sweep_all --confirm --untagged remove --registry "$REGISTRY" --registry "$first"
    says "$first takes pushes"
    stop_process "$first_pid"
    run sweep_all --confirm --untagged remove --registry "$REGISTRY" --registry "$first"
    status_is 0
}

@test "a dry run that warns of a gap in the feed says how to scan this index" {
    rs scan --quiet
    start_serve
    heard_at registry:5000
    run rs sweep
    says "the feed has a gap"
    says "run regsweep scan --index $INDEX"
}

@test "an offline sweep does not take its own machine for the one at which a registry was heard" {
    rs scan --quiet
    start_serve
    REGISTRY_PORT=$(free_port)
    heard_at "container:$REGISTRY_PORT"
    registry_config | sed 's/^  addr: 127.0.0.1:/  addr: :/' >"$WORK/registry.yml"
    refuses_and_touches_nothing sweep_all --confirm --registry-config "$WORK/registry.yml"
    says "nobody asked at container:$REGISTRY_PORT whether it has been stopped since, but at http://127.0.0.1:$REGISTRY_PORT"
    run sweep_all --confirm --registry "http://127.0.0.1:$REGISTRY_PORT" # where its port is published, say
    status_is 0
}

@test "an offline sweep that was refused names few of many addresses, each once, and the remedy" {
    local wrong
    rs scan --quiet
    start_serve
    for host in a b c d e f; do
        heard_at "$host:5000"
    done
    curl -sf "$SERVE/events" -H 'Content-Type: application/vnd.docker.distribution.events.v1+json' -d '{"events": [{
        "id": "again", "timestamp": "2026-01-01T00:00:00Z", "action": "pull", "target": {"mediaType": "application/octet-stream",
        "size": 1, "digest": "sha256:'"$(printf '%064d' 1)"'", "repository": "app"},
        "source": {"addr": "a:5000", "instanceID": "another of a"}}]}'
    wrong=http://127.0.0.1:$(free_port)
    refuses_and_touches_nothing sweep_all --confirm --registry "$wrong"
    says " and 2 more whether it has been stopped since, but at $wrong: give the registry's own URL with --registry"
    [ "$(grep -o ':5000' <<<"$output" | sort | wc -l)" -eq 4 ]
}

@test "an offline sweep warns where nobody can tell whether the registry that was heard is the one that was asked" {
    rs scan --quiet
    start_serve
    REGISTRY=http://127.0.0.1:$(free_port)
    heard_at registry
    run sweep_all --confirm --registry "$REGISTRY"
    status_is 0
    says ", at registry, and asked was $REGISTRY, which refuses the connection: whether that is the same"
}

@test "an offline sweep goes on beside a read-only registry that several replicas stand behind, and says that all must be" {
    READONLY=true
    rs scan --quiet
    start_serve
    EVENTS=$SERVE/events
    start_registry
    heard_at pod-1:5000
    run --separate-stderr sweep_all --confirm --registry "$REGISTRY"
    status_is 0
    [[ $stderr != *"must all"* ]]
    heard_at pod-2:5000
    run sweep_all --confirm --registry "$REGISTRY"
    status_is 0
    says "pod-1:5000, pod-2:5000; what was asked is read-only ($REGISTRY), and so must all of these be"
}

@test "a sweep refuses a --cache that the registry's own configuration contradicts, and nothing is asked of the registry" {
    rs scan --quiet
    CACHE=inmemory
    REGISTRY_PORT=$(free_port)
    registry_config >"$WORK/registry.yml"
    refuses_and_touches_nothing rs sweep --confirm --registry-config "$WORK/registry.yml" --cache none
    says "--cache none, but storage.cache.blobdescriptor in $WORK/registry.yml says otherwise"
    says "leave --cache out"
}

@test "a second sweep at once is refused" {
    "$MAKE_TREE" "$ROOT" --pushes 2100 --repositories 20 --seed 10
    rs scan --quiet
    # Stopped as soon as its audit has begun, the first is in the middle while the second tries.
    start_sweep_all --confirm --audit "$WORK/audit"
    wait_until "$TIMEOUT" test -s "$WORK/audit"
    kill -STOP "$SWEEP_PID"
    run sweep_all --confirm
    kill -CONT "$SWEEP_PID"
    status_is 3
    says "$SWEEP_PID"
    wait "$SWEEP_PID"
}

@test "a tree that is no registry at all lets nothing go" {
    mkdir "$WORK/empty"
    run regsweep scan --index "$WORK/index2" --storage "$WORK/empty"
    run regsweep sweep --index "$WORK/index2" --storage "$WORK/empty" --offline --confirm --grace 0
    [ "$status" -le 3 ]
    [ -d "$WORK/empty" ]
}
