#!/usr/bin/env bash
# Runs a command in the toolchain of toolchain.sh, without a network: inside.sh TOOLCHAIN WORK COMMAND... The folder WORK is /build there, and
# its source is /src: the same paths wherever it lies, so that none of them tells in the binaries. Mounts are seen by the command alone.
set -euo pipefail
# shellcheck disable=SC2016 # the inner shell's
exec unshare --mount --net --propagation=private -- sh -euc '
    root=$1 work=$2
    shift 2
    mount --bind "$work" "$root"/build
    mount --bind "$work"/source "$root"/src
    mount -t proc proc "$root"/proc
    exec chroot "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 CARGO_HOME=/build/cargo CARGO_TARGET_DIR=/build/target \
        CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        CSP_EXPORTER_REVISION="$CSP_EXPORTER_REVISION" sh -euc "cd /src; exec \"\$@\"" sh "$@"
' sh "$@"
