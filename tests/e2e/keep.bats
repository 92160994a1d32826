#!/usr/bin/env bats
# What stays although no tag keeps it: images that run in a cluster.
# shellcheck disable=SC2154,SC2030,SC2031,SC2034 # bats sets status and output; each test is a subshell; lib.bash reads EVENTS
load lib
bats_require_minimum_version 1.5.0
load online

RECORDED=${BATS_TEST_DIRNAME}/../data/workload

setup() {
    e2e_setup
    NAMES=(--registry-name registry.example.com:5000
        --registry-name image-registry.openshift-image-registry.svc:5000)
    LISTS=()
    ALL=40 # tags and digests of ours in the lists
}
teardown() { e2e_teardown; }

# The digest that the recorded lists have for an image of ours.
recorded() {
    printf 'sha256:%s' "$(printf %s "$1" | sha256sum | cut -d' ' -f1)"
}

# push REPOSITORY IMAGE: without any tag, as an image is that somebody pushed another one over. The lists name it as
# recorded. Adds it to DIGESTS.
push() {
    local digest
    SEED=$((SEED + 1))
    digest=$(client image "$1" --seed "$SEED")
    DIGESTS[$2]=$digest
    sed -i "s/$(recorded "$2")/$digest/g" "$WORK"/*.json
}

# A registry with images in use, and with others. The lists of the cluster are $WORK/*.json.
push_images() {
    declare -gA DIGESTS=()
    SEED=0
    cp "$RECORDED"/*.json "$WORK"
    # What was finished then is finished, whatever the clock says now.
    sed -i "s/2026-11-[0-9]*T[0-9:]*Z/$(date -u -d '2 days ago' +%FT%TZ)/" "$WORK"/*.json
    push shop/web web              # of a pod's status
    push shop/migrate migrate      # of an init container
    push shop/cart cart            # by digest
    push shop/report report        # of a pod that finished long ago
    push shop/gone gone            # of nobody
    push store/front front         # of a deployment config, and of an image stream
    push store/front front-2       # the third of it
    push store/front front-3       # the fourth
    push elsewhere front-1         # its second, which another repository has
    client image shop/asleep:1 --seed 100 # of a deployment without pods
    client image shop/never:1 --seed 101
}

# What a dry run would let go, as JSON: repository and digest of manifests.
let_go() {
    jq -r '.condemned.revisions[] | .repo + " " + .digest' | sort
}

# The same of what no workload names.
of_nobody() {
    printf '%s\n' "shop/report ${DIGESTS[report]}" "shop/gone ${DIGESTS[gone]}" "store/front ${DIGESTS[front-3]}" | sort
}

# The lists as files, if no others are given.
in_use() {
    LISTS=(--in-use "$WORK/pods.json" --in-use "$WORK/controllers.json" --in-use "$WORK/openshift.json")
}

start_cluster() {
    printf 'cluster-secret\n' >"$WORK/cluster.token"
    chmod 600 "$WORK/cluster.token"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cluster \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/cluster.key" -out "$WORK/cluster.pem" 2>/dev/null
    python3 "$E2E_DIR/cluster.py" "$WORK/cluster.pem" "$WORK/cluster.key" "$WORK/cluster.token" \
        "$WORK/pods.json" "$WORK/controllers.json" "$WORK/openshift.json" >"$WORK/cluster.port" 3>&- &
    PIDS+=("$!")
    wait_until "$TIMEOUT" test -s "$WORK/cluster.port"
    CLUSTER_PORT=$(cat "$WORK/cluster.port")
}

@test "images that workloads name stay, others go" {
    start_registry
    push_images
    stop_registry
    rs scan
    in_use
    same_lines "$(sweep_all --untagged remove --json "${LISTS[@]}" "${NAMES[@]}" | let_go)" "$(of_nobody)"
    run sweep_all --untagged remove --confirm "${LISTS[@]}" "${NAMES[@]}"
    status_is 0
    says "27 objects name $ALL images of this registry"
    start_registry
    for image in 'shop/web web' 'shop/migrate migrate' 'shop/cart cart' 'store/front front' 'store/front front-2' \
        'elsewhere front-1'; do
        client pull "${image%% *}" "${DIGESTS[${image##* }]}"
    done
    run client has shop/gone "${DIGESTS[gone]}"
    status_is 1
    client check-all
}

@test "why tells which workload keeps an image" {
    start_registry
    push_images
    stop_registry
    rs scan
    in_use
    run rs inspect why "shop/web@${DIGESTS[web]}" --untagged remove "${LISTS[@]}" "${NAMES[@]}"
    status_is 0
    says "${DIGESTS[web]} is pinned by Pod shop/web-7d4b9c6f5-x2x9q container web"
    run rs inspect why shop/asleep:1 "${LISTS[@]}" "${NAMES[@]}"
    says "tag shop/asleep:1 points at"
    says "and is pinned by Deployment shop/asleep container asleep"
    rs inspect why "shop/cart@${DIGESTS[cart]}" --json "${LISTS[@]}" "${NAMES[@]}" |
        jq -e '.path[0] | .by == "pin" and .pinned_by == "Pod shop/cart-0 container cart"'
    run rs inspect garbage --untagged remove --grace 0 "${LISTS[@]}" "${NAMES[@]}"
    status_is 0
}

@test "a run that does not know what is in use is refused, and nothing goes" {
    start_registry
    push_images
    stop_registry
    rs scan
    disk blobs "$ROOT" >"$WORK/before"
    run sweep_all --untagged remove --confirm --in-use "$WORK/pods.json"
    status_is 64
    says "--registry-name HOST[:PORT]"
    head -c 20000 "$WORK/pods.json" >"$WORK/cut.json"
    jq '.items[0].spec.containers[0].image = "shop/Web:1"' "$WORK/pods.json" >"$WORK/bad.json"
    for file in "$WORK/none.json" "$WORK/cut.json" "$WORK/bad.json"; do
        run sweep_all --untagged remove --confirm --in-use "$WORK/controllers.json" --in-use "$file" "${NAMES[@]}"
        status_is 3
    done
    says "Pod shop/web-7d4b9c6f5-x2x9q container web: image \"shop/Web:1\": repository"
    says "1 references of workloads cannot be read"
    run sweep_all --untagged remove --confirm --in-use - "${NAMES[@]}" </dev/null
    status_is 3
    same_lines "$(disk blobs "$ROOT")" "$(cat "$WORK/before")"
    run sweep_all --untagged remove --in-use - "${NAMES[@]}" --ignore-bad-references <"$WORK/bad.json"
    status_is 0
}

@test "a cluster is asked over https, and a wrong token refuses" {
    start_registry
    push_images
    start_cluster
    stop_registry
    rs scan
    same_lines "$(sweep_all --untagged remove --json --in-use-api "https://127.0.0.1:$CLUSTER_PORT" \
        --in-use-ca "$WORK/cluster.pem" --in-use-token-file "$WORK/cluster.token" "${NAMES[@]}" | let_go)" \
        "$(of_nobody)"
    export KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=$CLUSTER_PORT
    run sweep_all --in-use-api in-cluster --in-use-ca "$WORK/cluster.pem" --in-use-token-file "$WORK/cluster.token" \
        "${NAMES[@]}"
    status_is 0
    says "27 objects name $ALL images of this registry"
    echo wrong >"$WORK/cluster.token"
    run sweep_all --confirm --in-use-api in-cluster --in-use-ca "$WORK/cluster.pem" \
        --in-use-token-file "$WORK/cluster.token" "${NAMES[@]}"
    status_is 3
    says "the server does not take the token: Unauthorized"
    [[ $output != *wrong* ]]
}

@test "serve is told what is in use, or asks itself" {
    printf 'sweep-secret\n' >"$WORK/sweep-token"
    chmod 600 "$WORK/sweep-token"
    start_online --sweep-token-file "$WORK/sweep-token" --grace 1s --untagged remove --max-delete 100
    push_images
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
    in_use
    there=(regsweep sweep --server "$SERVE" --sweep-token-file "$WORK/sweep-token" --untagged remove --grace 0)
    "${there[@]}" --json "${LISTS[@]}" "${NAMES[@]}" >"$WORK/answer" 2>"$WORK/said"
    same_lines "$(let_go <"$WORK/answer")" "$(of_nobody)"
    grep -q "$ALL images are in use" "$WORK/said"
    stop_serve
    start_serve --token-file "$WORK/token" --sweep-token-file "$WORK/sweep-token" --untagged remove \
        --grace 0 "${LISTS[@]}" "${NAMES[@]}"
    same_lines "$("${there[@]}" --json --quiet | let_go)" "$(of_nobody)"
    rm "$WORK/pods.json"
    run "${there[@]}"
    status_is 3
    says "--in-use $WORK/pods.json: No such file"
    run regsweep serve --index "$WORK/other" --storage "$ROOT" --in-use - "${NAMES[@]}"
    status_is 64
    says "standard input can be read once"
}

@test "what a policy lets go of stays while a workload names it" {
    start_registry
    push_images
    stop_registry
    rs scan
    in_use
    printf 'repositories:\n  - match: "**"\n    tags:\n      - {match: "*", keep: none}\n' >"$WORK/policy.yml"
    by_policy=(--policy "$WORK/policy.yml" --grace 0 "${LISTS[@]}" "${NAMES[@]}")
    regsweep policy explain --index "$INDEX" "${by_policy[@]}" --json | jq -e '.tags_let_go == 1'
    same_lines "$(sweep_all --json "${by_policy[@]}" | jq -r '.condemned.tags[] | .repo + ":" + .tag')" shop/never:1
    run rs inspect why shop/asleep:1 "${by_policy[@]}"
    says "is pinned by Deployment shop/asleep container asleep"
    run rs inspect why shop/never:1 "${by_policy[@]}"
    says "shop/never:1: let go: policy"
    rs inspect why shop/never:1 --json "${by_policy[@]}" | jq -e '.tag.verdict == "let_go" and .tag.reason == "policy"'
    run rs inspect why shop/never:2 "${by_policy[@]}"
    status_is 1
    says "the index does not know a tag shop/never:2"
    run --separate-stderr rs inspect why shop/never:2 --json "${by_policy[@]}"
    status_is 1
    jq -e '.digest == null and .tag.verdict == "unknown"' <<<"$output"
}

# A pod that runs this image is all that runs.
runs() {
    jq -n --arg image "$1" '{kind: "List", apiVersion: "v1", items: [{kind: "Pod", apiVersion: "v1", metadata: {name: "web"},
        spec: {containers: [{name: "web", image: $image}]}}]}' >"$WORK/used.new"
    mv "$WORK/used.new" "$WORK/used.json"
}

generation_is() {
    [ "$(regsweep inspect generations --index "$INDEX" --json | jq -r '.generations[-1].state')" = "$1" ]
}

sweeper_fails() {
    [ "$(metric regsweep_sweeper_failed)" = 1 ]
}

# Two images over two others, which are old enough then: their digests go to $old and $gone.
push_over_two() {
    old=$(client image shop/web:1 --seed 1 --layers 2)
    client image shop/web:1 --seed 2 --layers 2
    gone=$(client image shop/web:2 --seed 3 --layers 2)
    client image shop/web:2 --seed 4 --layers 2
    wait_until "$TIMEOUT" events_sent
    wait_until "$TIMEOUT" queue_is_empty
    sleep 2
}

@test "a pod that starts while a sweep is under way, from what its node has, keeps its image; where nobody tells, nothing goes on" {
    local old gone
    runs registry.example.com:5000/shop/web:1
    start_online --grace 1s --in-use "$WORK/used.json" --registry-name registry.example.com:5000
    push_over_two
    rs sweep --confirm --settle 1s --quarantine 8s --grace 1s --untagged remove --max-delete 100 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" # which is not told
    wait_until "$TIMEOUT" generation_is hidden
    rm "$WORK/used.json"
    wait_until "$TIMEOUT" sweeper_fails
    grep -q "the sweep does not go on, it is tried again: --in-use $WORK/used.json: No such file" "$WORK/serve.log"
    generation_is hidden
    runs "registry.example.com:5000/shop/web@$old"
    wait_until "$TIMEOUT" generation_is purged
    client pull shop/web "$old"
    run client has shop/web "$gone"
    status_is 1
    client check-all
}

@test "a sweep that waits asks again, too, before it deletes" {
    local old gone
    runs registry.example.com:5000/shop/web:1
    TOKEN=online-secret
    printf '%s\n' "$TOKEN" >"$WORK/token"
    rs scan --quiet
    start_serve --token-file "$WORK/token" # it knows no registry, and leaves sweeps alone
    EVENTS=$SERVE/events
    start_registry
    push_over_two
    "$REGSWEEP" sweep --index "$INDEX" --storage "$ROOT" --confirm --wait --settle 1s --quarantine 8s --grace 1s \
        --untagged remove --max-delete 100 --in-use "$WORK/used.json" --registry-name registry.example.com:5000 \
        --registry-config "$WORK/registry.yml" --registry "$REGISTRY" >>"$WORK/sweep.log" 2>&1 3>&- &
    SWEEP_PID=$!
    PIDS+=("$SWEEP_PID")
    wait_until "$TIMEOUT" generation_is hidden
    runs "registry.example.com:5000/shop/web@$old"
    wait "$SWEEP_PID" || fail "$(cat "$WORK/sweep.log")"
    generation_is purged
    client pull shop/web "$old"
    run client has shop/web "$gone"
    status_is 1
}
