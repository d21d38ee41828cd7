#!/bin/sh
# Packs a static binary and target/manual as a Debian package: deb.sh BINARY ARCH OUTPUT. Needs cargo-deb.
set -eu
binary=$(readlink -e "$1") target=$("$(dirname "$0")"/target.sh "$2") output=$(readlink -m "$3")
cd "$(dirname "$(readlink -f "$0")")/../.."
# Where cargo-deb looks for what cargo has built.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$target/release"
cp "$binary" "$stage/$target/release/"
CARGO_TARGET_DIR=$stage cargo deb --locked --no-build --no-strip --target "$target" --output "$output"
