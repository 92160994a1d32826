# Helpers of tests with the online sweep: times as short as tests want them.
# shellcheck shell=bash

# One generation, seen through to its end. `serve` and the registry run; its log is in $WORK/sweep.log.
online_sweep() {
    rs sweep --confirm --wait --settle 1s --quarantine 1s --grace 1s --untagged remove --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 ||
        { local status=$? && tail -n 20 "$WORK/sweep.log" >&2 && return "$status"; }
}

# The same in the background; sets SWEEP_PID.
start_online_sweep() {
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --wait --settle 2s --quarantine 2s --grace 2s \
        --untagged remove --max-delete 100 --registry-config "$WORK/registry.yml" --registry "$REGISTRY" \
        >>"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
}

# Sweeps until the file is gone: what is young stays for a while.
sweep_until_gone() {
    local end=$((SECONDS + TIMEOUT))
    while [ -e "$1" ]; do
        [ "$SECONDS" -lt "$end" ] || fail "$1 is still there: $(tail -n 20 "$WORK/sweep.log")"
        online_sweep || return
    done
}

# A registry that reports to serve, both with what the online sweep needs; serve with what else is given. EVENTS may be
# set before, to a proxy.
start_online() {
    TOKEN=online-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
    REGISTRY_PORT=$(free_port)
    registry_config >"$WORK/registry.yml"
    rs scan --quiet
    start_serve --token-file "$WORK/token" --registry-config "$WORK/registry.yml" \
        --registry "http://127.0.0.1:$REGISTRY_PORT" --settle 1s --quarantine 1s "$@"
    EVENTS=${EVENTS:-$SERVE/events}
    start_registry
}
