#!/usr/bin/env bats
# Restore: what a sweep beside the running registry took into its quarantine comes back, and stays.
# shellcheck disable=SC2154,SC2034 # bats sets status, output and stderr; lib.bash reads EVENTS
load lib
bats_require_minimum_version 1.5.0

setup() {
    e2e_setup
    TOKEN=feed-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
}
teardown() { e2e_teardown; }

# A registry with two images that nothing tags any more, OLD (signed, under a weak tag) and OTHER, and LIVE.
start_with_garbage() {
    start_serve --token-file "$WORK/token"
    EVENTS=$SERVE/events
    start_registry
    OLD=$(client image shop/web:1 --seed 1 --layers 3)
    WEAK=sha256-${OLD#sha256:}.sig
    client image "shop/web:$WEAK" --seed 9
    OTHER=$(client image shop/app:1 --seed 2)
    LIVE=$(client image shop/web:1 --seed 3 --shared 3)
    client image shop/app:1 --seed 3 --shared 3
    rs scan --quiet
    wait_until "$TIMEOUT" garbage_is_old
}

# So that all of it goes in one generation.
garbage_is_old() {
    rs sweep --untagged remove --grace 1s --json | jq -e '.totals.revisions == 3'
}

generation() {
    regsweep inspect generations --index "$INDEX" --json | jq -r ".generations[-1].$1"
}

swept_as_far_as() {
    rs sweep --confirm --untagged remove --max-delete 100 --registry "$REGISTRY" --cache none \
        --settle 1s --grace 1s --quarantine "${QUARANTINE:-1h}" >>"$WORK/sweep.log" 2>&1
    [ "$(generation state)" = "$1" ]
}

# Until all that nothing needs is in quarantine.
take_garbage() {
    wait_until "$TIMEOUT" swept_as_far_as hidden || { cat "$WORK/sweep.log" >&2 && return 1; }
    out_of_sight shop/web "$OLD"
    out_of_sight shop/app "$OTHER"
    [ -f "$ROOT/regsweep/quarantine/README" ]
    live_is_whole
}

out_of_sight() {
    if client pull "$1" "$2"; then
        fail "$1 $2 can be pulled"
    fi
}

live_is_whole() {
    client pull shop/web 1
    client pull shop/app 1
}

@test "an image comes back by its digest, with its weak tag, and nothing else does" {
    start_with_garbage
    take_garbage
    run rs inspect why "$OLD"
    says "  in quarantine of generation 1"
    [ "$(rs inspect why "shop/web@$OLD" --json | jq .quarantine)" = 1 ]
    run rs restore "shop/web@$OLD"
    status_is 0
    [ "$(rs inspect why "$OLD" --json | jq .quarantine)" = null ]
    says "put back  revision  shop/web@$OLD"
    says " 0 failed, 0 lost"
    run rs inspect generations 1
    says "  put back revision   untagged     shop/web@$OLD"
    says "  aside    revision   untagged     shop/app@$OTHER"
    [ "$(rs inspect generations 1 --json | jq -r --arg digest "$OLD" \
        '[.items[] | select(.digest == $digest and .kind != "tag") | .state] | unique[]')" = put_back ]
    client pull shop/web "$OLD"
    client pull shop/web "$WEAK"
    out_of_sight shop/app "$OTHER"
    live_is_whole
}

@test "an image comes back by a tag that was set aside" {
    start_with_garbage
    take_garbage
    out_of_sight shop/web "$WEAK"
    run rs restore "shop/web:$WEAK"
    status_is 0
    says "put back  tag       shop/web:$WEAK"
    client pull shop/web "$WEAK"
}

@test "a generation comes back whole, and a second time all of it is in place" {
    start_with_garbage
    take_garbage
    rs restore --generation "$(generation generation)" --json >"$WORK/first"
    jq -e '(.put_back | length) > 10 and .failed == [] and .lost == []' "$WORK/first"
    client pull shop/web "$OLD"
    client pull shop/app "$OTHER"
    client pull shop/web "$WEAK"
    rs restore --generation "$(generation generation)" --json |
        jq -e --slurpfile first "$WORK/first" \
            '.put_back == [] and (.in_place | length) == ($first[0] | .put_back + .in_place | length)'
    rs verify
}

@test "a digest comes back with its links, in every repository, and alone" {
    start_with_garbage
    take_garbage
    run rs restore "$OTHER" --json
    status_is 0
    jq -e --arg digest "$OTHER" '[.put_back[].kind] | sort == ["blob", "revision"]' <<<"$output"
    [ -f "$BLOBS/sha256/${OTHER:7:2}/${OTHER:7}/data" ]
    client has shop/app "$OTHER"
}

@test "what was restored outlasts the purge of its generation, and the rest is gone" {
    start_with_garbage
    QUARANTINE=5s take_garbage
    rs restore "shop/web@$OLD"
    wait_until "$TIMEOUT" purged
    client pull shop/web "$OLD"
    client check-all
    run rs restore "shop/app@$OTHER"
    status_is 1
    [ ! -e "$BLOBS/sha256/${OTHER:7:2}/${OTHER:7}/data" ]
}

# Long grace: what was restored is young, and no later sweep may take it.
purged() {
    rs sweep --confirm --untagged remove --max-delete 100 --registry "$REGISTRY" --cache none --settle 1s \
        >>"$WORK/sweep.log" 2>&1
    [ "$(generation state)" = purged ]
}

@test "with regsweep gone the image comes back by the README in the quarantine" {
    start_with_garbage
    take_garbage
    stop_serve
    rm -r "$INDEX"
    (cd "$ROOT" && grep '^    cp -rln' regsweep/quarantine/README | sed "s/7/1/" | sh -e)
    client pull shop/web "$OLD"
    client pull shop/app "$OTHER"
    client pull shop/web "$WEAK"
    client check-all
}

@test "what is in neither place, or in no quarantine, is told of with exit status 1" {
    start_with_garbage
    take_garbage
    rm "$ROOT/regsweep/quarantine/1/docker/registry/v2/blobs/sha256/${OLD:7:2}/${OLD:7}/data"
    run -1 --separate-stderr rs restore "shop/web@$OLD"
    [[ $output == *"lost      blob      $OLD"* ]]
    [[ $output == *" 1 lost" ]]
    [[ $stderr == *"push it again"* ]]
    for name in "sha256:$(printf '%064d' 1)" shop/web:none none/none:1 --generation=99; do
        run -1 --separate-stderr rs restore "$name"
        [ -z "$output" ]
        [[ $stderr == "regsweep: "* ]]
    done
    [[ $stderr == *"regsweep inspect generations lists them"* ]]
}

@test "an image that is in place is left alone" {
    start_with_garbage
    before=$(disk hash "$ROOT")
    run rs restore shop/web:1 -v
    status_is 0
    says "in place  revision  shop/web@$LIVE"
    says "0 put back, "
    [ "$before" = "$(disk hash "$ROOT")" ]
}

@test "restore takes one name or one generation" {
    for arguments in "" "--generation 0" "shop/web" "shop/web:1 --generation 1" "a b"; do
        # shellcheck disable=SC2086 # words
        run -64 --separate-stderr rs restore $arguments
        [[ $stderr == *"regsweep: "* ]]
    done
}
