#!/usr/bin/env bash
# What the scripts of this folder share; sourced by them.

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# until_true WHAT SECONDS COMMAND...: asks again until the command succeeds.
until_true() {
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" 2>/dev/null; do
        ((SECONDS < deadline)) || fail "$what: not in time"
        sleep 0.2
    done
}

# need PROGRAM:PACKAGE...: installs the packages whose programs are missing.
need() {
    local pair
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null ||
            DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get install -y -qq --no-install-recommends "${pair##*:}"
    done
}

# The machine's own release of Debian.
suite() {
    # shellcheck disable=SC1091 # the machine's own
    (. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# Where the machine's own packages come from; fails where apt knows of nothing, before `apt-get update` for example.
mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: $(suite)" 2>/dev/null | grep -m 1 .
}

# unpack_later SUITE FOLDER PACKAGE...: unpacks packages of a later Debian into FOLDER; nothing is installed. Fails when they can't be had.
unpack_later() {
    local suite=$1 folder=$2 source
    shift 2
    source=$(mirror) || return
    mkdir -p "$folder"/lists/partial "$folder"/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $source $suite main" >"$folder"/sources.list
    local options=(-o Dir::Etc::sourcelist="$folder"/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder"/lists
        -o Dir::Cache="$folder" -o Dir::Cache::archives="$folder"/archives -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
    (cd "$folder" && timeout 120 apt-get "${options[@]}" -qq update) || return
    local package
    for package in "$@"; do
        (cd "$folder" && timeout 300 apt-get "${options[@]}" -qq download "$package" && dpkg -x "$package"_*.deb .) || return
    done
}

# released [FOLDER]: the folder with the files of a release: the one that is given, else a rehearsal's, which is made once for each commit.
released() {
    local folder=${1:-$PWD/target/tests/release-$(git rev-parse --short=12 HEAD)}
    [[ -e $folder ]] || deploy/release --rehearsal --output "$folder" >&2
    readlink -e "$folder"
}

# upgrades PACKAGE FOLDER: the Debian package as first.deb, and the same with the next revision as second.deb.
upgrades() {
    local tree
    tree=$(mktemp -d)
    cp "$1" "$2"/first.deb
    dpkg-deb --raw-extract "$1" "$tree"
    sed -i 's/^\(Version: .*\)-1$/\1-2/' "$tree"/DEBIAN/control
    dpkg-deb --build --root-owner-group -Zgzip -z1 "$tree" "$2"/second.deb >/dev/null
    rm -rf "$tree"
}
