#!/usr/bin/env bats
# Events that are forged by somebody who has the token, or doubled, dropped, delayed and reordered on their way: none makes
# anything go that somebody needs.
# shellcheck disable=SC2154,SC2034 # bats sets status and output; lib.bash reads EVENTS
load lib
load online
load soak

setup() {
    soak_setup
    TOKEN=feed-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
    NUMBER=0
}
teardown() { e2e_teardown; }

start_all() {
    start_serve --token-file "$WORK/token"
    EVENTS=$SERVE/events
    start_registry
}

# The same with a bad line in between. Arguments: as for feed_proxy.py.
start_all_over_a_bad_line() {
    PROXY_PORT=$(free_port)
    start_serve --token-file "$WORK/token"
    python3 "$E2E_DIR/feed_proxy.py" "$PROXY_PORT" "$SERVE/events" "$@" >"$WORK/proxy.log" 2>&1 3>&- &
    PIDS+=($!)
    wait_until "$TIMEOUT" answers "http://127.0.0.1:$PROXY_PORT/"
    EVENTS=http://127.0.0.1:$PROXY_PORT/events
    start_registry
}

# How many events had this done to them.
proxy_count() {
    curl -s "http://127.0.0.1:$PROXY_PORT/" | jq ".$1"
}

line_is_empty() {
    [ "$(proxy_count waiting)" = 0 ]
}

feed_is_drained() {
    queue_is_empty && { [ -z "${PROXY_PORT:-}" ] || line_is_empty; } && events_sent
}

drain() {
    wait_until "$TIMEOUT" feed_is_drained
}

# forge ACTION REPOSITORY TARGET: sends an event with the right token. TARGET: members of the target besides the repository.
forge() {
    local body
    NUMBER=$((NUMBER + 1))
    body=$(jq -n --arg action "$1" --arg repo "$2" --argjson target "$3" --arg id "forged-$NUMBER" --arg source "${INSTANCE:-forger}" '
        {events: [{id: $id, timestamp: "2026-01-02T03:04:05.678Z", action: $action,
                   target: ($target + {repository: $repo}), actor: {},
                   request: {id: "r", addr: "127.0.0.1:1", host: "127.0.0.1", method: "PUT", useragent: "forger"},
                   source: {addr: "registry:5000", instanceID: $source}}]}')
    [ "$(http_code -H 'Content-Type: application/vnd.docker.distribution.events.v1+json' -H "Authorization: Bearer $TOKEN" \
        --data-binary "$body" "$SERVE/events")" = 200 ]
}

target() {
    jq -n --arg digest "$1" --arg type "${2:-application/vnd.oci.image.manifest.v1+json}" '
        {digest: $digest, mediaType: $type, size: 500, length: 500}'
}

digest_number() {
    printf 'sha256:%064x' "$1"
}

# Says of every tag, revision and layer that storage has that it was deleted.
forge_deletes_of_all() {
    local repo tag digest link
    while IFS=$'\t' read -r repo tag digest; do
        forge delete "$repo" "$(jq -n --arg digest "$digest" '{digest: $digest}')"
        forge delete "$repo" "$(jq -n --arg tag "$tag" '{tag: $tag}')"
    done < <(disk images "$ROOT")
    while read -r link; do
        repo=${link#"$REPOSITORIES/"}
        digest=sha256:$(basename "$(dirname "$link")")
        forge delete "${repo%%/_*}" "$(jq -n --arg digest "$digest" '{digest: $digest}')"
    done < <(find "$REPOSITORIES" -path '*/_layers/*' -name link)
}

equals_a_fresh_scan() {
    stop_serve
    regsweep scan --index "$WORK/scanned" --storage "$ROOT" --quiet
    "$INDEX_EQUAL" "$INDEX" "$WORK/scanned"
}

some_images() {
    one=$(client image app:one --seed 1 --shared 50)
    two=$(client image app:two --seed 2 --shared 50)
    client image team/web:1 --seed 3
    client index app:all "$one" "$two"
    client image app --seed 4 --subject "$one"
}

@test "deletes that never happened are noticed in storage: the index stays that of a scan" {
    start_all
    some_images
    drain
    forge_deletes_of_all
    drain
    equals_a_fresh_scan
}

@test "pushes that never happened go with the next scan" {
    start_all
    some_images
    drain
    for number in 1 2 3; do
        forge push app "$(target "$(digest_number "$number")")"
        forge push no/where "$(target "$(digest_number $((number + 10)))" application/octet-stream)"
        forge mount app "$(target "$(digest_number $((number + 20)))" application/octet-stream)"
        forge push app "$(jq -n --arg digest "$(digest_number "$number")" --arg tag "forged$number" '
            {digest: $digest, tag: $tag, mediaType: "application/vnd.oci.image.manifest.v1+json"}')"
    done
    rs scan --quiet
    equals_a_fresh_scan
}

@test "what a manifest names is read from storage, not believed of an event" {
    start_all
    image=$(client image app:one --layers 2)
    other=$(client image app:two --seed 2)
    drain
    # This manifest is said to name one strange layer and none of its own; that one to be a layer; a tag to point elsewhere.
    forge push app "$(target "$image" | jq --arg digest "$(digest_number 7)" '. + {references: [
        {mediaType: "application/octet-stream", digest: $digest, size: 7}]}')"
    forge push app "$(target "$other" application/octet-stream)"
    forge push app "$(target "$other" | jq '. + {tag: "one"}')"
    drain
    rs scan --quiet
    equals_a_fresh_scan
}

