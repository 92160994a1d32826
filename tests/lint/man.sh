#!/usr/bin/env bash
# man.sh FOLDER: every manual page there is one that groff shows without a warning, where the locale is C, too.
set -euo pipefail
export LC_ALL=C
pages=("$1"/regsweep*.1)
[ -e "${pages[0]}" ] || { echo "no manual page in $1" >&2; exit 1; }
for page in "${pages[@]}"; do
    warnings=$(groff -k -Kutf8 -man -Tascii -ww -z "$page" 2>&1)
    [ -z "$warnings" ] || { printf '%s\n' "$warnings" >&2; failed=1; }
done
exit "${failed:-0}"
