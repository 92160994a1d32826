#!/usr/bin/env bash
# exports.sh LIBRARY: the shared library exports what the public headers declare RSW_API, all of it and nothing else.
set -euo pipefail
library=$1
cd "$(dirname "$0")/../.."
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort -u)
declared=$(cat include/regsweep/*.h | tr '\n' ' ' | grep -oE 'RSW_API [^;(]*\(' | grep -oE 'rsw_[a-z0-9_]+\($' | tr -d '(' | sort -u)
diff <(printf '%s\n' "$declared") <(printf '%s\n' "$exported") ||
    { echo "left: declared in include/regsweep; right: exported by $library" >&2; exit 1; }
echo "$(wc -l <<<"$exported") symbols"
