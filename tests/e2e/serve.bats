#!/usr/bin/env bats
# The server: token, TLS, health, metrics, a full disk, a graceful end, and what the service manager hears.
# shellcheck disable=SC2154
load lib

setup() {
    e2e_setup
    printf 'secret\n' >"$WORK/token"
}
teardown() { e2e_teardown; }

# event REPOSITORY DIGEST: a body such as the registry sends for an uploaded blob.
event() {
    cat <<JSON
{"events": [{"id": "00000000-0000-4000-8000-$(printf '%012d' "$RANDOM")", "timestamp": "2026-01-02T03:04:05.678Z",
 "action": "push", "target": {"mediaType": "application/octet-stream", "size": 10, "digest": "$2",
 "length": 10, "repository": "$1", "url": "http://127.0.0.1/v2/$1/blobs/$2"},
 "request": {"id": "r", "addr": "127.0.0.1:1", "host": "127.0.0.1", "method": "PUT", "useragent": "test"},
 "actor": {}, "source": {"addr": "registry:5000", "instanceID": "11111111-2222-4333-8444-555555555555"}}]}
JSON
}

digest_number() {
    printf 'sha256:%064x' "$1"
}

# post BODY [CURL OPTIONS]: the status that comes back.
post() {
    http_code -k -H 'Content-Type: application/vnd.docker.distribution.events.v1+json' \
        -H "Authorization: Bearer ${TOKEN:-secret}" --data-binary "$@" "$SERVE/events"
}

@test "events without the right token are refused, with it they are taken" {
    start_serve --token-file "$WORK/token"
    [ "$(post "$(event a "$(digest_number 1)")")" = 200 ]
    [ "$(TOKEN=wrong post "$(event a "$(digest_number 2)")")" = 401 ]
    [ "$(TOKEN=secre post "$(event a "$(digest_number 2)")")" = 401 ]
    [ "$(http_code --data-binary "$(event a "$(digest_number 2)")" "$SERVE/events")" = 401 ]
    run regsweep inspect blob "$(digest_number 2)" --index "$INDEX"
    [ "$status" -ne 0 ]
    regsweep inspect blob "$(digest_number 1)" --index "$INDEX"
    [ "$(grep -c 'events without the right token are refused' "$WORK/serve.log")" -eq 1 ]
}

@test "an address that others can reach needs a token" {
    run rs serve --listen "0.0.0.0:$(free_port)"
    status_is 3
    says token
}

@test "health, readiness and metrics answer, and metrics are valid Prometheus text" {
    start_serve --token-file "$WORK/token"
    [ "$(post "$(event a/b "$(digest_number 3)")")" = 200 ]
    [ "$(post 'no json')" = 200 ]
    answers "$SERVE/healthz"
    answers "$SERVE/readyz"
    answers "$SERVE/nothing" 404
    curl -s "$SERVE/metrics" >"$WORK/metrics"
    run python3 "$E2E_DIR/prometheus.py" "$WORK/metrics"
    status_is 0
    grep -q '^regsweep_.*unusable.* 1$' "$WORK/metrics"
    run curl -s -o /dev/null -w '%{content_type}' "$SERVE/metrics"
    [[ $output == text/plain*version=0.0.4* ]]
}

@test "with a certificate the feed speaks TLS" {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
    SERVE_SCHEME=https start_serve --token-file "$WORK/token" --tls-cert "$WORK/cert.pem" --tls-key "$WORK/key.pem"
    curl -s --fail --cacert "$WORK/cert.pem" "$SERVE/healthz"
    [ "$(post "$(event tls "$(digest_number 4)")")" = 200 ]
}

@test "a wrong certificate or a port in use is a clear error" {
    echo nothing >"$WORK/bad.pem"
    run rs serve --listen 127.0.0.1:0 --tls-cert "$WORK/bad.pem" --tls-key "$WORK/bad.pem"
    [ "$status" -ne 0 ]
    says bad.pem
    start_serve
    run regsweep serve --index "$WORK/index2" --storage "$ROOT" --listen "127.0.0.1:$SERVE_PORT"
    status_is 1
    says "$SERVE_PORT"
}

@test "SIGTERM ends it with status 0, and what it acknowledged is there" {
    start_serve --token-file "$WORK/token"
    for number in 10 11 12 13; do
        [ "$(post "$(event a "$(digest_number "$number")")")" = 200 ]
    done
    stop_serve
    for number in 10 11 12 13; do
        regsweep inspect blob "$(digest_number "$number")" --index "$INDEX"
    done
}

