#!/usr/bin/env bats
# What somebody asked to be forgotten, against a real registry: it goes, but for what is pushed again meanwhile.
# shellcheck disable=SC2154,SC2034 # bats sets status, output and stderr; lib.bash reads EVENTS
load lib
load online
bats_require_minimum_version 1.5.0

setup() { e2e_setup; }
teardown() { e2e_teardown; }

forget() {
    regsweep forget "$@" --index "$INDEX"
}

# deletion_is JQ: of the last one.
deletion_is() {
    forget list --json | jq -e ".deletions[-1] | $1" || fail "$(forget list)"
}

# One generation, seen through. What has no tag stays by itself.
forget_sweep() {
    rs sweep --confirm --wait --settle 1s --quarantine 1s --grace 1s --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 ||
        { local status=$? && tail -n 20 "$WORK/sweep.log" >&2 && return "$status"; }
}

start_forget_sweep() {
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --wait --settle 3s --quarantine "${1:-3s}" --grace 3s \
        --max-delete 100 --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
}

generation_is() {
    [ "$(regsweep inspect generations --index "$INDEX" --json | jq -r '.generations[-1].state')" = "$1" ]
}

handled() {
    events_sent && queue_is_empty
}

# All that was pushed is known, and older than a tick of the storage's clock: what is written within the tick in which it
# is forgotten stays.
settled() {
    wait_until "$TIMEOUT" handled
    sleep 1.1
}

no_longer_pulls() {
    run client pull "$@"
    [ "$status" -ne 0 ] || fail "$* can still be pulled"
}

tags_of() {
    curl -sf "$REGISTRY/v2/$1/tags/list" | jq -c '.tags // [] | sort'
}

@test "a repository that is forgotten goes, and leaves the catalog; another one stays" {
    start_online
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    client image shop/other:v1 --seed 1 --layers 2
    settled
    forget repo shop/web --note "moved"
    deletion_is '.state == "waiting" and .note == "moved" and .named == 5'
    sleep 2 # links have their grace
    forget_sweep
    deletion_is '.state == "done" and .gone == 5 and .spared == 0'
    [ "$(curl -sf "$REGISTRY/v2/_catalog" | jq -c '.repositories | map(select(. != "regsweep/fence"))')" = '["shop/other"]' ]
    client pull shop/other v1
    rs verify --quiet
    grep -q '"reason":"forgotten"' "$INDEX/audit.jsonl"
}

@test "what is pushed while its repository is being forgotten stays whole, the rest goes" {
    start_online
    client image shop/web:v1 --seed 1 --layers 3 --shared 7
    client image shop/web:v2 --seed 2 --layers 3 --shared 7
    settled
    forget repo shop/web
    client image shop/web:v3 --seed 3 --layers 3 --shared 7
    sleep 3
    start_forget_sweep
    wait_until "$TIMEOUT" generation_is unlinked
    run regsweep inspect garbage --index "$INDEX"
    says "what sweeps that are under way have already is not among it: regsweep inspect generations 1"
    client image shop/web:v4 --seed 4 --layers 3 --shared 7
    client image shop/web:v2 --seed 2 --layers 3 --shared 7
    wait "$SWEEP_PID"
    [ "$(tags_of shop/web)" = '["v2","v3","v4"]' ]
    for tag in v2 v3 v4; do
        client pull shop/web "$tag"
    done
    no_longer_pulls shop/web v1
    deletion_is '.state == "done" and .gone == 2 and .spared == 3'
    rs verify --quiet
}

@test "an image that is forgotten and pushed again stays, under its digest too" {
    start_online
    local image
    image=$(client image shop/web:v1 --seed 1 --layers 2)
    settled
    forget image shop/web:v1
    client image shop/web:v1 --seed 1 --layers 2
    wait_until "$TIMEOUT" deletion_is '.state == "done" and .gone == 0 and .spared == 2'
    sleep 2
    forget_sweep
    client pull shop/web v1
    client pull shop/web "$image"
}

@test "an image that is pulled every day goes all the same" {
    start_online
    local image
    image=$(client image shop/web:v1 --seed 1 --layers 2)
    client image shop/web:v2 --seed 2 --layers 2
    settled
    forget image "shop/web@$image"
    client pull shop/web v1
    client pull shop/web "$image"
    settled
    forget_sweep
    no_longer_pulls shop/web v1
    no_longer_pulls shop/web "$image"
    client pull shop/web v2
    deletion_is '.state == "done" and .gone == 2'
}

