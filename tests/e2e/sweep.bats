#!/usr/bin/env bats
# The main job: what nothing needs goes, what somebody needs stays whole.
# shellcheck disable=SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib

setup() { e2e_setup; }
teardown() { e2e_teardown; }

# Two images that share a layer, one re-tagged, one deleted, and a repository that ends up empty.
push_and_delete() {
    client layout "$WORK/layout" one --seed 1
    client layout "$WORK/layout" two --seed 2
    client layout "$WORK/layout" three --seed 3
    client layout "$WORK/layout" many --seed 4 --arch amd64 --arch arm64
    skopeo_push "$WORK/layout:one" shop/web:1
    skopeo_push "$WORK/layout:two" shop/web:2
    skopeo_push "$WORK/layout:three" shop/web:1 # re-tagged: image one has no tag now
    skopeo_push "$WORK/layout:many" shop/many:1 --all
    skopeo_push "$WORK/layout:one" old/thing:1
    client delete old/thing "$(client pull old/thing 1)"
    client delete shop/web "$(client pull shop/web 2)"
}

@test "after pushes, a re-tag and deletes a sweep leaves every remaining image whole and the empty repository gone" {
    start_registry
    push_and_delete
    stop_registry
    disk images "$ROOT" >"$WORK/tags"
    before=$(disk blobs "$ROOT" | wc -l)
    rs scan
    run sweep_all --confirm
    status_is 0
    [ "$(disk blobs "$ROOT" | wc -l)" -lt "$before" ]
    disk whole "$ROOT" "$WORK/tags"
    [ ! -e "$REPOSITORIES/old" ]
    start_registry
    client check-all
    [ "$(client catalog)" = $'shop/many\nshop/web' ]
    skopeo_pull shop/web:1 "$WORK/pulled:1"
    skopeo_pull shop/many:1 "$WORK/pulled:many" --all
    [ -z "$(stock_garbage)" ]
    sweep_all --json | jq -e '.totals | add == 0'
}

@test "what a dry run names is what the stock collector names" {
    start_registry
    push_and_delete
    client blob lone/layer --seed 5
    stop_registry
    rs scan
    same_lines "$(sweep_all --json | condemned blobs digest)" "$(stock_garbage)"
    [ -n "$(stock_garbage)" ]
}

@test "with untagged manifests too it names what the stock collector names, where no index is in play" {
    start_registry
    for seed in 1 2 3 4; do
        client image "a/b:v$((seed % 2))" --seed "$seed" --shared 100
        client image "c:latest" --seed "$((seed + 10))" --docker
    done
    stop_registry
    rs scan
    same_lines "$(sweep_all --untagged remove --json | condemned blobs digest)" "$(stock_garbage -m)"
    sweep_all --untagged remove --json | jq -e '.totals.revisions == 5'
}

@test "on a generated tree a dry run names what the stock collector names" {
    "$MAKE_TREE" "$ROOT" --pushes 1050 --repositories 30 --seed 5
    rs scan --quiet
    same_lines "$(sweep_all --json | condemned blobs digest)" "$(stock_garbage)"
}

@test "a sweep of a generated tree leaves every tag whole and nothing for the stock collector" {
    "$MAKE_TREE" "$ROOT" --pushes 1050 --repositories 30 --seed 6
    disk images "$ROOT" >"$WORK/tags"
    rs scan --quiet
    sweep_all --json >"$WORK/plan.json"
    disk blobs "$ROOT" >"$WORK/before"
    sweep_all --confirm
    same_lines "$(comm -23 "$WORK/before" <(disk blobs "$ROOT"))" "$(condemned blobs digest <"$WORK/plan.json")"
    disk whole "$ROOT" "$WORK/tags"
    [ -z "$(stock_garbage)" ]
    [ -z "$(find "$BLOBS" -type d -empty)" ]
}

@test "a dry run changes nothing: not a file, not a time, not the index" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6
    rs scan --quiet
    tree=$(disk hash "$ROOT")
    index=$(sha256sum "$INDEX/data.mdb")
    run sweep_all --untagged remove
    status_is 0
    run sweep_all --untagged remove --json
    status_is 0
    [ "$tree" = "$(disk hash "$ROOT")" ]
    [ "$index" = "$(sha256sum "$INDEX/data.mdb")" ]
}

@test "a scan changes nothing in storage" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6
    tree=$(disk hash "$ROOT")
    rs scan --quiet
    rs scan --quiet
    [ "$tree" = "$(disk hash "$ROOT")" ]
}

