#!/usr/bin/env bats
# What src/gc/replicas.h asks of all replicas of a registry, asked of real ones.
# shellcheck disable=SC2154,SC2034,SC2317,SC2030,SC2031 # lib.bash reads and calls these; each test is a subshell
load lib

: "${REGISTRY_PROBE:?pushes images}" "${REPLICAS_PROBE:?makes the calls}"

setup() {
    PUSHER=$REGISTRY_PROBE # lib takes REGISTRY_* out of the environment
    e2e_setup
    DELETE=true
    URLS=()
}
teardown() { e2e_teardown; }

eval "$(declare -f registry_config | sed '1s/registry_config/common_config/')"
registry_config() {
    common_config | sed "/^  delete:/,/enabled/ s/enabled: true/enabled: $DELETE/"
}

# One more over $ROOT; its URL goes to the end of URLS.
start_replica() {
    REGISTRY_PORT=''
    start_registry
    URLS+=("$REGISTRY")
}

# probe CACHE COMMAND…
probe() {
    PROBE_URLS="${URLS[*]}" PROBE_REDIS="127.0.0.1:${REDIS_PORT:-1}" "$REPLICAS_PROBE" "$@"
}

# push_image URL REPO TAG: sets LAYER and MANIFEST.
push_image() {
    local pushed
    pushed=$("$PUSHER" "$1" image "$2" "$3")
    { read -r LAYER && read -r MANIFEST; } <<<"$pushed"
}

# head_is CODE URL REPO DIGEST: of a blob.
head_is() {
    local code
    code=$(http_code -I "$2/v2/$3/blobs/$4")
    [ "$code" = "$1" ] || fail "HEAD of $4 in $3 at $2: $code, not $1"
}

layer_link() {
    printf '%s/%s/_layers/%s/link' "$REPOSITORIES" "$1" "${2/://}"
}

# Takes the layer's link away, as a sweep does, and lets every replica have it in its cache before.
unlink_remembered() {
    local url
    for url in "${URLS[@]}"; do
        head_is 200 "$url" "$1" "$LAYER"
    done
    rm "$(layer_link "$1" "$LAYER")"
    for url in "${URLS[@]}"; do
        head_is 200 "$url" "$1" "$LAYER" # out of the cache
    done
}

# ---- forget ----

@test "where nothing is cached nobody is asked, and a link stays" {
    start_replica
    push_image "$REGISTRY" app one
    answer_is absent none forget app "$LAYER"
    [ -e "$(layer_link app "$LAYER")" ]
    head_is 200 "$REGISTRY" app "$LAYER"
}

@test "two replicas with caches of their own both forget, and what another repository has stays" {
    CACHE=inmemory
    start_replica
    start_replica
    push_image "${URLS[0]}" app one
    push_image "${URLS[0]}" other one
    unlink_remembered app
    answer_is found memory forget app "$LAYER"
    head_is 404 "${URLS[0]}" app "$LAYER"
    head_is 404 "${URLS[1]}" app "$LAYER"
    answer_is absent memory forget app "$LAYER"
    head_is 200 "${URLS[0]}" other "$LAYER"
    head_is 200 "${URLS[1]}" other "$LAYER"
}

@test "a revision is forgotten without its tags and its link being touched" {
    CACHE=inmemory
    start_replica
    push_image "$REGISTRY" app one
    answer_is found memory forget-manifest app "$MANIFEST" # a HEAD as a manifest finds it
    [ -e "$REPOSITORIES/app/_manifests/revisions/${MANIFEST/://}/link" ]
    [ "$(http_code -I -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "$REGISTRY/v2/app/manifests/one")" = 200 ]
    rm "$REPOSITORIES/app/_manifests/revisions/${MANIFEST/://}/link"
    answer_is absent memory forget-manifest app "$MANIFEST"
}

@test "Redis forgets, and another repository's push does not make it remember" {
    CACHE=redis
    start_redis
    start_replica
    start_replica
    push_image "${URLS[0]}" app one
    unlink_remembered app
    answer_is found redis forget app "$LAYER"
    [ "$(redis-cli -p "$REDIS_PORT" sismember repository::app::blobs "$LAYER")" = 0 ]
    [ "$(redis-cli -p "$REDIS_PORT" exists "repository::app::blobs::$LAYER" "blobs::$LAYER")" = 0 ]
    push_image "${URLS[1]}" other one
    head_is 200 "${URLS[0]}" other "$LAYER"
    head_is 404 "${URLS[0]}" app "$LAYER"
    head_is 404 "${URLS[1]}" app "$LAYER"
    answer_is absent redis forget app "$LAYER"
    head_is 200 "${URLS[1]}" other "$LAYER" # though what Redis had of it is gone
}

@test "what Redis has of a repository is taken out also while nobody is answered from it" {
    CACHE=redis
    start_redis
    start_replica
    push_image "$REGISTRY" app one
    unlink_remembered app
    [ "$(redis-cli -p "$REDIS_PORT" del "blobs::$LAYER")" = 1 ] # as the registry's own DELETE leaves it
    head_is 404 "$REGISTRY" app "$LAYER"
    answer_is found redis forget app "$LAYER"
    push_image "$REGISTRY" other one
    head_is 404 "$REGISTRY" app "$LAYER"
}

@test "a replica that caches elsewhere than in the Redis that was named forgets all the same" {
    start_redis
    CACHE=inmemory
    start_replica
    push_image "$REGISTRY" app one
    unlink_remembered app
    answer_is found redis forget app "$LAYER"
    head_is 404 "$REGISTRY" app "$LAYER"
}

