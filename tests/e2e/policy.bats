#!/usr/bin/env bats
# Policies against a real registry: what they let go of goes while the registry runs, what they keep pulls.
# shellcheck disable=SC2154,SC2034 # bats sets status, output and stderr; lib.bash reads EVENTS
load lib
load online
bats_require_minimum_version 1.5.0

setup() { e2e_setup; }
teardown() { e2e_teardown; }

# What the policy says, on standard input.
policy() {
    cat >"$WORK/policy.yml"
}

# One generation by the policy, seen through; all that it may take is older than grace.
policy_sweep() {
    rs sweep --confirm --wait --settle 1s --quarantine 1s --grace 1s --max-delete 100 --policy "$WORK/policy.yml" \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" --json >"$WORK/sweep.json" 2>>"$WORK/sweep.log" ||
        { local status=$? && tail -n 20 "$WORK/sweep.log" >&2 && return "$status"; }
}

lets_go() { # TAGS
    [ "$(regsweep policy explain --index "$INDEX" --policy "$WORK/policy.yml" --grace 1s --json | jq .tags_let_go)" = "$1" ]
}

sweep_lets_go() { # REVISIONS
    [ "$(rs sweep --policy "$WORK/policy.yml" --grace 1s --json 2>/dev/null | jq .totals.revisions)" = "$1" ]
}

unlinked() {
    [ "$(regsweep inspect generations --index "$INDEX" --json | jq -r '.generations[-1].state')" = unlinked ]
}

@test "of thirty pushes over one tag three revisions stay and pull" {
    start_online
    local digests=() seed
    for seed in $(seq 30); do
        digests+=("$(client image team/app:latest --seed "$seed" --shared 7 --layers 2)")
    done
    policy <<'YAML'
repositories:
  - match: team/**
    tags:
      - {match: latest, keep: all, revisions: 3}
YAML
    wait_until "$TIMEOUT" sweep_lets_go 27
    policy_sweep
    jq -e '.totals.revisions == 27 and .totals.tags == 0 and ([.condemned.revisions[].reason] | unique == ["policy"])' \
        "$WORK/sweep.json"
    for seed in 27 28 29; do
        client pull team/app "${digests[seed]}"
    done
    [ "$(client pull team/app latest | head -n 1)" = "$(client pull team/app "${digests[29]}" | head -n 1)" ]
    for seed in 0 13 26; do
        run client pull team/app "${digests[seed]}"
        [ "$status" -ne 0 ]
    done
    rs verify --quiet
}

@test "tags that a rule lets go are gone from the list of tags, with their images; those that are pulled stay" {
    start_online
    local seed used
    for seed in 1 2 3 4; do
        client image "shop/web:pr-$seed" --seed "$seed" --layers 2
    done
    client image shop/web:v1 --seed 4 --layers 2
    client image shop/other:pr-1 --seed 1 --layers 2
    policy <<'YAML'
protect: pr-3
repositories:
  - match: shop/web
    tags:
      - {match: "pr-*", keep: none}
YAML
    wait_until "$TIMEOUT" lets_go 3
    run rs policy explain --index "$INDEX" --policy "$WORK/policy.yml" --grace 1s
    says "goes  pr-1"
    says "stays pr-3"
    policy_sweep
    [ "$(curl -sf "$REGISTRY/v2/shop/web/tags/list" | jq -c '.tags | sort')" = '["pr-3","v1"]' ]
    client pull shop/web v1
    client pull shop/web pr-3
    client pull shop/other pr-1
    run client pull shop/web pr-2
    [ "$status" -ne 0 ]
    rs verify --quiet
}

@test "images for several platforms go whole, and what another one has of them stays" {
    start_online
    local digests list
    list=$(client layout "$WORK/layout" multi --seed 1 --arch amd64 --arch arm64)
    mapfile -t digests < <(jq -r '.manifests[].digest' "$WORK/layout/blobs/${list/://}") # what is pulled stays
    skopeo_push "$WORK/layout:multi" shop/web:pr-1 --all
    curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
        --data-binary "@$WORK/layout/blobs/${digests[0]/://}" "$REGISTRY/v2/shop/web/manifests/amd64"
    policy <<'YAML'
repositories:
  - match: shop/web
    tags:
      - {match: "pr-*", keep: none}
YAML
    wait_until "$TIMEOUT" lets_go 1
    wait_until "$TIMEOUT" sweep_lets_go 2 # the index, and what is for arm64
    policy_sweep
    client pull shop/web "${digests[0]}"
    run client pull shop/web "${digests[1]}"
    [ "$status" -ne 0 ]
    client pull shop/web amd64
    rs verify --quiet
}

@test "a tag that is pushed again while its generation waits stays, whole" {
    start_online
    client image shop/web:pr-1 --seed 1 --layers 2
    client image shop/web:pr-2 --seed 2 --layers 2
    policy <<'YAML'
repositories:
  - match: "**"
    tags:
      - {match: "pr-*", keep: none}
YAML
    wait_until "$TIMEOUT" lets_go 2
    sleep 2 # all of it older than grace
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --wait --settle 2s --quarantine 2s --grace 2s \
        --max-delete 100 --policy "$WORK/policy.yml" --registry-config "$WORK/registry.yml" --registry "$REGISTRY" \
        >>"$WORK/sweep.log" 2>&1 3>&- &
    local sweep=$!
    PIDS+=("$sweep")
    wait_until "$TIMEOUT" unlinked
    client image shop/web:pr-1 --seed 1 --layers 2
    wait "$sweep"
    client pull shop/web pr-1
    run client pull shop/web pr-2
    [ "$status" -ne 0 ]
    rs verify --quiet
}

@test "offline a policy takes the same" {
    start_registry
    client image shop/web:pr-1 --seed 1 --layers 2
    client image shop/web:v1 --seed 2 --layers 2
    policy <<'YAML'
repositories:
  - match: "**"
    tags:
      - {match: "pr-*", keep: none}
YAML
    stop_registry
    rs scan --quiet
    rs sweep --offline --confirm --grace 0 --max-delete 100 --policy "$WORK/policy.yml" --quiet
    start_registry
    [ "$(curl -sf "$REGISTRY/v2/shop/web/tags/list" | jq -c .tags)" = '["v1"]' ]
    client pull shop/web v1
}

@test "a policy that is none is refused with its line, and nothing is touched" {
    start_registry
    client image shop/web:pr-1 --seed 1
    stop_registry
    rs scan --quiet
    policy <<'YAML'
repositories:
  - match: "**"
    tags:
      - {match: "*", keep: nothing}
YAML
    run rs sweep --offline --confirm --grace 0 --policy "$WORK/policy.yml"
    [ "$status" -ne 0 ]
    says "policy.yml:4:28: expected all, none"
    run rs policy check --policy "$WORK/policy.yml"
    status_is 64
    says "policy.yml:4:28"
    run rs policy check --policy "$WORK/none.yml"
    status_is 64
    start_registry
    client pull shop/web pr-1
}