@test "a forgotten tag leaves its image to its digest" {
    start_online
    local image
    image=$(client image shop/web:v1 --seed 1 --layers 2)
    settled
    forget tag shop/web:v1
    forget_sweep
    [ "$(tags_of shop/web)" = '[]' ]
    client pull shop/web "$image"
}

@test "what an index needs waits for it" {
    start_online
    local child other
    client layout "$WORK/layout" multi --seed 1 --arch amd64 --arch arm64
    skopeo_push "$WORK/layout:multi" shop/web:multi --all
    child=$(curl -sf -H 'Accept: application/vnd.oci.image.index.v1+json' "$REGISTRY/v2/shop/web/manifests/multi" |
        jq -r '.manifests[0].digest')
    other=$(curl -sf -H 'Accept: application/vnd.oci.image.index.v1+json' "$REGISTRY/v2/shop/web/manifests/multi" |
        jq -r '.manifests[1].digest')
    settled
    forget image "shop/web@$child"
    sleep 2
    forget_sweep
    deletion_is '.state == "waiting" and .needed'
    client pull shop/web multi
    forget image shop/web:multi
    forget_sweep
    forget list --json | jq -e '[.deletions[].state] == ["done", "done"]'
    no_longer_pulls shop/web "$child"
    no_longer_pulls shop/web "$other" # it was of that index alone
}

@test "a deletion is called off until something of it was taken; then restore gives it back, and it stays" {
    start_online
    client image shop/web:v1 --seed 1 --layers 2
    settled
    forget image shop/web:v1
    forget cancel 1
    deletion_is '.state == "cancelled"'
    sleep 2
    forget_sweep
    client pull shop/web v1
    forget image shop/web:v1
    start_forget_sweep 1h
    wait_until "$TIMEOUT" generation_is unlinked
    run forget cancel 2
    status_is 3
    says "regsweep restore --generation"
    rs restore shop/web:v1
    client pull shop/web v1
    wait_until "$TIMEOUT" generation_is hidden
    stop_process "$SWEEP_PID"
    deletion_is '.state == "done" and .spared == 2'
    client pull shop/web v1
    rs verify --quiet
}

@test "a push of which no event ever came keeps what was forgotten" {
    start_online
    local feed=$EVENTS
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    settled
    find "$ROOT" -name link -exec touch -d '1 hour ago' {} +
    forget repo shop/web
    stop_registry
    EVENTS=http://127.0.0.1:$(free_port)/events # nobody listens
    start_registry
    client image shop/web:v1 --seed 1 --layers 2
    kill -KILL "$REGISTRY_PID"
    wait_until "$TIMEOUT" is_gone "$REGISTRY_PID"
    EVENTS=$feed
    start_registry
    sleep 2
    forget_sweep
    [ "$(tags_of shop/web)" = '["v1"]' ]
    client pull shop/web v1
    rs verify --quiet
}

@test "offline it goes as well; what was written a moment before stays, in doubt" {
    start_registry
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    stop_registry
    find "$REPOSITORIES/shop/web/_manifests/tags/v1" "$REPOSITORIES/shop/web/_manifests/revisions" \
        "$REPOSITORIES/shop/web/_layers" -name link -exec touch -d '1 hour ago' {} +
    rs scan --quiet
    run forget tag shop/web:v1
    [[ $output != *"shortly before"* ]]
    run forget tag shop/web:v2
    status_is 0
    says "shop/web:v2: 1 of 1 objects were pushed, pulled or pinned so shortly before that they may stay"
    run rs sweep --offline --confirm --grace 0 --max-delete 100 --quiet
    status_is 0
    says "deletion 2 of shop/web:v2 is done, but 1 of its 1 objects stay: they were written after it was asked for, or so shortly"
    [[ $output != *"deletion 1"* ]]
    start_registry
    [ "$(tags_of shop/web)" = '["v2"]' ]
}

@test "a pin that was called off leaves in doubt what is forgotten then, and a sweep takes it: its file is old" {
    start_registry
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    stop_registry
    find "$REPOSITORIES" -name link -exec touch -d '1 hour ago' {} +
    rs scan --quiet
    regsweep pin --index "$INDEX" shop/web:v1
    run forget tag shop/web:v1
    says "1 of 1 objects are pinned"
    forget cancel 1
    regsweep unpin --index "$INDEX" shop/web:v1
    run forget tag shop/web:v1
    [[ $output != *"pinned, and stay"* && $output != *"going to"* ]]
    run rs sweep --offline --confirm --grace 0 --max-delete 100 --quiet
    status_is 0
    start_registry
    [ "$(tags_of shop/web)" = '["v2"]' ]
}

