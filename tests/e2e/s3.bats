#!/usr/bin/env bats
# A registry on S3: the main job over the S3 driver of a real registry and a real store.
# shellcheck disable=SC2034,SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib
load s3

setup_file() { s3_setup_file; }
teardown_file() { s3_teardown_file; }
setup() { e2e_setup && s3_setup; }
teardown() { e2e_teardown; }

@test "the S3 backend keeps the contract of storage" {
    export S3_ENDPOINT S3_ACCESS S3_SECRET S3_BUCKET
    run "$STORAGE_S3"
    status_is 0
}

# Two images that share a layer, one re-tagged, one deleted, and a repository that ends up empty.
push_and_delete() {
    client layout "$WORK/layout" many --seed 4 --arch amd64 --arch arm64
    skopeo_push "$WORK/layout:many" shop/many:1 --all
    client image shop/web:1 --seed 1
    client image shop/web:1 --seed 3 # image one has no tag now
    client image shop/web:2 --seed 2
    client image old/thing:1 --seed 5
    client delete old/thing "$(client pull old/thing 1)"
    client delete shop/web "$(client pull shop/web 2)"
}

@test "a sweep with the registry read-only frees what nothing needs, and all that stays pulls" {
    start_registry
    push_and_delete
    READONLY=true
    stop_registry
    start_registry
    rs scan
    sweep_all --json >"$WORK/plan.json"
    jq -e '.totals.blobs > 0 and .condemned.repositories == ["old/thing"]' "$WORK/plan.json"
    s3_blobs >"$WORK/before"
    run sweep_all --confirm
    status_is 0
    same_lines "$(comm -23 "$WORK/before" <(s3_blobs))" "$(condemned blobs digest <"$WORK/plan.json")"
    s3_keys >"$WORK/keys"
    run grep -c '^repositories/old/' "$WORK/keys"
    [ "$output" = 0 ]
    client check-all
    [ "$(client catalog)" = $'shop/many\nshop/web' ]
    skopeo_pull shop/web:1 "$WORK/pulled:1"
    skopeo_pull shop/many:1 "$WORK/pulled:many" --all
    sweep_all --json | jq -e '.totals | add == 0'
    run rs verify
    status_is 0
    READONLY=false
    stop_registry
    start_registry
    client image old/thing:1 --seed 5
    client pull old/thing 1
}

@test "in a bucket that keeps versions a sweep frees all versions of what it takes" {
    s3_with_versions
    start_registry
    push_and_delete
    stop_registry
    rs scan --quiet
    sweep_all --json >"$WORK/plan.json"
    garbage=$(condemned blobs digest <"$WORK/plan.json")
    key=blobs/sha256/${garbage:7:2}/${garbage:7:64}/data
    s3 GET "$V2/$key" >"$WORK/data"
    s3 DELETE "$V2/$key" # and pushed again since: a version, a marker, a version
    s3 PUT "$V2/$key" "$(cat "$WORK/data")"
    [ "$(s3_versions | grep -c "^$key ")" = 3 ]
    s3_versions >"$WORK/before"
    s3_blobs >"$WORK/blobs"
    run sweep_all --confirm
    status_is 0
    s3_versions >"$WORK/after"
    for digest in $garbage; do
        run grep "^blobs/sha256/${digest:7:2}/${digest:7}/" "$WORK/after"
        [ -z "$output" ]
    done
    same_lines "$(comm -23 "$WORK/blobs" <(s3_blobs))" "$garbage"
    [ -z "$(comm -13 "$WORK/before" "$WORK/after")" ] # no marker of ours
    start_registry
    client check-all
    skopeo_pull shop/many:1 "$WORK/pulled:many" --all
    run rs verify
    status_is 0
}

old_versions() {
    sweep_all --settle 1s --version-max-age "$1" --audit "$WORK/audit" "${@:2}"
}

