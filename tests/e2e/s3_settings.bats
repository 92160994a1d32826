#!/usr/bin/env bats
# The way to a store, what one may do there, and how it keeps what is written.
# shellcheck disable=SC2034,SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib
load online
load soak
load two
load s3

setup_file() { s3_setup_file; }
teardown_file() { s3_teardown_file; }
setup() { soak_setup && s3_setup; }
teardown() { e2e_teardown; }

generation() {
    regsweep inspect generations --index "$INDEX" --json | jq -r ".generations[-1].$1"
}

swept_until_hidden() {
    rs sweep --confirm --settle 1s --grace 1s --quarantine 1h --untagged remove --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 || return
    [ "$(generation state)" = hidden ]
}

heard_all() {
    events_sent && queue_is_empty
}

# Of each key that begins with this: is it in that class of storage, and may everybody read it?
kept_as_the_registry_does() {
    local key
    [ -n "$(s3_keys_below "$1")" ] || fail "nothing is in $1"
    for key in $(s3_keys_below "$1"); do
        s3_head "$S3_ROOT/$key" >"$WORK/head"
        grep -qi '^x-amz-storage-class: REDUCED_REDUNDANCY' "$WORK/head" || fail "$key: $(cat "$WORK/head")"
        [ "$(http_code "$S3_ENDPOINT/$S3_BUCKET/$S3_ROOT/$key")" = 200 ] || fail "not everybody may read $key"
    done
}

@test "what a sweep takes, and gives back, is kept as the registry keeps what it writes" {
    eval "$(declare -f registry_storage | sed '1s/registry_storage/plain_storage/')"
    registry_storage() {
        plain_storage | sed 's/^    bucket:.*/&\n    storageclass: reduced_redundancy\n    objectacl: public-read/'
    }
    start_online
    stop_serve
    start_serve --token-file "$WORK/token" # does not go on with sweeps by itself
    old=$(client image shop/web:1 --seed 1 --layers 3)
    client image shop/web:1 --seed 2
    kept_as_the_registry_does docker/
    wait_until "$TIMEOUT" heard_all
    sleep 1.1 # grace
    wait_until "$TIMEOUT" swept_until_hidden || fail "$(tail -n 20 "$WORK/sweep.log")"
    s3_keys_below regsweep/quarantine/ | grep -q '/data$'
    kept_as_the_registry_does regsweep/
    rs restore "shop/web@$old" --registry-config "$WORK/registry.yml"
    client pull shop/web "$old"
    kept_as_the_registry_does docker/
}

# doctor_says CHECK LEVEL TEXT: of that check, message or remedy.
doctor_says() {
    rs doctor --json >"$WORK/doctor.json" || true
    jq -e --arg name "$1" --arg level "$2" --arg text "$3" \
        '.checks | any(.name == $name and .level == $level and (.message + "; " + .remedy | contains($text)))' \
        "$WORK/doctor.json" || fail "$(jq -c --arg name "$1" '.checks[] | select(.name == $name)' "$WORK/doctor.json")"
}

@test "doctor names what we may not do at the store, and leaves nothing there" {
    S3_BUCKET=rights
    ROOT=s3://$S3_BUCKET/$S3_ROOT
    "$E2E_DIR/ceph.sh" bucket "$BATS_FILE_TMPDIR/ceph" "$S3_BUCKET"
    s3 PUT "$V2/repositories/a/_manifests/tags/t/current/link" sha256:odd
    allow_sweeper all
    doctor_says permissions ok "is allowed"
    [ "$(s3_keys_below regsweep/)" = regsweep/quarantine/README ]
    s3 GET '?prefix=images%2F&uploads=' >"$WORK/uploads"
    [[ $(cat "$WORK/uploads") == *ListMultipartUploadsResult* && $(cat "$WORK/uploads") != *'<Upload>'* ]]
    allow_sweeper s3:AbortMultipartUpload
    doctor_says permissions error "does not allow s3:AbortMultipartUpload (to call off"
    s3 GET '?prefix=images%2F&uploads=' >"$WORK/uploads"
    [[ $(cat "$WORK/uploads") == *"<Key>$S3_ROOT/regsweep/quarantine/"* ]]
    allow_sweeper s3:GetObject
    doctor_says permissions error "does not allow s3:GetObject (to read tags and manifests"
    allow_sweeper s3:PutObject
    doctor_says permissions error "does not allow s3:PutObject (to put aside what is taken"
    allow_sweeper s3:DeleteObject
    doctor_says permissions error "does not allow s3:DeleteObject (to remove what nothing needs"
    allow_sweeper s3:ListBucketMultipartUploads
    doctor_says permissions error "does not allow s3:ListBucketMultipartUploads (to call off"
    allow_sweeper s3:ListBucket
    doctor_says storage error "allow s3:ListBucket on the bucket"
}

@test "doctor leaves neither versions nor markers of what it tries" {
    s3_with_versions
    s3 PUT "$V2/repositories/a/_manifests/tags/t/current/link" sha256:odd
    doctor_says permissions ok "is allowed"
    s3 GET "?max-keys=1000&prefix=$(s3_encoded "$S3_ROOT/regsweep/")&versions=" >"$WORK/versions"
    left=$(grep -oE '<Key>[^<]*' "$WORK/versions")
    [ "$left" = "<Key>$S3_ROOT/regsweep/quarantine/README" ] || fail "$left"
}

