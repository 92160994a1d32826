#!/usr/bin/env bats
# Sweeps through the server: POST /sweeps, and `sweep --server`, which shall be as good as a sweep on the spot.
# shellcheck disable=SC2154,SC2030,SC2031,SC2153 # bats sets status and output; each test is a subshell
load lib
load online

setup() {
    e2e_setup
    SWEEP_TOKEN=sweep-secret
    printf '%s\n' "$SWEEP_TOKEN" >"$WORK/sweep-token"
}
teardown() { e2e_teardown; }

# One that may be asked for sweeps, with limits as tests want them.
start_online_for_sweeps() {
    start_online --sweep-token-file "$WORK/sweep-token" --grace 1s --untagged remove --max-delete 100
}

# A sweep by the serve that was started; neither index nor storage is named.
at_server() {
    REGSWEEP_SWEEP_TOKEN=${AS:-$SWEEP_TOKEN} "$REGSWEEP" sweep --server "$SERVE" "$@"
}

# With --confirm, as short as tests want it.
confirmed() {
    at_server --confirm --settle 1s --grace 1s --untagged remove --max-delete 100 "$@"
}

# ask METHOD PATH [CURL OPTIONS]: the answer's body, and its status in a line of its own.
ask() {
    curl -s --max-time 10 -w '\n%{http_code}' -X "$1" -H "Authorization: Bearer ${AS:-$SWEEP_TOKEN}" "$SERVE$2" "${@:3}"
}

data_of() {
    printf '%s/sha256/%s/%s/data' "$BLOBS" "${1:7:2}" "${1:7}"
}

# The state of a run, by its path.
state_of() {
    ask GET "$1" | head -n 1 | jq -r .state
}

has_ended() {
    [ "$(state_of "$1")" = ended ]
}

waits() {
    ask GET "$1" | head -n 1 | jq -e '.state == "running" and .progress.phase == "waiting"'
}

# The path of the run that serve began last.
last_run() {
    local id
    id=$(sed -n 's/.*sweep \([0-9a-f]*\), which was asked for, begins.*/\1/p' "$WORK/serve.log" | tail -n 1)
    [ -n "$id" ] && echo "/sweeps/$id"
}

# Two images, one of which was deleted. Sets GONE, the file of its manifest.
push_and_delete() {
    client image keep/app:1 --seed 1
    local image
    image=$(client image drop/app:1 --seed 2)
    GONE=$(data_of "$image")
    client delete drop/app "$image"
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
}

# Begins a sweep that waits for an hour, without a client. Sets RUN.
begin_long_run() {
    RUN=$(ask POST /sweeps -o "$WORK/answer" -D - -d '{"confirm": true, "settle": "1s", "quarantine": "1h",
        "grace": "1s", "untagged": "remove", "max_delete": 100, "wait": true}' | tr -d '\r' | sed -n 's/^Location: //p')
    [ "$RUN" = "/sweeps/$(jq -r .id "$WORK/answer")" ]
}

is_waiting_with_generation() {
    waits "$RUN" && [ "$(regsweep inspect generations --index "$INDEX" --json | jq '[.generations[]] | length')" -gt 0 ]
}

@test "a dry run through the server prints what a dry run on the spot prints" {
    start_online_for_sweeps
    push_and_delete
    client image keep/app:1 --seed 3 # re-tagged
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
    for how in --json --verbose --quiet; do
        at_server --grace 0 --untagged remove "$how" >"$WORK/there"
        regsweep sweep --index "$INDEX" --grace 0 --untagged remove "$how" >"$WORK/here"
        cmp "$WORK/there" "$WORK/here"
        [ "$(wc -l <"$WORK/here")" -ge 1 ]
    done
    grep -q '^revision' "$WORK/here"
    [ -e "$GONE" ]
}

@test "a confirmed sweep through the server frees what it should, and the image that stays is pulled" {
    start_online_for_sweeps
    push_and_delete
    end=$((SECONDS + TIMEOUT))
    while [ -e "$GONE" ]; do # what is young stays for a while
        ((SECONDS < end)) || fail "$GONE is still there"
        run --separate-stderr confirmed --quarantine 1s --wait --json
        status_is 0
    done
    jq -e '.dry_run == false and .state == "purged" and .done.removed > 0 and .done.failed == 0' <<<"$output"
    client pull keep/app 1
    client check-all
    grep -q '"action":"delete"' "$INDEX/audit.jsonl"
    run confirmed --quarantine 1s # nothing is left
    status_is 0
    says "removed 0"
}

