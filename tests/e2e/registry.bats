#!/usr/bin/env bats
# What src/registry asks of a registry, asked of a real one.
# shellcheck disable=SC2154,SC2034,SC2317,SC2030,SC2031 # lib.bash reads and calls these; each test is a subshell
load lib

: "${REGISTRY_PROBE:?the program that makes the calls}"

PASSWORD='a secret: pass word'

setup() {
    PROBE=$REGISTRY_PROBE # lib takes REGISTRY_* out of the environment
    e2e_setup
    AUTH='' DELETE=true UP=200
}
teardown() { e2e_teardown; }

# The configuration of lib.bash, with AUTH behind it, DELETE in it.
eval "$(declare -f registry_config | sed '1s/registry_config/common_config/')"
registry_config() {
    common_config | sed "/^  delete:/,/enabled/ s/enabled: true/enabled: $DELETE/"
    printf '%s\n' "$AUTH"
}
registry_up_or_gone() {
    is_gone "$REGISTRY_PID" || answers "$REGISTRY/v2/" "$UP"
}

probe() {
    "$PROBE" "$REGISTRY" "$@"
}

# push_image REPO TAG: sets LAYER and MANIFEST.
push_image() {
    local pushed
    pushed=$(probe image "$@")
    { read -r LAYER && read -r MANIFEST; } <<<"$pushed"
}

# link_of REPO KIND DIGEST: KIND is _layers or _manifests/revisions.
link_of() {
    printf '%s/%s/%s/%s/link' "$REPOSITORIES" "$1" "$2" "${3/://}"
}

# A file for htpasswd authentication, with USER and $PASSWORD; prints its path.
password_file() {
    python3 -W ignore - "$1" "$PASSWORD" >"$WORK/htpasswd" <<'PY'
import crypt, sys
print(f"{sys.argv[1]}:{crypt.crypt(sys.argv[2], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))}")
PY
    echo "$WORK/htpasswd"
}

# Fails if the password can be read in what was said or logged.
no_secret_said() {
    [[ $output != *"$PASSWORD"* ]] || fail "it said the password: $output"
}

@test "an image that is pushed is found by tag and digest, and is cleared blob by blob" {
    start_registry
    probe ping
    push_image a/b one
    answer_is found head-manifest a/b one
    answer_is found get-manifest a/b "$MANIFEST"
    answer_is found head-blob a/b "$LAYER"
    answer_is found get-blob a/b "$LAYER"
    answer_is absent head-blob other "$LAYER"
    answer_is absent head-manifest a/b two
    answer_is 202 clear a/b "$LAYER"
    answer_is absent head-blob a/b "$LAYER"
    answer_is 404 clear a/b "$LAYER"
    # Clearing a manifest's digest is no delete of the manifest.
    answer_is 404 clear a/b "$MANIFEST"
    answer_is found head-manifest a/b one
}

@test "a replica that remembers a link that storage has not any more forgets it by clear" {
    CACHE=inmemory
    start_registry
    push_image app one
    answer_is found head-blob app "$LAYER"
    rm "$(link_of app _layers "$LAYER")"
    answer_is found head-blob app "$LAYER"
    run probe clear app "$LAYER"
    status_is 0
    answer_is absent head-blob app "$LAYER"
}

# Starts a receiver of events, which writes action, method, repository and User-Agent of each, a line; sets EVENTS.
start_receiver() {
    local port
    port=$(free_port)
    EVENTS=http://127.0.0.1:$port/
    python3 - "$port" >"$WORK/events" 2>"$WORK/receiver.log" 3>&- <<'PY' &
import http.server, json, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]:
            request = event["request"]
            print(event["action"], request["method"], event["target"]["repository"], request["useragent"], flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_GET = do_POST
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
PY
    PIDS+=("$!")
    wait_until "$TIMEOUT" curl -s --max-time 1 -o "$WORK/nothing" -X POST -d '{"events":[]}' "$EVENTS"
}

@test "events tell our own requests by the run's nonce, and a fence by the name that it was given" {
    start_receiver
    start_registry
    export PROBE_NONCE=run-17 PROBE_AGENT="regsweep fence 4711"
    push_image fence one
    probe head-blob fence "$LAYER"
    probe get-blob fence "$LAYER"
    probe get-manifest fence one
    probe clear fence "$LAYER"
    wait_until "$TIMEOUT" grep -q '^delete' "$WORK/events"
    ours="regsweep/[0-9.]* (run run-17)"
    for line in "push PUT fence $ours" "pull HEAD fence $ours" "pull GET fence regsweep fence 4711" \
        "delete DELETE fence $ours"; do
        grep -qx "$line" "$WORK/events" || fail "no such event: $line; there are: $(cat "$WORK/events")"
    done
    [ "$(grep -c 'fence 4711$' "$WORK/events")" -eq 2 ]
}