@test "Redis that wants a password is told so, and is not forgotten by asking the registry alone" {
    CACHE=redis
    start_redis
    start_replica
    push_image "$REGISTRY" app one
    redis-cli -p "$REDIS_PORT" config set requirepass hunter2
    run probe redis forget app "$LAYER"
    status_is 1
    says "Redis at 127.0.0.1:$REDIS_PORT answers NOAUTH"
    says redis-password-file
}

@test "Redis that is not there is named" {
    CACHE=redis
    start_redis
    start_replica
    REDIS_PORT=$(free_port)
    run probe redis forget app "$(printf 'sha256:%064d' 0)"
    status_is 1
    says "Redis at 127.0.0.1:$REDIS_PORT: no connection"
}

@test "where the registry does not delete nothing is forgotten, and it is said what to set" {
    CACHE=inmemory DELETE=false
    start_replica
    push_image "$REGISTRY" app one
    run probe memory forget app "$LAYER"
    status_is 3
    says storage.delete.enabled
}

@test "a replica that is down makes it fail, and is named" {
    CACHE=inmemory
    start_replica
    push_image "$REGISTRY" app one
    start_replica
    stop_registry
    run probe memory forget app "$LAYER"
    status_is 1
    says "${URLS[1]}"
    head_is 200 "${URLS[0]}" app "$LAYER"
}

# ---- the fence's object ----

start_receiver() {
    local port
    port=$(free_port)
    EVENTS=http://127.0.0.1:$port/
    python3 - "$port" >"$WORK/events" 2>"$WORK/receiver.log" 3>&- <<'PY' &
import http.server, json, os, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]:
            target, request = event["target"], event["request"]
            kind = "blob" if target.get("mediaType") == "application/octet-stream" else "manifest"
            line = f"{event['source']['addr']} {event['action']} {kind} {target['repository']} {request['useragent']}\n"
            os.write(1, line.encode())  # in one piece: two replicas send at once
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_GET = do_POST
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
PY
    PIDS+=("$!")
    wait_until "$TIMEOUT" curl -s --max-time 1 -o "$WORK/nothing" -X POST -d '{"events":[]}' "$EVENTS"
}

has_lines() {
    [ "$(grep -c "$1" "$WORK/events")" -eq "$2" ]
}

@test "each replica sends the two events of a fence, of an object that is pushed where there is none" {
    start_receiver
    CACHE=inmemory
    start_replica
    start_replica
    probe memory ask mark1
    wait_until "$TIMEOUT" has_lines '(fence mark1-' 4
    for number in 0 1; do
        for kind in blob manifest; do
            has_lines "${URLS[$number]##*:} pull $kind regsweep/fence regsweep/[0-9.]* (fence mark1-$number)" 1 ||
                fail "no pull of the $kind through ${URLS[$number]}; there are: $(cat "$WORK/events")"
        done
    done
    has_lines ' push ' 3 # config, layer, manifest
    [ -e "$REPOSITORIES/regsweep/fence/_manifests/tags/fence/current/link" ]
    probe memory ask mark2
    wait_until "$TIMEOUT" has_lines '(fence mark2-' 4
    has_lines ' push ' 3 # it was there
    # Somebody deletes it.
    rm -r "$REPOSITORIES/regsweep"
    stop_registry # the caches remember it; both replicas start anew
    kill "${PIDS[1]}"
    wait_until "$TIMEOUT" is_gone "${PIDS[1]}"
    URLS=()
    start_replica
    probe memory ask mark3
    wait_until "$TIMEOUT" has_lines '(fence mark3-' 2
    [ -e "$REPOSITORIES/regsweep/fence/_manifests/tags/fence/current/link" ]
}

@test "replicas that do not serve the same storage are found out" {
    start_replica
    ROOT=$WORK/elsewhere
    mkdir "$ROOT"
    start_replica
    run probe none ask mark1
    status_is 1
    says "${URLS[1]} does not have the layer of regsweep/fence:fence that was pushed through ${URLS[0]}"
}

@test "a URL that is given twice is refused, in whatever way it is written" {
    start_replica
    URLS+=("${URLS[0]}/")
    run probe none ask mark1
    status_is 1
    says "is given twice"
}

@test "where serve does not run there is no fence, and it is said so" {
    start_replica
    rs scan --quiet
    run probe none fence "$INDEX" 200
    status_is 3
    says "regsweep serve is not running on this index"
}

# ---- the fence, with serve ----

@test "a fence is a gap beside registries that the scan does not know, holds after a scan, and not with one unlisted" {
    rs scan --quiet
    start_serve
    EVENTS=$SERVE/events
    start_replica
    start_replica
    run probe none fence "$INDEX" 20000
    status_is 0
    [[ $output == gap:* ]] || fail "no gap: $output"
    rs scan --quiet
    answer_is held none fence "$INDEX" 20000
    push_image "${URLS[1]}" app one # heard of, and asked for no more
    answer_is held none fence "$INDEX" 20000
    URLS=("${URLS[0]}")
    run probe none fence "$INDEX" 20000
    status_is 3
    says "events came from a replica that is not listed"
}

@test "two names of one replica are found out by the fence" {
    rs scan --quiet
    start_serve
    EVENTS=$SERVE/events
    start_replica
    URLS+=("http://localhost:$REGISTRY_PORT")
    run probe none fence "$INDEX" 20000
    status_is 3
    says "lead to one and the same replica"
}

@test "a replica that sends its events elsewhere is named" {
    rs scan --quiet
    start_serve
    EVENTS=$SERVE/events
    start_replica
    EVENTS=''
    start_replica
    run probe none fence "$INDEX" 1000
    status_is 3
    says "${URLS[1]} did not answer within 1s: none of its events came"
}
