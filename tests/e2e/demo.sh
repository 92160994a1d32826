#!/usr/bin/env bash
# demo.sh REGSWEEP: the main job on a real registry, in small steps, with everything in a temporary directory and on
# loopback. Ends with a verdict; exit status 0 only if everything is as it should be.
set -euo pipefail

REGSWEEP=$(realpath "$1")
# shellcheck disable=SC2034 # lib.bash reads it
BATS_TEST_TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/regsweep-demo.XXXXXX")
export REGSWEEP
# shellcheck source=lib.bash disable=SC2119
. "$(dirname "$0")/lib.bash"
e2e_setup
trap 'e2e_teardown; rm -rf "$WORK"' EXIT
trap 'echo "The demonstration failed at line $LINENO." >&2' ERR

if [ -t 1 ]; then bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' plain=$'\033[0m'; else bold='' dim='' green='' plain=''; fi
number=0

step() {
    number=$((number + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$number" "$*" "$plain"
}

# Shows a command as one would type it (the temporary directory shortened), then runs it.
show() {
    local words=("${@//$REGSWEEP/regsweep}")
    printf '%s   $ %s%s\n' "$dim" "${words[*]//$WORK\//}" "$plain"
    "$@" 2>&1 | sed "s|$WORK/||g; s/^/   /"
}

disk_use() {
    printf '%s blobs, %s' "$(disk blobs "$ROOT" | wc -l)" \
        "$(find "$ROOT" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%.1f MiB", sum / 1048576 }')"
}

expect() {
    local what=$1
    shift
    "$@" >/dev/null || { echo "   NOT as it should be: $what" >&2; exit 1; }
    printf '   %s✓%s %s\n' "$green" "$plain" "$what"
}

is_absent() {
    ! "$@"
}

printf '%sregsweep: garbage collection for a container registry%s\n' "$bold" "$plain"
echo "A registry of Debian's docker-registry package, some images, and what becomes of them."

step "Start regsweep's feed, and a registry that reports to it"
start_serve
EVENTS=$SERVE/events CACHE=inmemory start_registry
echo "   feed on $SERVE/events, registry on ${REGISTRY#http://}; its storage is in $ROOT"

step "Push images with skopeo: two that share a layer, one for two architectures, one that nobody will want"
client layout "$WORK/images" v1 --seed 1 --size 1500000 >/dev/null
client layout "$WORK/images" v2 --seed 2 --size 1500000 >/dev/null
client layout "$WORK/images" multi --seed 3 --size 700000 --arch amd64 --arch arm64 >/dev/null
client layout "$WORK/images" old --seed 4 --size 2000000 --shared-seed other >/dev/null
skopeo_push "$WORK/images:v1" shop/web:1.0
skopeo_push "$WORK/images:v2" shop/web:2.0
skopeo_push "$WORK/images:multi" shop/multi:1.0 --all
skopeo_push "$WORK/images:old" legacy/thing:1.0
echo "   shop/web:1.0  shop/web:2.0  shop/multi:1.0 (amd64, arm64)  legacy/thing:1.0"

step "Then life goes on: shop/web:1.0 and legacy/thing are deleted, shop/web:latest now means 2.0"
gone_web=$(client pull shop/web 1.0)
gone_thing=$(client pull legacy/thing 1.0)
kept=$(client tag shop/web 2.0 latest)
client delete shop/web "$gone_web"
client delete legacy/thing "$gone_thing"
before=$(disk_use)
echo "   The registry frees nothing by itself. On disk: $before"

step "Ask why: one image that is needed, one that is not (the index knows from the events alone)"
wait_until "$TIMEOUT" events_sent
wait_until "$TIMEOUT" queue_is_empty
show "$REGSWEEP" inspect why "$kept" --index "$INDEX"
show "$REGSWEEP" inspect why "$gone_web" --index "$INDEX" --offline --grace 0

step "Dry run: what would go. Nothing is changed. (--grace 0: take even what was pushed a moment ago)"
show "$REGSWEEP" scan --quiet --index "$INDEX" --storage "$ROOT"
tree=$(disk hash "$ROOT")
show "$REGSWEEP" sweep --index "$INDEX" --offline --grace 0
expect "storage is untouched by the dry run" [ "$tree" = "$(disk hash "$ROOT")" ]

step "Stop the registry and sweep for good"
stop_registry
show "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --offline --confirm --grace 0 --registry "$REGISTRY"

step "Start the registry again and pull what remains, whole"
start_registry
skopeo_pull shop/web:2.0 "$WORK/pulled:web"
skopeo_pull shop/multi:1.0 "$WORK/pulled:multi" --all
expect "skopeo pulls shop/web:2.0 and both architectures of shop/multi:1.0" true
expect "every remaining tag is whole, byte for byte" client check-all
expect "shop/web:latest is still $(cut -c1-19 <<<"$kept")…" [ "$(client pull shop/web latest)" = "$kept" ]
expect "the deleted images are gone" is_absent client has shop/web "$gone_web"
expect "the emptied repository has left the catalog" [ "$(client catalog | xargs)" = "shop/multi shop/web" ]
expect "the registry's own collector finds nothing left to do" [ -z "$(stock_garbage)" ]
stop_serve

printf '\n   before  %s\n   after   %s\n' "$before" "$(disk_use)"
printf '\n%sAll as it should be:%s what nobody needs is gone, what somebody needs is whole.\n' "$bold$green" "$plain"
