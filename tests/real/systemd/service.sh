#!/usr/bin/env bash
# Does what an administrator does with the service, and looks at what comes of it: service.sh STEP... Runs in the container that
# ../systemd.sh boots, where lib.sh, the packages and this folder's files are in /checks.
# shellcheck disable=SC2317 # functions inside steps, which until_true calls
set -euo pipefail
# shellcheck source=../lib.sh
source /checks/lib.sh
# shellcheck source=helpers.sh
source /checks/helpers.sh

installed() {
    dpkg --install /checks/first.deb
    is "the service" "$(systemctl is-enabled $unit || true) $(systemctl is-active $unit || true)" "disabled inactive"
    is "the socket" "$(systemctl is-enabled $name.socket || true) $(systemctl is-active $name.socket || true)" "disabled inactive"
    is "what systemd-analyze says of the units" "$(systemd-analyze verify --man=no $unit $name.socket 2>&1)" ""
}

# The configuration as installed names no organization: it ends at once, and for good.
refused() {
    systemctl start $unit || true
    stopped() { [[ $(show ActiveState) == failed ]]; }
    until_true "the end of a service that is not configured" 10 stopped
    is "its exit code" "$(show ExecMainStatus)" 64
    # Longer than systemd would wait before it starts it again.
    is "the pause before a restart" "$(show RestartUSec)" 5s
    sleep 7
    is "the service" "$(show ActiveState) $(show NRestarts)" "failed 0"
    journalctl --unit=$unit --output=cat | grep organizations || fail "the log does not say what is wrong"
    systemctl reset-failed $unit
}

# As docs/deployment.md says.
started() {
    simulate 0
    mkdir --mode=0700 "$(dirname $secret)"
    install --mode=0600 <(exported CSP_CLIENT_SECRET) $secret
    mkdir /etc/systemd/system/$unit.d
    printf '[Service]\nLoadCredential=acme:%s\n' $secret >/etc/systemd/system/$unit.d/override.conf
    # The log at its most talkative, for what it must not say.
    echo CSP_EXPORTER_LOG_LEVEL=debug >>/etc/default/$name
    configure 3
    systemctl daemon-reload
    systemctl enable --now $unit
    until_true "readiness" 20 ready
    until_true "three organizations" 10 up 3
    is "its user" "$(stat --format %U "/proc/$(show MainPID)")" $name
    is "the state's folder" "$(stat --format '%U:%G %a' $state)" "$name:$name 700"
    [[ -s $state/state.redb ]] || fail "no state: $(ls -l $state)"
    is "durability" "$(value csp_exporter_state_durable)" 1
    setpriv --reuid=$name --regid=$name --clear-groups cat $secret 2>/dev/null && fail "the service's user can read the original secret"
    "$name" check --config.file=$config --online || fail "check finds something"
    # Ten simulated days: everything that can happen.
    advance 864000
    moved() { [[ $(events | grep -c ' [1-9]') -ge 15 ]]; }
    until_true "fifteen counters of events" 10 moved
}

# What the unit takes away is away: a probe runs with the same settings and tries it.
hardened() {
    local probe=/etc/systemd/system/probe.service
    sed -e 's#^ExecStart=.*#ExecStart=/usr/bin/python3 /checks/probe.py#' -e 's/^Type=.*/Type=oneshot/' \
        -e '/^ExecReload=/d; /^Restart/d; /^WatchdogSec=/d; /^\[Install\]/,$d' /lib/systemd/system/$unit >$probe
    cat /etc/systemd/system/$unit.d/override.conf >>$probe
    systemctl daemon-reload
    touch /tmp/of-the-machine
    systemctl start probe.service || { journalctl --unit=probe.service --output=cat; fail "the probe"; }
    journalctl --unit=probe.service --output=cat | grep -E '^[0-9]+ tried'
    rm $probe
    systemctl daemon-reload
    # The process itself.
    local status
    status=/proc/$(show MainPID)/status
    grep -E '^(Cap(Prm|Eff|Bnd|Amb)):' "$status" | grep -v '0000000000000000$' && fail "it has capabilities"
    is "NoNewPrivs and Seccomp" "$(awk '/^(NoNewPrivs|Seccomp):/ { printf "%s ", $2 }' "$status")" "1 2 "
    local left
    left=$(systemd-analyze security --threshold=12 $unit) || fail "systemd-analyze security: $(tail -n 1 <<<"$left")"
    tail -n 1 <<<"$left"
}