@test "old versions that the registry left are told of, and deleted once they are old; what is needed stays, though deleted" {
    s3_with_versions
    start_registry
    push_and_delete
    stop_registry
    rs scan --quiet
    sweep_all --confirm --quiet
    live=$(s3_blobs | head -n 1)
    key=blobs/sha256/${live:7:2}/${live:7}/data
    s3 DELETE "$V2/$key" # of a blob that an image needs
    s3_versions >"$WORK/before"
    old=$(($(wc -l <"$WORK/before") - $(s3_keys | wc -l)))
    [ "$old" -gt 10 ]
    sleep 2.2 # the store tells its time to the second
    old_versions 1s --json >"$WORK/plan.json"
    jq -e --argjson old "$((old - 2))" '.old_versions | .removed == $old and .versions + .markers == $old + 2' "$WORK/plan.json"
    old_versions 1h --json | jq -e '.old_versions.removed == 0'
    same_lines "$(cat "$WORK/before")" "$(s3_versions)"
    run old_versions 1s --confirm
    status_is 0
    says "1 keys are deleted, but by the index they should be there"
    says "removed $((old - 2)) of them"
    [ "$(jq -r 'select(.kind == "version" or .kind == "marker") | .key' "$WORK/audit" | wc -l)" = "$((old - 2))" ]
    same_lines "$(s3_versions)" "$({ s3_keys | sed 's/$/ version/' && printf '%s\n' "$key marker" "$key version"; } | sort)"
    run regsweep sweep --offline --index "$INDEX" --version-max-age 1s
    status_is 64
}

@test "what a dry run names is what the stock collector names" {
    start_registry
    push_and_delete
    client blob lone/layer --seed 6
    stop_registry
    rs scan --quiet
    named=$(stock_garbage)
    [ -n "$named" ]
    same_lines "$(sweep_all --json | condemned blobs digest)" "$named"
}

@test "a dry run and an inspection make no request; a sweep makes few" {
    start_registry
    push_and_delete
    stop_registry
    rs scan --quiet
    before=$(s3_requests)
    sweep_all --json >"$WORK/plan.json"
    rs inspect stats --json >/dev/null
    rs inspect why shop/web:1 >/dev/null
    [ "$(s3_requests)" -eq "$before" ]
    rs scan --quiet
    scan=$(($(s3_requests) - before))
    before=$(s3_requests)
    sweep_all --confirm
    sweep=$(($(s3_requests) - before))
    # What is removed comes to five kinds of objects; what is left of a repository is looked at once.
    [ "$sweep" -le $((scan + 16)) ] || fail "$sweep requests for a sweep, $scan for the scan in it"
}

# Heads of tags that regsweep has read in this test, one a line.
heads_read() {
    grep -oE "beast: .*\"GET /$S3_BUCKET/$S3_ROOT/[^ ]*/current/link HTTP.*\"regsweep/" "$BATS_FILE_TMPDIR/ceph/log/client.rgw.log" |
        sed -E 's|.*/tags/(.*)/current/link.*|\1|' | sort -u
}

@test "lists tell a scan what tags point at: it reads no head, but for what is no image of its repository" {
    start_registry
    push_and_delete
    for tag in 2 3 4 5; do
        client image shop/web:$tag --seed $tag
    done
    stop_registry
    rs scan --json | jq -e '.complete and .problems == 0 and .tags >= 6'
    sleep 1 # the log is not written at once
    [ -z "$(heads_read)" ] || fail "$(heads_read)"
    for tag in 1 2 3 4 5; do
        digest=$(s3 GET "$V2/repositories/shop/web/_manifests/tags/$tag/current/link")
        run rs inspect why "shop/web:$tag"
        status_is 0
        says "$digest"
    done
    s3 PUT "$V2/repositories/old/thing/_manifests/tags/other/current/link" "$digest"
    s3 PUT "$V2/repositories/old/thing/_manifests/tags/odd/current/link" "$digest "
    rs scan --json | jq -e '.complete'
    wait_until "$TIMEOUT" read_two
}

read_two() { [ "$(heads_read)" = $'odd\nother' ]; }

