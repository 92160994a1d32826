# Two regsweep, a and b, each with its own index and serve, on one storage and one registry.
# shellcheck shell=bash disable=SC2034,SC2154 # lib.bash sets and reads the others

# After e2e_setup (and s3_setup).
two_setup() {
    TOKEN=online-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
    REGISTRY_PORT=$(free_port)
    REGISTRY=http://127.0.0.1:$REGISTRY_PORT
    registry_config >"$WORK/registry.yml"
}

# serve_of NAME OPTIONS…: a regsweep of its own, on $WORK/NAME; sets PID_NAME and PORT_NAME.
serve_of() {
    local name=$1 port
    shift
    port=$(free_port)
    regsweep scan --quiet --index "$WORK/$name" --storage "$ROOT"
    "$REGSWEEP" serve --index "$WORK/$name" --storage "$ROOT" --listen "127.0.0.1:$port" --token-file "$WORK/token" \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" --settle 1s --quarantine 1s --grace 1s \
        --untagged remove --max-delete 100 --lease 4s "$@" >>"$WORK/$name.log" 2>&1 3>&- &
    PIDS+=("$!")
    printf -v "PID_$name" %s "$!"
    printf -v "PORT_$name" %s "$port"
    wait_until "$TIMEOUT" answers "http://127.0.0.1:$port/readyz"
}

start_two() {
    serve_of a "$@"
    serve_of b "$@"
    EVENTS="http://127.0.0.1:$PORT_a/events http://127.0.0.1:$PORT_b/events"
    start_registry
}

# sweep_of NAME OPTIONS…
sweep_of() {
    local name=$1
    shift
    regsweep sweep --index "$WORK/$name" --storage "$ROOT" --confirm --settle 1s --grace 1s --untagged remove \
        --max-delete 100 --registry-config "$WORK/registry.yml" --registry "$REGISTRY" --lease 4s "$@" 2>&1
}

# sweep_stopped NAME: with the registry stopped, which is asked whether it is.
sweep_stopped() {
    regsweep sweep --index "$WORK/$1" --storage "$ROOT" --offline --confirm --settle 1s --max-delete 100 \
        --registry "$REGISTRY" --lease 4s 2>&1
}

# How many generations of that index took anything.
generations_of() {
    regsweep inspect generations --index "$WORK/$1" --json | jq '[.generations[] | select(.offline | not)] | length'
}

generation_of() { # NAME MEMBER
    regsweep inspect generations --index "$WORK/$1" --json | jq -r ".generations[-1].$2"
}

# An image that nothing needs, known to both.
push_garbage() { # SEED
    client image team/app:1 --seed "$1" --layers 2
    client image team/app:1 --seed "$(($1 + 1))" --layers 2
    wait_until "$TIMEOUT" garbage_is_old a
    wait_until "$TIMEOUT" garbage_is_old b
}

garbage_is_old() {
    regsweep sweep --index "$WORK/$1" --untagged remove --grace 1s --json 2>/dev/null | jq -e '.totals.revisions == 1'
}

is_hidden() {
    [ "$(generation_of "$1" state)" = hidden ]
}
