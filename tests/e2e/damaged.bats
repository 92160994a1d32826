#!/usr/bin/env bats
# Storage that was damaged by hand: counted, reported, kept. One bad object never ends a run.
# shellcheck disable=SC2154
load lib

setup() {
    e2e_setup
    start_registry
    ONE=$(client image team/app:1 --seed 1 --shared 70)
    TWO=$(client image team/app:2 --seed 2 --shared 70)
    THREE=$(client image other/app:1 --seed 3)
    client image team/app:gone --seed 4 >"$WORK/gone"
    client delete team/app "$(cat "$WORK/gone")"
    LONE=$(client blob third/app --seed 5)
    stop_registry
    disk blobs "$ROOT" >"$WORK/blobs"
    disk images "$ROOT" | grep -v 'team/app' >"$WORK/other"
}
teardown() { e2e_teardown; }

data_of() {
    echo "$BLOBS/sha256/${1:7:2}/${1:7}/data"
}
revision_of() {
    echo "$REPOSITORIES/$1/_manifests/revisions/sha256/${2:7}/link"
}

# Scans, sweeps with everything allowed, twice.
scan_and_sweep() {
    run rs scan
    status_is 0
    run sweep_all --confirm --untagged remove
    status_is 0
    run sweep_all --confirm --untagged remove
    status_is 0
}

# stays DIGEST…: these blobs are still on disk.
stays() {
    local digest
    for digest in "$@"; do
        [ -e "$(data_of "$digest")" ] || fail "$digest went"
    done
}

# All but the lone blob of another repository and the manifest that was deleted, which nothing links.
everything_of_team_app_stays() {
    local digest
    while read -r digest; do
        [ "$digest" = "$LONE" ] || [ "$digest" = "$(cat "$WORK/gone")" ] || stays "$digest"
    done <"$WORK/blobs"
    disk whole "$ROOT" "$WORK/other"
}

# The digests that an image on disk names, itself included.
parts_of() {
    echo "$1"
    jq -r '.config.digest, .layers[].digest' "$(data_of "$1")"
}

@test "a truncated manifest is kept with every layer of its repository, and reported" {
    data=$(data_of "$ONE")
    truncate -s 100 "$data"
    scan_and_sweep
    everything_of_team_app_stays
    sweep_all --json | jq -e --arg digest "$ONE" 'any(.warnings[]; .digest == $digest)'
}

@test "an empty manifest is kept with every layer of its repository" {
    : >"$(data_of "$ONE")"
    scan_and_sweep
    everything_of_team_app_stays
}

@test "a binary manifest is kept with every layer of its repository" {
    head -c 3000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >"$(data_of "$ONE")"
    scan_and_sweep
    everything_of_team_app_stays
}

@test "a manifest of 5 MB is kept with every layer of its repository, and memory stays bounded" {
    head -c 5000000 /dev/zero | tr '\0' '[' >"$(data_of "$ONE")"
    scan_and_sweep
    everything_of_team_app_stays
}

@test "a manifest whose bytes are those of another is kept with every layer of its repository" {
    cp "$(data_of "$THREE")" "$(data_of "$ONE")"
    scan_and_sweep
    everything_of_team_app_stays
}

@test "a manifest whose bytes are gone is reported, and what the index knew of it stays" {
    mapfile -t parts < <(parts_of "$ONE")
    rs scan
    rm "$(data_of "$ONE")"
    scan_and_sweep
    stays "${parts[@]:1}"
    disk whole "$ROOT" "$WORK/other"
    run rs verify
    status_is 1
    says "$ONE"
}

@test "an empty revision link is kept with what it led to" {
    mapfile -t parts < <(parts_of "$ONE")
    : >"$(revision_of team/app "$ONE")"
    scan_and_sweep
    stays "${parts[@]}"
    [ -e "$(revision_of team/app "$ONE")" ]
}

@test "a revision link with a newline is kept" {
    mapfile -t parts < <(parts_of "$ONE")
    printf '%s\n' "$ONE" >"$(revision_of team/app "$ONE")"
    scan_and_sweep
    stays "${parts[@]}"
}