@test "the index that events made is that of a scan" {
    EVENTS=http://127.0.0.1:$(free_port)/events
    SERVE_PORT=${EVENTS#http://127.0.0.1:}
    SERVE_PORT=${SERVE_PORT%/events}
    rs scan --quiet
    start_serve
    start_registry
    client layout "$WORK/layout" many --seed 4 --arch amd64 --arch arm64
    skopeo_push "$WORK/layout:many" shop/many:1 --all
    client image shop/web:1 --seed 1 >"$WORK/first"
    client image shop/web:1 --seed 2
    client image shop/web --seed 3 --subject "$(cat "$WORK/first")"
    client blob lone/layer --seed 6
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
    regsweep scan --quiet --index "$WORK/scanned" --storage "$ROOT"
    "$INDEX_EQUAL" "$INDEX" "$WORK/scanned"
    # What was deleted leaves no trace in a bucket: there a scan knows less than the events, and less goes.
    client storm 20 --seed 7 >"$WORK/expected.json"
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
    stop_registry
    stop_serve
    regsweep scan --quiet --index "$WORK/again" --storage "$ROOT"
    sweep_all --json | condemned blobs digest >"$WORK/by-events"
    regsweep sweep --offline --grace 0 --index "$WORK/again" --json | condemned blobs digest >"$WORK/by-scan"
    [ -s "$WORK/by-scan" ]
    [ -z "$(comm -13 "$WORK/by-events" "$WORK/by-scan")" ]
    sweep_all --confirm --quiet --registry "$REGISTRY"
    start_registry
    client check "$WORK/expected.json"
    client check-all
}

@test "a stale upload goes, a young one stays" {
    start_registry
    client image up/load:1
    old=$(client upload up/load --seed 1)
    young=$(client upload up/load --seed 2)
    stop_registry
    s3 PUT "$V2/repositories/up/load/_uploads/$old/startedat" 2024-01-01T00:00:00Z
    rs scan --quiet
    run sweep_all --confirm
    status_is 0
    s3_keys >"$WORK/keys"
    run grep -c "_uploads/$old/" "$WORK/keys"
    [ "$output" = 0 ]
    grep -q "_uploads/$young/startedat" "$WORK/keys"
}

# Uploads in parts that were begun below the test's registry, as "key id".
unfinished() {
    s3 GET "?prefix=${V2//\//%2F}%2F&uploads=" | grep -oE '<Key>[^<]*</Key><UploadId>[^<]*' | sed -E 's|<[^>]*>| |g'
}

@test "parts of an upload that nobody finished are called off once they are old, and nothing else" {
    start_registry
    client image up/load:1
    stop_registry
    rs scan --quiet
    s3 POST "$V2/repositories/up/load/_uploads/some-id/data?uploads=" ''
    blob=$V2/blobs/sha256/ab/ab$(printf '%062d' 0)/data # copied from an upload by a registry that was killed, or by us
    s3 POST "$blob?uploads=" ''
    s3 POST "$V2/blobs/sha256/ab/abcd/data?uploads=" ''
    [ "$(unfinished | wc -l)" = 3 ]
    sweep_all --confirm
    [ "$(unfinished | wc -l)" = 3 ]
    sleep 3.1 # the store tells its time in whole seconds
    run sweep_all --confirm --upload-max-age 2s --audit "$WORK/audit"
    status_is 0
    says "2 uploads in parts that nobody finished are called off"
    [[ "$(unfinished)" == *"/blobs/sha256/ab/abcd/data "* && "$(unfinished | wc -l)" = 1 ]]
    jq -e 'select(.kind == "upload" and .repo == "up/load" and .id == "some-id")' "$WORK/audit"
}

@test "the registry's configuration tells all: bucket, root directory, endpoint, keys" {
    start_registry
    client image team/app:1
    stop_registry
    unset REGSWEEP_S3_ENDPOINT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    HOME=$WORK regsweep scan --index "$INDEX" --registry-config "$WORK/registry.yml" --json >"$WORK/scan.json"
    jq -e '.complete and .tags == 1' "$WORK/scan.json"
    jq -e --arg root "$ROOT" '.storage == $root' "$WORK/scan.json"
}

@test "credentials come from a profile; without any, with wrong ones or for no bucket a scan says so, and no secret" {
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    export HOME=$WORK
    run rs scan
    status_is 1
    says "no credentials for S3"
    mkdir "$WORK/.aws"
    printf '[default]\naws_access_key_id = nobody\naws_secret_access_key = wrong-secret\n[reg]\naws_access_key_id=%s\naws_secret_access_key = %s\n' \
        "$S3_SWEEPER" "$S3_SWEEPER_SECRET" >"$WORK/.aws/credentials"
    run rs scan -v
    status_is 1
    says InvalidAccessKeyId
    [[ $output != *wrong-secret* ]]
    AWS_PROFILE=reg run rs scan
    status_is 0
    AWS_PROFILE=rge run rs scan
    status_is 1
    says 'AWS_PROFILE names profile "rge", which is neither in'
    AWS_PROFILE=rge run rs scan --s3-region us-east-1
    status_is 1
    says 'AWS_PROFILE names profile "rge", which is neither in'
    AWS_PROFILE=reg run regsweep scan --index "$INDEX.other" --storage s3://none-of-these/x
    status_is 1
    says NoSuchBucket
}

# doctor_finds LEVEL TEXT: of the check of the store.
doctor_finds() {
    rs doctor --json >"$WORK/doctor.json" || true
    jq -e --arg level "$1" --arg text "$2" \
        '.checks | any(.name == "store" and .level == $level and (.message | contains($text)))' "$WORK/doctor.json" ||
        fail "$(jq -c '.checks[] | select(.name == "store")' "$WORK/doctor.json")"
}

@test "doctor names what a bucket does by itself that is in the way of a sweep" {
    "$E2E_DIR/ceph.sh" bucket "$BATS_FILE_TMPDIR/ceph" habits
    doctor_finds unknown "does not tell"
    ROOT=s3://habits/images
    AWS_ACCESS_KEY_ID=$S3_ACCESS AWS_SECRET_ACCESS_KEY=$S3_SECRET S3_BUCKET=habits
    doctor_finds ok "nothing by itself"
    s3 PUT '?versioning=' '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    doctor_finds ok "nothing by itself"
    s3 PUT images/docker/registry/v2/odd one
    s3 PUT images/docker/registry/v2/odd another
    doctor_finds warning "keeps versions"
    doctor_finds warning "there are 1 versions that are not current, 3 B, and 0 markers"
    lifecycle '<Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>
        <NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration></Rule>'
    doctor_finds ok "nothing by itself"
    lifecycle '<Rule><ID>put away</ID><Status>Enabled</Status><Filter><Prefix>images/</Prefix></Filter>
        <NoncurrentVersionTransition><NoncurrentDays>3</NoncurrentDays><StorageClass>STANDARD</StorageClass>
        </NoncurrentVersionTransition></Rule>'
    doctor_finds warning "'put away' of the bucket's lifecycle moves versions that are not current"
    lifecycle '<Rule><ID>sweep it all</ID><Status>Enabled</Status><Filter><Prefix>images/</Prefix></Filter>
        <Expiration><Days>30</Days></Expiration></Rule>'
    doctor_finds error "'sweep it all' of the bucket's lifecycle deletes what images need"
}

lifecycle() {
    local text="<LifecycleConfiguration>$1</LifecycleConfiguration>"
    printf '%s' "$text" >"$WORK/s3.body"
    curl -sf --noproxy '*' -X PUT --aws-sigv4 aws:amz:us-east-1:s3 --data-binary "@$WORK/s3.body" \
        -H "Content-MD5: $(openssl md5 -binary "$WORK/s3.body" | base64)" -H 'Content-Type: application/xml' \
        -H "x-amz-content-sha256: $(sha256sum <"$WORK/s3.body" | cut -d' ' -f1)" \
        -K - "$S3_ENDPOINT/$S3_BUCKET/?lifecycle=" <<<"user = \"$S3_ACCESS:$S3_SECRET\""
}
