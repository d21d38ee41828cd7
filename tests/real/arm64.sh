#!/usr/bin/env bash
# Runs the arm64 binary of a release under an emulator: arm64.sh [FOLDER], with the release's files; else a rehearsal makes them. Needs root
# and what apt-get brings. Not proved: that it runs on an arm64 machine, and that the Dockerfile's own steps do.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

folder=$PWD/target/tests/arm64
server=''

finish() {
    local code=$?
    set +e
    [[ -z $server ]] || kill "$server" 2>/dev/null
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT

need qemu-aarch64-static:qemu-user-static curl:curl readelf:binutils
mkdir -p "$folder"
tar -xz -C "$folder" --strip-components=1 -f "$(released "$@")"/csp-invitations-exporter-*.linux-arm64.tar.gz
binary=$folder/csp-invitations-exporter
readelf -h "$binary" | grep 'Machine: *AArch64' || fail "it is not for arm64"
readelf -l "$binary" | grep INTERP && fail "it is not static"
qemu-aarch64-static "$binary" --version

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
state=$(mktemp -d "$folder/state.XXXX")
# Few invitations: what is emulated is slow, above all where nothing is optimized.
qemu-aarch64-static "$binary" demo --invitations=20 --web.listen-address=127.0.0.1:"$port" --state.dir="$state" >"$folder/demo.log" 2>&1 &
server=$!
until_true "readiness" 120 curl --noproxy '*' -fs "http://127.0.0.1:$port/readyz" >/dev/null
three_up() {
    [[ $(curl --noproxy '*' -fs "http://127.0.0.1:$port/metrics" | grep -c '^csp_up{.*} 1$') == 3 ]]
}
until_true "three organizations" 60 three_up
curl --noproxy '*' -fs --compressed -H 'Accept: application/openmetrics-text' "http://127.0.0.1:$port/metrics" | tail -n 1 | grep -x '# EOF' || fail "the scrape"
[[ -s $state/state.redb ]] || fail "no state"
kill "$server"
code=0
wait "$server" || code=$?
server=''
[[ $code == 0 ]] || fail "it ended with $code"
echo "arm64: static, $(stat --format %s "$binary") bytes, polls, serves and stops under emulation"