@test "without --grace nothing that is young goes" {
    start_registry
    push_and_delete
    stop_registry
    rs scan
    rs sweep --offline --json | jq -e '.totals.links == 0 and .totals.revisions == 0'
    disk blobs "$ROOT" >"$WORK/before"
    run rs sweep --offline --confirm
    status_is 0
    sweep_all --json | jq -e '.totals.links > 0'
}

@test "every deletion has a line in the audit with its reason, and the freed bytes add up" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 3
    rs scan --quiet
    sweep_all --json >"$WORK/plan.json"
    bytes=$(find "$BLOBS" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    sweep_all --confirm --json --audit "$WORK/audit.jsonl" >"$WORK/done.json"
    jq -es 'all(.[]; .reason != null)' "$WORK/audit.jsonl"
    same_lines "$(jq -r 'select(.kind == "blob") | .digest' "$WORK/audit.jsonl" | sort)" \
        "$(condemned blobs digest <"$WORK/plan.json")"
    left=$(find "$BLOBS" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    [ "$(jq .totals.bytes "$WORK/plan.json")" -eq $((bytes - left)) ]
}

@test "what a sweep took and the index has forgotten is looked up as inspect generations says" {
    INDEX="$WORK/my index's"
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 3
    rs scan --quiet
    sweep_all --confirm --json >"$WORK/done.json"
    removed=$(jq '.done.removed' "$WORK/done.json")
    rs inspect generations 1 >"$WORK/told"
    listed=$(grep -c '^  done .*@sha256:' "$WORK/told")
    grep -F "$((removed - listed)) more: the index has their names no longer" "$WORK/told"
    bash -c "$(tail -n 1 "$WORK/told")" >"$WORK/looked-up"
    same_lines "$(jq -r 'select(.kind == "blob") | .digest' "$WORK/looked-up" | sort)" \
        "$(condemned blobs digest <"$WORK/done.json")"
    rs inspect generations 1 --json | jq -e --argjson listed "$listed" --argjson removed "$removed" \
        '.unnamed == $removed - $listed and (.items | length) == $removed'
}

@test "a stale upload goes, a young one and one without startedat stay" {
    start_registry
    client image up/load:1
    old=$(client upload up/load --seed 1)
    young=$(client upload up/load --seed 2)
    unknown=$(client upload up/load --seed 3)
    stop_registry
    printf '2024-01-01T00:00:00Z' >"$REPOSITORIES/up/load/_uploads/$old/startedat"
    rm "$REPOSITORIES/up/load/_uploads/$unknown/startedat"
    rs scan
    run sweep_all --confirm
    status_is 0
    [ ! -e "$REPOSITORIES/up/load/_uploads/$old" ]
    [ -e "$REPOSITORIES/up/load/_uploads/$young/data" ]
    [ -e "$REPOSITORIES/up/load/_uploads/$unknown/data" ]
    says 'an upload without a readable startedat, and with it all layer links beside it; kept'
}

@test "a stale upload whose name is no UTF-8 goes, with a line in the audit" {
    start_registry
    client image up/load:1
    old=$(client upload up/load --seed 1)
    stop_registry
    printf '2024-01-01T00:00:00Z' >"$REPOSITORIES/up/load/_uploads/$old/startedat"
    mv "$REPOSITORIES/up/load/_uploads/$old" "$REPOSITORIES/up/load/_uploads/"$'odd\xff\xfe'
    rs scan --quiet
    run sweep_all --confirm
    status_is 0
    [ ! -e "$REPOSITORIES/up/load/_uploads/"$'odd\xff\xfe' ]
    [ "$(jq -r 'select(.kind == "upload") | .id' "$INDEX/audit.jsonl")" = $'odd\xef\xbf\xbd\xef\xbf\xbd' ]
}

@test "an index knows its storage: verify and an offline sweep need not be told" {
    start_registry
    client image team/app:1
    lone=$(client blob team/lone --seed 5)
    stop_registry
    rs scan --quiet
    run regsweep verify --index "$INDEX"
    status_is 0
    run regsweep sweep --offline --confirm --grace 0 --index "$INDEX"
    status_is 0
    says "$lone"
    run regsweep sweep --offline --confirm --index "$WORK/none"
    status_is 1
    [ ! -e "$WORK/none" ]
}

@test "one run as root locks nobody out who owns the index" {
    [ "$(id -u)" -eq 0 ] || skip "root alone can give files away"
    start_registry
    client image team/app:1
    client blob team/lone --seed 5 >/dev/null
    stop_registry
    mkdir "$INDEX"
    chown 65534:65534 "$INDEX"
    rs scan --quiet
    run sweep_all --confirm
    status_is 0
    [ -z "$(find "$INDEX" ! -uid 65534)" ] || fail "$(ls -la "$INDEX")"
}

@test "signatures and referrers go with their image and stay with their image" {
    start_registry
    kept=$(client image sig/ned:1 --seed 1)
    gone=$(client image sig/ned:2 --seed 2)
    seed=10
    for image in "$kept" "$gone"; do
        seed=$((seed + 2))
        client image sig/ned --seed "$seed" --subject "$image" >>"$WORK/referrers"
        client image "sig/ned:${image/:/-}.sig" --seed "$((seed + 1))"
    done
    client delete sig/ned "$gone"
    stop_registry
    rs scan
    run sweep_all --confirm
    status_is 0
    start_registry
    client pull sig/ned "$kept"
    client pull sig/ned "${kept/:/-}.sig"
    client pull sig/ned "$(sed -n 1p "$WORK/referrers")"
    run client has sig/ned "${gone/:/-}.sig"
    status_is 1
    run client has sig/ned "$(sed -n 2p "$WORK/referrers")"
    status_is 1
}

# push_called TYPE: an image that is there as blobs alone, and an index with a tag that calls it so.
push_called() {
    PYTHONPATH="$E2E_DIR" python3 - "$REGISTRY" "$1" <<'PY'
import json, os, sys
from client import Client, digest_of
client, called = Client(sys.argv[1]), sys.argv[2]
blob = lambda data: {"digest": client.push_blob("a/b", data), "size": len(data)}
config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps({"of": called}).encode())}
layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(called.encode() * 100)}
kind = "application/vnd.oci.image.manifest.v1+json"
image = blob(json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}).encode())
kind = "application/vnd.oci.image.index.v1+json"
index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [{"mediaType": called, **image}]}).encode()
client.put_manifest("a/b", digest_of(called.encode())[7:], index, kind)
print(image["digest"], config["digest"], layer["digest"])
PY
}

