#!/usr/bin/env bash
# run.sh BATS FILE…: runs them with their temporary directory in memory where there is plenty of it. The tests write tens of
# thousands of small files and wait for every commit of the index; what they look for does not depend on the disk.
set -euo pipefail

free_mib=$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1 || echo 0)
if [ -z "${REGSWEEP_TEST_ON_DISK:-}" ] && [ -w /dev/shm ] && ((free_mib > 2048)); then
    export TMPDIR=/dev/shm
fi
exec "$@"