reloaded() {
    local pid before loaded=csp_exporter_config_last_reload
    pid=$(show MainPID) before=$(value "${loaded}"_success_timestamp_seconds)
    later() { awk -v now="$(value "${loaded}"_success_timestamp_seconds)" -v before="$before" 'BEGIN { exit !(now > before) }'; }
    configure 2
    systemctl reload $unit
    until_true "a moved time of the last reload" 10 later
    until_true "two organizations" 10 up 2
    # With a file that can't be used `systemctl reload` fails, and nothing has changed.
    echo "unknown_key: 1" >>$config
    systemctl reload $unit && fail "the reload of a bad file succeeded"
    is "the reload metric" "$(value "${loaded}"_successful)" 1
    # The signal by itself: the metrics, the log and the status line tell of it.
    systemctl kill --signal=HUP $unit
    failed() { [[ $(value "${loaded}"_successful) == 0 ]]; }
    until_true "a failed reload in the metrics" 10 failed
    journalctl --unit=$unit --output=cat | grep unknown_key || fail "the log does not name the key"
    up 2 || fail "the organizations changed with a bad file"
    show StatusText | grep "not reloaded" || fail "the status line: $(show StatusText)"
    configure 3
    before=$(value "${loaded}"_success_timestamp_seconds)
    systemctl reload $unit
    until_true "a moved time of the last reload" 10 later
    until_true "three organizations again" 10 up 3
    show StatusText | grep "3 organizations" || fail "the status line: $(show StatusText)"
    is "success" "$(value "${loaded}"_successful)" 1
    is "the process and the service" "$(show MainPID) $(show ActiveState)" "$pid active"
}

restarted() {
    local pid
    pid=$(show MainPID)
    keeps_events "a restart" restart_it
    [[ $(show MainPID) != "$pid" ]] || fail "it was not restarted"
}

killed() {
    local restarts
    restarts=$(show NRestarts)
    kill_it() {
        systemctl kill --signal=KILL "$unit"
        again() { [[ $(show NRestarts) == $((restarts + 1)) ]] && ready; }
        until_true "a new start after SIGKILL" 20 again
    }
    keeps_events "SIGKILL" kill_it
}

# The log tells what happened, and no secret, no token, no address of a person.
quiet() {
    local log
    log=$(journalctl --unit=$unit --output=cat)
    grep -q 'msg=started' <<<"$log" || fail "the log lacks the start"
    grep -q 'level=debug' <<<"$log" || fail "the log is not at its most talkative"
    local word
    for word in "$(exported CSP_CLIENT_SECRET)" simulated-secret simulated-api-token Bearer Authorization invitationLink @; do
        grep --fixed-strings -- "$word" <<<"$log" && fail "the log has $word"
    done
    echo "log: $(wc -l <<<"$log") lines"
}

# systemd listens: no scrape fails while the service restarts.
activated() {
    echo CSP_EXPORTER_WEB_SYSTEMD_SOCKET=true >>/etc/default/$name
    systemctl stop $unit
    systemctl enable --now $name.socket
    is "the service" "$(systemctl is-active $unit || true)" inactive
    # The first scrape starts it.
    up 3 || until_true "readiness" 20 ready
    is "the service" "$(systemctl is-active $unit)" active
    until_true "three organizations" 10 up 3
    : >/run/scrapes
    (until [[ -e /run/enough ]]; do get /healthz >/dev/null && echo fine || echo failed; done) >/run/scrapes 2>&1 &
    local scraper=$! round
    for round in 1 2 3; do
        keeps_events "restart $round behind the socket" restart_it
    done
    touch /run/enough
    wait $scraper
    grep failed /run/scrapes && fail "requests failed during restarts"
    echo "behind the socket: $(grep -c fine /run/scrapes) requests during three restarts, none failed"
}

