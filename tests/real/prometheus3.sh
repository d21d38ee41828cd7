#!/usr/bin/env bash
# An extra: the checks of prometheus.py with a Prometheus 3 from a later Debian, unpacked and not installed, and all unit tests of
# the rules with its promtool, which reads native histograms.
#
# Exit code 75 when it can't be had here, which says nothing about the exporter.
set -uo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
# shellcheck source=lib.sh
source "$root"/tests/real/lib.sh
suite=${PROMETHEUS_SUITE:-forky}
apt=$root/target/tests/prometheus-$suite
binary=$apt/usr/bin/prometheus

unavailable() {
    echo "Prometheus of Debian $suite can't be had here: $*"
    exit 75
}

if [[ ! -x $binary || ! -x $apt/usr/bin/promtool ]]; then
    unpack_later "$suite" "$apt" prometheus promtool || unavailable "no package"
fi
version=$("$binary" --version 2>/dev/null | head -n 1) || unavailable "it does not run on this machine"
[[ $version == *"version 3."* ]] || unavailable "it is $version"
PROMTOOL=$apt/usr/bin/promtool python3 "$root"/dashboards/check.py || exit 1
exec python3 "$root"/tests/real/prometheus.py "$binary"
