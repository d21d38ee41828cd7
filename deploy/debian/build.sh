#!/bin/sh
# Builds the Debian package into target/debian. Needs cargo-deb and dpkg-dev; further arguments go to cargo-deb.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../.."
cargo build --locked --profile=dist
cargo run --locked --example manual -- target/manual
exec cargo deb --locked --profile=dist --no-build "$@"
