#!/usr/bin/env bats
# The way to a store, what one may do there, and how it keeps what is written.
# shellcheck disable=SC2034,SC2154,SC2030,SC2031,SC2153 # bats sets status and output, and each test is a subshell
load lib
load online
load soak
load s3

setup_file() { s3_setup_file; }
teardown_file() { s3_teardown_file; }
setup() { soak_setup && s3_setup; }
teardown() { e2e_teardown; }

generation() {
    regsweep inspect generations --index "$INDEX" --json | jq -r ".generations[-1].$1"
}

swept_until_hidden() {
    rs sweep --confirm --settle 1s --grace 1s --quarantine 1h --untagged remove --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 || return
    [ "$(generation state)" = hidden ]
}

heard_all() {
    events_sent && queue_is_empty
}

# Of each key that begins with this: is it in that class of storage, and may everybody read it?
kept_as_the_registry_does() {
    local key
    [ -n "$(s3_keys_below "$1")" ] || fail "nothing is in $1"
    for key in $(s3_keys_below "$1"); do
        s3_head "$S3_ROOT/$key" >"$WORK/head"
        grep -qi '^x-amz-storage-class: REDUCED_REDUNDANCY' "$WORK/head" || fail "$key: $(cat "$WORK/head")"
        [ "$(http_code "$S3_ENDPOINT/$S3_BUCKET/$S3_ROOT/$key")" = 200 ] || fail "not everybody may read $key"
    done
}

@test "what a sweep takes, and gives back, is kept as the registry keeps what it writes" {
    eval "$(declare -f registry_storage | sed '1s/registry_storage/plain_storage/')"
    registry_storage() {
        plain_storage | sed 's/^    bucket:.*/&\n    storageclass: reduced_redundancy\n    objectacl: public-read/'
    }
    start_online
    stop_serve
    start_serve --token-file "$WORK/token" # does not go on with sweeps by itself
    old=$(client image shop/web:1 --seed 1 --layers 3)
    client image shop/web:1 --seed 2
    kept_as_the_registry_does docker/
    wait_until "$TIMEOUT" heard_all
    sleep 1.1 # grace
    wait_until "$TIMEOUT" swept_until_hidden || fail "$(tail -n 20 "$WORK/sweep.log")"
    s3_keys_below regsweep/quarantine/ | grep -q '/data$'
    kept_as_the_registry_does regsweep/
    rs restore "shop/web@$old" --registry-config "$WORK/registry.yml"
    client pull shop/web "$old"
    kept_as_the_registry_does docker/
}
