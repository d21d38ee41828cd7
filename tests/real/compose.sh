#!/usr/bin/env bash
# Runs deploy/compose.yaml as it is: every service comes up, Prometheus scrapes and evaluates, an alert reaches Alertmanager; then the
# exporter with a configuration, as the file's comment says. Needs root and what apt-get brings; takes about eight minutes, once docker.sh
# has left its image.
#
# The images are stand-ins under the names that the file has, for a machine whose Docker can not pull: the exporter's own image from
# docker.sh; a real Prometheus 3 and a real Alertmanager of a later Debian, laid out and started as the official images are; for
# Grafana, which Debian does not have, only a program that proves that it could read what is mounted (compose/grafana.sh).
# The daemon has a network of its own, in which the file's ports are published.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# shellcheck source=lib.sh
source tests/real/lib.sh

parts=$PWD/target/tests/compose
saved=$PWD/target/tests/docker/image.tar
work=$(mktemp -d)
daemon=''

finish() {
    local code=$?
    set +e
    if [[ -n $daemon ]]; then
        if ((code != 0)); then
            compose ps --all
            compose logs --tail=20
            grep -E 'level=(error|fatal)' "$work"/dockerd.log | tail -n 5
        fi
        compose down --volumes >/dev/null 2>&1
        kill "$daemon"
        wait "$daemon"
    fi
    umount "$work"/exec/netns/* 2>/dev/null
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

# here COMMAND...: runs it in the network of the daemon.
here() {
    nsenter --target "$daemon" --net -- "$@"
}

get() {
    here curl --noproxy '*' --globoff --fail --silent --show-error --max-time 10 "http://127.0.0.1:$1"
}

# ask URL EXPRESSION: whether the Python expression about the answer is true.
ask() {
    get "$1" | python3 -c 'import json, sys; answer = json.load(sys.stdin); sys.exit(not eval(sys.argv[1]))' "$2"
}

file=deploy/compose.yaml
compose() {
    docker compose --file "$file" "$@"
}

need docker:docker.io dockerd:docker.io iptables:iptables busybox:busybox-static curl:curl nsenter:util-linux python3:python3
[[ -e $saved ]] || tests/real/docker.sh
if [[ ! -x $parts/usr/libexec/docker/cli-plugins/docker-compose ]]; then
    unpack_later forky "$parts" docker-compose prometheus prometheus-alertmanager || fail "the packages of Debian forky can't be had"
fi

# `docker compose` as its users have it, and nothing of this machine's own configuration.
export DOCKER_CONFIG=$work/config DOCKER_HOST=unix://$work/docker.sock
mkdir -p "$DOCKER_CONFIG"/cli-plugins
ln -s "$parts"/usr/libexec/docker/cli-plugins/docker-compose "$DOCKER_CONFIG"/cli-plugins/
unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh dockerd --host="$DOCKER_HOST" --data-root="$work"/data \
    --exec-root="$work"/exec --pidfile="$work"/pid >"$work"/dockerd.log 2>&1 &
daemon=$!
until_true "dockerd" 60 docker info >/dev/null

# stand_in NAME FOLDER IMAGE CHANGE...: imports the folder, with what a program of Debian needs to run.
stand_in() {
    local root=$1 image=$2 change
    local -a changes=()
    shift 2
    for change in "$@"; do changes+=(--change "$change"); done
    mkdir -p "$root"/etc "$root"/tmp
    printf 'root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\ngrafana:x:472:0::/:/bin/false\n' >"$root"/etc/passwd
    chmod 1777 "$root"/tmp
    tar -C "$root" -c . | docker import "${changes[@]}" - "$image" >/dev/null
}

# program ROOT FILE NAME: a program and its libraries.
program() {
    install -D "$2" "$1/bin/$3"
    local library
    while read -r library; do
        install -D "$(readlink -f "$library")" "$1$library"
    done < <(ldd "$2" | grep -oE '/[^ ]+')
}

image() {
    sed -n "s#^ *image: \($1.*\)#\1#p" deploy/compose.yaml
}

docker load --quiet --input "$saved"
docker tag csp-invitations-exporter:test "$(image ghcr.io/)"

root=$work/prometheus
program "$root" "$parts"/usr/bin/prometheus prometheus
install -d -o nobody -g nogroup "$root"/prometheus "$root"/etc/prometheus
stand_in "$root" "$(image prom/prometheus)" 'USER nobody' 'WORKDIR /prometheus' 'VOLUME /prometheus' 'EXPOSE 9090' \
    'ENTRYPOINT ["/bin/prometheus"]' 'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
root=$work/alertmanager
program "$root" "$parts"/usr/bin/prometheus-alertmanager alertmanager
# Debian's does not have these built in.
templates=usr/share/prometheus/alertmanager
mkdir -p "$root/$templates" && cp "$parts/$templates"/*.tmpl "$root/$templates"
install -d -o nobody -g nogroup "$root"/alertmanager "$root"/etc/alertmanager
stand_in "$root" "$(image prom/alertmanager)" 'USER nobody' 'WORKDIR /alertmanager' 'VOLUME /alertmanager' 'EXPOSE 9093' \
    'ENTRYPOINT ["/bin/alertmanager"]' 'CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]'
root=$work/grafana
install -D /bin/busybox "$root"/bin/busybox
for applet in sh cat sed wget sleep mkdir httpd; do ln -s busybox "$root"/bin/$applet; done
install -D tests/real/compose/grafana.sh "$root"/run.sh
install -d -o 472 "$root"/var/lib/grafana
stand_in "$root" "$(image grafana/)" 'USER 472' 'ENV PATH=/bin' 'EXPOSE 3000' 'ENTRYPOINT ["/run.sh"]'

docker compose version
compose up --detach --no-build --pull=never
running() {
    [[ $(compose ps --services --status=running | sort | tr '\n' ' ') == "alertmanager exporter grafana prometheus " ]]
}
until_true "four services" 30 running
healthy() {
    [[ $(compose ps --format '{{.Health}}' exporter) == healthy ]]
}
until_true "the exporter's health" 60 healthy
# Nothing is reachable from other machines.
here ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | sort | tee "$work"/ports
[[ $(wc -l <"$work"/ports) == 4 ]] || fail "the ports are not the four that the file publishes"
grep -v '^127\.0\.0\.1:' "$work"/ports && fail "a port is not bound to loopback"

until_true "the status page" 10 get 10094/ >/dev/null
until_true "the targets" 60 ask 9090/api/v1/targets \
    '{target["labels"]["job"] + " " + target["health"] for target in answer["data"]["activeTargets"]} == {"csp-invitations up", "prometheus up"}'
rules=$(grep -cE '^ *- (alert|record):' dashboards/rules/recording.yaml dashboards/rules/alerts.yaml | awk -F: '{ sum += $2 } END { print sum }')
until_true "$rules rules in good health" 60 ask 9090/api/v1/rules \
    "[rule['health'] for group in answer['data']['groups'] for rule in group['rules'] if group['interval'] < 60].count('ok') and len([rule for group in answer['data']['groups'] for rule in group['rules'] if not rule.get('lastError')]) == $rules"
until_true "organizations in Prometheus" 60 ask '9090/api/v1/query?query=sum(csp_up)' 'answer["data"]["result"][0]["value"][1] == "3"'
until_true "native histograms in Prometheus" 60 ask '9090/api/v1/query?query=histogram_count(sum(rate(csp_api_request_duration_seconds[1m])))' \
    'float(answer["data"]["result"][0]["value"][1]) > 0'
ask 9090/api/v1/alertmanagers '[one["url"] for one in answer["data"]["activeAlertmanagers"]] == ["http://alertmanager:9093/api/v2/alerts"]' ||
    fail "Prometheus has no Alertmanager"
until_true "Grafana's mounts" 30 get 3000/ >/dev/null
[[ $(get 3000/ | sort | tr '\n' ' ') == "csp-invitations-health csp-invitations-organization csp-invitations-overview " ]] ||
    fail "Grafana reads other dashboards: $(get 3000/)"

# An alert goes the whole way.
compose stop exporter
until_true "CSPExporterDown in Alertmanager" 420 ask 9093/api/v2/alerts \
    '["platform-now"] in [[to["name"] for to in one["receivers"]] for one in answer if one["labels"]["alertname"] == "CSPExporterDown"]'
compose start exporter
until_true "the exporter's health after a new start" 60 healthy
restarts=$(compose ps --quiet | xargs docker inspect --format '{{.RestartCount}}' | sort -u)
[[ $restarts == 0 ]] || fail "a service was restarted: $restarts"
compose down --volumes

# For the real service, as the file's comment says: a configuration with its secrets, and a volume for the state.
mkdir -p "$work"/real/exporter
sed -e '/^ *command: \["demo"/d' -e 's/# \(command: \["serve"\)/\1/; s/# \(volumes: \["\.\/exporter\)/\1/' deploy/compose.yaml >"$work"/real/compose.yaml
cat >>"$work"/real/compose.yaml <<YAML
  upstream:
    image: $(image ghcr.io/)
    command: ["simulate", "--listen=0.0.0.0:8080", "--speed=3600"]
volumes:
  csp-invitations-state:
YAML
file=$work/real/compose.yaml
compose up --detach --no-build --pull=never upstream
said() {
    compose logs --no-log-prefix upstream | sed -n "s/^export $1=//p" | grep .
}
until_true "the simulated API" 30 said CSP_CLIENT_SECRET >/dev/null
said CSP_CLIENT_SECRET >"$work"/real/exporter/secret
cat >"$work"/real/exporter/config.yaml <<YAML
api: {url: "http://upstream:8080"}
poll: {interval: 2s}
credentials:
  app: {client_id: $(said CSP_CLIENT_ID), client_secret_file: secret}
organizations:
  - {id: $(said CSP_ORGANIZATION_ID | cut -d, -f1), name: acme, credentials: app}
YAML
chown -R 65532 "$work"/real/exporter
chmod 0400 "$work"/real/exporter/*
compose up --detach --no-build --pull=never exporter
generated() {
    get 10094/metrics | sed -n 's/^csp_invitation_events_total{organization="acme",event="generated"} //p'
}
some_generated() {
    (($(generated) > 0))
}
until_true "events" 60 some_generated
get 10094/metrics | grep -x 'csp_exporter_state_durable 1' || fail "the state is not durable"
before=$(generated)
kept() {
    (($(generated) >= before))
}
compose up --detach --no-build --pull=never --force-recreate exporter
until_true "the counters of before" 60 kept
compose down --volumes
[[ -z $(docker ps --all --quiet) ]] || fail "containers are left"
echo "compose: four services up, both targets up, $rules rules, CSPExporterDown went to Alertmanager, three dashboards readable; serve keeps its state"