@test "the service manager hears READY and STOPPING" {
    python3 "$E2E_DIR/notify.py" "$WORK/notify.socket" >"$WORK/heard" 3>&- &
    PIDS+=($!)
    wait_until "$TIMEOUT" test -S "$WORK/notify.socket"
    export NOTIFY_SOCKET=$WORK/notify.socket
    start_serve
    wait_until "$TIMEOUT" grep -q READY=1 "$WORK/heard"
    stop_serve
    wait_until "$TIMEOUT" grep -q STOPPING=1 "$WORK/heard"
}

@test "bodies that cannot be used are acknowledged, counted and kept" {
    start_serve --token-file "$WORK/token"
    python3 -c 'print("[" * 100000 + "]" * 100000)' >"$WORK/deep"
    python3 -c 'print("{\"events\": [" + "{\"a\":" * 100000 + "1" + "}" * 100000 + "]}")' >"$WORK/deeper"
    printf '{"events": [{"action": "push", "target": {"digest": 7}}]}' >"$WORK/wrong"
    printf '{"events": "none"}' >"$WORK/type"
    printf '\377\000\001' >"$WORK/binary"
    : >"$WORK/empty"
    for body in deep deeper wrong type binary empty; do
        [ "$(post "@$WORK/$body")" = 200 ]
    done
    run regsweep inspect events --index "$INDEX"
    status_is 0
    [ -n "$output" ]
    [ "$(post "$(event ok "$(digest_number 5)")")" = 200 ]
}

@test "a body of 40 MB is taken without its memory growing by as much" {
    start_serve --token-file "$WORK/token"
    [ "$(post "$(event a "$(digest_number 6)")")" = 200 ]
    before=$(awk '/VmHWM/ { print $2 }' "/proc/$SERVE_PID/status")
    python3 - "$WORK/large" <<'PY'
import json, sys
digest = "sha256:%064x"
references = [{"mediaType": "application/octet-stream", "size": 1, "digest": digest % i, "urls": ["x" * 100]}
              for i in range(150000)]
event = {"id": "1", "action": "push", "target": {
    "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest % 10 ** 9, "repository": "large",
    "size": 5, "references": references}, "source": {"instanceID": "i", "addr": "a"}}
with open(sys.argv[1], "w") as file:
    json.dump({"events": [event]}, file)
PY
    [ "$(stat -c %s "$WORK/large")" -gt 30000000 ]
    [ "$(post "@$WORK/large")" = 200 ]
    after=$(awk '/VmHWM/ { print $2 }' "/proc/$SERVE_PID/status")
    [ $((after - before)) -lt 30000 ] || fail "grew by $((after - before)) KiB"
    regsweep inspect blob "$(digest_number 1000000000)" --index "$INDEX"
}

@test "on a full disk events are answered 503, and taken once there is room again" {
    trap '' XFSZ
    ulimit -S -f 400
    start_serve --token-file "$WORK/token"
    number=100
    until [ "$(post "$(event "full/$number" "$(digest_number "$number")")")" = 503 ]; do
        number=$((number + 1))
        ((number < 3000)) || fail "the disk was never full"
    done
    [ "$(http_code "$SERVE/readyz")" = 503 ]
    answers "$SERVE/healthz"
    prlimit --pid "$SERVE_PID" --fsize=unlimited
    [ "$(post "$(event after "$(digest_number "$number")")")" = 200 ]
    [ "$(http_code "$SERVE/readyz")" = 200 ]
    regsweep inspect blob "$(digest_number $((number - 1)))" --index "$INDEX"
}

@test "what is in its memory is in no core file" {
    ulimit -c unlimited
    cd "$WORK"
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:disable_coredump=0 start_serve --token-file "$WORK/token"
    grep -qE '^Max core file size +[01] ' "/proc/$SERVE_PID/limits"
    kill -ABRT "$SERVE_PID"
    wait_until "$TIMEOUT" is_gone "$SERVE_PID"
    run find "$WORK" -name 'core*'
    [ -z "$output" ]
}

@test "a schedule whose sweeps would all be refused, for grace is shorter than settle, is refused at once" {
    rs scan --quiet
    printf 'secret\n' >"$WORK/token"
    run rs serve --listen 127.0.0.1:0 --token-file "$WORK/token" --schedule 1h --registry http://127.0.0.1:1 --grace 1m
    status_is 64
    says '--grace 1m is shorter than --settle 10m'
}

@test "a second serve on the same index is refused, and the first one goes on" {
    (umask 077 && printf 'secret\n' >"$WORK/token")
    start_serve --token-file "$WORK/token"
    run rs serve --listen 127.0.0.1:0 --token-file "$WORK/token"
    status_is 3
    says "serve.lock: another serve is running (process $SERVE_PID)"
    answers "$SERVE/healthz"
}
