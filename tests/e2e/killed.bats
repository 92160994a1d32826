#!/usr/bin/env bats
# A sweep beside the running registry is killed with SIGKILL in every state, and in between: nothing that was promised is lost, and
# the next sweep goes on where it stopped.
# shellcheck disable=SC2154,SC2034,SC2317 # bats sets status and output; lib.bash reads some; names of functions are arguments
load lib
load online

QUARANTINE_1=regsweep/quarantine/1/docker/registry/v2

setup() {
    e2e_setup
    TOKEN=feed-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
    CACHE=inmemory
    start_with_garbage
}
teardown() { e2e_teardown; }

# Ten images that no tag keeps any more, and one that is tagged. Serve does not know the registry, so it goes on with nothing.
start_with_garbage() {
    start_serve --token-file "$WORK/token"
    EVENTS=$SERVE/events
    start_registry
    local seed
    OLD=$(client image app:1 --seed 1 --layers 3)
    for seed in 2 3 4 5 6 7 8 9 10; do
        GONE=$(client image app:1 --seed "$seed" --layers 3)
    done
    client image app:1 --seed 11 --layers 2
    rs scan --quiet
    wait_until "$TIMEOUT" garbage_is_old
}

garbage_is_old() {
    rs sweep --untagged remove --grace 2s --json | jq -e '.totals.revisions == 10'
}

# The layers of an image, as files.
data_of() {
    local layer
    for layer in $(jq -r '.layers[].digest' "$BLOBS/sha256/${1:7:2}/${1:7}/data"); do
        printf '%s\n' "$BLOBS/sha256/${layer:7:2}/${layer:7}/data"
    done
}

# ---- where the generation is ----

state_is() {
    [ "$(regsweep inspect generations --index "$INDEX" --json | jq -r '.generations[-1].state')" = "$1" ]
}

# taken KIND: how many such files lie in the quarantine.
taken() {
    find "$ROOT/$QUARANTINE_1" -path "$1" 2>/dev/null | wc -l
}

condemned() { [ "$(taken '*/link')" -eq 0 ] && state_is condemned; }
unlinking() { [ "$(taken '*/link')" -gt 0 ] && state_is condemned; }
unlinked() { state_is unlinked; }
hiding() { [ "$(taken '*/data')" -gt 0 ] && state_is unlinked; }
hidden() { state_is hidden; }
purging() { [ "$(taken '*/_manifests/*')" -eq 0 ] && state_is hidden; }

# Lets the sweep run for moments alone, until it is there, and kills it. Fails if it was over before anybody saw it there.
kill_when() {
    local end=$((SECONDS + TIMEOUT))
    while kill -STOP "$SWEEP_PID" 2>/dev/null && ((SECONDS < end)); do
        if "$1"; then
            kill -KILL "$SWEEP_PID"
            wait "$SWEEP_PID" || true
            return 0
        fi
        kill -CONT "$SWEEP_PID" 2>/dev/null || return 1
        sleep 0.001
    done
    return 1
}

# kill_in STATE BEFORE: a state can last for so short a time that none of these moments falls into it; then all begins anew.
kill_in() {
    local attempt
    for attempt in 1 2 3 4 5 6; do
        LAYERS=$(data_of "$GONE") # its bytes will be hidden
        [ "$(wc -l <<<"$LAYERS")" -eq 3 ]
        start_online_sweep
        wait_until "$TIMEOUT" "$2"
        ! kill_when "$1" || return 0
        e2e_teardown
        rm -rf "${WORK:?}"/*
        setup
    done
    fail "the sweep was never $1"
}

has_asked_for_the_fence() { [ -e "$REPOSITORIES/regsweep/fence/_manifests/tags/fence/current/link" ]; }

# goes_on_after STATE BEFORE: killed there, soon after what comes before. What was condemned and is pushed again then stays, the rest goes.
goes_on_after() {
    kill_in "$1" "$2"
    "$1"
    client pull app 1
    [ "$(client image back:1 --seed 1 --layers 3)" = "$OLD" ]
    client pull back 1
    online_sweep
    state_is purged
    client pull app 1
    client pull back 1
    while read -r data; do
        sweep_until_gone "$data"
    done <<<"$LAYERS"
    client pull app 1
    client pull back 1
    client check-all
    rs verify
}

@test "a sweep that is killed when its generation is condemned" {
    goes_on_after condemned has_asked_for_the_fence
}

@test "a sweep that is killed between condemned and unlinked" {
    goes_on_after unlinking has_asked_for_the_fence
}

@test "a sweep that is killed when its generation is unlinked" {
    goes_on_after unlinked has_asked_for_the_fence
}

@test "a sweep that is killed between unlinked and hidden" {
    goes_on_after hiding unlinked
}

@test "a sweep that is killed when its generation is hidden" {
    goes_on_after hidden unlinked
}

@test "a sweep that is killed between hidden and purged" {
    goes_on_after purging hidden
}
