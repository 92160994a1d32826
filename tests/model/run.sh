#!/usr/bin/env bash
# run.sh MODEL pass|fail [-Dmacro…]: searches every state of MODEL.pml with spin. `pass`: the search was complete and found no error;
# `fail`: an assertion does not hold in some state. Prints how many states there were and how long it took; leaves no file behind.
# TRAIL=1 prints the shortest way to the error as well. MEMLIM is in MB.
set -euo pipefail

die() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 2 ] || die "usage: run.sh MODEL pass|fail [-Dmacro…]"
model=$1 expect=$2
shift 2
models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -f "$models/$model.pml" ] || die "no such model: $model"
[ "$expect" = pass ] || [ "$expect" = fail ] || die "expecting pass or fail, not: $expect"

work=$(mktemp -d "${TMPDIR:-/tmp}/regsweep-model.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$models"/*.pml .

# A search breadth first finds a shortest way to an error, but needs more memory.
options=(-DSAFETY -DCOLLAPSE "-DMEMLIM=${MEMLIM:-2048}")
[ -z "${TRAIL:-}" ] || options+=(-DBFS)
spin "$@" -a "$model.pml" >spin.out || { cat spin.out >&2; die "spin does not take $model.pml"; }
# Compiling for speed takes longer than finding an error does.
optimise=-O2
[ "$expect" = pass ] || optimise=-O0
gcc "$optimise" -w "${options[@]}" -o pan pan.c
started=$(date +%s%N)
timeout "${LIMIT:-3600}" ./pan -m200000 >pan.out 2>&1 || true
ended=$(date +%s%N)

# A search that was cut short proves nothing. An error ends it, which is all that one wants to know then.
errors=$(sed -n 's/^State-vector .* errors: \([0-9]*\)$/\1/p' pan.out)
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
verdict="cut short"
if [ "${errors:-0}" -gt 0 ]; then
    verdict="other error"
    ! grep -q '^pan:1: assertion violated' pan.out || verdict=fail
elif [ "$errors" = 0 ] && ! grep -qiE 'search not completed|depth too small|truncated|out of memory|memory (limit|exceeded)' pan.out; then
    verdict=pass
fi
printf '%s: %s, %s states, %d ms\n' "$model${*:+ $*}" "$verdict" "${states:-?}" "$(((ended - started) / 1000000))"
if [ -n "${TRAIL:-}" ] && [ -f "$model.pml.trail" ]; then
    spin "$@" -t -p -g "$model.pml" | grep -vE '^\s*$|\(goto\)|\[else\]|\[\(1\)\]'
fi
[ "$verdict" = "$expect" ] || { cat pan.out >&2; die "$model was to $expect: $verdict"; }
