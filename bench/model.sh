#!/usr/bin/env bash
# model.sh [MODEL…]: the models of tests/model within wider bounds than the tests have: more requests, generations, kills and crashes.
# Some need several GB (MEMLIM, in MB: 8192 unless set) and some minutes each. One that does not fit is told, and is no success.
set -euo pipefail
run=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/tests/model/run.sh
export MEMLIM=${MEMLIM:-8192}

searches=(
    "image -DREQUESTS=6"
    "image -DREQUESTS=5 -DGENERATIONS=2"
    "image -DREQUESTS=4 -DCLIENTS=3"
    "image -DREQUESTS=6 -DGENERATIONS=2 -DNO_CACHE"
    "mount -DREQUESTS=5"
    "mount -DREQUESTS=4 -DGENERATIONS=2"
    "mount -DREQUESTS=4 -DCLIENTS=3"
    "mount -DREQUESTS=5 -DSILENT -DSCAN_BEFORE_PURGE"
    "mount -DREQUESTS=5 -DSILENT -DNO_CACHE"
    "index -DREQUESTS=6"
    "index -DREQUESTS=5 -DCLIENTS=3"
    "tags -DREQUESTS=6 -DGENERATIONS=3 -DCLIENTS=3"
    "aside -DREQUESTS=4 -DCLIENTS=3"
    "replicas -DREQUESTS=3"
    "replicas -DREQUESTS=2 -DKILLS=2"
    "replicas -DREQUESTS=4 -DCLIENTS=1 -DKILLS=3"
    "crash -DREQUESTS=4 -DCRASHES=2"
    "crash -DREQUESTS=3 -DCRASHES=3 -DGENERATIONS=2"
)

failed=0
for search in "${searches[@]}"; do
    read -ra words <<<"$search"
    [ $# -eq 0 ] || [[ " $* " == *" ${words[0]} "* ]] || continue
    # What pan says at length is of use only where something failed, and is told by running that one line.
    "$run" "${words[0]}" pass "${words[@]:1}" 2>/dev/null || failed=$((failed + 1))
done
[ "$failed" -eq 0 ] || { echo "$failed of these did not pass" >&2; exit 1; }