@test "where the registry does not delete it is said what to set" {
    DELETE=false
    start_registry
    push_image app one
    run probe clear app "$LAYER"
    status_is 1
    says storage.delete.enabled
    answer_is found head-blob app "$LAYER"
}

@test "a registry in read-only mode has no DELETE, and is named as that" {
    start_registry
    push_image app one
    stop_registry
    READONLY=true
    start_registry
    run probe clear app "$LAYER"
    status_is 1
    says storage.maintenance.readonly
}

@test "a registry with passwords serves who knows one" {
    AUTH=$(printf 'auth:\n  htpasswd:\n    realm: the registry\n    path: %s\n' "$(password_file alice)") UP=401
    start_registry
    run probe ping
    status_is 1
    says "denies access without a user"
    export PROBE_USER=alice PROBE_PASSWORD=wrong
    run probe clear app sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    status_is 1
    says "denies the user alice"
    says "repository:app:delete"
    PROBE_PASSWORD=$PASSWORD
    push_image app one
    answer_is found head-manifest app one
    answer_is 202 clear app "$LAYER"
    answer_is absent head-blob app "$LAYER"
    no_secret_said
}

# Starts a token server with a certificate of its own; sets REALM, AUTH. It signs for alice with $PASSWORD what the
# scope asks for, but nobody may delete in the repository `kept`. Tokens live for a minute.
start_token_server() {
    local port
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens -keyout "$WORK/token.key" \
        -out "$WORK/token.pem" 2>/dev/null
    port=$(free_port)
    REALM=http://127.0.0.1:$port/token
    AUTH=$(printf 'auth:\n  token:\n    realm: %s\n    service: the registry\n    issuer: tokens\n    rootcertbundle: %s\n' \
        "$REALM" "$WORK/token.pem")
    UP=401
    python3 - "$port" "$WORK" alice "$PASSWORD" >"$WORK/tokens.log" 2>&1 3>&- <<'PY' &
import base64, http.server, json, subprocess, sys, time, urllib.parse
port, work, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
pem = open(f"{work}/token.pem", encoding="ascii").read()
der = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
class Tokens(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if self.headers.get("Authorization") != right or asked.get("service") != ["the registry"]:
            self.answer(401, {})
            return
        access = []
        for scope in asked.get("scope", []):
            kind, name, actions = scope.split(":")
            actions = [a for a in actions.split(",") if not (name == "kept" and a == "delete")]
            access.append({"type": kind, "name": name, "actions": actions})
        now = int(time.time())
        claims = {"iss": "tokens", "sub": user, "aud": "the registry", "exp": now + 60, "nbf": now - 5, "iat": now,
                  "jti": str(now), "access": access}
        text = ".".join(b64(json.dumps(part).encode())
                        for part in ({"typ": "JWT", "alg": "RS256", "x5c": [der]}, claims))
        sign = subprocess.run(["openssl", "dgst", "-sha256", "-sign", f"{work}/token.key"], input=text.encode(),
                              capture_output=True, check=True).stdout
        self.answer(200, {"token": text + "." + b64(sign)})
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Tokens).serve_forever()
PY
    PIDS+=("$!")
    wait_until "$TIMEOUT" answers "$REALM" 401
}

@test "a registry with tokens is served through the realm that is allowed, and through no other" {
    start_token_server
    start_registry
    export PROBE_USER=alice PROBE_PASSWORD=$PASSWORD
    run probe ping
    status_is 1
    says registry-realm
    says "$REALM"
    no_secret_said
    [ "$(grep -c GET "$WORK/tokens.log")" -eq "$(grep -c '" 401 ' "$WORK/tokens.log")" ] || fail "a token was fetched"
    export PROBE_REALM=$REALM
    probe ping
    push_image a/b one
    answer_is found head-manifest a/b one
    answer_is 202 clear a/b "$LAYER"
    answer_is absent head-blob a/b "$LAYER"
    push_image kept one
    run probe clear kept "$LAYER"
    status_is 1
    says "denies the user alice a DELETE, which needs the scope repository:kept:delete"
    no_secret_said
    export PROBE_PASSWORD=wrong
    run probe head-manifest a/b one
    status_is 1
    says "the token server $REALM answers 401"
}

@test "a path before v2 is the registry's own prefix" {
    eval "$(declare -f registry_config | sed '1s/registry_config/without_prefix/')"
    registry_config() { without_prefix | sed 's|^http:|http:\n  prefix: /some/where/|'; }
    UP=404
    start_registry
    REGISTRY=$REGISTRY/some/where
    probe ping
    push_image a/b one
    answer_is found head-manifest a/b one
    REGISTRY=${REGISTRY%/some/where}
    run probe ping
    status_is 1
    run probe head-manifest a/b one
    status_is 1
}