upgraded() {
    local pid
    pid=$(show MainPID)
    echo "# changed" >>$config
    upgrade() {
        dpkg --install /checks/second.deb
        until_true "readiness after an upgrade" 20 ready
    }
    keeps_events "an upgrade" upgrade
    # shellcheck disable=SC2016 # dpkg's own variable
    [[ $(dpkg-query --show --showformat='${Version}' $name) == *-2 ]] || fail "the upgrade"
    [[ $(show MainPID) != "$pid" ]] || fail "the upgrade did not restart the service"
    is "the service" "$(systemctl is-enabled $unit) $(systemctl is-active $unit)" "enabled active"
    is "the socket" "$(systemctl is-enabled $name.socket) $(systemctl is-active $name.socket)" "enabled active"
    is "the end of the configuration" "$(tail -n 1 $config)" "# changed"
    events >/var/tmp/events
}

# The machine starts again, and the service with it.
rebooted() {
    is "the service" "$(systemctl is-active $unit) $(systemctl is-active $name.socket)" "active active"
    simulate 864000
    until_true "three organizations after a reboot" 20 up 3
    is "the counters after a reboot" "$(events)" "$(</var/tmp/events)"
}

removed() {
    dpkg --remove $name
    # As Debian's own tools leave them.
    is "the units" "$(show LoadState) $(show LoadState $name.socket)" "masked masked"
    gone
    [[ -s $state/state.redb && -s $config ]] || fail "removal took the state or the configuration"
}

purged() {
    dpkg --install /checks/second.deb
    is "the service" "$(systemctl is-enabled $unit) $(systemctl is-active $unit || true)" "enabled inactive"
    systemctl start $name.socket $unit
    until_true "readiness after a new installation" 20 ready
    dpkg --purge $name
    is "the units" "$(show LoadState) $(show LoadState $name.socket)" "not-found not-found"
    gone
    systemctl stop upstream.service
    [[ ! -e $state && ! -e $config && ! -e /etc/default/$name ]] || fail "purge left the state or the configuration"
    [[ -e $secret ]] || fail "purge took a secret away"
    is "links to the units" "$(find /etc/systemd/system -name "$name*" -type l)" ""
}

# Out of the tarball, by the commands of docs/deployment.md; the editor alone is a stand-in. Secret and drop-in are those of before.
unpacked() {
    userdel $name
    cd /checks
    sudo() {
        if [[ $1 == -e ]]; then
            simulate 0
            configure 3
        else
            "$@"
        fi
    }
    sed -n '/^## Tarball/,/^## Container/s/^\$ //p' deployment.md >/run/commands.sh
    grep systemctl /run/commands.sh || fail "the page has no commands"
    # shellcheck disable=SC1091 # written just now
    source /run/commands.sh
    until_true "readiness out of the tarball" 20 ready
    until_true "three organizations" 10 up 3
    is "its user" "$(stat --format %U "/proc/$(show MainPID)")" $name
    is "durability" "$(value csp_exporter_state_durable)" 1
    systemctl disable --now $unit
    systemctl stop upstream.service
}

# Nothing of it runs or listens.
gone() {
    is "the service" "$(systemctl is-active $unit || true) $(systemctl is-active $name.socket || true)" "inactive inactive"
    get / 2>/dev/null && fail "somebody still listens"
    is "processes that are left" "$(find /proc -maxdepth 1 -user $name)" ""
}

for step in "$@"; do
    "$step"
    echo "$step: ok"
done