@test "events doubled, delayed and refused on their way lead to the index of a scan" {
    start_all_over_a_bad_line --trouble double,delay,refuse --seed 21
    client storm 150 --seed 21 >"$WORK/expected.json"
    drain
    for trouble in double delay refuse; do
        [ "$(proxy_count "$trouble")" -gt 0 ]
    done
    equals_a_fresh_scan
}

@test "events dropped and reordered on their way: a scan makes it good" {
    start_all_over_a_bad_line --trouble drop,reorder --seed 22
    client storm 150 --seed 22 >"$WORK/expected.json"
    drain
    [ "$(proxy_count drop)" -gt 0 ]
    [ "$(proxy_count reorder)" -gt 0 ]
    rs scan --quiet
    equals_a_fresh_scan
}

# ---- beside the online sweep ----

# Images that must stay, and one that must go; sets GONE, the data of its layer.
start_online_with_images() {
    PROXY_PORT=$(free_port)
    EVENTS=http://127.0.0.1:$PROXY_PORT/events
    start_online
    python3 "$E2E_DIR/feed_proxy.py" "$PROXY_PORT" "$SERVE/events" >"$WORK/proxy.log" 2>&1 3>&- &
    PIDS+=($!)
    some_images
    local gone layer
    gone=$(client image gone:1 --seed 9)
    layer=$(curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/gone/manifests/1" |
        jq -r '.layers[0].digest')
    GONE=$BLOBS/sha256/${layer:7:2}/${layer:7}/data
    client delete gone "$gone"
    drain
    INSTANCE=$(proxy_count instance | tr -d '"')
}

all_whole() {
    client pull app one
    client pull app two
    client pull app all
    client pull team/web 1
    client check-all
}

@test "deletes that never happened make no sweep take anything" {
    start_online_with_images
    for _ in 1 2; do
        forge_deletes_of_all
        online_sweep
        all_whole
    done
    sweep_until_gone "$GONE"
    all_whole
}

@test "tags that never moved and pushes that never happened make no sweep take anything, nor hold one up" {
    start_online_with_images
    two=$(client pull app two)
    forge push app "$(target "$two" | jq '. + {tag: "one"}')"
    forge push app "$(target "$(digest_number 1)" | jq '. + {tag: "two"}')"
    forge push team/web "$(target "$(digest_number 2)" | jq '. + {tag: "1"}')"
    forge mount app "$(target "$(digest_number 3)" application/octet-stream)"
    sweep_until_gone "$GONE"
    all_whole
}

@test "an instance that nobody has listed makes the sweep refuse, and nothing goes" {
    start_online_with_images
    for number in 1 2 3; do
        INSTANCE="stranger-$number" forge push app "$(target "$(digest_number "$number")")"
    done
    run online_sweep
    [ "$status" -eq 0 ] || status_is 3
    all_whole
}

# The feed goes deaf while a generation waits, and an image with what is condemned is pushed.
unheard_push() {
    CACHE=$1
    start_online_with_images
    sleep 2 # grace
    start_online_sweep
    wait_until "$TIMEOUT" link_is_gone
    curl -s -X PUT --data-binary deaf "http://127.0.0.1:$PROXY_PORT/"
    client image unheard:1 --seed 9
    curl -s -X PUT --data-binary '' "http://127.0.0.1:$PROXY_PORT/"
    [ "$(proxy_count deaf)" -gt 0 ]
    wait "$SWEEP_PID" || [ $? -eq 3 ]
    client pull unheard 1
    all_whole
}

@test "an image is pushed while a generation waits, and no event tells of it: it is whole when all is purged (no cache)" {
    unheard_push ''
}

@test "an image is pushed while a generation waits, and no event tells of it: it is whole when all is purged (inmemory)" {
    unheard_push inmemory
}

link_is_gone() {
    [ -z "$(find "$REPOSITORIES/gone/_layers" -name link)" ]
}

@test "soaks with events doubled, delayed, refused, reordered and dropped on their way lose nothing" {
    SOAK_SECONDS=30
    # Each event waits for the one before, so with more of them the line would not be empty in time.
    start_soak refused --seed 31 --threads 3 --pause 0.3 --cache inmemory --feed double,delay,refuse
    start_soak reordered --seed 32 --threads 3 --cache inmemory --feed double,reorder
    start_soak dropped --seed 33 --threads 3 --cache inmemory --feed drop
    soaks_are_clean
}