@test "with the wrong token or none nothing is begun" {
    start_online_for_sweeps
    AS=wrong run at_server
    status_is 1
    says "does not take the token"
    run regsweep sweep --server "$SERVE"
    status_is 64
    says --sweep-token-file
    [ "$(AS=wrong ask POST /sweeps | tail -n 1)" = 401 ]
    [ "$(AS=wrong ask GET /sweeps/0123456789abcdef | tail -n 1)" = 401 ]
    [ "$(http_code -d '{}' "$SERVE/sweeps")" = 401 ]
    [ "$(metric 'regsweep_requests_refused_total{path="/sweeps"}')" = 4 ]
    grep -q "requests for /sweeps without the right token are refused" "$WORK/serve.log"
    [ "$(metric regsweep_asked_sweeps_total)" = 0 ]
    run grep -c -e "$TOKEN" -e "$SWEEP_TOKEN" "$WORK/serve.log"
    [ "$output" = 0 ]
}

@test "the token of events is not that of sweeps, nor the other way round, and the two must not be equal" {
    start_online_for_sweeps
    AS=$TOKEN run at_server --confirm
    status_is 1
    says "does not take the token"
    [ "$(AS=$TOKEN ask POST /sweeps -d '{"confirm": true}' | tail -n 1)" = 401 ]
    [ "$(AS=$TOKEN ask GET /sweeps/0123456789abcdef | tail -n 1)" = 401 ]
    [ "$(metric regsweep_asked_sweeps_total)" = 0 ]
    [ "$(http_code -H "Authorization: Bearer $SWEEP_TOKEN" -d '{"events": []}' "$SERVE/events")" = 401 ]
    stop_serve
    run rs serve --listen 127.0.0.1:0 --token-file "$WORK/token" --sweep-token-file "$WORK/token"
    status_is 64
    says "is the one that events carry"
}

@test "nobody gets more than serve was started with" {
    start_online --sweep-token-file "$WORK/sweep-token"
    for body in '{"untagged": "remove"}' '{"max_delete": 31}' '{"grace": "23h"}' '{"settle": "999ms"}' \
        '{"quarantine": "999ms"}' '{"upload_max_age": "167h"}'; do
        ask POST /sweeps -d "$(jq -c '. + {confirm: true}' <<<"$body")" >"$WORK/answer"
        [ "$(tail -n 1 "$WORK/answer")" = 400 ] || fail "$body: $(cat "$WORK/answer")"
        head -n 1 "$WORK/answer" | jq -e --arg member "$(jq -r 'keys[0]' <<<"$body")" '.error | startswith($member + ": ")'
    done
    run at_server --confirm --untagged remove
    status_is 64
    says "start it with --untagged remove"
    [ "$(metric regsweep_asked_sweeps_total)" = 0 ]
    at_server --untagged remove --grace 0 --max-delete 100 --json | jq -e .dry_run # which takes nothing
    at_server --confirm --max-delete 29 --grace 25h --upload-max-age 169h
}

@test "a serve without a token for sweeps sweeps for nobody, whoever can send it events" {
    "$MAKE_TREE" "$ROOT" --pushes 20 --repositories 2 --seed 1
    rs scan --quiet
    printf 'feed-secret\n' >"$WORK/token"
    start_serve --token-file "$WORK/token"
    for AS in feed-secret any; do
        run at_server
        status_is 3
        says --sweep-token-file
        [ "$(ask POST /sweeps -d '{"confirm": true}' | tail -n 1)" = 403 ]
        [ "$(ask GET /sweeps/0123456789abcdef | tail -n 1)" = 403 ]
    done
    [ "$(metric regsweep_asked_sweeps_total)" = 0 ]
}

