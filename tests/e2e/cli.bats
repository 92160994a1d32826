#!/usr/bin/env bats
# The command line as a user meets it, without a registry.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats sets status, output and stderr; bash -c gets its own arguments;
# each test is a subshell

bats_require_minimum_version 1.5.0

setup() {
    : "${REGSWEEP:?the regsweep program to test}"
    local name
    for name in $(compgen -e); do
        case $name in REGSWEEP_*) unset "$name" ;; esac
    done
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p registry/docker/registry/v2/{blobs,repositories}
    root=$BATS_TEST_TMPDIR/registry
    index=$BATS_TEST_TMPDIR/index
}

scan() {
    "$REGSWEEP" scan --quiet --storage "$root" --index "$index" >/dev/null
}

@test "without a command: exit 64 and how to get help" {
    run -64 --separate-stderr "$REGSWEEP"
    [ -z "$output" ]
    [[ $stderr == *"no command was given"*"try: regsweep --help"* ]]
}

@test "a command that is nearly right is suggested" {
    run -64 --separate-stderr "$REGSWEEP" sweap
    [[ $stderr == *'unknown command "sweap"; did you mean "sweep"?'* ]]
}

@test "an option that is nearly right is suggested, and never taken for the right one" {
    run -64 --separate-stderr "$REGSWEEP" sweep --confirn
    [[ $stderr == *"unknown option --confirn; did you mean --confirm?"* ]]
    run -64 --separate-stderr "$REGSWEEP" sweep --confir
    [[ $stderr == *"did you mean --confirm?"* ]]
}

@test "help says which forms take the options that it lists" {
    run -0 "$REGSWEEP" forget --help
    [[ $output == *$'\nOptions:\n'*"--note"* ]]
    run -0 "$REGSWEEP" inspect --help
    [[ $output == *$'\nOptions of why and garbage:\n'*"--untagged"* ]]
    run -0 "$REGSWEEP" unpin --help
    [[ $output != *"--note"* && $output != *"--until"* ]]
}

@test "an option of another command is refused" {
    run -64 --separate-stderr "$REGSWEEP" inspect stats --confirm
    [[ $stderr == *"stats takes no --confirm"* ]]
}

