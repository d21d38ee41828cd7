#!/usr/bin/env bash
# An extra: the checks of prometheus.py with a Prometheus 3 from a later Debian, unpacked and not installed, and all unit tests of
# the rules with its promtool, which reads native histograms.
#
# Exit code 75 when it can't be had here, which says nothing about the exporter.
set -uo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
suite=${PROMETHEUS_SUITE:-forky}
apt=$root/target/tests/prometheus-$suite
binary=$apt/usr/bin/prometheus

unavailable() {
    echo "Prometheus of Debian $suite can't be had here: $*"
    exit 75
}

if [[ ! -x $binary || ! -x $apt/usr/bin/promtool ]]; then
    mkdir -p "$apt"/lists/partial "$apt"/archives/partial
    # The machine's own source of packages, of another suite.
    # shellcheck disable=SC1091 # the machine's own
    here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own variables
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $here" 2>/dev/null | head -n 1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $suite main" >"$apt"/sources.list
    options=(-o Dir::Etc::sourcelist="$apt"/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt"/lists
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt"/archives -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
    (cd "$apt" && timeout 120 apt-get "${options[@]}" -qq update) || unavailable "no list of packages"
    (cd "$apt" && timeout 120 apt-get "${options[@]}" -qq download prometheus promtool) || unavailable "no package"
    for package in "$apt"/*.deb; do
        dpkg -x "$package" "$apt" || unavailable "the package can't be unpacked"
    done
fi
version=$("$binary" --version 2>/dev/null | head -n 1) || unavailable "it does not run on this machine"
[[ $version == *"version 3."* ]] || unavailable "it is $version"
PROMTOOL=$apt/usr/bin/promtool python3 "$root"/dashboards/check.py || exit 1
exec python3 "$root"/tests/real/prometheus.py "$binary"