@test "while one runs a second is refused and told which" {
    start_online_for_sweeps
    push_and_delete
    sleep 1.1 # older than its grace
    begin_long_run
    wait_until "$TIMEOUT" is_waiting_with_generation
    ask POST /sweeps -d '{}' >"$WORK/answer"
    [ "$(tail -n 1 "$WORK/answer")" = 409 ]
    [ "/sweeps/$(head -n 1 "$WORK/answer" | jq -r .id)" = "$RUN" ]
    run at_server
    status_is 3
    says "${RUN#/sweeps/}"
    [ "$(state_of "$RUN")" = running ]
}

@test "a run that is not known is a 404, and a body that is wrong a 400 that names the member" {
    start_online_for_sweeps
    [ "$(ask GET /sweeps/0123456789abcdef | tail -n 1)" = 404 ]
    [ "$(ask GET /sweeps/ | tail -n 1)" = 404 ]
    [ "$(ask GET /sweeps | tail -n 1)" = 405 ]
    for body in '{"grase": "24h"}' '{"grace": 24}' '{"grace": "a day"}' '{"max_delete": "30"}' '{"max_delete": 101}' \
        '{"confirm": "true"}' '{"untagged": "all"}' '{"pin": ["latest"]}' '{"offline": true}' '{"confirm": true, "grace": "500ms"}' \
        '{"confirm": true, "settle": "0"}' '{"confirm": true, "quarantine": "500ms"}'; do
        ask POST /sweeps -d "$body" >"$WORK/answer"
        [ "$(tail -n 1 "$WORK/answer")" = 400 ] || fail "$body: $(cat "$WORK/answer")"
        member=$(jq -r 'keys | last' <<<"$body")
        head -n 1 "$WORK/answer" | jq -e --arg member "$member" '.error | test("^(--|unknown member \")?" + $member)' || fail "$body: $(cat "$WORK/answer")"
    done
    [ "$(head -c 17000000 /dev/zero | ask POST /sweeps --data-binary @- | tail -n 1)" = 413 ]
    [ "$(metric regsweep_asked_sweeps_total)" = 0 ]
}

@test "the last runs are remembered, with what the command would have printed and its exit status" {
    start_online_for_sweeps
    at_server --quiet
    first=$(last_run)
    ask GET "$first" | head -n 1 >"$WORK/run"
    jq -e '.state == "ended" and .exit == 0 and .error == null and .result.dry_run' "$WORK/run"
    cmp <(jq -c .result "$WORK/run") <(regsweep sweep --index "$INDEX" --json)
    for _ in 1 2 3 4 5 6 7; do at_server --quiet; done
    has_ended "$first"
    at_server --quiet
    [ "$(ask GET "$first" | tail -n 1)" = 404 ]
}

@test "of very many the first are listed, with the number of the others" {
    "$MAKE_TREE" "$ROOT" --pushes 5000 --repositories 6 --seed 9
    find "$REPOSITORIES" -path '*/_manifests/*' -name link -delete
    rs scan --quiet
    start_serve --sweep-token-file "$WORK/sweep-token"
    at_server --grace 0 --json >"$WORK/there"
    regsweep sweep --index "$INDEX" --grace 0 --json >"$WORK/here"
    jq -e '(.condemned.blobs | length == 20000) and .totals.blobs > 20000' "$WORK/there"
    [ "$(jq '.left_out + ([.condemned[] | length] | add)' "$WORK/there")" = "$(jq '[.condemned[] | length] | add' "$WORK/here")" ]
    [ "$(jq -c .totals "$WORK/there")" = "$(jq -c .totals "$WORK/here")" ]
    run --separate-stderr at_server --grace 0
    status_is 0
    [[ $stderr == *"$(jq .left_out "$WORK/there") more are not listed here; where the index is: regsweep inspect garbage"* ]]
}

@test "a client that is killed leaves a sweep that ends by itself" {
    start_online_for_sweeps
    push_and_delete
    sleep 1.1 # older than its grace
    REGSWEEP_SWEEP_TOKEN=$SWEEP_TOKEN "$REGSWEEP" sweep --server "$SERVE" --confirm --wait --settle 1s --quarantine 2s --grace 1s \
        --untagged remove --max-delete 100 >"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
    wait_until "$TIMEOUT" last_run
    run_path=$(last_run)
    [ "$(state_of "$run_path")" = running ]
    kill -KILL "$SWEEP_PID"
    wait_until "$TIMEOUT" has_ended "$run_path"
    ask GET "$run_path" | head -n 1 | jq -e '.exit == 0 and .result.state == "purged"'
    [ ! -e "$GONE" ]
    client check-all
}

