#!/usr/bin/env bash
# A real S3 to test against: one Ceph monitor, manager and memory-backed store with the Ceph object gateway, on loopback, at
# ports that are free. Twenty seconds.
#
#   ceph.sh up DIR            starts it with all that it writes in DIR (made anew). DIR/env then sets S3_ENDPOINT; S3_ACCESS and
#                             S3_SECRET of who owns the buckets, S3_SWEEPER and S3_SWEEPER_SECRET of who may do nothing yet; and
#                             S3_TLS_ENDPOINT, the same over TLS, with the certificate S3_CA. Both are s3.localhost too, where a
#                             bucket is BUCKET.s3.localhost.
#                             CEPH_PAGE: of so many keys is a page of a list, at most (1000). CEPH_NODELAY: 0 as Ceph has it by
#                             itself: most answers come 40 ms late (1)
#   ceph.sh bucket DIR NAME   makes a bucket
#   ceph.sh down DIR          stops what was started there, by process id, and removes DIR
#   ceph.sh have              can it be started here? Says what is missing if not, and exits 1
#
# Debian: radosgw ceph-mon ceph-osd ceph-mgr ceph-common.
set -euo pipefail

die() {
    printf 'ceph.sh: %s\n' "$*" >&2
    exit 1
}

have() {
    local program
    for program in ceph ceph-authtool ceph-mgr ceph-mon ceph-osd monmaptool radosgw radosgw-admin; do
        command -v "$program" >/dev/null || die "$program is not installed: no S3 to test against (apt-get install radosgw ceph-mon ceph-osd ceph-mgr ceph-common)"
    done
}

# Ports that nobody listens on, below the range from which the kernel takes ports for outgoing connections.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
probes = []
while len(probes) < int(sys.argv[1]):
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", random.SystemRandom().randrange(20000, 32000)))
        probes.append(probe)
    except OSError:
        pass
print(*(probe.getsockname()[1] for probe in probes))
PY
}

write_config() {
    local dir=$1 mon=$2 gateway=$3 tls=$4
    cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$mon
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $dir/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 0
osd objectstore = memstore
memstore device bytes = 2147483648
ms bind msgr1 = false
run dir = $dir/run
crash dir = $dir/crash
log file = $dir/log/\$name.log
admin socket = $dir/run/\$name.asok
pid file = $dir/run/\$name.pid
public network = 127.0.0.0/8
[mon.a]
mon data = $dir/mon
[osd.0]
osd data = $dir/osd
[mgr.x]
mgr data = $dir/mgr
mgr initial modules =
[client.rgw]
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$gateway ssl_endpoint=127.0.0.1:$tls ssl_certificate=$dir/tls.crt ssl_private_key=$dir/tls.key tcp_nodelay=${CEPH_NODELAY:-1}
rgw dns name = s3.localhost
rgw enable usage log = false
rgw run sync thread = false
rgw max listing results = ${CEPH_PAGE:-1000}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = key-of-tests=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
CONF
}

make_keys() {
    local keys=$1/keyring
    ceph-authtool --create-keyring "$keys" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$keys" --gen-key -n client.rgw --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$keys" --gen-key -n osd.0 --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$keys" --gen-key -n mgr.x --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *'
}

# wait_for SECONDS COMMAND…
wait_for() {
    local limit=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < limit)) || die "waited in vain for: $*"
        sleep 0.2
    done
}

store_is_up() {
    timeout 10 ceph -c "$1" osd stat | grep -q '1 up'
}

up() {
    local dir=$1 mon gateway tls conf store
    have
    rm -rf "$dir"
    mkdir -p "$dir"/{mon,osd,mgr,run,log,rgw,crash}
    conf=$dir/ceph.conf
    read -r mon gateway tls <<<"$(free_ports 3)"
    write_config "$dir" "$mon" "$gateway" "$tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=s3 -keyout "$dir/tls.key" \
        -addext 'subjectAltName=IP:127.0.0.1,DNS:s3.localhost,DNS:*.s3.localhost' -out "$dir/tls.crt"
    make_keys "$dir"
    monmaptool --create --addv a "[v2:127.0.0.1:$mon]" --fsid "$(sed -n 's/^fsid = //p' "$conf")" "$dir/monmap"
    ceph-mon -c "$conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
    ceph-mon -c "$conf" -i a
    wait_for 30 timeout 20 ceph -c "$conf" auth import -i "$dir/keyring"
    ceph-mgr -c "$conf" -i x
    store=$(cat /proc/sys/kernel/random/uuid)
    timeout 20 ceph -c "$conf" osd new "$store"
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$store"
    ceph-osd -c "$conf" -i 0
    wait_for 60 store_is_up "$conf"
    timeout 60 radosgw-admin -c "$conf" user create --uid=reg --display-name=reg --access-key=REGACCESS --secret-key=REGSECRET
    timeout 60 radosgw-admin -c "$conf" user create --uid=sweeper --display-name=sweeper --access-key=SWEEPACCESS --secret-key=SWEEPSECRET
    # Zone and zonegroup came with the users. A second class of storage:
    timeout 60 radosgw-admin -c "$conf" zonegroup placement add --rgw-zonegroup default --placement-id default-placement \
        --storage-class REDUCED_REDUNDANCY
    timeout 60 radosgw-admin -c "$conf" zone placement add --rgw-zone default --placement-id default-placement \
        --storage-class REDUCED_REDUNDANCY --data-pool default.rgw.reduced.data
    radosgw -c "$conf" -n client.rgw
    wait_for 90 curl -s --noproxy '*' "http://127.0.0.1:$gateway"
    cat >"$dir/env" <<ENV
S3_ENDPOINT=http://127.0.0.1:$gateway
S3_TLS_ENDPOINT=https://127.0.0.1:$tls
S3_CA=$dir/tls.crt
S3_ACCESS=REGACCESS
S3_SECRET=REGSECRET
S3_SWEEPER=SWEEPACCESS
S3_SWEEPER_SECRET=SWEEPSECRET
ENV
}

down() {
    local dir=$1 file pid tries=100
    [ -e "$dir/ceph.conf" ] || return 0
    for file in "$dir"/run/*.pid; do
        [ -e "$file" ] || continue
        pid=$(cat "$file")
        # Its own, and still the same: the number may be another's by now.
        grep -qaF "$dir/ceph.conf" "/proc/$pid/cmdline" 2>/dev/null || continue
        kill -KILL "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null && ((tries-- > 0)); do
            sleep 0.05
        done
    done
    rm -rf "$dir" "${dir%/}.log"
}

bucket() {
    local S3_ENDPOINT S3_ACCESS S3_SECRET
    # shellcheck source=/dev/null
    . "$1/env"
    # The signature needs the digest of the body, here of nothing.
    curl -sf --noproxy '*' -X PUT --aws-sigv4 aws:amz:us-east-1:s3 -H "x-amz-content-sha256: $(sha256sum </dev/null | cut -d" " -f1)" \
        -K - "$S3_ENDPOINT/$2" <<<"user = \"$S3_ACCESS:$S3_SECRET\""
}

case ${1:-} in
    have) have ;;
    up) up "${2:?DIR}" >"${2%/}.log" 2>&1 </dev/null || { cat "${2%/}.log" >&2; down "$2"; exit 1; } ;;
    bucket) bucket "${2:?DIR}" "${3:?NAME}" ;;
    down) down "${2:?DIR}" ;;
    *) die "ceph.sh have, up DIR, bucket DIR NAME or down DIR" ;;
esac