@test "an image that its index calls a signature, or anything but a layer, stays whole" {
    start_registry
    for called in application/vnd.acme.signature.v1+json application/vnd.cncf.helm.config.v1+json \
        application/vnd.oci.image.config.v1+json text/spdx+json application/x-thing; do
        push_called "$called" >>"$WORK/images"
    done
    client image gone:1 --seed 9
    client delete gone "$(client pull gone 1)"
    stop_registry
    rs scan
    run sweep_all --confirm
    status_is 0
    [ "$(disk blobs "$ROOT" | wc -l)" -eq 20 ]
    start_registry
    while read -r image config layer; do
        curl -sf "$REGISTRY/v2/a/b/manifests/$image" -H 'Accept: application/vnd.oci.image.manifest.v1+json' >/dev/null
        curl -sf "$REGISTRY/v2/a/b/blobs/$config" >/dev/null
        curl -sf "$REGISTRY/v2/a/b/blobs/$layer" >/dev/null
    done <"$WORK/images"
}

@test "a repository that stays keeps no empty folder of an algorithm" {
    start_registry
    client image a/b:1 --seed 1
    PYTHONPATH="$E2E_DIR" python3 -c 'import sys; from client import Client
Client(sys.argv[1]).push_blob("a/b", b"by another name", algorithm="sha512")' "$REGISTRY"
    [ -d "$REPOSITORIES/a/b/_layers/sha512" ]
    stop_registry
    rs scan
    run sweep_all --confirm
    status_is 0
    [ ! -e "$REPOSITORIES/a/b/_layers/sha512" ]
    start_registry
    client pull a/b 1
    [ "$(client catalog)" = a/b ]
}

@test "the index knows after a sweep what is left: verify finds nothing" {
    start_registry
    client storm 200 --seed 21 --whole >"$WORK/expected.json"
    stop_registry
    rs scan --quiet
    sweep_all --confirm --untagged remove
    run rs verify
    status_is 0
    start_registry
    client check --tagged "$WORK/expected.json"
}

@test "after sweeps of a storm every remaining image pulls whole, again and again" {
    for seed in 31 32 33; do
        start_registry
        client storm 100 --seed "$seed" >"$WORK/expected.json"
        stop_registry
        rs scan --quiet
        sweep_all --confirm
        start_registry
        client check "$WORK/expected.json"
        stop_registry
        rm -rf "$ROOT" "$INDEX"
        mkdir "$ROOT"
    done
}
