#!/usr/bin/env bats
# A bad line between regsweep and its object store (s3_proxy.py). The registry reaches the store directly, and has garbage.
# shellcheck disable=SC2034,SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib
load online
load s3

# One registry for all, with images that must stay whatever happens. Lists have many pages, as those of a large bucket have.
setup_file() {
    CEPH_PAGE=40 s3_setup_file
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR e2e_setup
    S3_NAME=shared s3_setup
    start_registry
    client storm 12 --seed 1 >"$WORK/expected.json"
    start_line
    export SHARED=$REGISTRY LINE SHARED_PIDS="${PIDS[*]}"
}

teardown_file() {
    local pid
    for pid in ${SHARED_PIDS:-}; do
        stop_process "$pid" || true
    done
    s3_teardown_file
}

setup() {
    e2e_setup
    S3_NAME=shared s3_setup
    REGISTRY=$SHARED
    EXPECTED=$BATS_FILE_TMPDIR/expected.json
    PROGRAM=$REGSWEEP
    hasten 1
    export REGSWEEP_S3_ENDPOINT=$LINE
}

teardown() { e2e_teardown; }

# An image that nobody can pull, and a layer of nobody's. Sets GARBAGE, a file of blobs; index "good" is that of a scan.
add_garbage() {
    client delete gone/thing "$(client image gone/thing:1 --seed "$BATS_TEST_NUMBER" --layers 4)"
    client blob lone/layer --seed "$BATS_TEST_NUMBER"
    REGSWEEP_S3_ENDPOINT=$S3_ENDPOINT regsweep scan --quiet --index "$WORK/good" --storage "$ROOT"
    GARBAGE=$WORK/garbage
    garbage_of "$WORK/good" >"$GARBAGE"
}

# The proxy.
start_line() {
    local port
    port=$(free_port)
    LINE=http://127.0.0.1:$port
    python3 "$E2E_DIR/s3_proxy.py" "$port" "${S3_ENDPOINT#http://}" --seed 1 3>&- &
    PIDS+=($!)
    wait_until "$TIMEOUT" answers "$LINE/"
}

# trouble WORDS: from now on.
trouble() {
    curl -sf -X PUT --data "$*" "$LINE/" >/dev/null
}

# told WHAT: how many, since trouble began.
told() {
    curl -sf "$LINE/" | jq ".$1 // 0"
}

garbage_of() {
    regsweep sweep --offline --grace 0 --index "$1" --json | condemned blobs digest
}

# Of the garbage, how many blobs are there?
garbage_left() {
    s3_blobs >"$WORK/blobs"
    comm -12 "$GARBAGE" "$WORK/blobs" | wc -l
}

nothing_is_lost() {
    client check "$EXPECTED"
}

# All of the garbage is gone, and nothing else: all that was promised can be pulled.
swept_clean() {
    [ "$(garbage_left)" -eq 0 ]
    nothing_is_lost
    [ -z "$(garbage_of "$INDEX")" ]
}

# The next run, over a good line.
next_run_sweeps_clean() {
    trouble
    run sweep_all --confirm
    status_is 0
    swept_clean
}

# hasten TIMES: from now on regsweep's own clocks run so many times as fast, and its patience is over as much sooner. A command
# that does not end is stopped after a minute.
hasten() {
    local faketime hurry=''
    faketime=$(find /usr/lib -name libfaketime.so.1 | head -n 1)
    [ -n "$faketime" ] || fail "libfaketime is not installed"
    (($1 == 1)) || hurry="env FAKETIME='+0 x$1' NO_FAKE_STAT=1 LD_PRELOAD=$faketime"
    printf '#!/bin/sh\nASAN_OPTIONS=%sverify_asan_link_order=0 exec timeout -k 5 60 %s %s "$@"\n' \
        "${ASAN_OPTIONS:+$ASAN_OPTIONS:}" "$hurry" "$PROGRAM" >"$WORK/hurried"
    chmod +x "$WORK/hurried"
    REGSWEEP=$WORK/hurried
}

# comes_through WORDS: over such a line a scan sees the same, and a sweep removes all that it should.
comes_through() {
    local word
    add_garbage
    trouble "$*"
    run rs scan
    status_is 0
    "$INDEX_EQUAL" "$INDEX" "$WORK/good"
    run sweep_all --confirm
    status_is 0
    for word in "$@"; do
        [ "$(told "${word%=*}")" -gt 0 ] || fail "no trouble: $word"
    done
    [ "$(told most)" -le 16 ] || fail "one and the same was asked $(told most) times by two scans"
    swept_clean
}

