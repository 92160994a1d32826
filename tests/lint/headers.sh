#!/usr/bin/env bash
# Every public header compiles alone, as C and as C++, with every warning an error; so does what they give to begin from.
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
# What there is to begin from, as a user writes it.
mapfile -t inits < <(grep -hoE '^#define RSW_[A-Z_]+_INIT\b' include/regsweep/*.h | cut -d' ' -f2)
((${#inits[@]} > 1)) || { echo "no initialiser to look at" >&2; exit 1; }
for init in "${inits[@]}"; do
    name=${init%_INIT}
    printf '#include <regsweep/regsweep.h>\nvoid use(void *);\nvoid f(void);\nvoid f(void) { struct %s x = %s; use(&x); }\n' \
        "${name,,}" "$init" >"${TMPDIR:-/tmp}/regsweep-header.$$"
    for compiler in "gcc -x c -std=c11" "gcc -x c++ -std=c++20" "clang -x c -std=c11" "clang -x c++ -std=c++20"; do
        # shellcheck disable=SC2086 # a command and its options
        $compiler "${warnings[@]}" "${TMPDIR:-/tmp}/regsweep-header.$$" || { echo "$init: $compiler" >&2; exit 1; }
    done
done
rm -f "${TMPDIR:-/tmp}/regsweep-header.$$"
echo "${#headers[@]} headers"
