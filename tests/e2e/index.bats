#!/usr/bin/env bats
# The index in trouble: read-only, damaged, newer, without room. A clear word, and nothing deleted.
# shellcheck disable=SC2154
load lib

setup() {
    e2e_setup
    "$MAKE_TREE" "$ROOT" --pushes 420 --repositories 12 --seed 2
    disk images "$ROOT" >"$WORK/tags"
}
teardown() { e2e_teardown; }

# The process ended by itself, with one of the documented statuses, and not by a signal.
ended_well() {
    case $status in
        0 | 1 | 2 | 3) ;;
        *) fail "exit status $status: $output" ;;
    esac
}

@test "commands that only read work on a read-only index" {
    rs scan --quiet
    chmod -R a+rX "$WORK" "$BATS_RUN_TMPDIR"
    chmod -R a-w "$INDEX"
    cp "$REGSWEEP" "$WORK/regsweep"
    run unprivileged "$WORK/regsweep" inspect stats --index "$INDEX"
    status_is 0
    run unprivileged "$WORK/regsweep" sweep --index "$INDEX" --offline --grace 0
    status_is 0
    run unprivileged "$WORK/regsweep" scan --index "$INDEX" --storage "$ROOT"
    status_is 1
    says "$INDEX"
    chmod -R u+w "$INDEX"
}

size_of_index() {
    regsweep inspect stats --json --index "$INDEX" | jq .index.used_bytes
}

@test "the first scan packs the index; while another process has it open it leaves it as it is" {
    rs scan --quiet
    packed=$(size_of_index)
    rm -r "$INDEX"
    mkdir "$INDEX"
    exec 9>"$INDEX/index.lock"
    flock -s 9
    rs scan --quiet
    exec 9>&-
    (($(size_of_index) > packed * 11 / 10))
    rs scan --rebuild --quiet
    (($(size_of_index) < packed * 11 / 10))
}

@test "an index with flipped bytes never costs an image, and no command dies of it" {
    rs scan --quiet
    cp "$INDEX/data.mdb" "$WORK/sound"
    for seed in 1 2 3 4 5 6 7 8; do
        cp "$WORK/sound" "$INDEX/data.mdb"
        flip_bytes "$INDEX/data.mdb" "$seed" 40
        for form in "inspect stats" "inspect types" "inspect garbage"; do
            # shellcheck disable=SC2086 # two words
            run regsweep $form --index "$INDEX"
            ended_well
        done
        run sweep_all --json
        ended_well
        run sweep_all --confirm
        ended_well
        disk whole "$ROOT" "$WORK/tags"
    done
}

@test "a damaged index is named with its remedy, and scan --rebuild mends it" {
    rs scan --quiet
    head -c 8192 /dev/zero | tr '\0' 'x' | dd of="$INDEX/data.mdb" conv=notrunc status=none
    run rs sweep
    status_is 1
    says "build it anew with: regsweep scan --rebuild --index $INDEX"
    run rs doctor
    says "build it anew with: regsweep scan --rebuild --index $INDEX"
    rs scan --rebuild --quiet
    run rs verify
    status_is 0
}

@test "an index cut short is an error, not a crash" {
    rs scan --quiet
    size=$(index_end "$INDEX/data.mdb")
    for part in 2 3 10; do
        truncate -s $((size / part / 4096 * 4096)) "$INDEX/data.mdb"
        run sweep_all --json
        ended_well
        run regsweep inspect stats --index "$INDEX"
        ended_well
    done
    disk whole "$ROOT" "$WORK/tags"
}

@test "a file that is no index is refused" {
    mkdir "$INDEX"
    head -c 100000 /dev/zero >"$INDEX/data.mdb"
    run rs scan
    [ "$status" -eq 1 ]
    [ "$(stat -c %s "$INDEX/data.mdb")" -eq 100000 ]
}

@test "an index of a newer schema is refused by every command and left as it is" {
    rs scan --quiet
    set_schema "$INDEX/data.mdb" 5 99
    before=$(sha256sum "$INDEX/data.mdb")
    for command in "scan" "sweep" "sweep --offline --confirm --grace 0" "verify"; do
        # shellcheck disable=SC2086 # several words
        run rs $command
        [ "$status" -ne 0 ]
        says 99
    done
    run regsweep inspect stats --index "$INDEX"
    [ "$status" -ne 0 ]
    [ "$before" = "$(sha256sum "$INDEX/data.mdb")" ]
    disk whole "$ROOT" "$WORK/tags"
}

# A limit on the size of files stands for a full disk: it needs no root, and the same write fails.
@test "a scan that finds the disk full says so, deletes nothing and can be run again" {
    tree=$(disk hash "$ROOT")
    run with_file_limit 200 rs scan --quiet
    status_is 1
    says "$INDEX"
    [ "$tree" = "$(disk hash "$ROOT")" ]
    run rs sweep --offline --confirm --grace 0 --max-delete 0
    rs scan --quiet
    run rs verify
    status_is 0
}

@test "a sweep that finds the disk full says so, and the next one finishes" {
    rs scan --quiet
    blocks=$(($(index_end "$INDEX/data.mdb") / 1024))
    run with_file_limit "$blocks" sweep_all --confirm --untagged remove
    ended_well
    disk whole "$ROOT" "$WORK/tags"
    sweep_all --confirm --untagged remove
    disk whole "$ROOT" "$WORK/tags"
    [ -z "$(stock_garbage)" ]
}

@test "an index that reaches --map-size says so" {
    run rs scan --quiet --map-size 512K
    status_is 1
    says 'map size'
    rs scan --quiet
}
