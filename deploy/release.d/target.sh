#!/bin/sh
# What Rust calls Debian's architecture: target.sh ARCH.
case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    *)
        echo "no release is made for $1" >&2
        exit 64
        ;;
esac