# Images of which one is garbage, with the registry stopped.
push_some() {
    start_registry
    client image shop/web:1 --seed 1 --layers 3
    client image shop/web:1 --seed 2
    stop_registry
}

@test "over TLS the store must be vouched for: by --s3-ca, or by nobody where the registry wants it so" {
    push_some
    export REGSWEEP_S3_ENDPOINT=$S3_TLS_ENDPOINT
    run rs scan
    status_is 1
    says "certificate"
    says "--s3-ca"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout "$WORK/other.key" \
        -addext 'subjectAltName=IP:127.0.0.1' -out "$WORK/other.crt" 2>/dev/null
    run rs scan --s3-ca "$WORK/other.crt"
    status_is 1
    says "certificate"
    rs scan --s3-ca "$S3_CA" --json | jq -e '.complete and .tags == 1'
    unset REGSWEEP_S3_ENDPOINT
    registry_config | sed "s|regionendpoint:.*|regionendpoint: ${S3_TLS_ENDPOINT#https://}|; s|secure:.*|secure: true|" >"$WORK/tls.yml"
    run regsweep scan --index "$INDEX.tls" --registry-config "$WORK/tls.yml"
    status_is 1
    says "certificate"
    sed -i 's|^    secure:.*|&\n    skipverify: true|' "$WORK/tls.yml"
    regsweep scan --index "$INDEX.tls" --registry-config "$WORK/tls.yml" --json | jq -e '.complete and .tags == 1'
}

# So many requests of regsweep named the bucket in the path, or in the host's name.
in_path() { s3_requests "[A-Z]+ /${S3_BUCKET}[/?]"; }
in_host() { echo $(($(s3_requests) - $(in_path))); }

@test "with the bucket in the host's name a scan lists, and a sweep deletes, over TLS as well" {
    push_some
    in_path_before=$(in_path)
    in_host_before=$(in_host)
    rs scan --s3-style host --s3-endpoint "http://s3.localhost:${S3_ENDPOINT##*:}"
    export REGSWEEP_S3_STYLE=host REGSWEEP_S3_ENDPOINT=https://s3.localhost:${S3_TLS_ENDPOINT##*:} REGSWEEP_S3_CA=$S3_CA
    sweep_all --untagged remove --json >"$WORK/plan.json"
    sweep_all --untagged remove --confirm
    [ -n "$(condemned blobs digest <"$WORK/plan.json")" ]
    [ -z "$(comm -12 <(condemned blobs digest <"$WORK/plan.json") <(s3_blobs))" ]
    [ "$(in_path)" = "$in_path_before" ]
    [ "$(in_host)" -gt "$in_host_before" ]
    start_registry
    client check-all
}

@test "a proxy is used if --s3-proxy names it, never because the environment does" {
    push_some
    port=$(free_port)
    "$E2E_DIR/s3_proxy.py" "$port" "${S3_ENDPOINT#http://}" 3>&- &
    PIDS+=("$!")
    wait_until "$TIMEOUT" answers "http://127.0.0.1:$port/"
    unset NO_PROXY no_proxy
    export http_proxy=http://127.0.0.1:$port HTTP_PROXY=http://127.0.0.1:$port all_proxy=http://127.0.0.1:$port
    rs scan --json | jq -e '.complete'
    curl -s --noproxy '*' "http://127.0.0.1:$port/" | jq -e '.by_proxy == null'
    export no_proxy='*' NO_PROXY='*'
    rs scan --s3-proxy "http://127.0.0.1:$port" --json | jq -e '.complete and .tags == 1'
    curl -s --noproxy '*' "http://127.0.0.1:$port/" | jq -e '.by_proxy > 3'
    run rs scan --s3-proxy "http://127.0.0.1:$(free_port)"
    status_is 1
    says "no answer"
}

# How many pages of blobs were listed so far.
lists_of_blobs() {
    s3_requests "GET /[^ ]*prefix=${V2//\//%2F}%2Fblobs"
}

@test "a scan of links alone lists no blobs" {
    push_some
    rs scan
    before=$(lists_of_blobs)
    [ "$before" -gt 0 ]
    rs scan --links-only --json | jq -e '.complete and .tags == 1'
    [ "$(lists_of_blobs)" = "$before" ]
    rs scan --quiet
    [ "$(lists_of_blobs)" -gt "$before" ]
}

@test "two regsweep on one bucket take turns: while one sweeps the other is refused, and afterwards it sweeps" {
    two_setup
    start_two
    push_garbage 1
    sweep_of a --quarantine 15s
    wait_until "$TIMEOUT" is_hidden a
    run sweep_of b --quarantine 1s
    status_is 3
    says "another regsweep (index"
    client check-all
    [ -n "$(s3_keys_below regsweep/lease/)" ]
    sweep_of a --quarantine 15s --wait
    [ "$(generation_of a state)" = purged ]
    client image team/app:1 --seed 5 --layers 2
    wait_until "$TIMEOUT" garbage_is_old a
    sweep_of b --quarantine 1s --wait
    [ "$(generation_of b state)" = purged ]
    [ "$(generations_of b)" = 1 ]
    client check-all
}