@test "the version is one line on stdout" {
    run -0 --separate-stderr "$REGSWEEP" --version
    [[ $output =~ ^regsweep\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    [ -z "$stderr" ]
}

@test "help goes to stdout and names every command" {
    run -0 --separate-stderr "$REGSWEEP" --help
    [ -z "$stderr" ]
    for command in scan serve sweep inspect verify restore doctor; do
        [[ $output == *"  $command"* ]]
        "$REGSWEEP" "$command" --help | grep -q "^Usage: regsweep $command"
    done
}

@test "an index that is not there is a clear error, and none is made" {
    for command in "sweep" "inspect stats" "inspect garbage"; do
        # shellcheck disable=SC2086 # two words
        run -1 --separate-stderr "$REGSWEEP" $command --index "$index"
        [[ $stderr == *"$index"* ]]
        [[ $stderr == *"regsweep scan"* ]]
        [ -z "$output" ]
        [ ! -e "$index" ]
    done
}

@test "a remedy to scan has what the command line said of index and storage" {
    run -1 --separate-stderr "$REGSWEEP" sweep --index "$index" --storage "$root"
    [[ $stderr == *"build one with: regsweep scan --index $index --storage $root"* ]]
    printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n' "$root" >config.yml
    run -1 --separate-stderr "$REGSWEEP" doctor --index "$index" --registry-config config.yml
    [[ $output == *"build one with: regsweep scan --index $index --registry-config config.yml"* ]]
}

@test "a tag whose name breaks every rule is to be renamed or removed" {
    local name=$'a\nb'
    mkdir -p "$root/docker/registry/v2/repositories/app0/_manifests/tags/$name/current"
    printf 'sha256:%064d' 0 >"$root/docker/registry/v2/repositories/app0/_manifests/tags/$name/current/link"
    run -1 --separate-stderr "$REGSWEEP" scan --index "$index" --storage "$root"
    [[ $stderr == *"the name of a tag breaks every rule"*"rename or remove it, and scan again"*"tags/a?b"* ]]
    [[ $stderr == *"1 folder could not be read, and nothing is swept until a scan can read all"* ]]
}

@test "scan without storage says how to name it" {
    run -64 --separate-stderr "$REGSWEEP" scan --index "$index"
    [[ $stderr == *"--storage"*"--registry-config"* ]]
    [ ! -e "$index" ]
}

@test "a bad value names the flag, the variable, or file and line" {
    run -64 --separate-stderr "$REGSWEEP" sweep --grace 10
    [[ $stderr == *'--grace: "10" is not a duration'* ]]
    REGSWEEP_MAX_DELETE=most run -64 --separate-stderr "$REGSWEEP" sweep
    [[ $stderr == *'REGSWEEP_MAX_DELETE: "most" is not a percentage'* ]]
    printf '# mine\nuntagged: perhaps\n' >options.yml
    run -64 --separate-stderr "$REGSWEEP" sweep --config options.yml
    [[ $stderr == *'options.yml:2: untagged: "perhaps" is not one of keep|remove'* ]]
}

@test "index and storage come from the environment, from a file, from the registry's configuration" {
    REGSWEEP_INDEX=$index REGSWEEP_STORAGE=file://$root run -0 "$REGSWEEP" scan --quiet
    printf 'index: %s\nstorage: %s\njson: true\n' "$index" "$root" >options.yml
    run -0 --separate-stderr "$REGSWEEP" scan --quiet --config options.yml
    [[ $output == '{"complete":true,'* ]]
    cat >registry.yml <<END
version: 0.1
storage:
  filesystem:
    rootdirectory: $root
  delete: {enabled: true}
END
    run -0 --separate-stderr "$REGSWEEP" scan --index "$index" --registry-config registry.yml
    [[ $stderr == *"warning: registry.yml: no notification endpoint is in use"* ]]
    run -0 --separate-stderr "$REGSWEEP" inspect stats --index "$index" --registry-config registry.yml
    [ -z "$stderr" ]
}

@test "a variable that is nearly called as an option is told once, what others set is not" {
    scan
    export REGSWEEP_INDX=$index REGSWEEP_MAX_DELTE=80 REGSWEEP_CONFRIM=1
    export REGSWEEP_SERVICE_HOST=10.0.0.1 REGSWEEP_PORT=tcp://10.0.0.1:5050 REGSWEEP_SERVER_PORT_5050_TCP_ADDR=10.0.0.1 \
        REGSWEEP_VERSION=1 REGSWEEP_IMAGE=regsweep:1 REGSWEEP_LISTEN=127.0.0.1:1 REGSWEEP_STROAGE=
    run -0 --separate-stderr "$REGSWEEP" inspect stats --index "$index" --quiet
    same=$(sort <<<"$stderr")
    [ "$same" = "regsweep: warning: REGSWEEP_CONFRIM counts for nothing: there is no such option; did you mean REGSWEEP_CONFIRM?
regsweep: warning: REGSWEEP_INDX counts for nothing: there is no such option; did you mean REGSWEEP_INDEX?
regsweep: warning: REGSWEEP_MAX_DELTE counts for nothing: there is no such option; did you mean REGSWEEP_MAX_DELETE?" ]
}

@test "nothing but the command line lets a sweep delete" {
    REGSWEEP_CONFIRM=1 run -64 --separate-stderr "$REGSWEEP" sweep --index "$index"
    [[ $stderr == *"REGSWEEP_CONFIRM: --confirm cannot be set in the environment"* ]]
    printf 'confirm: true\n' >options.yml
    run -64 --separate-stderr "$REGSWEEP" sweep --index "$index" --config options.yml
    [[ $stderr == *"options.yml:1: confirm cannot be set in a file"* ]]
}

@test "a pull-through cache is refused with exit status 3" {
    printf 'storage:\n  filesystem: {rootdirectory: %s}\nproxy:\n  remoteurl: https://example.org\n' "$root" >r.yml
    for command in scan sweep verify; do
        run -3 --separate-stderr "$REGSWEEP" $command --index "$index" --registry-config r.yml
        [[ $stderr == *"r.yml:4: this registry is a pull-through cache"* ]]
    done
    [ ! -e "$index" ]
}

@test "every form of inspect gives one JSON object" {
    scan
    for form in stats types garbage generations events; do
        "$REGSWEEP" inspect $form --index "$index" --json >result.json
        [ "$(wc -l <result.json)" -eq 1 ]
        python3 -c 'import json, sys; assert isinstance(json.load(open("result.json")), dict)'
    done
}

@test "inspect tells what the index does not know, with exit status 1" {
    scan
    digest=sha256:$(printf 'x' | sha256sum | cut -c1-64)
    run -1 --separate-stderr "$REGSWEEP" inspect blob "$digest" --index "$index"
    [[ $stderr == *"does not know $digest"* ]]
    run -1 --separate-stderr "$REGSWEEP" inspect repo no/body --index "$index"
    [[ $stderr == *"does not know a repository no/body"* ]]
    run -1 --separate-stderr "$REGSWEEP" inspect image no/body:latest --index "$index"
    [[ $stderr == *"does not know a repository no/body"* ]]
    for what in "$digest" "no/body@$digest" no/body:latest; do
        run -1 --separate-stderr "$REGSWEEP" inspect why "$what" --index "$index"
        [ -z "$output" ]
        run -1 --separate-stderr "$REGSWEEP" inspect why "$what" --index "$index" --json
        [ "$(jq -r .verdict <<<"$output")" = unknown ]
    done
    run -1 --separate-stderr "$REGSWEEP" inspect why no/body:latest --index "$index"
    [[ $stderr == *"does not know a repository no/body"* ]]
    run -1 --separate-stderr "$REGSWEEP" inspect generations 12 --index "$index"
    [[ $stderr == *"there is no generation 12"* ]]
}

@test "arguments that cannot be right are usage errors" {
    scan
    run -64 --separate-stderr "$REGSWEEP" inspect blob sha256:12 --index "$index"
    run -64 --separate-stderr "$REGSWEEP" inspect image UPPER:tag --index "$index"
    run -64 --separate-stderr "$REGSWEEP" inspect image some/name --index "$index"
    run -64 --separate-stderr "$REGSWEEP" inspect why some/name --index "$index"
    [[ $stderr == *"names a repository; say NAME:TAG, NAME@DIGEST or DIGEST"* ]]
    run -64 --separate-stderr "$REGSWEEP" inspect why NOSUCH --index "$index"
    for part in sha256:12 "sha256:$(printf '%064d' 0 | tr 0 A)" sha256:20CA sha256:20ca...; do
        run -64 --separate-stderr "$REGSWEEP" inspect why "$part" --index "$index"
        [[ $stderr == *"give it whole, 'sha256:' and 64 lower-case hex digits"* ]]
    done
    run -64 --separate-stderr "$REGSWEEP" inspect generations first --index "$index"
    run -64 --separate-stderr "$REGSWEEP" serve --index "$index" --storage "$root" --tls-cert x.pem
    [[ $stderr == *"--tls-cert and --tls-key go together"* ]]
}

@test "a reader that goes away early is no crash" {
    scan
    set +o pipefail
    "$REGSWEEP" inspect stats --index "$index" | true
    { code=0; "$REGSWEEP" --help || code=$?; echo "$code" >status; } | true
    [ "$(cat status)" -le 1 ]
}

@test "a result that cannot be written is a failure" {
    [ -e /dev/full ] || skip "no /dev/full"
    scan
    run -1 --separate-stderr bash -c '"$1" inspect stats --index "$2" >/dev/full' _ "$REGSWEEP" "$index"
    [[ $stderr == *"cannot write the result: No space left on device"* ]]
}

@test "closed standard files do not end up in the index" {
    scan
    run -0 bash -c '"$1" scan --storage "$3" --index "$2" <&- >&- 2>&-; exit 0' _ "$REGSWEEP" "$index" "$root"
    run -0 "$REGSWEEP" inspect stats --index "$index"
}

@test "serve listens, warns that a scan is due, and ends on SIGTERM with 0" {
    "$REGSWEEP" serve --index "$index" --storage "$root" --listen 127.0.0.1:0 2>serve.log &
    pid=$!
    for _ in $(seq 100); do
        grep -q 'listening on http://127.0.0.1:[0-9]*/events' serve.log && break
        sleep 0.1
    done
    grep -q 'there was no complete scan yet' serve.log
    grep -q 'listening on http://127.0.0.1:[0-9]*/events' serve.log
    kill -TERM $pid
    wait $pid
}

@test "a token file that is empty, missing or readable by all is told" {
    : >token
    run -64 --separate-stderr "$REGSWEEP" serve --index "$index" --storage "$root" --token-file token
    [[ $stderr == *"token: the token is empty"* ]]
    run -64 --separate-stderr "$REGSWEEP" serve --index "$index" --storage "$root" --token-file nowhere
    [[ $stderr == *"cannot read nowhere"* ]]
}

@test "a password that cannot be read, a driver that is none and a URL of no storage are a wrong command line" {
    "$REGSWEEP" scan --quiet --index "$index" --storage "$root"
    for command in "sweep --confirm" "sweep --confirm --offline"; do
        # shellcheck disable=SC2086 # several words
        run -64 --separate-stderr "$REGSWEEP" $command --index "$index" --registry http://127.0.0.1:9 \
            --registry-user me --registry-password-file nowhere
        [[ $stderr == *"--registry-password-file: cannot read nowhere"* ]]
    done
    for driver in filesytem azure inmemory; do
        printf 'version: 0.1\nstorage:\n  %s:\n    rootdirectory: /srv\n' "$driver" >config.yml
        for command in scan sweep verify "sweep --confirm --offline" "serve --listen 127.0.0.1:0"; do
            # shellcheck disable=SC2086 # several words
            run -64 --separate-stderr timeout 20 "$REGSWEEP" $command --index "$index" --registry-config config.yml
            [[ $stderr == *"config.yml:3: storage driver \"$driver\" is none that regsweep can work on"* ]]
        done
    done
    for url in relative/path file://relative s3://; do
        for command in scan sweep verify "sweep --confirm --offline" "restore --generation 1"; do
            # shellcheck disable=SC2086 # several words
            run -64 --separate-stderr "$REGSWEEP" $command --index "$index" --storage "$url"
            [[ $stderr == *"storage '$url': write "* ]]
        done
    done
    run -64 --separate-stderr "$REGSWEEP" verify --index "$index" --storage s3://nb/images
    [[ $stderr == *'"nb" is no name of a bucket, which has 3 to 63 letters'* ]]
}

@test "a library that cannot be loaded is a failure, and no wrong command line" {
    mkdir lib
    # The loader takes the first of that name, and these are none.
    grep -aoE 'lib(curl|crypto|cyaml|yaml|microhttpd|expat|hiredis)[-0-9.]*\.so\.[.0-9]+' "$REGSWEEP" |
        while read -r name; do : >"lib/$name"; done
    ls lib/libcurl.so.* lib/libyaml* lib/libcyaml* lib/libcrypto*
    scan
    echo 'grace: 1h' >options.yml
    printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n' "$root" >registry.yml
    export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b
    export REGSWEEP_INDEX=$index
    for command in "scan --config options.yml" "scan --registry-config registry.yml" "sweep --policy options.yml" \
        "inspect garbage --policy options.yml" "serve --policy options.yml --listen 127.0.0.1:0" "serve --listen 127.0.0.1:0" \
        "sweep --confirm --registry http://127.0.0.1:1" "scan --index other --storage s3://bucket-b --s3-endpoint http://127.0.0.1:1"; do
        # shellcheck disable=SC2086 # several words
        run -1 --separate-stderr env LD_LIBRARY_PATH="$PWD/lib" "$REGSWEEP" $command
        [[ $stderr == *"cannot load lib"*"install it"* ]]
        [[ $stderr != *"--help"* ]]
    done
}

# without LIBRARY COMMAND…: fails for it, and says so.
without() {
    local name
    name=$(grep -aoE "lib$1[-0-9.]*\\.so\\.[.0-9]+" "$REGSWEEP" | head -n 1)
    [ -n "$name" ]
    rm -rf lib && mkdir lib && : >"lib/$name"
    run -1 --separate-stderr env LD_LIBRARY_PATH="$PWD/lib" "$REGSWEEP" "${@:2}"
    [[ $stderr == *"cannot load $name: install it"* ]] || { echo "without $1: $stderr" && false; }
    [[ $stderr != *"--help"* ]]
}

@test "each library that is missing by itself is named, and nothing else is blamed" {
    scan
    echo 'grace: 1h' >options.yml
    printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n' "$root" >registry.yml
    export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b
    export REGSWEEP_INDEX=$index
    s3=(scan --index other --storage s3://bucket-b --s3-endpoint http://127.0.0.1:1)
    without curl "${s3[@]}"
    without crypto "${s3[@]}"
    without expat "${s3[@]}"
    without curl sweep --confirm --registry http://127.0.0.1:1
    without microhttpd serve --listen 127.0.0.1:0
    without yaml scan --config options.yml
    without yaml sweep --policy options.yml
    without cyaml scan --registry-config registry.yml
    python3 - >port <<'PY' 3>&- &
import http.server

class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Registry)
print(server.server_port, flush=True)
server.timeout = 60
server.handle_request()  # it is asked once whether it is there
PY
    until [ -s port ]; do sleep 0.05; done
    without hiredis sweep --confirm --registry "http://127.0.0.1:$(cat port)" --cache redis --redis 127.0.0.1:1
}

@test "a store that does not answer is told of before it is given up" {
    export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b
    nobody=(scan --index other --storage s3://bucket-b --s3-endpoint http://127.0.0.1:1)
    run -1 --separate-stderr "$REGSWEEP" "${nobody[@]}"
    [[ ${stderr_lines[0]} == "regsweep: still trying to reach s3://bucket-b at http://127.0.0.1:1" ]]
    [[ ${stderr_lines[1]} == *"no answer from http://127.0.0.1:1"* ]]
    run -1 --separate-stderr "$REGSWEEP" "${nobody[@]}" --quiet
    [[ $stderr != *"still trying"* ]]
}
