#!/usr/bin/env bash
# Every shell script of the project passes shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files 'dev' '.ci/run' '*.sh' '*.bash' '*.bats')
((${#files[@]} > 0)) || { echo "no file to look at" >&2; exit 1; }
shellcheck --shell=bash --external-sources --source-path=tests/e2e "${files[@]}"
echo "${#files[@]} files"
