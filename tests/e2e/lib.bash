# Helpers of the end-to-end tests: a real registry, `regsweep serve`, and waiting without sleeping blindly.
#
# Everything lives below BATS_TEST_TMPDIR, on loopback, on ports that were free a moment ago, and is stopped by
# process id in teardown. Two runs can go on at once. ctest hands in where the programs are:
#   REGSWEEP     the program under test
#   INDEX_EQUAL  compares two indexes, object by object
#   MAKE_TREE    writes a registry's tree without a registry (bench/make_tree.c)
# shellcheck shell=bash disable=SC2034,SC2120 # most names, and some arguments, are for the tests

: "${REGSWEEP:?the regsweep program to test}"
E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TIMEOUT=${E2E_TIMEOUT:-60}

# Nothing of the machine's own settings reaches the programs: no proxy between registry and webhook, no
# REGSWEEP_* or REGISTRY_* left over in the environment of whoever runs the tests.
clean_environment() {
    local name
    for name in $(compgen -e); do
        case $name in
            REGSWEEP) ;;
            REGSWEEP_* | REGISTRY_* | http_proxy | https_proxy | HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | all_proxy | \
                OTEL_* | AWS_* | NOTIFY_SOCKET) unset "$name" ;;
        esac
    done
    export NO_PROXY='*' no_proxy='*' LC_ALL=C.UTF-8 TZ=UTC
}

e2e_setup() {
    clean_environment
    WORK=$BATS_TEST_TMPDIR
    ROOT=$WORK/registry
    INDEX=$WORK/index
    BLOBS=$ROOT/docker/registry/v2/blobs
    REPOSITORIES=$ROOT/docker/registry/v2/repositories
    PIDS=()
    REGISTRY_PID='' REGISTRY_PORT='' DEBUG_PORT=''
    SERVE_PID='' SERVE_PORT=''
    SWEEP_PID=""
    mkdir -p "$ROOT"
}

e2e_teardown() {
    local pid
    for pid in "${PIDS[@]}"; do
        stop_process "$pid" || true
    done
}

# ---- waiting ----

# wait_until SECONDS COMMAND…: until the command succeeds. Fails, and says what was waited for, when time is up.
wait_until() {
    local limit=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= limit)); then
            echo "waited in vain for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# Stops one process by id: kindly, then not.