@test "why tells of a tag that is forgotten, though what it points at is no manifest there" {
    local head
    start_registry
    client image shop/web:v1 --seed 1
    client image shop/web:v2 --seed 2
    stop_registry
    head=$(cat "$REPOSITORIES/shop/web/_manifests/tags/v1/current/link")
    find "$REPOSITORIES/shop/web/_manifests/revisions" -delete
    rs scan --quiet
    forget tag shop/web:v1
    run rs inspect why shop/web:v1
    status_is 0
    says "shop/web:v1: let go: forgotten"
    says "$head: the index knows no such manifest in shop/web"
    rs inspect why shop/web:v1 --json | jq -e '.tag.verdict == "let_go" and .verdict == "unknown"'
    run rs inspect why shop/web:v3
    status_is 1
    says "does not know a tag shop/web:v3"
}

@test "what nobody knows is an error, and what is pinned stays until it is not" {
    start_online
    client image shop/web:v1 --seed 1 --layers 2
    settled
    run forget image shop/web:none
    status_is 1
    says "shop/web:none: the index does not know the tag"
    run forget repo shop/none
    status_is 1
    says "does not know the repository"
    regsweep pin shop/web:v1 --note "the demo" --index "$INDEX"
    run regsweep pin --index "$INDEX"
    [ "$output" = "shop/web:v1  # the demo" ]
    run forget image shop/web:v1
    status_is 0
    says "shop/web:v1: 1 of 2 objects are pinned, and stay with what they need: regsweep unpin shop/web:v1"
    sleep 2
    forget_sweep
    client pull shop/web v1
    deletion_is '.state == "waiting" and .needed'
    regsweep unpin shop/web:v1 --index "$INDEX"
    sleep 2
    forget_sweep
    no_longer_pulls shop/web v1
    deletion_is '.state == "done"'
}

@test "what stands in an earlier deletion is told, and what is lost with that one when it is called off" {
    start_online
    client image shop/web:v1 --seed 1 --layers 2
    settled
    forget image shop/web:v1
    run forget repo shop/web
    status_is 0
    says "shop/web: 2 more objects stand in earlier deletions, the first of them deletion 1"
    run forget cancel 1
    status_is 0
    says "what this deletion had stays, also where a later one (deletion 2) was asked for the same"
    run forget repo shop/web
    status_is 0
    deletion_is '.id == 3 and .named == 2'
    sleep 2
    forget_sweep
    no_longer_pulls shop/web v1
    [ "$(curl -sf "$REGISTRY/v2/_catalog" | jq -c '.repositories | map(select(. != "regsweep/fence"))')" = '[]' ]
}

# ---- over HTTP ----

# ask METHOD PATH [CURL OPTIONS]: the answer's body, and its status in a line of its own.
ask() {
    curl -s --max-time 10 -w '\n%{http_code}' -X "$1" -H "Authorization: Bearer ${AS:-sweep-secret}" "$SERVE$2" "${@:3}"
}

asks() { # STATUS JQ METHOD PATH [CURL OPTIONS]
    local answer
    answer=$(ask "${@:3}")
    [ "${answer##*$'\n'}" = "$1" ] || fail "$answer"
    jq -e "$2" <<<"${answer%$'\n'*}" || fail "$answer"
}

