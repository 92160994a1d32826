#!/usr/bin/env bats
# Sweeping beside a running registry that has its storage in a bucket.
# shellcheck disable=SC2034,SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib
load online
load soak
load s3

setup_file() { s3_setup_file; }
teardown_file() { s3_teardown_file; }
setup() { soak_setup && s3_setup; }
teardown() { e2e_teardown; }

# Keys of the registry that are not those of the fence's own artifact, nor of regsweep.
keys_of_others() {
    local manifest own
    manifest=$(curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$REGISTRY/v2/regsweep/fence/manifests/fence")
    own=$(jq -r '.config.digest, .layers[].digest' <<<"$manifest"; printf '%s' "$manifest" | sha256sum)
    s3_keys | grep -v '^repositories/regsweep/' | grep -vE "$(grep -oE '[0-9a-f]{64}' <<<"$own" | paste -sd'|')" || true
}

generation() {
    regsweep inspect generations --index "$INDEX" --json | jq -r ".generations[-1].$1"
}

# swept_as_far_as STATE: one run that does not wait.
swept_as_far_as() {
    rs sweep --confirm --settle 1s --grace 1s --quarantine "${QUARANTINE:-1h}" --untagged remove --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 || return
    [ "$(generation state)" = "$1" ]
}

heard_all() {
    events_sent && queue_is_empty
}

out_of_sight() {
    if client pull "$1" "$2"; then
        fail "$1 $2 can be pulled"
    fi
}

@test "all that stays pulls, what was let go is gone, and once all is deleted nothing stays" {
    start_online
    client layout "$WORK/layout" many --seed 4 --arch amd64 --arch arm64
    skopeo_push "$WORK/layout:many" shop/many:1 --all
    old=$(client image shop/web:1 --seed 1 --layers 3)
    client image "shop/web:sha256-${old#sha256:}.sig" --seed 9
    client image shop/web --seed 10 --subject "$old"
    client image shop/web:1 --seed 3 --shared 3
    client image shop/web:2 --seed 2
    client image old/thing:1 --seed 5
    client delete old/thing "$(client pull old/thing 1)"
    client delete shop/web "$(client pull shop/web 2)"
    wait_until "$TIMEOUT" heard_all
    sleep 1.1 # grace
    rs sweep --untagged remove --grace 1s --json >"$WORK/plan.json"
    jq -e '.totals | .blobs > 5 and .tags == 1 and .revisions >= 3' "$WORK/plan.json"
    s3_blobs >"$WORK/before"
    online_sweep
    [ -z "$(comm -12 <(condemned blobs digest <"$WORK/plan.json") <(s3_blobs))" ]
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
    client check-all
    skopeo_pull shop/many:1 "$WORK/pulled:many" --all
    client pull shop/web 1
    run rs verify
    status_is 0
    client delete shop/web "$(client pull shop/web 1)"
    client delete shop/many "$(client pull shop/many 1)"
    wait_until "$TIMEOUT" heard_all
    sleep 1.1
    online_sweep
    online_sweep
    [ "$(client catalog)" = regsweep/fence ]
    [ -z "$(keys_of_others)" ] || fail "left over: $(keys_of_others)"
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
}

@test "what is pushed again while its generation waits is given back by serve, and outlasts the purge" {
    CACHE=inmemory
    start_online
    client image shop/web:1 --seed 1 --layers 3
    client image shop/web:1 --seed 2
    client image shop/app:1 --seed 3
    client image shop/app:1 --seed 2
    wait_until "$TIMEOUT" heard_all
    QUARANTINE=8s wait_until "$TIMEOUT" swept_as_far_as hidden || fail "$(tail -n 20 "$WORK/sweep.log")"
    keys=$(s3_keys_below regsweep/quarantine/)
    [[ $keys == */_layers/* && $keys == */data* ]]
    client image shop/web:again --seed 1 --layers 3
    wait_until "$TIMEOUT" heard_all
    client pull shop/web again
    QUARANTINE=8s wait_until "$TIMEOUT" swept_as_far_as purged || fail "$(tail -n 20 "$WORK/sweep.log")"
    client pull shop/web again
    client check-all
    run rs verify
    status_is 0
}

# Two images that nothing tags, OLD (signed, under a weak tag) and OTHER, in quarantine, and LIVE ones.
take_garbage() {
    start_online
    stop_serve
    start_serve --token-file "$WORK/token" # does not go on with sweeps by itself
    OLD=$(client image shop/web:1 --seed 1 --layers 3)
    WEAK=sha256-${OLD#sha256:}.sig
    client image "shop/web:$WEAK" --seed 9
    OTHER=$(client image shop/app:1 --seed 2)
    client image shop/web:1 --seed 3 --shared 3
    client image shop/app:1 --seed 3 --shared 3
    wait_until "$TIMEOUT" heard_all
    sleep 1.1
    wait_until "$TIMEOUT" swept_as_far_as hidden || fail "$(tail -n 20 "$WORK/sweep.log")"
    out_of_sight shop/web "$OLD"
    out_of_sight shop/web "$WEAK"
    out_of_sight shop/app "$OTHER"
    client check-all
}

@test "restore puts back an image with its weak tag; with regsweep gone the README in the quarantine the rest" {
    take_garbage
    run rs restore "shop/web@$OLD"
    status_is 0
    says "put back  revision  shop/web@$OLD"
    says " 0 failed, 0 lost"
    client pull shop/web "$OLD"
    client pull shop/web "$WEAK"
    out_of_sight shop/app "$OTHER"
    stop_serve
    s3 GET "$S3_ROOT/regsweep/quarantine/README" >"$WORK/README"
    if command -v aws >/dev/null; then
        rm -r "$INDEX"
        AWS_ENDPOINT_URL=$S3_ENDPOINT AWS_ACCESS_KEY_ID=$S3_ACCESS AWS_SECRET_ACCESS_KEY=$S3_SECRET \
            AWS_EC2_METADATA_DISABLED=true AWS_DEFAULT_REGION=us-east-1 \
            sh -e <<<"$(grep '^    aws s3 sync' "$WORK/README" | sed 's|/7/|/1/|')"
    else
        rs restore --generation "$(generation generation)"
    fi
    client pull shop/app "$OTHER"
    client check-all
}

# Versions and markers of all blobs that a generation has hidden, by their records.
hidden_blobs() {
    s3_keys_below regsweep/quarantine/ | sed -nE 's|^regsweep/quarantine/[0-9]+/docker/registry/v2/(blobs/.*)/version$|\1/data|p'
}

@test "in a bucket that keeps versions bytes are hidden where they lie, given back, and purged in all versions" {
    s3_with_versions
    QUARANTINE=8s take_garbage
    hidden_blobs >"$WORK/hidden"
    [ "$(wc -l <"$WORK/hidden")" -gt 5 ]
    s3_keys_below regsweep/quarantine/ >"$WORK/quarantine"
    run grep -c '/data$' "$WORK/quarantine"
    [ "$output" = 0 ]
    while read -r key; do
        [ "$(s3_versions | grep "^$key ")" = "$key marker"$'\n'"$key version" ] || fail "$(s3_versions | grep "^$key ")"
    done <"$WORK/hidden"
    run rs restore "shop/web@$OLD"
    status_is 0
    says " 0 failed, 0 lost"
    client pull shop/web "$OLD"
    client pull shop/web "$WEAK"
    out_of_sight shop/app "$OTHER"
    client image shop/new:1 --seed 2 # the very bytes of the other one
    wait_until "$TIMEOUT" heard_all
    client pull shop/new 1
    client image shop/web:3 --seed 5
    client image shop/web:3 --seed 3 --shared 3
    wait_until "$TIMEOUT" heard_all
    sleep 1.1
    online_sweep # and purges what was hidden before
    client pull shop/new 1
    client check-all
    run rs verify
    status_is 0
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
    s3_versions >"$WORK/versions"
    s3_keys >"$WORK/keys"
    # Of what is not there any more there is no version and no marker either, but for what the registry itself deleted.
    cut -d' ' -f1 "$WORK/versions" | sort -u | comm -23 - "$WORK/keys" | { grep -vE '/_uploads/|/tags/' || true; } >"$WORK/left"
    [ ! -s "$WORK/left" ] || fail "left over: $(cat "$WORK/left")"
}

# What a sweep asks of the store, by kind, one a line, but for what a scan lists and the doctor's sample of data.
requests_of_sweep() {
    local before kind seed
    for seed in $(seq "$1" $(($1 + 3))); do
        client image shop/garbage:1 --seed "$seed" --layers 4 >/dev/null
    done
    wait_until "$TIMEOUT" heard_all
    sleep 1.1
    before=$(wc -l <"$S3_LOG")
    online_sweep
    for kind in PUT POST 'GET [^ ]*/repositories/[^ ]*/link' 'GET [^ ]*/quarantine/[^ ]*/data' 'GET [^ ]*list-type=2[^ ]*start-after=[^ ]*\(lin\|dat\|versio\) '; do
        echo "$kind $(tail -n "+$before" "$S3_LOG" | grep 'beast: .*"regsweep/' | grep -c "\"$kind" || true)"
    done
}

@test "what a sweep asks grows with what it takes, not with what stays" {
    S3_LOG=$BATS_FILE_TMPDIR/ceph/log/client.rgw.log
    export REGSWEEP_LEASE=0 # is renewed by time, not by what is swept
    start_online
    client image shop/kept:1 --seed 1 --layers 3
    requests_of_sweep 100
    few=$(requests_of_sweep 200)
    for seed in $(seq 20 34); do
        client image shop/kept:"$seed" --seed "$seed" --layers 3
    done
    many=$(requests_of_sweep 300)
    [[ $few == 'PUT '[1-9]* ]]
    [ "$few" = "$many" ] || fail "$few"$'\n'"$many"
    # Each link is read once, to be copied, and each copy is looked at once, before what it was made of goes. Whether anything
    # is needed by now a few lists tell.
    lists=$(awk '/list-type/ { print $NF }' <<<"$few")
    copies=$(awk '/^PUT/ { print $NF }' <<<"$few")
    [ "$lists" -gt 0 ] && [ "$lists" -lt "$copies" ] || fail "$few"
    [ "$(awk '/^GET/ { gets += $NF } END { print gets }' <<<"$few")" -le $((2 * copies)) ] || fail "$few"
}

@test "a sweep that is killed at any of its steps is gone on with, and loses nothing" {
    start_online
    for seed in 1 2 3 4; do
        client image shop/web:1 --seed "$seed" --layers 4
        client image "shop/x$seed:1" --seed $((seed + 10))
    done
    client image shop/web:1 --seed 20
    wait_until "$TIMEOUT" heard_all
    for when in 0.5 1 1.7 2.5; do
        start_online_sweep
        sleep "$when"
        kill -KILL "$SWEEP_PID" 2>/dev/null || true
        wait "$SWEEP_PID" || true
    done
    online_sweep
    online_sweep
    client check-all
    client pull shop/web 1
    run rs verify
    status_is 0
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
    sweep_is_empty() { rs sweep --untagged remove --grace 1s --json | jq -e '.totals | add == 0'; }
    sweep_is_empty
}

@test "a soak beside sweeps loses nothing, and leaves nothing" {
    SOAK_SECONDS=30
    start_soak s3 --cache inmemory --seed 7 --threads 3 --store "$BATS_FILE_TMPDIR/ceph/env" --bucket "$S3_BUCKET/$S3_ROOT"
    soaks_are_clean
    result s3 '.broken == 0 and .failed_for_good == 0 and .left.files == 0'
}

@test "a soak in a bucket that keeps versions loses nothing, and leaves nothing" {
    SOAK_SECONDS=30
    s3_with_versions
    start_soak versions --cache inmemory --seed 8 --threads 3 --store "$BATS_FILE_TMPDIR/ceph/env" --bucket "$S3_BUCKET/$S3_ROOT"
    soaks_are_clean
    result versions '.broken == 0 and .failed_for_good == 0 and .left.files == 0'
}
