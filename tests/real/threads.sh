#!/usr/bin/env bash
# The unit tests under ThreadSanitizer, which sees each access of memory that two threads make without an order between them. Everything
# is compiled for it, the standard library too (rustup component add rust-src), in a folder of its own: some fifteen minutes of two cores.
#
#   tests/real/threads.sh [FILTER...]     only the tests with these in their name
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

# A sanitizer and a standard library of one's own are unstable: RUSTC_BOOTSTRAP lets a stable compiler take them.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=target/threads
# One finding is enough, and ends the tests; what is written in C (aws-lc, the C library) is not compiled for it.
export TSAN_OPTIONS=halt_on_error=1:report_signal_unsafe=0
host=$(rustc -vV | sed -n 's/^host: //p')
[[ -d $(rustc --print sysroot)/lib/rustlib/src/rust/library ]] || fail "the source of the standard library is missing: rustup component add rust-src"
# Not optimized: that would take longer than the tests do. Two that try everything at random, on one thread, would take longer still.
cargo test --locked -Zbuild-std --target "$host" --config 'profile.dev.package."*".opt-level=0' -p csp-invitations-exporter -p csp-api --lib \
    --no-fail-fast -- --skip commands::list::tests::random --skip metrics::pieces::tests::whatever_changes "$@"
