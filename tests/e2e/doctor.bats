#!/usr/bin/env bats
# What doctor finds, beside real registries that are as they should be, or ill in one way.
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # bats sets status and output; lib.bash reads CACHE; each test is a subshell
bats_require_minimum_version 1.5.0
load lib
load online

setup() { e2e_setup; }
teardown() { e2e_teardown; }

# The registry's configuration with a line edited by the sed script EDIT.
eval "plain_$(declare -f registry_config)"
registry_config() {
    plain_registry_config | sed -e "${EDIT:-}"
}

heard() {
    events_sent && queue_is_empty
}

# A registry and serve that heard of an image before the last scan.
start_healthy() {
    start_online
    client image app:1
    wait_until "$TIMEOUT" heard
    rs scan --quiet
}

# What is as it was after a scan but for its configuration.
restart_with() {
    EDIT=$1
    stop_registry
    start_registry
    client image app:1 # its instance is heard before the scan, unless it is deaf
    rs scan --quiet
}

ask_doctor() {
    rs doctor --registry "$REGISTRY" --registry-config "$WORK/registry.yml" --fence-timeout 2s "$@"
}

# examine [OPTIONS]: sets status, and output to the JSON.
examine() {
    run --separate-stderr ask_doctor --json "$@"
    [ "$(jq '.findings' <<<"$output")" = "$(jq '[.checks[] | select(.level == "warning" or .level == "error")] | length' <<<"$output")" ]
}

# finds NAME LEVEL WORDS: in message or remedy; and status 1.
finds() {
    status_is 1
    jq -e --arg name "$1" --arg level "$2" --arg words "$3" \
        '.checks[] | select(.name == $name and .level == $level) | .message + " | " + .remedy | contains($words)' \
        <<<"$output" >/dev/null || fail "of $1 it did not say \"$3\" as $2 but: $(jq -c --arg name "$1" '.checks[] | select(.name == $name)' <<<"$output")"
}

finds_nothing() {
    [ "$status" -eq 0 ] || fail "$(jq -c '.checks[] | select(.level == "warning" or .level == "error")' <<<"$output")"
}

@test "a registry that is as it should be has no finding, and is left as it was" {
    start_healthy
    examine
    finds_nothing
    [ "$(jq -r '.checks[] | select(.level != "ok") | .name' <<<"$output")" = "" ]
    [ "$(jq '[.checks[] | select(.message == "")] | length' <<<"$output")" = 0 ]
    run find "$ROOT/regsweep" -type f
    [ "$output" = "$ROOT/regsweep/quarantine/README" ]
    run ask_doctor
    status_is 0
    says "ok       fence"
    says "0 findings"
}

@test "without a registry doctor says what it could not tell, which is no finding" {
    start_healthy
    run --separate-stderr rs doctor --json
    finds_nothing
    [ "$(jq -r '.checks[] | select(.name == "fence") | .level' <<<"$output")" = unknown ]
}

@test "deleting switched off is found where the registry caches" {
    CACHE=inmemory
    start_healthy
    examine
    finds_nothing
    restart_with '/delete:/,/enabled/s/true/false/'
    examine
    finds delete error "set storage.delete.enabled: true"
    CACHE=''
    restart_with '/delete:/,/enabled/s/true/false/'
    examine
    finds_nothing
    [ "$(jq -r '.checks[] | select(.name == "delete") | .message' <<<"$output")" = "$REGISTRY does not delete. It caches nothing, so a sweep does not need that; clients cannot delete images" ]
}

@test "an endpoint that leaves layers out is found by the fence and in the configuration" {
    start_healthy
    restart_with 's/^      timeout: 5s/&\n      ignore:\n        mediatypes: [application\/octet-stream]/'
    examine
    finds fence error "the event of its layer did not come"
    finds notifications error 'endpoint "regsweep" leaves out'
}

# Of 2.8.2 that is a wish without effect, later versions obey: so the fence holds, and the configuration is a finding.
@test "an endpoint that is to leave pulls out is found in the configuration" {
    start_healthy
    restart_with 's/^      timeout: 5s/&\n      ignore:\n        actions: [pull]/'
    examine
    finds notifications error 'endpoint "regsweep" leaves out'
}

@test "a serve that was stopped is found" {
    start_healthy
    stop_serve
    examine
    finds fence error "$REGISTRY did not answer within 2s"
    rm -rf "$INDEX"
    rs scan --quiet
    examine
    finds serve error "never ran"
    finds events warning "no event ever came"
}

