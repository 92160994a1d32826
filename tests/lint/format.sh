#!/usr/bin/env bash
# Every C file of the project is as clang-format writes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files '*.c' '*.h')
((${#files[@]} > 0)) || { echo "no file to look at" >&2; exit 1; }
clang-format --dry-run -Werror "${files[@]}"
echo "${#files[@]} files"
