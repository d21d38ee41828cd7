#!/usr/bin/env bash
# Makes two releases of the commit that is checked out, from two clones in folders of different names, one after the other: every file is the
# same, byte for byte, but for the signature. Arguments go to deploy/release: `--profile quick --arch amd64` costs some minutes of two cores,
# none at all the better part of an hour. Needs what deploy/release needs; the clones share its toolchain and nothing else.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RELEASE_TOOLCHAIN=${RELEASE_TOOLCHAIN:-$PWD/target/publish/toolchain}
for clone in one "in/another place"; do
    git clone --quiet . "$work/$clone"
    # Other times and permissions than those of the first.
    (umask 077 && "$work/$clone"/deploy/release --rehearsal --output "$work/$clone.files" "$@")
    rm -rf "${work:?}/$clone"
done
cd "$work"
diff --recursive --brief --exclude=SHA256SUMS.sig one.files "in/another place.files" || fail "the files differ"
(cd one.files && sha256sum --check --quiet SHA256SUMS) || fail "the checksums are others"
wc -c one.files/*
echo "reproducible: $(find one.files -type f | wc -l) files, the same from two folders"