@test "deletions are asked for, listed and called off over HTTP, with the token for sweeps" {
    printf '%s\n' sweep-secret >"$WORK/sweep-token"
    start_online --sweep-token-file "$WORK/sweep-token"
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    settled
    asks 201 '.id == 1 and .state == "waiting" and .named == 2 and .note == "old"' POST /deletions \
        -d '{"kind": "image", "name": "shop/web:v1", "note": "old"}'
    asks 400 '.error | test("earlier records")' POST /deletions -d '{"kind": "image", "name": "shop/web:v1"}'
    asks 400 '.error | test("does not know the tag")' POST /deletions -d '{"kind": "tag", "name": "shop/web:v9"}'
    asks 400 '.error | test("kind")' POST /deletions -d '{"kind": "all", "name": "shop/web"}'
    asks 400 '.error | test("no \"force\"")' POST /deletions -d '{"kind": "repo", "name": "shop/web", "force": true}'
    asks 400 '.error | test("no JSON")' POST /deletions -d 'shop/web'
    asks 200 '.deletions | length == 1' GET /deletions
    asks 404 '.error' GET /deletions/7
    asks 405 '.error' PUT /deletions -d ''
    [ "$(AS=online-secret ask GET /deletions | tail -n 1)" = 401 ]
    [ "$(metric 'regsweep_deletions{state="waiting"}')" = 1 ]

    local server=(--server "$SERVE" --sweep-token-file "$WORK/sweep-token")
    regsweep pin shop/web:v2 --index "$INDEX"
    run regsweep forget tag shop/web:v2 --note "too" "${server[@]}"
    status_is 0
    says "1 of 1 objects are pinned, and stay with what they need: regsweep unpin shop/web:v2"
    regsweep unpin shop/web:v2 --index "$INDEX"
    same_lines "$(regsweep forget list "${server[@]}")" "$(forget list)"
    same_lines "$(regsweep forget list "${server[@]}" --json | jq -S .)" "$(forget list --json | jq -S .)"
    run regsweep forget cancel 2 "${server[@]}"
    status_is 0
    says "cancelled"
    run regsweep forget cancel 2 "${server[@]}"
    status_is 3
    says "is cancelled already"
    run regsweep forget repo shop/web "${server[@]}"
    status_is 0
    says "shop/web: 2 more objects stand in earlier deletions, the first of them deletion 1"
    run regsweep forget cancel 3 "${server[@]}"
    status_is 0
    run regsweep forget image shop/web:v9 "${server[@]}"
    status_is 1
    says "does not know the tag"
    sleep 2
    forget_sweep
    asks 200 '.state == "done" and .gone == 2' GET /deletions/1
    asks 409 '.error | test("done already")' DELETE /deletions/1
    [ "$(metric 'regsweep_deletions{state="done"}')" = 1 ]
    [ "$(tags_of shop/web)" = '["v2"]' ]
}

@test "a serve without a token for sweeps forgets for nobody" {
    start_online
    [ "$(ask POST /deletions -d '{}' | tail -n 1)" = 403 ]
}

# ---- telling somebody ----

# Sets CALLBACK, the options of a serve that tells it.
start_callback() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=callback \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/callback.key" -out "$WORK/callback.pem" 2>/dev/null
    printf '%s\n' callback-secret >"$WORK/callback.token"
    chmod 600 "$WORK/callback.token"
    callback_answers 500
    touch "$WORK/callback.log"
    python3 "$E2E_DIR/callback.py" "$WORK/callback.pem" "$WORK/callback.key" "$WORK/callback.status" "$WORK/callback.log" \
        >"$WORK/callback.port" 3>&- &
    PIDS+=("$!")
    wait_until "$TIMEOUT" test -s "$WORK/callback.port"
    CALLBACK=(--deletion-callback "https://127.0.0.1:$(cat "$WORK/callback.port")/hooks/deleted?of=registry"
        --deletion-callback-token-file "$WORK/callback.token" --deletion-callback-ca "$WORK/callback.pem")
}

callback_answers() {
    printf '%s\n' "$1" >"$WORK/callback.new"
    mv "$WORK/callback.new" "$WORK/callback.status"
}

# was_told JQ: of the list of what it was told.
was_told() {
    jq -se "$1" "$WORK/callback.log"
}

told_of() {
    [ "$(metric regsweep_deletion_callbacks_total)" = "$1" ] && [ "$(metric regsweep_deletion_callbacks_waiting)" = 0 ]
}

@test "who wants to hear that a deletion has ended is told until it answers, by the next serve too, and not again" {
    start_callback
    start_online "${CALLBACK[@]}"
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    settled
    forget image shop/web:v1
    forget image shop/web:v2 --note "old"
    [ "$(metric regsweep_deletion_callbacks_waiting)" = 0 ] # none has ended
    forget cancel 1
    wait_until "$TIMEOUT" was_told '.[1].status == 500' # twice
    [ "$(metric regsweep_deletion_callback_failures_total)" -ge 1 ]
    [ "$(metric regsweep_deletion_callbacks_waiting)" = 1 ]
    [ "$(grep -c 'nobody was told' "$WORK/serve.log")" = 1 ]
    kill -KILL "$SERVE_PID"
    wait_until "$TIMEOUT" is_gone "$SERVE_PID"
    callback_answers 302
    start_serve --token-file "$WORK/token" --registry-config "$WORK/registry.yml" --registry "$REGISTRY" --settle 1s \
        --quarantine 1s "${CALLBACK[@]}"
    wait_until "$TIMEOUT" was_told 'any(.status == 302)'
    callback_answers 204
    wait_until "$TIMEOUT" told_of 1
    grep -q 'answers again' "$WORK/serve.log"
    sleep 2
    forget_sweep
    wait_until "$TIMEOUT" told_of 2
    stop_serve
    start_serve --token-file "$WORK/token" --registry-config "$WORK/registry.yml" --registry "$REGISTRY" "${CALLBACK[@]}"
    forget image shop/web:v1
    forget cancel 3
    wait_until "$TIMEOUT" told_of 1
    was_told 'all(.token == "Bearer callback-secret" and .path == "/hooks/deleted?of=registry")'
    was_told '[.[] | select(.status == 204).body | [.id, .state, .gone, .note]] ==
        [[1, "cancelled", 0, null], [2, "done", 2, "old"], [3, "cancelled", 0, null]]'
    [ "$(grep -c callback-secret "$WORK/serve.log")" = 0 ]
}

