#!/usr/bin/env bash
# Builds the static binary for arm64 as the Dockerfile does, and runs it under an emulator. Needs root, cargo and what apt-get brings;
# takes some 15 minutes of processor time.
#
# An emulated compiler would take hours: the toolchain of a later Debian cross-compiles instead, in a root of its own. Not proved: that
# the Dockerfile's own steps run on an arm64 machine; they are the same commands there.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

folder=$PWD/target/tests/arm64
root=$folder/root
target=aarch64-unknown-linux-gnu
cargo_home=${CARGO_HOME:-$HOME/.cargo}
server=''

finish() {
    local code=$?
    set +e
    [[ -z $server ]] || kill "$server" 2>/dev/null
    umount "$root"/src "$root"/cargo/registry "$root"/proc 2>/dev/null
    exit "$code"
}
trap finish EXIT

need debootstrap:debootstrap qemu-aarch64-static:qemu-user-static curl:curl readelf:binutils
if [[ ! -e $folder/ready ]]; then
    mkdir -p "$folder"
    debootstrap --variant=minbase --include=ca-certificates forky "$root" "$(mirror)" sid >"$folder/debootstrap.log"
    cp /etc/apt/apt.conf.d/* "$root"/etc/apt/apt.conf.d/
    cp /etc/resolv.conf "$root"/etc/
    chroot "$root" dpkg --add-architecture arm64
    chroot "$root" apt-get -qq update
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends \
        cargo rustc libstd-rust-dev:arm64 gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross >"$folder/packages.log"
    touch "$folder/ready"
fi

# The crates that this machine has, and the sources; both are only read.
cargo fetch --locked --quiet
mkdir -p "$root"/src "$root"/cargo/registry "$root"/out
mount --bind "$PWD" "$root"/src
mount --bind "$cargo_home"/registry "$root"/cargo/registry
mount -t proc proc "$root"/proc
# shellcheck disable=SC2016 # the inner shell's
chroot "$root" env -i PATH=/usr/bin:/bin HOME=/nonexistent CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never CARGO_TARGET_DIR=/out \
    CSP_EXPORTER_REVISION="$(git rev-parse --short=12 HEAD)" RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
    sh -c 'cd /src && rustc --version && exec cargo build --locked --profile=dist --target '"$target"

binary=$root/out/$target/dist/csp-invitations-exporter
readelf -h "$binary" | grep 'Machine: *AArch64' || fail "it is not for arm64"
readelf -l "$binary" | grep INTERP && fail "it is not static"
qemu-aarch64-static "$binary" --version

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
state=$(mktemp -d "$folder/state.XXXX")
qemu-aarch64-static "$binary" demo --web.listen-address=127.0.0.1:"$port" --state.dir="$state" >"$folder/demo.log" 2>&1 &
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
rm -rf "$state"
[[ $code == 0 ]] || fail "it ended with $code"
echo "arm64: static, $(stat --format %s "$binary") bytes, polls, serves and stops under emulation"
