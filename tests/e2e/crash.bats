#!/usr/bin/env bats
# kill -9 at any moment: the next run finishes, and nobody misses a byte.
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets status and output, and each test is a subshell
load lib

setup() {
    e2e_setup
    "$MAKE_TREE" "$ROOT" --pushes 1500 --repositories 20 --seed 4 --garbage 40
    disk images "$ROOT" >"$WORK/tags"
    rs scan --quiet
}
teardown() { e2e_teardown; }

audit_has() {
    [ "$(wc -l <"$WORK/audit")" -ge "$1" ]
}

kill_sweep_when() {
    start_sweep_all --confirm --audit "$WORK/audit"
    wait_until "$TIMEOUT" "$@"
    kill -KILL "$SWEEP_PID" 2>/dev/null || true
    wait "$SWEEP_PID" || true
}

the_next_run_finishes() {
    disk whole "$ROOT" "$WORK/tags"
    sweep_all --confirm --audit "$WORK/audit"
    disk whole "$ROOT" "$WORK/tags"
    sweep_all --json | jq -e '.totals | add == 0'
    run rs verify --quiet
    status_is 0
    [ -z "$(stock_garbage)" ]
}

@test "a sweep killed as soon as it has started to delete is finished by the next run" {
    kill_sweep_when test -s "$WORK/audit"
    the_next_run_finishes
}

@test "a sweep killed again and again, further on each time, is finished by the next run" {
    : >"$WORK/audit"
    total=$(sweep_all --json | jq '.totals | .blobs + .links + .revisions + .tags + .repositories + .uploads')
    for part in 1 3 5 7; do
        kill_sweep_when audit_has $((total * part / 10))
        disk whole "$ROOT" "$WORK/tags"
    done
    the_next_run_finishes
    start_registry
    client check-all
}

empty_repositories() {
    find "$REPOSITORIES/empty" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

@test "what a killed sweep had not come to does not go without a line in the audit, nor with a run that is refused" {
    for i in $(seq 50); do
        mkdir -p "$REPOSITORIES/empty/e$i"/{_layers/sha256,_manifests/revisions/sha256,_manifests/tags,_uploads}
    done
    rs scan --quiet
    kill_sweep_when test -s "$WORK/audit"
    [ "$(empty_repositories)" -eq 50 ]
    run sweep_all --confirm --audit "$WORK/audit" --max-delete 0
    status_is 3
    [ "$(empty_repositories)" -eq 50 ]
    sweep_all --confirm --audit "$WORK/audit"
    [ "$(empty_repositories)" -eq 0 ]
    [ "$(grep '"kind":"repository"' "$WORK/audit" | grep -c '"empty/e')" -eq 50 ]
}

@test "a sweep stopped by SIGTERM ends cleanly and is finished by the next run" {
    start_sweep_all --confirm --audit "$WORK/audit"
    wait_until "$TIMEOUT" test -s "$WORK/audit"
    kill -TERM "$SWEEP_PID"
    wait "$SWEEP_PID" || [ $? -eq 1 ]
    the_next_run_finishes
}

@test "a scan killed at any moment leaves an index that the next scan completes" {
    for lines in 0 1 2; do
        rm -rf "$WORK/index2"
        "$REGSWEEP" scan --index "$WORK/index2" --storage "$ROOT" --quiet >/dev/null 2>&1 3>&- &
        pid=$!
        PIDS+=("$pid")
        wait_until "$TIMEOUT" test -s "$WORK/index2/data.mdb"
        sleep "0.$lines"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" || true
    done
    regsweep scan --index "$WORK/index2" --storage "$ROOT" --quiet
    "$INDEX_EQUAL" "$INDEX" "$WORK/index2"
}
