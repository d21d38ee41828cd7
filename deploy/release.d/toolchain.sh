#!/usr/bin/env bash
# Makes the toolchain that releases are built with: toolchain.sh FOLDER. A small Debian of its own, so that neither the machine's compiler
# nor its C library shows in the binaries, with Rust and a linker for both architectures. Needs root, debootstrap and cargo.
#
# RELEASE_MIRROR: where Debian's packages come from, for whoever makes an old release again: a snapshot of its day. Else as the machine's own.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=../../tests/real/lib.sh
source tests/real/lib.sh

# The first of Debian's releases whose Rust is new enough. Debootstrap of an older Debian does not know it by name: sid's way is the same.
suite=forky
packages=(cargo rustc libstd-rust-dev:arm64 cargo-auditable gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross python3)

root=$1
[[ $(dpkg --print-architecture) == amd64 ]] || fail "the toolchain is one for amd64"
[[ ! -e $root ]] || exit 0
mirror=${RELEASE_MIRROR:-$(mirror)} || fail "apt knows of no mirror: apt-get update, or set RELEASE_MIRROR"
log=$root.log new=$root.new
rm -rf "$new"
mkdir -p "$(dirname "$root")"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$new" "$mirror" sid >"$log"
# How this machine reaches the mirror.
cp /etc/apt/apt.conf.d/* "$new"/etc/apt/apt.conf.d/
cp /etc/resolv.conf "$new"/etc/
{
    chroot "$new" dpkg --add-architecture arm64
    chroot "$new" apt-get -qq update
    DEBIAN_FRONTEND=noninteractive chroot "$new" apt-get install -y -qq --no-install-recommends "${packages[@]}"
} >>"$log" 2>&1 || fail "see $log"
chroot "$new" apt-get clean
# This machine's cargo compiles it, since the toolchain has no network of its own.
cargo install --locked --quiet --root "$new"/usr/local --features static-lzma cargo-deb@3.8.0
mkdir "$new"/src "$new"/build
mv "$new" "$root"