# refuses TEXT WORDS: over such a line neither a scan nor a sweep comes to its end, both say TEXT, and nothing is gone.
refuses() {
    local keys
    keys=$(s3_keys)
    trouble "${@:2}"
    run rs scan
    status_is "${STATUS:-1}"
    says "$1"
    trouble "${@:2}"
    run sweep_all --confirm
    status_is "${SWEEP_STATUS:-3}"
    says "$1"
    same_lines "$keys" "$(s3_keys)"
}

@test "a store that is overburdened is asked again, and all comes to its end" {
    comes_through busy=0.06
}

@test "connections that are reset, before or after the store did as asked, and answers that break off cost nothing" {
    comes_through reset=0.05 half=0.05 cut=0.1
}

@test "an answer that comes slowly is waited for" {
    comes_through slow=0.1
}

@test "a page that is always cut short ends a scan after eight tries, and a sweep before anything goes" {
    add_garbage
    hasten 20
    SWEEP_STATUS=1 # it cannot even see whether another one sweeps
    refuses "cut short" cut=1
    [ "$(told most)" -eq 8 ] || fail "the same was asked $(told most) times"
    hasten 1
    next_run_sweeps_clean
}

@test "a page that comes again is no list: a scan ends, and takes nothing for absent" {
    add_garbage
    refuses "out of place" repeat=1
    # An index that knew all is asked again.
    cp -r "$WORK/good/." "$INDEX"
    refuses "out of place" repeat=1
    [ "$(told repeat)" -gt 0 ]
    [ "$(told most)" -le 2 ] || fail "the same was asked $(told most) times"
    same_lines "$(<"$GARBAGE")" "$(garbage_of "$INDEX")"
    next_run_sweeps_clean
}

@test "what the store does not delete is told, and goes with the next run" {
    add_garbage
    trouble keys=1
    run sweep_all --confirm
    status_is 2
    says "objects could not be removed"
    says "Permission denied"
    [ "$(garbage_left)" -gt 0 ]
    nothing_is_lost
    next_run_sweeps_clean
}

@test "a signature that the store does not take is told, and tried once" {
    add_garbage
    trouble forge=1
    run rs scan
    status_is 1
    says SignatureDoesNotMatch
    [ "$(told requests)" -eq 1 ]
    refuses SignatureDoesNotMatch forge=0.3 after=5
    trouble revoke=1 # when all is decided
    run sweep_all --confirm
    status_is 2
    says "objects could not be removed"
    [ "$(garbage_left)" -eq "$(wc -l <"$GARBAGE")" ]
    nothing_is_lost
    next_run_sweeps_clean
}

@test "a store whose clock is ten minutes ahead is refused" {
    add_garbage
    STATUS=3 refuses "ahead of ours" skew=1
    [ "$(told requests)" -eq 1 ]
    next_run_sweeps_clean
}

@test "an answer that never comes is given up and asked for again; if none comes, a scan ends" {
    add_garbage
    trouble hang=0.15
    hasten 30
    run rs scan
    status_is 0
    [ "$(told hang)" -gt 0 ]
    "$INDEX_EQUAL" "$INDEX" "$WORK/good"
    trouble hang=1
    hasten 100
    run rs scan
    status_is 1
    says "no answer"
    [ "$(told requests)" -eq 8 ]
    hasten 1
    next_run_sweeps_clean
}

# A registry of its own in a bucket that keeps versions, with images that must stay, garbage, and old versions.
start_with_versions() {
    s3_with_versions
    REGSWEEP_S3_ENDPOINT=$LINE
    trouble
    start_registry
    client storm 5 --seed 40 >"$WORK/expected.json"
    EXPECTED=$WORK/expected.json
    client image old/thing:1 --seed 42 # whose tag is written once more
    client image old/thing:1 --seed 43
    client delete gone/thing "$(client image gone/thing:1 --seed 41 --layers 80)" # enough to list the versions of many keys
    REGSWEEP_S3_ENDPOINT=$S3_ENDPOINT regsweep scan --quiet --index "$WORK/good" --storage "$ROOT"
    GARBAGE=$WORK/garbage
    garbage_of "$WORK/good" >"$GARBAGE"
    [ "$(wc -l <"$GARBAGE")" -gt 80 ]
}

