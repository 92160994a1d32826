#!/usr/bin/env bash
# Every public header compiles alone, as C and as C++, with every warning an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t headers < <(git ls-files 'include/regsweep/*.h')
((${#headers[@]} > 0)) || { echo "no header to look at" >&2; exit 1; }
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -Iinclude)
for header in "${headers[@]}"; do
    printf '#include <%s>\n' "${header#include/}" >"${TMPDIR:-/tmp}/regsweep-header.$$"
    for compiler in "gcc -x c -std=c11" "gcc -x c++ -std=c++11" "clang -x c -std=c11" "clang -x c++ -std=c++11"; do
        # shellcheck disable=SC2086 # a command and its options
        $compiler "${warnings[@]}" "${TMPDIR:-/tmp}/regsweep-header.$$" || { echo "$header: $compiler" >&2; exit 1; }
    done
done
rm -f "${TMPDIR:-/tmp}/regsweep-header.$$"
echo "${#headers[@]} headers"
