#!/usr/bin/env bats
# What the feed may have missed: processes of the registry that come and go, a serve that did not run; fences, and
# what serve does by itself with a sweep that was begun.
# shellcheck disable=SC2154,SC2034 # bats sets status and output; lib.bash reads EVENTS
load lib

setup() {
    e2e_setup
    TOKEN=feed-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
}
teardown() { e2e_teardown; }

start_all() {
    start_serve --token-file "$WORK/token" "$@"
    EVENTS=$SERVE/events
    start_registry
}

drained() {
    events_sent && queue_is_empty
}

gap() {
    "$REGSWEEP" inspect stats --index "$INDEX" --json | jq -r '.feed.gap.reason // "none"'
}

push_one() {
    client layout "$WORK/layout" "$1" --seed "$2"
    skopeo_push "$WORK/layout:$1" "app/$1:1"
    wait_until "$TIMEOUT" drained
}

# The first layer of an image that was pushed.
layer_of() {
    curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/app/$1/manifests/1" | jq -r '.layers[0].digest'
}

@test "a process of the registry that was not heard before is a gap, which a scan closes" {
    start_all
    push_one one 1
    [[ $(gap) == "a registry process that was not heard before ("*" at "*"): events of the one before it may be lost" ]]
    rs scan --quiet
    [ "$(gap)" = none ]
    push_one two 2
    [ "$(gap)" = none ]
    stop_serve
    start_serve --token-file "$WORK/token"
    push_one three 3
    [ "$(gap)" = none ]
    stop_registry
    start_registry
    push_one four 4
    [[ $(gap) == "a registry process that was not heard before"* ]]
    [ "$(metric regsweep_open_gap)" = 1 ]
}

@test "a killed serve that is started again at once leaves no gap, one that was away longer does" {
    start_serve --token-file "$WORK/token"
    rs scan --quiet
    kill -KILL "$SERVE_PID"
    wait "$SERVE_PID" || true
    start_serve --token-file "$WORK/token"
    [ "$(gap)" = none ]
    stop_serve
    "$INDEX_BEAT" "$INDEX" -61
    start_serve --token-file "$WORK/token"
    [[ $(gap) == "serve did not run from "*" to "* ]]
    grep -q 'a registry that ended meanwhile took its events with it' "$WORK/serve.log"
    rs scan --quiet
    [ "$(gap)" = none ]
    stop_serve
    "$INDEX_BEAT" "$INDEX" 100
    start_serve --token-file "$WORK/token"
    [[ $(gap) == "the clock has jumped back"* ]]
}

@test "a serve that cannot listen does not say that it runs" {
    start_serve
    stop_serve
    "$INDEX_BEAT" "$INDEX" -61
    before=$("$INDEX_BEAT" "$INDEX" | head -n 1)
    run rs serve --listen 127.0.0.1:1x
    [ "$status" -ne 0 ]
    [ "$("$INDEX_BEAT" "$INDEX" | head -n 1)" = "$before" ]
}

@test "the marks of a fence stand in the instance that sent its events" {
    start_all
    push_one one 1
    layer=$(layer_of one)
    curl -s -o /dev/null -A 'regsweep/1 (fence aaaa-0)' "$REGISTRY/v2/app/one/blobs/$layer"
    curl -s -o /dev/null -A 'regsweep/1 (fence bbbb-0)' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "$REGISTRY/v2/app/one/manifests/1"
    curl -s -o /dev/null -A 'regsweep/1 (fence cccc-0)' -X DELETE "$REGISTRY/v2/app/one/blobs/$layer"
    wait_until "$TIMEOUT" drained
    wait_until "$TIMEOUT" eval "'$INDEX_BEAT' '$INDEX' | grep -q 'layer=aaaa-0 manifest=bbbb-0'"
    [ "$("$INDEX_BEAT" "$INDEX" | wc -l)" -eq 2 ]
}

purged() {
    regsweep inspect generations --index "$INDEX" --json | grep -q '"purged"'
}

@test "serve goes on with a sweep that was begun" {
    start_all --registry "http://127.0.0.1:$(free_port)" # not yet known where it is: serve goes on all the same
    stop_serve
    start_serve --token-file "$WORK/token" --registry "$REGISTRY" --cache none --fence-timeout 10s
    push_one one 1
    push_one two 2
    layer=$(layer_of one)
    rs scan --quiet
    for name in one two; do
        digest=$(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/app/$name/manifests/1" |
            tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }')
        curl -s -o /dev/null -X DELETE "$REGISTRY/v2/app/$name/manifests/$digest"
    done
    wait_until "$TIMEOUT" drained
    sleep 1.5
    rs sweep --confirm --registry "$REGISTRY" --cache none --grace 1s --settle 1s --quarantine 2s --max-delete 100 --quiet
    curl -s -o /dev/null "$SERVE/metrics"
    wait_until "$TIMEOUT" purged
    [ "$(metric 'regsweep_generations{state="purged"}')" = 1 ]
    [ "$(metric regsweep_sweeper_runs_total)" -ge 1 ]
    [ "$(metric regsweep_sweeper_failed)" = 0 ]
    [ "$(metric regsweep_generation_due_timestamp_seconds)" = 0 ]
    run curl -s -o /dev/null -w '%{http_code}' "$REGISTRY/v2/app/one/blobs/$layer"
    [ "$output" = 404 ]
    curl -s "$SERVE/metrics" >"$WORK/metrics"
    python3 "$E2E_DIR/prometheus.py" "$WORK/metrics"
}

# ---- while a fence waits ----

# A sweep whose fence waits for the events of a registry that sends them to nobody.
start_sweep_that_waits() {
    TOKEN=feed-secret
    start_serve --token-file "$WORK/token"
    EVENTS=http://127.0.0.1:$(free_port)/events
    start_registry
    rs scan --quiet
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --registry "$REGISTRY" --cache none >"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
    wait_until "$TIMEOUT" test -e "$REPOSITORIES/regsweep/fence/_manifests/tags/fence/current/link"
    sleep 0.3
}

@test "a sweep that waits for a fence ends within a second of SIGTERM" {
    start_sweep_that_waits
    began=$(date +%s%3N)
    kill -TERM "$SWEEP_PID"
    wait "$SWEEP_PID" && status=0 || status=$?
    [ $(($(date +%s%3N) - began)) -lt 1000 ]
    output=$(cat "$WORK/sweep.log")
    status_is 1
    says "stopped; the next sweep goes on with what is left"
}

@test "a registry that is killed while a fence waits costs a scan, not the fence" {
    start_sweep_that_waits
    kill -KILL "$REGISTRY_PID"
    EVENTS=$SERVE/events
    start_registry
    began=$SECONDS
    wait "$SWEEP_PID" && status=0 || status=$?
    output=$(cat "$WORK/sweep.log")
    status_is 0
    says "the feed may have missed something: reading storage"
    ((SECONDS - began < 30)) # of the minute that a fence may take
}