@test "a server that is not there is a clear error" {
    port=$(free_port)
    run bash -c 'REGSWEEP_SWEEP_TOKEN=secret-word "$REGSWEEP" sweep --server "$1"' sh "http://127.0.0.1:$port"
    status_is 1
    says "no answer to POST http://127.0.0.1:$port/sweeps"
    [[ $output != *secret-word* ]]
    start_registry
    run bash -c 'REGSWEEP_SWEEP_TOKEN=secret-word "$REGSWEEP" sweep --server "$1"' sh "$REGISTRY"
    status_is 1
    says "is that the URL of regsweep serve?"
}

@test "a serve that does not know the registry looks, refuses to delete, and says what it needs" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 9
    rs scan --quiet
    start_serve --sweep-token-file "$WORK/sweep-token"
    tree=$(disk hash "$ROOT")
    at_server --grace 0 --json | jq -e '.totals.blobs > 0'
    run at_server --confirm
    status_is 3
    says "--registry URL"
    [ "$tree" = "$(disk hash "$ROOT")" ]
}

@test "a refusal of the sweep itself is a refusal of the client" {
    "$MAKE_TREE" "$ROOT" --pushes 210 --repositories 6 --seed 9
    find "$REPOSITORIES" -path '*/_manifests/*' -name link -delete
    start_online_for_sweeps
    run confirmed --max-delete 30
    status_is 3
    says max-delete
    run --separate-stderr confirmed --max-delete 30 --json
    status_is 3
    jq -e '.generation == null and (.refusal | contains("max-delete"))' <<<"$output"
    [ ! -s "$INDEX/audit.jsonl" ]
}

@test "options that are about this end are refused with --server" {
    for option in "--index /tmp" "--storage /tmp" "--offline" "--registry http://127.0.0.1:1" "--audit /tmp/x" "--fence-timeout 1s"; do
        # shellcheck disable=SC2086 # two words
        run regsweep sweep --server http://127.0.0.1:1 $option
        status_is 64
        says "${option%% *} does not go with --server"
    done
    run regsweep sweep --server-ca /tmp/x
    status_is 64
    says "goes with --server"
}

@test "serve that is stopped ends its sweep in order, and the next one goes on" {
    start_online_for_sweeps
    push_and_delete
    sleep 1.1 # older than its grace
    begin_long_run
    wait_until "$TIMEOUT" is_waiting_with_generation
    stop_serve
    grep -q "sweep ${RUN#/sweeps/} ended with status 1: stopped" "$WORK/serve.log"
    start_serve --token-file "$WORK/token" --sweep-token-file "$WORK/sweep-token" \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" --settle 1s --quarantine 1s --grace 1s \
        --untagged remove --max-delete 100
    [ "$(ask GET "$RUN" | tail -n 1)" = 404 ]
    run confirmed --quarantine 1s
    status_is 0
    says "generation 1 is"
    client check-all
}

@test "over TLS the server's certificate is checked by --server-ca" {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
    "$MAKE_TREE" "$ROOT" --pushes 20 --repositories 2 --seed 1
    rs scan --quiet
    SERVE_SCHEME=https start_serve --sweep-token-file "$WORK/sweep-token" --tls-cert "$WORK/cert.pem" --tls-key "$WORK/key.pem"
    run at_server
    status_is 1
    at_server --server-ca "$WORK/cert.pem" --json | jq -e .dry_run
}

@test "what serve allows for those who ask is not given to those who do not" {
    start_online_for_sweeps
    client image app:1 --seed 1
    client image app:1 --seed 2 # the first has no tag any more
    wait_until "$TIMEOUT" queue_is_empty
    is_past_grace() { at_server --grace 1s --untagged remove --json | jq -e '.totals.revisions == 1'; }
    wait_until "$TIMEOUT" is_past_grace
    at_server --grace 1s --json | jq -e '.totals.revisions == 0'
    at_server --untagged remove --json | jq -e '.totals.revisions == 0' # young, by the grace that a sweep has by itself
}
