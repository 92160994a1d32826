# For tests of registries on S3: one store a file of tests, a prefix of its bucket a test.
# shellcheck shell=bash disable=SC2034,SC2154

S3_BUCKET=registry

s3_setup_file() {
    "$E2E_DIR/ceph.sh" have || skip "no Ceph here"
    "$E2E_DIR/ceph.sh" up "$BATS_FILE_TMPDIR/ceph"
    "$E2E_DIR/ceph.sh" bucket "$BATS_FILE_TMPDIR/ceph" "$S3_BUCKET"
    allow_sweeper all
}

# allow_sweeper all|ACTION: regsweep runs with the policy that the documentation says is enough; or all but that of it.
allow_sweeper() {
    # shellcheck source=/dev/null
    . "$BATS_FILE_TMPDIR/ceph/env"
    local policy
    policy=$(sed -n '/^    {"Version": "2012-10-17"/,/^$/p' "$E2E_DIR/../../docs/operation.md" |
        sed "s/my-bucket/$S3_BUCKET/g" |
        jq -c --arg without "$1" '.Statement[].Principal = {"AWS": ["arn:aws:iam:::user/sweeper"]} |
               .Statement[2].Resource += .Statement[0].Resource | # Ceph looks at the bucket, not at each key
               .Statement[].Action -= [$without] | .Statement |= map(select(.Action != []))')
    WORK=$BATS_FILE_TMPDIR s3 PUT '?policy=' "$policy"
}

# After s3_setup: on a bucket of its own, which keeps versions. regsweep may what the documentation adds for that.
s3_with_versions() {
    local policy
    S3_BUCKET=versions-$BATS_TEST_NUMBER
    "$E2E_DIR/ceph.sh" bucket "$BATS_FILE_TMPDIR/ceph" "$S3_BUCKET"
    s3 PUT '?versioning=' '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    policy=$({
        sed -n '/^    {"Version": "2012-10-17"/,/^$/p' "$E2E_DIR/../../docs/operation.md" | jq -c '.Statement[]'
        printf '[%s]' "$(sed -n '/^      {"Effect": "Allow", "Action": \["s3:GetBucketVersioning"/,/^$/p' "$E2E_DIR/../../docs/operation.md")" |
            jq -c '.[]'
    } | sed "s/my-bucket/$S3_BUCKET/g" |
        jq -sc --arg bucket "arn:aws:s3:::$S3_BUCKET" '{Version: "2012-10-17", Statement: map(.Principal = {"AWS": ["arn:aws:iam:::user/sweeper"]} |
            if .Action | any(startswith("s3:Delete")) then .Resource += [$bucket] else . end)}')
    s3 PUT '?policy=' "$policy"
    ROOT=s3://$S3_BUCKET/$S3_ROOT
}

# All that the bucket has of the test's registry: "key version", or "key marker", one a line. A thousand at most.
s3_versions() {
    s3 GET "?max-keys=1000&prefix=${V2//\//%2F}%2F&versions=" | sed -E 's/<(Version|DeleteMarker)><Key>/\n&/g' |
        sed -nE "s|^<(Version\|DeleteMarker)><Key>$V2/([^<]*)<.*|\2 \1|p" | sed 's/ Version$/ version/; s/ DeleteMarker$/ marker/' | sort
}

s3_teardown_file() {
    "$E2E_DIR/ceph.sh" down "$BATS_FILE_TMPDIR/ceph"
}

# After e2e_setup: from here on the registry and regsweep are on S3, below S3_NAME.
s3_setup() {
    # shellcheck source=/dev/null
    . "$BATS_FILE_TMPDIR/ceph/env"
    S3_ROOT=images/${S3_NAME:-$BATS_TEST_NUMBER}
    ROOT=s3://$S3_BUCKET/$S3_ROOT
    V2=$S3_ROOT/docker/registry/v2
    export REGSWEEP_S3_ENDPOINT=$S3_ENDPOINT AWS_ACCESS_KEY_ID=$S3_SWEEPER AWS_SECRET_ACCESS_KEY=$S3_SWEEPER_SECRET
}

# In place of lib.bash's.
registry_storage() {
    cat <<YAML
  s3:
    accesskey: $S3_ACCESS
    secretkey: $S3_SECRET
    region: us-east-1
    regionendpoint: $S3_ENDPOINT
    forcepathstyle: true
    secure: false
    bucket: $S3_BUCKET
    rootdirectory: /$S3_ROOT
  redirect:
    disable: true
YAML
}

# s3 METHOD KEY [TEXT]: an object, by hand.
s3() {
    printf '%s' "${3:-}" >"$WORK/s3.body"
    local body=()
    [ $# -lt 3 ] || body=(--data-binary "@$WORK/s3.body" -H 'Content-Type: application/octet-stream')
    curl -sf --noproxy '*' --max-time 20 -X "$1" --aws-sigv4 aws:amz:us-east-1:s3 "${body[@]}" \
        -H "x-amz-content-sha256: $(sha256sum <"$WORK/s3.body" | cut -d' ' -f1)" \
        -K - "$S3_ENDPOINT/$S3_BUCKET/$2" <<<"user = \"$S3_ACCESS:$S3_SECRET\""
}

# What the store says of an object without giving it, as headers.
s3_head() {
    curl -sf --noproxy '*' --max-time 20 -I --aws-sigv4 aws:amz:us-east-1:s3 -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
        -K - "$S3_ENDPOINT/$S3_BUCKET/$1" <<<"user = \"$S3_ACCESS:$S3_SECRET\""
}

# s3_list PREFIX: all keys that begin with it, page by page.
s3_list() {
    local prefix after='' said keys
    prefix=$(s3_encoded "$1")
    while :; do
        said=$(s3 GET "?list-type=2&max-keys=1000&prefix=$prefix${after:+&start-after=$(s3_encoded "$after")}")
        keys=$(grep -oE '<Key>[^<]*' <<<"$said" | sed 's|<Key>||' || true)
        [ -z "$keys" ] || printf '%s\n' "$keys"
        [[ $said == *'<IsTruncated>true'* ]] || return 0
        after=${keys##*$'\n'}
    done
}

s3_encoded() {
    jq -rn --arg text "$1" '$text | @uri'
}

# Keys of the test's registry, below docker/registry/v2, one a line.
s3_keys() {
    s3_list "$V2/" | sed "s|^$V2/||" | sort
}

# Keys that begin with this below the registry's root directory, such as regsweep/quarantine/.
s3_keys_below() {
    s3_list "$S3_ROOT/$1" | sed "s|^$S3_ROOT/||" | sort
}

# Digests of all blobs, one a line.
s3_blobs() {
    s3_list "$V2/blobs/" | sed -nE 's|.*/blobs/([a-z0-9]+)/../([0-9a-f]+)/data$|\1:\2|p' | sort
}

# How many requests the store has had so far from regsweep, of those that match. Its own log says.
s3_requests() {
    grep -cE "beast: .*\"${1:-}.*\"regsweep/" "$BATS_FILE_TMPDIR/ceph/log/client.rgw.log" || true
}
