#!/bin/sh
# Inside of the toolchain (inside.sh): compile.sh PROFILE ARCH... writes to /build/bin/ARCH the static binaries, to target/manual the manual
# page and the completions, to /build/metadata.json what cargo knows of the crates.
set -eu
name=csp-invitations-exporter profile=$1
shift
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# Paths in messages of panics begin with the crate's name.
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/build/vendor/= --remap-path-prefix=/src/="

for arch; do
    target=$(deploy/release.d/target.sh "$arch")
    # auditable: each binary holds the list of crates that it is made of, where scanners look for it.
    cargo auditable build --locked --profile "$profile" --target "$target" --package "$name" --bin "$name"
    mkdir -p "/build/bin/$arch"
    cp "/build/target/$target/$profile/$name" "/build/bin/$arch/"
    if readelf -l "/build/bin/$arch/$name" | grep -q INTERP; then
        echo "the binary for $arch is not static" >&2
        exit 1
    fi
done
cargo run --locked --profile quick --target "$(deploy/release.d/target.sh amd64)" --example manual -- target/manual
cargo metadata --locked --format-version 1 >/build/metadata.json
