#!/usr/bin/env bats
# Two hazards of the registry's cache: what goes wrong when files are removed beside a running registry by anybody who
# does not know of it, and that the online sweep does no such harm.
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # bats sets status and output; lib.bash reads CACHE; each test is a subshell
load lib
load online

setup() { e2e_setup; }
teardown() { e2e_teardown; }

start_registry_with() {
    CACHE=$1
    [ "$CACHE" != redis ] || start_redis
    start_registry
}

data_of() {
    printf '%s/sha256/%s/%s/data' "$BLOBS" "${1:7:2}" "${1:7}"
}

layer_link_of() {
    printf '%s/%s/_layers/sha256/%s/link' "$REPOSITORIES" "$1" "${2:7}"
}

# The only layer of an image.
layer_of() {
    curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/$1/manifests/$2" | jq -r '.layers[0].digest'
}

get_manifest() {
    http_code -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/$1/manifests/$2"
}

head_layer() {
    http_code -I "$REGISTRY/v2/$1/blobs/$2"
}

mount_layer() {
    http_code -X POST "$REGISTRY/v2/$1/blobs/uploads/?mount=$2&from=$3"
}

# ---- without regsweep's care ----

# push, delete, remove the bytes, push again.
manifest_removed_by_hand() {
    start_registry_with "$1"
    image=$(client image app:1)
    client delete app "$image"
    rm "$(data_of "$image")"
    [ "$(client image app:1)" = "$image" ] # answered 201
    [ "$(get_manifest app 1)" = 404 ]
    [ ! -e "$(data_of "$image")" ]
}

@test "bytes of a deleted manifest removed by hand: pushed again it is acknowledged and cannot be pulled (inmemory)" {
    manifest_removed_by_hand inmemory
    stop_registry
    start_registry
    [ "$(get_manifest app 1)" = 404 ]
    client image app:1 # nothing is remembered now
    client pull app 1
}

@test "bytes of a deleted manifest removed by hand: pushed again it is acknowledged and cannot be pulled (redis)" {
    manifest_removed_by_hand redis
    stop_registry
    start_registry
    client image app:1 # Redis outlives the registry
    [ "$(get_manifest app 1)" = 404 ]
}

# Layer link and data removed: everybody is told that the layer is there.
layer_removed_by_hand() {
    start_registry_with "$1"
    image=$(client image app:1)
    layer=$(layer_of app 1)
    rm "$(layer_link_of app "$layer")" "$(data_of "$layer")"
    [ "$(head_layer app "$layer")" = 200 ]
    [ "$(mount_layer other "$layer" app)" = 201 ]
    client tag app 1 2 # answered 201
    run client pull app 2
    [ "$status" -ne 0 ]
}

@test "layer link and data removed by hand: HEAD, mount and manifest PUT succeed, the pull does not (inmemory)" {
    layer_removed_by_hand inmemory
}

@test "layer link and data removed by hand: HEAD, mount and manifest PUT succeed, the pull does not (redis)" {
    layer_removed_by_hand redis
}

# What --offline is not for.
offline_sweep_beside_a_running_registry() {
    start_registry_with "$1"
    client layout "$WORK/layout" one
    skopeo_push "$WORK/layout:one" app:1
    client delete app "$(client pull app 1)"
    rs scan --quiet
    sweep_all --confirm --quiet
    skopeo_push "$WORK/layout:one" app:1 # skopeo asks for the layer, and skips it
    run skopeo_pull app:1 "$WORK/pulled:one"
    [ "$status" -ne 0 ]
}

@test "an offline sweep beside a running registry: skopeo pushes the image again, and nobody can pull it (inmemory)" {
    offline_sweep_beside_a_running_registry inmemory
}

@test "an offline sweep beside a running registry: skopeo pushes the image again, and nobody can pull it (redis)" {
    offline_sweep_beside_a_running_registry redis
}

# ---- with it ----

start_online_with() {
    CACHE=$1
    [ "$CACHE" != redis ] || start_redis
    start_online
}

# A generation that takes the only image of `app`, and leaves that of `keep`; sets IMAGE, LAYER.
sweep_image_away() {
    client image keep:1 --seed 2
    IMAGE=$(client image app:1)
    LAYER=$(layer_of app 1)
    client delete app "$IMAGE"
    sweep_until_gone "$(data_of "$LAYER")"
    sweep_until_gone "$(data_of "$IMAGE")"
}

manifest_swept() {
    start_online_with "$1"
    sweep_image_away
    [ "$(client image app:1)" = "$IMAGE" ]
    wait_until "$TIMEOUT" client pull app 1 # once serve has heard of it
    client pull keep 1
    online_sweep
    client pull app 1
}

@test "a deleted manifest that the online sweep took can be pushed again and pulled (inmemory)" {
    manifest_swept inmemory
}

@test "a deleted manifest that the online sweep took can be pushed again and pulled (redis)" {
    manifest_swept redis
}

@test "a deleted manifest that the online sweep took can be pushed again and pulled (no cache)" {
    manifest_swept ''
}

layer_swept() {
    start_online_with "$1"
    sweep_image_away
    [ "$(head_layer app "$LAYER")" = 404 ]
    [ "$(mount_layer other "$LAYER" app)" = 202 ] # an upload instead
}

@test "a layer that the online sweep took is neither there for HEAD nor for a mount (inmemory)" {
    layer_swept inmemory
}

@test "a layer that the online sweep took is neither there for HEAD nor for a mount (redis)" {
    layer_swept redis
}

skopeo_after_a_sweep() {
    start_online_with "$1"
    client layout "$WORK/layout" one
    skopeo_push "$WORK/layout:one" app:1
    image=$(client pull app 1)
    client delete app "$image"
    layer=$(jq -r '.layers[0].digest' "$WORK/layout/blobs/sha256/${image:7}")
    sweep_until_gone "$(data_of "$layer")"
    skopeo_push "$WORK/layout:one" app:1
    wait_until "$TIMEOUT" skopeo_pull app:1 "$WORK/pulled:one"
}

@test "an online sweep between two pushes: skopeo pushes the image again, and everybody can pull it (inmemory)" {
    skopeo_after_a_sweep inmemory
}

@test "an online sweep between two pushes: skopeo pushes the image again, and everybody can pull it (redis)" {
    skopeo_after_a_sweep redis
}

# ---- bytes that are held for a cache, by an index that knows of them no more ----

held_bytes() {
    find "$ROOT/regsweep/quarantine" -path '*/blobs/*' -type f
}

@test "what an index had held before it was built anew goes in the end" {
    start_online_with inmemory
    sweep_image_away
    [ -n "$(held_bytes)" ]
    stop_serve
    rs scan --rebuild --quiet
    start_serve --token-file "$WORK/token" --registry-config "$WORK/registry.yml" --registry "$REGISTRY" \
        --settle 1s --quarantine 1s
    stop_registry
    start_registry
    local end=$((SECONDS + TIMEOUT))
    while [ -n "$(held_bytes)" ] || [ -e "$(data_of "$IMAGE")" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "held still: $(held_bytes)"
        online_sweep
        stop_registry
        start_registry
    done
    client pull keep 1
}
