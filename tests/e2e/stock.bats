#!/usr/bin/env bats
# The scenarios that the registry's own collector is tested with, against a real registry.
# shellcheck disable=SC2154
load lib

setup() {
    e2e_setup
    start_registry
}
teardown() { e2e_teardown; }

# sweep OPTIONS…: stops the registry, scans, sweeps, starts it again.
sweep_registry() {
    stop_registry
    rs scan --quiet
    sweep_all --confirm --quiet "$@"
    start_registry
}

has_blob() {
    [ "$(http_code -I "$REGISTRY/v2/$1/blobs/$2")" = 200 ]
}

layers_of() {
    curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/$1/manifests/$2" |
        jq -r '.config.digest, .layers[].digest'
}

@test "nothing is deleted when every manifest is linked" {
    for seed in 1 2 3; do
        client image app --seed "$seed"
        client image app:t"$seed" --seed "$((seed + 10))"
    done
    blobs=$(disk blobs "$ROOT")
    sweep_registry
    same_lines "$blobs" "$(disk blobs "$ROOT")"
}

@test "of two manifests that carried one tag in turn the untagged one goes with --untagged remove, none in a dry run" {
    first=$(client image app:tag --seed 1)
    second=$(client image app:tag --seed 2)
    rs scan --quiet
    sweep_all --untagged remove --quiet
    client pull app "$first"
    client pull app "$second"
    sweep_registry --untagged remove
    run client has app "$first"
    status_is 1
    client pull app tag
}

@test "a tagged index with one deleted child is no error, and that child's config and layers go" {
    one=$(client image app --seed 1)
    two=$(client image app --seed 2)
    client index app:all "$one" "$two"
    gone=$(layers_of app "$two")
    client delete app "$two"
    sweep_registry
    client pull app "$one"
    client has app all
    for digest in $gone; do
        run has_blob app "$digest"
        status_is 1
    done
}

@test "a tagged index keeps its untagged children" {
    one=$(client image app --seed 1)
    two=$(client image app --seed 2)
    client index app:all "$one" "$two"
    sweep_registry --untagged remove
    client pull app all
}

@test "an untagged index goes, its tagged children stay" {
    one=$(client image app:one --seed 1)
    two=$(client image app --seed 2)
    all=$(client index app "$one" "$two")
    sweep_registry --untagged remove
    run client has app "$all"
    status_is 1
    run client has app "$two"
    status_is 1
    client pull app one
}

@test "repositories without tags or without manifests are no error" {
    client image no/tags:1 --seed 1
    client image no/manifests:1 --seed 2
    client image plain:1 --seed 3
    stop_registry
    rm -r "$REPOSITORIES/no/tags/_manifests/tags" "$REPOSITORIES/no/manifests/_manifests"
    start_registry
    sweep_registry
    client pull plain 1
}

@test "shared layers stay while one image lives" {
    one=$(client image app:one --seed 1 --shared 50)
    client image other:two --seed 2 --shared 50
    client delete app "$one"
    sweep_registry
    client pull other two
}

@test "a lone uploaded layer goes" {
    client image app:1
    digest=$(client blob app --seed 9)
    sweep_registry
    run has_blob app "$digest"
    status_is 1
    client pull app 1
}

@test "repository names of three parts work" {
    one=$(client image a/b/c:1 --seed 1)
    client image a/b:1 --seed 2
    client image a/b/c:2 --seed 3
    client delete a/b/c "$one"
    sweep_registry
    client pull a/b 1
    client pull a/b/c 2
    run client has a/b/c "$one"
    status_is 1
}

@test "an image pushed under sha512 layers stays whole" {
    client image app:1 --seed 1
    client blob app --seed 2 --algorithm sha512
    sweep_registry
    client pull app 1
}
