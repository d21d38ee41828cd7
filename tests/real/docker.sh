#!/usr/bin/env bash
# Builds the image without a registry, runs it and looks at it. Needs root and Debian's docker.io; takes about ten minutes.
# Leaves the image in target/tests/docker/image.tar.
#
#   tests/real/docker.sh          the image that the Dockerfile builds
#   tests/real/docker.sh FOLDER   the image among the release's files in FOLDER, for this machine's architecture
#
# The base image is a stand-in: a small Debian, this machine's Rust toolchain and its downloaded crates, imported under the name
# that the Dockerfile's build argument then takes. Where Docker can pull, `docker build .` needs none of this.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

image=csp-invitations-exporter:test
base=csp-invitations-exporter-base:test
work=$(mktemp -d)
daemon='' container='' containers=()

finish() {
    local code=$?
    set +e
    [[ -z $container ]] || docker rm --force --volumes "$container" "${containers[@]}" >/dev/null
    if [[ -n $daemon ]]; then
        kill "$daemon"
        wait "$daemon"
        # The daemon leaves a name space mounted.
        umount "$work"/exec/netns/* 2>/dev/null
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

need docker:docker.io dockerd:docker.io debootstrap:debootstrap curl:curl

if ! docker info >/dev/null 2>&1; then
    dockerd --host=unix://"$work"/docker.sock --data-root="$work"/data --exec-root="$work"/exec --pidfile="$work"/pid \
        --iptables=false --bridge=none >"$work"/dockerd.log 2>&1 &
    daemon=$!
    export DOCKER_HOST=unix://$work/docker.sock
    until_true "dockerd" 60 docker info >/dev/null
fi

# from_dockerfile: builds it in the stand-in.
from_dockerfile() {
    if ! docker image inspect "$base" >/dev/null 2>&1; then
        local root=$work/root
        debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "$(suite)" "$root" "$(mirror)" >"$work"/debootstrap.log
        mkdir -p "$root"/opt/cargo
        cp -a "$(rustc --print sysroot)" "$root"/opt/rust
        rm -rf "$root"/opt/rust/share
        cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$root"/opt/cargo/
        tar -C "$root" -c . | docker import --change 'ENV PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            --change 'ENV CARGO_HOME=/opt/cargo' --change 'ENV CARGO_NET_OFFLINE=true' - "$base" >/dev/null
        rm -rf "$root"
    fi
    docker build --network=none --build-arg RUST_IMAGE="$base" --build-arg PROFILE=release --build-arg REVISION="$revision" --tag "$image" .
}

# from_release FOLDER: what `docker load` makes of its archive.
from_release() {
    local loaded
    loaded=$(docker load --quiet --input "$1"/csp-invitations-exporter-*.image.tar | sed -n "s/^Loaded image: \(.*-$(dpkg --print-architecture)\)\$/\1/p")
    [[ -n $loaded ]] || fail "$1 has no image for this machine"
    docker tag "$loaded" "$image"
    revision=$(sed -n 's/^source: revision \([^,]*\),.*/\1/p' "$1"/*.buildinfo)
}

revision=$(git rev-parse --short=12 HEAD)
if (($#)); then from_release "$(readlink -e "$1")"; else from_dockerfile; fi

inspect() {
    docker image inspect --format "$1" "$image"
}
[[ $(inspect '{{.Config.User}}') == 65532:65532 ]] || fail "the user is $(inspect '{{.Config.User}}')"
[[ $(inspect '{{index .Config.Labels "org.opencontainers.image.revision"}}') == "$revision" ]] || fail "the revision's label"
size=$(inspect '{{.Size}}')
((size < 40000000)) || fail "the image has $size bytes"
container=$(docker create "$image")
docker export "$container" | tar --numeric-owner -tv | grep -E '^drwxr-xr-x 65532/65532 .* state/$' || fail "the owner of the state folder"
files=$(docker export "$container" | tar -t | grep -v '/$' | grep -vE '^(dev|proc|sys|etc/(hosts|hostname|resolv.conf|mtab)|\.dockerenv)' | sort | tr '\n' ' ')
[[ $files == "csp-invitations-exporter etc/ssl/certs/ca-certificates.crt " ]] || fail "files: $files"
docker rm --volumes "$container" >/dev/null
container=''
docker run --rm --network=none "$image" --version | grep "$revision" || fail "the version lacks the revision"

# As strict as a cluster has it. Host network, for a daemon without a bridge: on loopback all the same.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
container=$(docker run --detach --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges --memory=256m \
    --env CSP_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:"$port" --health-interval=1s "$image" demo --state.dir=/state)
until_true "readiness" 60 curl --noproxy '*' -fs "http://127.0.0.1:$port/readyz" >/dev/null
curl --noproxy '*' -fs "http://127.0.0.1:$port/metrics" | grep '^csp_up{.*} 1$' || fail "no organization is up"
curl --noproxy '*' -fs "http://127.0.0.1:$port/metrics" | grep '^csp_exporter_state_durable 1$' || fail "the state is not durable"
healthy() {
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]]
}
until_true "the health status" 60 healthy
docker exec "$container" csp-invitations-exporter --version >/dev/null || fail "it is not found by its name"
docker exec "$container" /bin/sh -c true >/dev/null 2>&1 && fail "there is a shell"
user=$(docker top "$container" -o pid,uid | awk 'NR == 2 { print $2 }')
[[ $user == 65532 ]] || fail "it runs as $user"
docker stop --time 20 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[[ $code == 0 ]] || fail "it ended with $code"

# Whoever is paged gets from the container to the people, as docs/list.md says.
docker rm --volumes "$container" >/dev/null
container=$(docker run --detach --network=host "$image" simulate --listen=127.0.0.1:"$port" --organizations=1 --invitations=50)
said() {
    docker logs "$container" 2>&1 | sed -n "s/^export $1=//p" | grep .
}
until_true "the simulated API" 30 said CSP_CLIENT_SECRET >/dev/null
mkdir "$work"/configuration
said CSP_CLIENT_SECRET >"$work"/configuration/secret
cat >"$work"/configuration/config.yaml <<YAML
api: {url: "http://127.0.0.1:$port"}
credentials:
  app: {client_id: $(said CSP_CLIENT_ID), client_secret_file: secret}
organizations:
  - {id: $(said CSP_ORGANIZATION_ID), name: acme, credentials: app}
YAML
chmod 0755 "$work" "$work"/configuration
chown 65532 "$work"/configuration/secret
chmod 0400 "$work"/configuration/secret
exporter=$(docker run --detach --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --env CSP_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:0 --env CSP_EXPORTER_CONFIG_FILE=/etc/csp/config.yaml \
    --volume "$work"/configuration:/etc/csp:ro "$image" serve)
containers+=("$exporter")
docker exec "$exporter" csp-invitations-exporter list --organization acme --format json >"$work"/people.json
docker exec "$exporter" /csp-invitations-exporter list --organization acme --format csv >"$work"/people.csv
people=$(python3 -c 'import json, sys; print(len([one["username"] for one in json.load(open(sys.argv[1])) if "@" in one["username"]]))' "$work"/people.json)
((people > 0)) || fail "list shows nobody: $(cat "$work"/people.json)"
[[ $(tail -n +2 "$work"/people.csv | wc -l) == "$people" ]] || fail "list shows other people with the path than without"
docker logs "$exporter" 2>&1 | grep '@' && fail "a person is in the container's log"

# For compose.sh.
mkdir -p target/tests/docker
docker save --output=target/tests/docker/image.tar "$image"
echo "image: $((size / 1000000)) MB, user 65532, healthy, list shows $people people, $files"
