#!/usr/bin/env bats
# The feed: what events tell is what storage holds.
# shellcheck disable=SC2154,SC2034 # bats sets status and output; lib.bash reads EVENTS
load lib

setup() {
    e2e_setup
    TOKEN=feed-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
}
teardown() { e2e_teardown; }

start_registry_with_feed() {
    start_serve --token-file "$WORK/token"
    EVENTS=$SERVE/events
    start_registry
}

feed_is_drained() {
    events_sent && queue_is_empty
}

equals_a_fresh_scan() {
    wait_until "$TIMEOUT" feed_is_drained
    stop_serve
    regsweep scan --index "$WORK/scanned" --storage "$ROOT" --quiet
    "$INDEX_EQUAL" "$INDEX" "$WORK/scanned"
}

push_with_skopeo() {
    client layout "$WORK/layout" one --seed 1
    client layout "$WORK/layout" two --seed 2
    client layout "$WORK/layout" many --seed 3 --arch amd64 --arch arm64 --arch s390x
    skopeo_push "$WORK/layout:one" skopeo/one:1
    skopeo_push "$WORK/layout:two" skopeo/one:1
    skopeo_push "$WORK/layout:two" skopeo/two:2 --format v2s2
    skopeo_push "$WORK/layout:many" skopeo/many:1 --all
    skopeo_push "$WORK/layout:many" skopeo/single:1
}

@test "an index from the events of 400 operations equals an index from a scan" {
    start_registry_with_feed
    client storm 400 --seed 11 >"$WORK/expected.json"
    push_with_skopeo
    client check "$WORK/expected.json"
    equals_a_fresh_scan
}

@test "events of a registry with a cache lead to the same index too" {
    CACHE=inmemory start_registry_with_feed
    client storm 150 --seed 12 >"$WORK/expected.json"
    equals_a_fresh_scan
}

@test "events that arrive while a scan runs and after a restart of serve lose nothing" {
    start_registry_with_feed
    client storm 100 --seed 13 >/dev/null
    rs scan --quiet
    stop_serve
    client storm 100 --seed 14 >/dev/null
    start_serve --token-file "$WORK/token"
    client storm 100 --seed 15 >/dev/null
    equals_a_fresh_scan
}

@test "a killed serve has kept every event that it acknowledged" {
    start_registry_with_feed
    client storm 120 --seed 16 >/dev/null
    wait_until "$TIMEOUT" events_sent
    kill -KILL "$SERVE_PID"
    wait "$SERVE_PID" || true
    start_serve --token-file "$WORK/token"
    equals_a_fresh_scan
}

@test "events that registries 2.8.2 and 3.0.0 once sent lead, replayed, to the index of a scan" {
    local recording
    for recording in "$E2E_DIR"/../data/events/*.jsonl; do
        rm -rf "$ROOT" "$INDEX" "$WORK/scanned"
        mkdir -p "$ROOT/docker/registry/v2"
        start_serve --token-file "$WORK/token"
        python3 "$E2E_DIR/replay.py" "$recording" "$ROOT" "$SERVE/events" "$TOKEN" >"$WORK/replayed.json"
        jq -e '.digests >= 5 and .manifests >= 2' "$WORK/replayed.json"
        wait_until "$TIMEOUT" queue_is_empty
        stop_serve
        regsweep scan --index "$WORK/scanned" --storage "$ROOT" --quiet
        "$INDEX_EQUAL" "$INDEX" "$WORK/scanned" || fail "$recording"
    done
}