stop_process() {
    kill -TERM "$1" 2>/dev/null || return 0
    local tries=200
    while kill -0 "$1" 2>/dev/null && ((tries-- > 0)); do
        sleep 0.05
    done
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# A port that nobody listens on, below the range from which the kernel takes ports for outgoing connections.
free_port() {
    python3 - <<'PY'
import random, socket
while True:
    port = random.SystemRandom().randrange(20000, 32000)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

http_code() {
    curl -s -o /dev/null -w '%{http_code}' --max-time 10 "$@"
}

answers() {
    [ "$(http_code "$1")" = "${2:-200}" ]
}

# ---- the registry ----

# The driver of its storage.
registry_storage() {
    printf '  filesystem:\n    rootdirectory: %s\n' "$ROOT"
}

# Set before start_registry or registry_config: CACHE=inmemory or, after start_redis, redis, READONLY=true, EVENTS=URL,
# TOKEN=…
registry_config() {
    cat <<YAML
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
$(registry_storage)
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
    readonly:
      enabled: ${READONLY:-false}
YAML
    if [ -n "${CACHE:-}" ]; then
        printf '  cache:\n    blobdescriptor: %s\n' "$CACHE"
    fi
    if [ "${CACHE:-}" = redis ]; then
        printf 'redis:\n  addr: 127.0.0.1:%s\n  addrs: ["127.0.0.1:%s"]\n' "$REDIS_PORT" "$REDIS_PORT" # 2.8, 3.x
    fi
    printf 'http:\n  addr: 127.0.0.1:%s\n  debug:\n    addr: 127.0.0.1:%s\n' "${REGISTRY_PORT:-0}" "${DEBUG_PORT:-0}"
    local url number=''
    [ -z "${EVENTS:-}" ] || printf 'notifications:\n  endpoints:\n'
    for url in ${EVENTS:-}; do # one or more
        cat <<YAML
    - name: regsweep$number
      url: $url
      headers:
        Authorization: ["Bearer ${TOKEN:-none}"]
      timeout: 5s
      threshold: 3
      backoff: 100ms
YAML
        number=$((number + 1))
    done
}

# Starts a registry over $ROOT; sets REGISTRY, REGISTRY_PID. The port stays the same over a restart.
start_registry() {
    local tries
    for tries in 1 2 3 4 5; do
        [ -n "$REGISTRY_PORT" ] && ((tries == 1)) || REGISTRY_PORT=$(free_port)
        DEBUG_PORT=$(free_port)
        registry_config >"$WORK/registry.yml"
        docker-registry serve "$WORK/registry.yml" >>"$WORK/registry.log" 2>&1 3>&- &
        REGISTRY_PID=$!
        PIDS+=("$REGISTRY_PID")
        REGISTRY=http://127.0.0.1:$REGISTRY_PORT
        if wait_until "$TIMEOUT" registry_up_or_gone && kill -0 "$REGISTRY_PID" 2>/dev/null; then
            return 0
        fi
        stop_registry
    done
    cat "$WORK/registry.log" >&2
    return 1
}

# Starts a Redis server for the registry's cache; sets REDIS_PORT.
start_redis() {
    local pid
    REDIS_PORT=$(free_port)
    redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save '' --appendonly no --dir "$WORK" >"$WORK/redis.log" 2>&1 3>&- &
    pid=$!
    PIDS+=("$pid")
    wait_until "$TIMEOUT" redis_up
}

redis_up() {
    [ "$(redis-cli -p "$REDIS_PORT" ping)" = PONG ]
}

registry_up_or_gone() {
    is_gone "$REGISTRY_PID" || answers "$REGISTRY/v2/"
}

stop_registry() {
    stop_process "$REGISTRY_PID"
}

# True once the registry has sent every event that it had: its own count of what is pending, and what the feed
# acknowledged of it.
events_sent() {
    curl -s --max-time 10 "http://127.0.0.1:$DEBUG_PORT/debug/vars" |
        jq -e '.registry.notifications.endpoints[0].Metrics | .Pending == 0 and .Events > 0 and
               .Successes == .Events'
}

# What the stock collector would remove, one digest a line. Arguments: as for `garbage-collect`, such as -m.
stock_garbage() {
    registry_config >"$WORK/gc.yml"
    docker-registry garbage-collect --dry-run "$@" "$WORK/gc.yml" 2>/dev/null |
        sed -n 's/^blob eligible for deletion: //p' | sort
}

client() {
    python3 "$E2E_DIR/client.py" --registry "$REGISTRY" "$@"
}

disk() {
    python3 "$E2E_DIR/disk.py" "$@"
}

# skopeo_push LAYOUT:NAME REPOSITORY:TAG [--all]
skopeo_push() {
    local from=$1 to=$2
    shift 2
    skopeo --insecure-policy copy -q --dest-tls-verify=false "$@" "oci:$from" "docker://127.0.0.1:$REGISTRY_PORT/$to"
}

skopeo_pull() {
    skopeo --insecure-policy copy -q --src-tls-verify=false "${@:3}" "docker://127.0.0.1:$REGISTRY_PORT/$1" "oci:$2"
}

# ---- regsweep ----

regsweep() {
    "$REGSWEEP" "$@"
}

# Any command of regsweep on this test's index and storage.
rs() {
    "$REGSWEEP" "$@" --index "$INDEX" --storage "$ROOT"
}

# A sweep that takes nothing for young and goes as far as asked, as tests want it. The rest as given.
sweep_all() {
    rs sweep --offline --grace 0 --max-delete 100 "$@"
}

# The same in the background; sets SWEEP_PID. The program itself, not a shell around it, gets the signals.
start_sweep_all() {
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --offline --grace 0 --max-delete 100 "$@" \
        >>"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
}

# What a dry run would let go, one a line: `condemned blobs digest`, `condemned tags tag`.
condemned() {
    jq -r ".condemned.$1[]${2:+.$2}" | sort
}

# Starts `serve` with what is given; sets SERVE, SERVE_PID. The port stays the same over a restart.
start_serve() {
    [ -n "$SERVE_PORT" ] || SERVE_PORT=$(free_port)
    SERVE=${SERVE_SCHEME:-http}://127.0.0.1:$SERVE_PORT
    "$REGSWEEP" serve --index "$INDEX" --storage "$ROOT" --listen "127.0.0.1:$SERVE_PORT" "$@" \
        >>"$WORK/serve.log" 2>&1 3>&- &
    SERVE_PID=$!
    PIDS+=("$SERVE_PID")
    if ! wait_until "$TIMEOUT" serve_up_or_gone || is_gone "$SERVE_PID"; then
        cat "$WORK/serve.log" >&2
        return 1
    fi
}

serve_up_or_gone() {
    is_gone "$SERVE_PID" || [ "$(http_code -k "$SERVE/readyz")" = 200 ]
}

# Stops `serve` and gives its exit status.
stop_serve() {
    kill -TERM "$SERVE_PID"
    wait_until "$TIMEOUT" is_gone "$SERVE_PID"
    wait "$SERVE_PID"
}

metric() {
    curl -sk --max-time 10 "$SERVE/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

# True once nothing waits for storage to be asked.
queue_is_empty() {
    [ "$("$REGSWEEP" inspect stats --index "$INDEX" --json | jq -r '.feed.checks_waiting')" = 0 ]
}

# ---- saying what is wrong ----

fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# status_is N: of the last `run`.
status_is() {
    [ "${status:?no command was run}" -eq "$1" ] || fail "exit status $status, not $1; it said: ${output:-}"
}

says() {
    [[ ${output:-} == *"$1"* ]] || fail "it did not say \"$1\" but: ${output:-}"
}

# same_lines A B: two texts of sorted lines.
same_lines() {
    diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") >&2
}

# ---- trouble ----

# Runs a command as a user without any right, where we are root; root may read everything.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"
    else
        "$@"
    fi
}

# with_file_limit KIB COMMAND…: writes past that size fail, as on a full disk. Only the soft limit is set, so that a
# test can lift it for a running process. The signal is ignored as it would be where a service manager starts us.
with_file_limit() {
    local kib=$1
    shift
    (
        trap '' XFSZ
        ulimit -S -f "$kib"
        "$@"
    )
}

# index_end FILE: where the last page of an index ends. Its file is longer, by a hole.
index_end() {
    local last
    last=$( (od -An -t u8 -j 136 -N 8 "$1" && od -An -t u8 -j $((4096 + 136)) -N 8 "$1") | sort -n | tail -n 1)
    echo $(((last + 1) * 4096))
}

# flip_bytes FILE SEED COUNT: turns bits at places that depend on the seed alone, past the two meta pages.
flip_bytes() {
    python3 - "$@" "$(index_end "$1")" <<'PY'
import random, sys
path, seed, count, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
source = random.Random(seed)
with open(path, "r+b") as file:
    for _ in range(count):
        at = source.randrange(8192, end)
        file.seek(at)
        byte = file.read(1)[0] ^ 1 << source.randrange(8)
        file.seek(at)
        file.write(bytes([byte]))
PY
}

# set_schema FILE FROM TO: another schema version in an index, with its checksum right (src/index/schema.h).
set_schema() {
    python3 - "$@" "$(index_end "$1")" <<'PY'
import ctypes, struct, sys
path, old, new = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits_withSeed
xxh3.restype = ctypes.c_uint64
xxh3.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
def record(version):
    value = b"regsweep" + struct.pack("<I", version)
    return value + struct.pack("<Q", xxh3(value, len(value), xxh3(b"schema", 6, 0)))[:4]
with open(path, "r+b") as file:
    data = file.read(int(sys.argv[4]))
    if record(old) not in data:
        sys.exit("no schema record found")
    file.seek(0)
    file.write(data.replace(record(old), record(new)))
PY
}

# answer_is ANSWER ARGUMENTS…: what `probe`, of the test file, says to them.
answer_is() {
    local expected=$1
    shift
    run probe "$@"
    status_is 0
    [ "$output" = "$expected" ] || fail "$*: $output, not $expected"
}
