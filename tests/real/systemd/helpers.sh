#!/usr/bin/env bash
# What the steps of service.sh share: questions to systemd and to the exporter, and the simulated API; sourced by it.
# shellcheck disable=SC2034 # it uses what is set here

name=csp-invitations-exporter
unit=$name.service
config=/etc/$name/config.yaml
state=/var/lib/$name
secret=/etc/$name/secrets/acme
upstream=http://127.0.0.1:18080
control=http://127.0.0.1:18081

show() {
    systemctl show --value --property="$1" "${2:-$unit}"
}

is() {
    [[ $2 == "$3" ]] || fail "$1 is $2 instead of $3"
}

get() {
    curl --fail --silent --show-error --max-time 10 "http://127.0.0.1:10094$1"
}

metrics() {
    get /metrics | grep "^$1"
}

value() {
    metrics "$1 " | cut -d ' ' -f 2
}

# The lifecycle's counters: the upstream's time stands still between two jumps, so that they are known exactly.
events() {
    metrics 'csp_invitation_events_total{' | sort
}

ready() {
    get /readyz >/dev/null
}

up() {
    [[ $(metrics 'csp_up{' | grep -c ' 1$') == "$1" ]]
}

# keeps_events WHAT COMMAND...: the counters are the same after the command as before.
keeps_events() {
    local what=$1 before after
    shift
    before=$(events)
    "$@"
    after=$(events)
    is "$what: the counters" "$after" "$before"
}

restart_it() {
    systemctl restart "$unit"
    until_true "readiness after a restart" 20 ready
}

# simulate SECONDS: the upstream, jumped ahead by some time; nobody sees it before that.
simulate() {
    systemd-run --quiet --unit=upstream --property=StandardOutput=truncate:/run/upstream.txt "$name" simulate \
        --listen=127.0.0.1:18080 --control.listen=127.0.0.1:18081 --speed=0 --scenario=outage
    until_true "the simulated API" 10 curl --fail --silent --output /dev/null "$control/organizations"
    advance "$1"
    curl --fail --silent --request PUT --data steady "$control/scenario"
}

advance() {
    curl --fail --silent --request POST --data "$1" "$control/advance"
}

# exported NAME: what the simulated API says of itself.
exported() {
    sed -n "s/^export $1=//p" /run/upstream.txt
}

# configure COUNT: the first COUNT of the upstream's organizations.
configure() {
    local -a ids
    IFS=, read -r -a ids < <(exported CSP_ORGANIZATION_ID)
    {
        echo "api: {url: $upstream, requests_per_second: 0}"
        echo "poll: {interval: 2s}"
        echo "credentials:"
        echo "  acme-app: {client_id: $(exported CSP_CLIENT_ID), client_secret_file: /run/credentials/$unit/acme}"
        echo "organizations:"
        local one
        for one in "${ids[@]::$1}"; do
            echo "  - {id: $one, name: organization-${one::4}, credentials: acme-app}"
        done
    } >"$config"
}
