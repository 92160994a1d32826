# Helpers of tests with soaks: of SOAK_SECONDS each, two of them under load at a time. One whose load is over only waits, for
# settles and quarantines, so the next one begins.
# shellcheck shell=bash

SOAK_SECONDS=${SOAK_SECONDS:-60}

has_room() {
    local soak loaded=0
    for soak in "${SOAKS[@]}"; do
        [ -e "$WORK/${soak%:*}/load-is-over" ] || is_gone "${soak#*:}" || loaded=$((loaded + 1))
    done
    ((loaded < 2))
}

# start_soak NAME OPTIONS…: in the background, as soon as there is room; its result goes to $WORK/NAME.json.
start_soak() {
    local name=$1
    shift
    wait_until $((SOAK_SECONDS + TIMEOUT)) has_room
    mkdir "$WORK/$name"
    python3 "$E2E_DIR/soak.py" --work "$WORK/$name" --regsweep "$REGSWEEP" --seconds "$SOAK_SECONDS" "$@" \
        >"$WORK/$name.json" 2>"$WORK/$name.err" 3>&- &
    SOAKS+=("$name:$!")
    PIDS+=($!)
}

# All that were started: nothing broken, nothing failed for good, nothing left behind.
soaks_are_clean() {
    local soak failed=0
    for soak in "${SOAKS[@]}"; do
        if ! wait "${soak#*:}"; then
            failed=1
            { echo "${soak%:*}:" && cat "$WORK/${soak%:*}.json" && tail -n 30 "$WORK/${soak%:*}.err"; } >&2
        fi
    done
    return "$failed"
}

# result NAME FILTER: what jq makes of it.
result() {
    jq -e "$2" "$WORK/$1.json"
}

soak_setup() {
    e2e_setup
    SOAKS=()
}
