#!/usr/bin/env bash
# tidy.sh BUILD_DIR [PART PARTS]: clang-tidy over every C file, by the compile commands of that build; or over every
# PARTS-th of them, from the PART-th on, with one process. Fails too if it looked at fewer files than the project has: a
# gate that matches no file is none.
set -euo pipefail
build=$1 part=${2:-1} parts=${3:-1}
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files '*.c')
((${#files[@]} > 0)) || { echo "no file to look at" >&2; exit 1; }
compiled=$(grep -o '"file": "[^"]*"' "$build/compile_commands.json" | cut -d'"' -f4 | sort -u)
missing=$(for file in "${files[@]}"; do grep -qxF "$PWD/$file" <<<"$compiled" || echo "$file"; done)
[ -z "$missing" ] || { printf 'not compiled, so not looked at:\n%s\n' "$missing" >&2; exit 1; }
mapfile -t files < <(printf '%s\n' "${files[@]}" | awk -v part="$part" -v parts="$parts" 'NR % parts == part % parts')
processes=$((parts > 1 ? 1 : $(nproc)))

# One file; what is wrong on stdout, and a note that it was looked at.
tidy_one() {
    local said status=0
    local checks=()
    # The path-sensitive analyzer takes the longest, and the tests run under the sanitizers.
    [[ $1 != tests/* ]] || checks=('--checks=-clang-analyzer-*')
    # It gives up on a function after so many states: 225,000, if nobody says. The time it takes goes with that number.
    local few_states=(--extra-arg-before=-Xclang --extra-arg-before=-analyzer-config
        --extra-arg-before=-Xclang --extra-arg-before="max-nodes=${TIDY_STATES:-30000}")
    said=$(clang-tidy --quiet "${checks[@]}" "${few_states[@]}" -p "$build" "$1" 2>&1) || status=$?
    if [ "$status" -ne 0 ] || grep -qE '(warning|error):' <<<"$said"; then
        printf '%s\n' "$said"
        return 1
    fi
    echo "$1" >>"$looked"
}
looked=$(mktemp)
trap 'rm -f "$looked"' EXIT
export build looked
export -f tidy_one
# shellcheck disable=SC2016 # for the inner shell
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$processes" bash -c 'set -o pipefail; tidy_one "$1" || exit 1' tidy || {
    echo "clang-tidy is not content" >&2
    exit 1
}
[ "$(sort -u "$looked" | wc -l)" -eq "${#files[@]}" ] || { echo "looked at fewer than ${#files[@]} files" >&2; exit 1; }
echo "${#files[@]} files"