@test "a revision link that names another digest is kept with both" {
    mapfile -t parts < <(parts_of "$ONE")
    printf '%s' "$TWO" >"$(revision_of team/app "$ONE")"
    scan_and_sweep
    stays "${parts[@]}" "$TWO"
}

@test "a directory in place of a link is kept with what it led to" {
    mapfile -t parts < <(parts_of "$ONE")
    rm "$(revision_of team/app "$ONE")"
    mkdir "$(revision_of team/app "$ONE")"
    scan_and_sweep
    stays "${parts[@]}"
    [ -d "$(revision_of team/app "$ONE")" ]
}

@test "a tag whose link is empty keeps every manifest that it may have pointed at" {
    mapfile -t parts < <(parts_of "$ONE")
    : >"$REPOSITORIES/team/app/_manifests/tags/1/current/link"
    scan_and_sweep
    stays "${parts[@]}"
}

@test "a symbolic link out of the tree is not followed and nothing behind it goes" {
    mkdir "$WORK/outside"
    cp -r "$REPOSITORIES/team" "$WORK/outside/"
    ln -s "$WORK/outside/team" "$REPOSITORIES/linked"
    before=$(disk hash "$WORK/outside")
    run rs scan
    run sweep_all --confirm --untagged remove
    [ "$status" -le 3 ]
    [ "$before" = "$(disk hash "$WORK/outside")" ]
    [ -L "$REPOSITORIES/linked" ]
    disk whole "$ROOT" "$WORK/other"
}

@test "a repository whose name breaks the grammar is kept untouched" {
    cp -r "$REPOSITORIES/team" "$REPOSITORIES/Team"
    mkdir -p "$REPOSITORIES/Team/app/_layers/sha256"
    before=$(disk hash "$REPOSITORIES/Team")
    run rs scan
    run sweep_all --confirm --untagged remove
    [ "$status" -le 3 ]
    [ "$before" = "$(disk hash "$REPOSITORIES/Team")" ]
    everything_of_team_app_stays
}

@test "folders that this user may not read make the scan incomplete and the sweep refuse" {
    rs scan --quiet
    chmod -R a+rwX "$WORK" "$BATS_RUN_TMPDIR"
    cp "$REGSWEEP" "$WORK/regsweep"
    chmod 0 "$REPOSITORIES/team/app/_manifests/revisions"
    before=$(disk blobs "$ROOT")
    run unprivileged "$WORK/regsweep" scan --index "$WORK/fresh" --storage "$ROOT"
    status_is 1
    run unprivileged "$WORK/regsweep" verify --index "$WORK/fresh" --storage "$ROOT"
    says "there was no complete scan yet: what the index does not know is not looked at"
    run unprivileged "$WORK/regsweep" sweep --index "$WORK/fresh" --storage "$ROOT" --offline --confirm --grace 0
    status_is 3
    run unprivileged "$WORK/regsweep" sweep --index "$INDEX" --storage "$ROOT" --offline --confirm --grace 0
    [ "$status" -ne 0 ]
    chmod 755 "$REPOSITORIES/team/app/_manifests/revisions"
    [ "$before" = "$(disk blobs "$ROOT")" ]
}

@test "a manifest that this user may not read is kept with every layer of its repository" {
    chmod -R a+rwX "$WORK" "$BATS_RUN_TMPDIR"
    cp "$REGSWEEP" "$WORK/regsweep"
    chmod 0 "$(data_of "$ONE")"
    run unprivileged "$WORK/regsweep" scan --index "$WORK/fresh" --storage "$ROOT"
    run unprivileged "$WORK/regsweep" sweep --index "$WORK/fresh" --storage "$ROOT" --offline --confirm --grace 0 \
        --max-delete 100 --untagged remove
    chmod 644 "$(data_of "$ONE")"
    everything_of_team_app_stays
}

@test "an unreadable layer link is kept with its layer" {
    mapfile -t parts < <(parts_of "$(cat "$WORK/gone")")
    link=$REPOSITORIES/team/app/_layers/sha256/${parts[2]:7}/link
    : >"$link"
    scan_and_sweep
    [ -e "$link" ]
    stays "${parts[2]}"
}
