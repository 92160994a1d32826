# Helpers of soak.bats and chaos.bats: soaks of SOAK_SECONDS, two of them side by side where a test asks for it.
# shellcheck shell=bash

SOAK_SECONDS=${SOAK_SECONDS:-60}

# start_soak NAME OPTIONS…: in the background; its result goes to $WORK/NAME.json.
start_soak() {
    local name=$1
    shift
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
