#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package of a release for real: deb.sh [FOLDER], with the release's files; else a
# rehearsal makes them. Needs root, and a machine that may be changed: afterwards only the user of the service is left, and that is taken
# away as well.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

name=csp-invitations-exporter
config=/etc/$name/config.yaml
state=/var/lib/$name

dpkg --status "$name" >/dev/null 2>&1 && fail "$name is installed on this machine"
finish() {
    dpkg --purge "$name" >/dev/null 2>&1 || true
    rm -rf "/etc/${name:?}" "$state"
    deluser --quiet --system "$name" >/dev/null 2>&1 || true
}
trap finish EXIT

need adduser:adduser man:man-db
folder=target/tests/deb
mkdir -p "$folder"
upgrades "$(released "$@")"/${name}_*-1_"$(dpkg --print-architecture)".deb "$folder"
dpkg-deb --info "$folder/first.deb"
dpkg-deb --contents "$folder/first.deb"

# mode OWNER:GROUP MODE FILE
mode() {
    local found
    found=$(stat --format '%U:%G %a' "$3")
    [[ $found == "$1 $2" ]] || fail "$3 is $found instead of $1 $2"
}

dpkg --install "$folder/first.deb"
mode root:$name 640 "$config"
mode root:$name 750 "/etc/$name"
mode root:root 644 "/etc/default/$name"
mode root:root 755 "/usr/bin/$name"
[[ $(getent passwd $name | cut -d: -f6,7) == /nonexistent:/usr/sbin/nologin ]] || fail "the user: $(getent passwd $name)"
"$name" --version
MANWIDTH=200 man --warnings --locale=C "$name" 2>&1 | grep -q -- --web.listen-address || fail "the manual page"
bash -c "source /usr/share/bash-completion/completions/$name && complete -p $name" >/dev/null || fail "the completion"
code=0
message=$(setpriv --reuid="$name" --regid="$name" --clear-groups "$name" serve --config.file="$config" 2>&1) || code=$?
[[ $code == 64 ]] || fail "the empty configuration ends with $code: $message"
echo "$message"
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify "/lib/systemd/system/$name.service" "/lib/systemd/system/$name.socket" 2>&1 | grep "$name" && fail "systemd-analyze complains"
    systemd-analyze security --offline=true --threshold=20 "/lib/systemd/system/$name.service" | tail -n 1
fi

# What an administrator changed stays, mode and owner included.
echo "# changed" >>"$config"
chmod 0600 "$config"
install -d -o "$name" "$state"
touch "$state/kept"
dpkg --install "$folder/second.deb"
# shellcheck disable=SC2016 # dpkg's own variable
[[ $(dpkg-query --show --showformat='${Version}' $name) == *-2 ]] || fail "the upgrade"
tail -n 1 "$config" | grep -q changed || fail "the upgrade took the configuration away"
mode root:$name 600 "$config"

dpkg --remove "$name"
[[ ! -e /usr/bin/$name ]] || fail "the binary is still there"
[[ -e $config && -e $state/kept ]] || fail "removal took the configuration or the state away"

dpkg --install "$folder/second.deb"
dpkg --purge "$name"
for gone in "$config" "/etc/$name" "$state" "/etc/default/$name" "/lib/systemd/system/$name.service"; do
    [[ ! -e $gone ]] || fail "purge left $gone"
done
getent passwd "$name" >/dev/null || fail "purge took the user away"
echo "installed, upgraded, removed and purged: $(stat --format %s "$folder/first.deb") bytes"
