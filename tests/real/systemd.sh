#!/usr/bin/env bash
# Runs the service of the Debian package under a real systemd: boots a small Debian in a container of its own (systemd-nspawn, own
# network), installs the package there, and does what an administrator does until it is purged and
# comes back out of the tarball; systemd/service.sh has the steps.
# Takes the folder with the release's files; else a rehearsal makes them. Needs root and what apt-get brings; changes nothing on this
# machine. Takes some minutes.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

folder=$PWD/target/tests/systemd
root=$folder/root
nspawn=''

finish() {
    local code=$?
    set +e
    if [[ -n $nspawn ]]; then
        ((code == 0)) || inside journalctl --no-pager --boot --lines=40 --unit=csp-invitations-exporter.service --unit=probe.service
        kill -KILL "$(leader)" 2>/dev/null
        wait "$nspawn"
    fi
    rm -rf "$root"
    exit "$code"
}
trap finish EXIT

need debootstrap:debootstrap systemd-nspawn:systemd-container nsenter:util-linux
mkdir -p "$folder"
files=$(released "$@")
upgrades "$files"/csp-invitations-exporter_*-1_"$(dpkg --print-architecture)".deb "$folder"

base=$folder/base-$(suite)
if [[ ! -e $base/etc/debian_version ]]; then
    rm -rf "$base"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,adduser,ca-certificates,curl,python3 \
        "$(suite)" "$base.new" "$(mirror)" >"$folder/debootstrap.log"
    # Services may start there.
    rm -f "$base.new/usr/sbin/policy-rc.d"
    mv "$base.new" "$base"
fi
cp -a "$base" "$root"
mkdir "$root/checks"
cp "$folder"/*.deb "$files"/*.linux-"$(dpkg --print-architecture)".tar.gz docs/deployment.md tests/real/lib.sh tests/real/systemd/* "$root/checks/"

# boot: systemd as the first process of a container that can't reach this machine's network.
boot() {
    local options=(--quiet --directory="$root" --boot --console=pipe --machine=csp-exporter-test --private-network --register=no
        --link-journal=no --resolv-conf=off --timezone=off)
    # Where no systemd runs outside, nobody could give the container a unit.
    [[ -d /run/systemd/system ]] || options+=(--keep-unit)
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn "${options[@]}" </dev/null >"$folder/console.log" 2>&1 &
    nspawn=$!
}

# The number of the container's systemd, which changes with a reboot.
leader() {
    ps --ppid "$nspawn" -o pid=,comm= | awk '$2 == "systemd" { print $1; exit }'
}

# inside COMMAND...: runs it in the container.
inside() {
    nsenter --target "$(leader)" --mount --uts --ipc --net --pid --cgroup -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

booted() {
    [[ -n $(leader) && $(inside systemctl is-system-running) == running ]]
}

boot
until_true "systemd" 180 booted
inside systemctl --version | head -n 1
inside /checks/service.sh installed refused started hardened reloaded restarted killed quiet activated upgraded
first=$(leader)
inside systemctl reboot
if [[ ! -d /run/systemd/system ]]; then
    # Inside a unit it ends, with this code, for the unit to start it again.
    code=0
    wait "$nspawn" || code=$?
    ((code == 133)) || fail "the container ended with $code instead of a reboot"
    boot
fi
rebooted() {
    [[ $(leader) != "$first" ]] && booted
}
until_true "the reboot" 180 rebooted
inside /checks/service.sh rebooted removed purged unpacked
[[ $(inside systemctl is-system-running) == running ]] || fail "something failed: $(inside systemctl --failed)"
echo "under systemd: installed, refused, started, hardened, reloaded, restarted, killed, quiet, activated, upgraded, rebooted, removed, purged, unpacked"