@test "a second replica is found until it is listed, and then it must be scanned once" {
    local first
    start_healthy
    first=$REGISTRY
    REGISTRY_PORT=''
    start_registry
    client image other:1 --seed 3
    wait_until "$TIMEOUT" heard
    run --separate-stderr rs doctor --json --registry "$first" --fence-timeout 2s
    finds fence error "not listed: instance"
    run --separate-stderr rs doctor --json --registry "$first" --registry "$REGISTRY" --cache none --fence-timeout 2s
    finds gap warning "run regsweep scan"
    rs scan --quiet
    run --separate-stderr rs doctor --json --registry "$first" --registry "$REGISTRY" --cache none --fence-timeout 2s
    finds_nothing
    run --separate-stderr rs doctor --json --registry "$first" --registry "$REGISTRY" --fence-timeout 2s
    finds cache warning "2 replicas cache, each for itself"
}

@test "bytes that somebody else removed are found, and a scan does not hide it" {
    local layer
    start_healthy
    layer=$(find "$BLOBS" -name data -size -3 | head -n 1)
    rm "$layer"
    examine
    finds vanished error "registry garbage-collect"
    rs scan --quiet
    examine
    finds missing warning "were in storage and are not any more"
}

@test "an index that is missing, or nears its limit, is found" {
    local used
    start_healthy
    used=$("$REGSWEEP" inspect stats --index "$INDEX" --json | jq .index.used_bytes)
    examine --map-size $((used * 112 / 100))
    finds index_room warning "raise --map-size"
    stop_serve
    INDEX=$WORK/nowhere
    examine
    finds index error "$WORK/nowhere"
    [ ! -e "$WORK/nowhere" ]
}

@test "a registry with another clock is found" {
    local pid port
    start_healthy
    port=$(free_port)
    python3 - "$port" 3>&- <<'PY' &
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() - 3600)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
    pid=$!
    PIDS+=("$pid")
    wait_until "$TIMEOUT" answers "http://127.0.0.1:$port/v2/"
    run --separate-stderr rs doctor --json --registry "http://127.0.0.1:$port" --fence-timeout 1s
    finds registry_clock error "the clock of http://127.0.0.1:$port is"
    finds registry_clock error "behind ours"
}

@test "a quarantine on another filesystem is found" {
    start_healthy
    mkdir -p "$ROOT/regsweep/quarantine"
    mount -t tmpfs -o size=1m regsweep-test "$ROOT/regsweep" 2>/dev/null || skip "needs the right to mount"
    examine
    umount -l "$ROOT/regsweep"
    finds quarantine error "another filesystem"
}

@test "a user that may not write in storage is found" {
    start_healthy
    [ "$(id -u)" -eq 0 ] || skip "needs another user"
    stop_serve
    chmod 755 "$BATS_TEST_TMPDIR" && chmod -R a+rX "$BATS_RUN_TMPDIR"
    chmod -R a+rwX "$INDEX"
    run --separate-stderr unprivileged "$REGSWEEP" doctor --json --index "$INDEX" --storage "$ROOT"
    finds permissions error "run regsweep as the registry's user"
    finds quarantine error "let the user that runs regsweep write there"
}

@test "a pull-through cache is a finding of doctor's, not a refusal" {
    start_healthy
    printf 'proxy:\n  remoteurl: https://registry-1.docker.io\n' >>"$WORK/registry.yml"
    examine
    finds proxy error "pull-through cache of https://registry-1.docker.io"
}

@test "what does not answer is found: a replica, Redis" {
    local port
    start_healthy
    port=$(free_port)
    run --separate-stderr rs doctor --json --registry "$REGISTRY" --registry "http://127.0.0.1:$port"
    finds registry error "http://127.0.0.1:$port"
    run --separate-stderr rs doctor --json --registry "$REGISTRY" --cache redis --redis "127.0.0.1:$port"
    finds registry error "127.0.0.1:$port"
}

# ---- what a sweep asks by itself ----

@test "a sweep refuses while bytes vanish, and goes on after a scan" {
    start_healthy
    rm "$(find "$BLOBS" -name data -size -3 | head -n 1)"
    client delete app "$(client image app:gone --seed 99)"
    run online_sweep
    status_is 3
    says "registry garbage-collect"
    rs scan --quiet
    online_sweep
}

@test "a sweep refuses where the registry caches and does not delete" {
    CACHE=inmemory
    start_healthy
    EDIT='/delete:/,/enabled/s/true/false/'
    stop_registry
    start_registry
    client image app:1
    rs scan --quiet
    run online_sweep
    status_is 3
    says "set storage.delete.enabled: true"
}

@test "a sweep refuses a quarantine on another filesystem" {
    start_healthy
    mkdir -p "$ROOT/regsweep/quarantine"
    mount -t tmpfs -o size=1m regsweep-test "$ROOT/regsweep" 2>/dev/null || skip "needs the right to mount"
    run online_sweep
    umount -l "$ROOT/regsweep"
    status_is 3
    says "another filesystem"
}