@test "a token for a callback that is not https is refused" {
    printf '%s\n' callback-secret >"$WORK/callback.token"
    chmod 600 "$WORK/callback.token"
    rs scan --quiet
    run rs serve --listen 127.0.0.1:0 --deletion-callback http://127.0.0.1:9/ --deletion-callback-token-file "$WORK/callback.token"
    status_is 64
    says "a token goes over https:// alone"
    run rs serve --listen 127.0.0.1:0 --deletion-callback ftp://127.0.0.1:9/
    status_is 64
    says "--deletion-callback must begin with http:// or https://"
}

# ---- pins ----

@test "pins outlive an index that is built anew, and one that has run out keeps nothing" {
    start_registry
    client image shop/web:v1 --seed 1 --layers 2
    client image shop/web:v2 --seed 2 --layers 2
    stop_registry
    find "$ROOT" -name link -exec touch -d '1 hour ago' {} +
    rs scan --quiet
    regsweep pin shop/web:v1 --note "the demo" --index "$INDEX"
    regsweep pin shop/web:v2 --until 1s --index "$INDEX"
    forget repo shop/web
    run rs scan --rebuild
    status_is 0
    says "1 deletions that were asked for go with the old index"
    [ "$(regsweep pin --index "$INDEX" --json | jq -c '[.pins[] | [.pin, .note, .until != null]]')" = \
        '[["shop/web:v1","the demo",false],["shop/web:v2",null,true]]' ]
    forget repo shop/web
    sleep 1
    run rs sweep --offline --confirm --grace 0 --max-delete 100
    status_is 0
    says "the pin shop/web:v2 ran out at"
    start_registry
    [ "$(tags_of shop/web)" = '["v1"]' ]
    client pull shop/web v1
}

@test "an index that cannot be read is built anew all the same, and says that pins may be missing" {
    start_registry
    client image shop/web:v1 --seed 1
    stop_registry
    rs scan --quiet
    regsweep pin shop/web:v1 --index "$INDEX"
    truncate -s 20000 "$INDEX/data.mdb"
    run rs scan --rebuild
    status_is 0
    says "pin again what is missing"
}

# tests/data/index/schema-4.tar.gz is one that a regsweep of that schema made: a pin, with a note, and a deletion.
@test "an index of an older schema is named as such, and its pins and who it is outlive the rebuild" {
    "$MAKE_TREE" "$ROOT" --pushes 6 --repositories 2 --seed 3 >/dev/null
    rm -rf "$INDEX"
    mkdir -p "$WORK/old"
    tar -xzSf "$E2E_DIR/../data/index/schema-4.tar.gz" -C "$WORK/old"
    mv "$WORK/old/index" "$INDEX"
    run regsweep sweep --index "$INDEX"
    status_is 1
    says "written by an older regsweep (schema 4, this one reads"
    says "regsweep scan --rebuild"
    run rs scan --rebuild
    status_is 0
    says "1 deletions that were asked for go with the old index"
    [[ $output != *"cannot be told"* ]]
    [ "$(regsweep pin --index "$INDEX" --json | jq -c '[.pins[] | [.pin, .note]]')" = '[["team1/web:v1","the demo"]]' ]
}

@test "what is pinned while a sweep has it comes back" {
    start_online
    client image shop/web:v1 --seed 1 --layers 2
    settled
    forget image shop/web:v1
    sleep 2
    start_forget_sweep 1h
    wait_until "$TIMEOUT" generation_is unlinked
    regsweep pin shop/web:v1 --index "$INDEX"
    wait_until "$TIMEOUT" generation_is hidden
    stop_process "$SWEEP_PID"
    [ "$(tags_of shop/web)" = '["v1"]' ]
    client pull shop/web v1
}