# Keys of all versions and markers that there are of this registry, however many.
versions_by_key() {
    local key='' id='' said
    while :; do
        said=$(s3 GET "?key-marker=$(s3_encoded "$key")&max-keys=1000&prefix=$(s3_encoded "$V2/")&version-id-marker=$id&versions=")
        grep -oE '<Key>[^<]*' <<<"$said" | sed "s|<Key>$V2/||" || true
        [[ $said == *'<IsTruncated>true'* ]] || return 0
        key=$(grep -oE '<NextKeyMarker>[^<]*' <<<"$said" | cut -d'>' -f2)
        id=$(grep -oE '<NextVersionIdMarker>[^<]*' <<<"$said" | cut -d'>' -f2)
    done
}

# Of what a sweep took no version stays.
no_version_is_left() {
    versions_by_key >"$WORK/versions"
    ! sed 's|^sha256:\(..\)|/\1/\1|' "$GARBAGE" | grep -qFf - "$WORK/versions"
}

@test "lists of versions that break off, or answer another question, are asked for anew or key by key" {
    start_with_versions
    stop_registry
    trouble cut_versions=0.1 stray_versions=0.5 repeat_versions=0.5
    run sweep_all --confirm
    status_is 0
    for word in cut_versions stray_versions; do
        [ "$(told "$word")" -gt 0 ] || fail "no trouble: $word"
    done
    trouble
    start_registry
    swept_clean
    no_version_is_left
}

@test "lists of versions that always break off, or begin again, lose nothing, and the next run deletes what they are of" {
    start_with_versions
    stop_registry
    versions_by_key | sort >"$WORK/before"
    trouble cut_versions=1 after=8 # it knows by then that it may list them
    hasten 20
    run sweep_all --confirm
    status_is 2
    says "objects could not be removed"
    same_lines "$(<"$WORK/before")" "$(versions_by_key | sort)"
    hasten 1
    trouble repeat_versions=1
    run sweep_all --confirm --settle 1s --version-max-age 1s
    status_is 2
    says "old versions stay: "
    says "the store does not say where the list goes on"
    [ "$(told repeat_versions)" -gt 0 ]
    no_version_is_left
    [ "$(versions_by_key | wc -l)" -gt "$(s3_keys | wc -l)" ]
    trouble
    run sweep_all --confirm --settle 1s --version-max-age 1s
    status_is 0
    same_lines "$(versions_by_key | sort)" "$(s3_keys)"
    start_registry
    swept_clean
}

@test "a sweep beside the registry over a bad line loses nothing, and leaves nothing over a good one" {
    REGSWEEP=$PROGRAM # serve is there all the while
    s3_setup
    REGSWEEP_S3_ENDPOINT=$LINE
    trouble
    start_online
    EXPECTED=$WORK/expected.json
    GARBAGE=$WORK/garbage
    client storm 5 --seed 30 >"$EXPECTED"
    client delete gone/thing "$(client image gone/thing:1 --seed 31 --layers 2)"
    heard_all() { events_sent && queue_is_empty; }
    wait_until "$TIMEOUT" heard_all
    sleep 1.1 # grace
    garbage_of "$INDEX" >"$GARBAGE"
    trouble busy=0.03 reset=0.03 half=0.03 slow=0.05 cut=0.1
    online_sweep
    client check "$EXPECTED" --tagged
    trouble
    online_sweep
    [ "$(garbage_left)" -eq 0 ]
    client check "$EXPECTED" --tagged
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
    # What is asked of many keys at once is asked of each where the answer is to another question.
    client delete gone/thing "$(client image gone/thing:1 --seed 32 --layers 12)"
    wait_until "$TIMEOUT" heard_all
    sleep 1.1
    garbage_of "$INDEX" >"$GARBAGE"
    trouble stray=1
    online_sweep
    [ "$(told stray)" -gt 0 ]
    [ "$(garbage_left)" -eq 0 ]
    client check "$EXPECTED" --tagged
    [ "$(s3_keys_below regsweep/quarantine/)" = regsweep/quarantine/README ]
}
