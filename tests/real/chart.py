#!/usr/bin/env python3
"""The Helm chart, with the real Helm: linted and rendered over a matrix of values, every object held against the published schemas of
three versions of Kubernetes, its rules through promtool with their unit tests, its arguments and configuration through the binary.

Needs `helm-python-sdk` and `kubernetes-validate` from PyPI, and promtool.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

import helm_python
import yaml

from exporter import BINARY, ROOT, main, require
from kubernetes import validate

sys.path.insert(0, str(ROOT / "deploy/helm"))
import build  # noqa: E402

CHART = ROOT / "deploy/helm/csp-invitations-exporter"
ORGANIZATION = {"id": "0b0a4a0e-1111-4222-8333-444455556666", "name": "acme", "credentials": "app"}
CONFIG = {
    "credentials": {"app": {"client_id": "x", "client_secret_file": "/run/secrets/csp/acme"}},
    "organizations": [ORGANIZATION],
}
# Kinds of other projects, which the published schemas don't have: their own definitions in short.
CUSTOM = {
    "ServiceMonitor": ("monitoring.coreos.com/v1", {"selector", "namespaceSelector", "endpoints", "jobLabel", "targetLabels", "sampleLimit"}),
    "PodMonitor": ("monitoring.coreos.com/v1", {"selector", "namespaceSelector", "podMetricsEndpoints", "jobLabel", "podTargetLabels", "sampleLimit"}),
    "PrometheusRule": ("monitoring.coreos.com/v1", {"groups"}),
    "GrafanaDashboard": ("grafana.integreatly.org/v1beta1", {"instanceSelector", "allowCrossNamespaceImport", "folder", "json"}),
}
# Each switch of the chart by itself; the matrix turns them on one by one, all together, and with each other size.
SWITCHES = {
    "monitor": {"serviceMonitor": {"enabled": True, "labels": {"release": "x"}, "relabelings": [{"action": "labeldrop", "regex": "pod"}]}},
    "pods": {"podMonitor": {"enabled": True}},
    "rules": {"prometheusRule": {"enabled": True, "alertLabels": {"team": "iam"}, "additionalGroups": [{"name": "own", "rules": [{"record": "a:b:c", "expr": "1"}]}]}},
    "dashboards": {"dashboards": {"enabled": True}},
    "grafana": {"dashboards": {"grafanaOperator": {"enabled": True}}},
    "policy": {"networkPolicy": {"enabled": True, "egressTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
    "budget": {"podDisruptionBudget": {"enabled": True}},
    "memory": {"state": {"enabled": False}},
    "fixed": {"autoReload": {"enabled": False}},
    "tls": {
        "webConfig": {"existingSecret": "web", "tlsSecret": "tls"},
        "serviceMonitor": {"enabled": True, "scheme": "https", "tlsConfig": {"serverName": "x"}, "basicAuth": {"username": {"name": "s", "key": "u"}, "password": {"name": "s", "key": "p"}}},
    },
    "plainweb": {"webConfig": {"inline": {"http_server_config": {"headers": {"X-Frame-Options": "deny"}}}}},
    "files": {"organizationFiles": {"inline": {"team.yaml": {"organizations": [ORGANIZATION | {"id": "1b0a4a0e-1111-4222-8333-444455556666", "name": "b"}]}}, "configMaps": ["a"], "secrets": ["b"]}},
    "elsewhere": {"config": {}, "configFrom": {"secret": "config"}},
    "pod": {
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"a": "b"},
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "commonLabels": {"e": "f"},
        "extraArgs": ["--web.max-requests=10"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraEnvFrom": [{"configMapRef": {"name": "x"}}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "imagePullSecrets": [{"name": "pull"}],
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["x"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "state": {"retentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}, "storageClassName": "fast", "annotations": {"a": "b"}},
        "image": {"digest": "sha256:" + "0" * 64},
    },
}
BASE = {"config": CONFIG, "credentials": {"existingSecrets": [{"name": "csp"}]}}
OPENSHIFT = yaml.safe_load((CHART / "values-openshift.yaml").read_text())


def merged(*parts):
    """Values as Helm merges them: maps grow together, everything else is replaced."""
    result = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            # An empty map takes what was there away; Helm itself would need a null.
            result[key] = merged(result[key], value) if both and value else value
    return result


def matrix():
    yield "defaults", {}
    yield "base", BASE
    for (name, switch), shards in itertools.product(SWITCHES.items(), (1, 2, 7)):
        yield f"{name} x{shards}", merged(BASE, switch, {"shards": shards})
    clashing = {"pods", "plainweb", "elsewhere"}
    yield "everything", merged(BASE, *(switch for name, switch in SWITCHES.items() if name not in clashing), {"shards": 7})
    yield "OpenShift", merged(BASE, SWITCHES["policy"], OPENSHIFT)


def sound(name, documents, values):
    """What holds of every rendering."""
    plain = [document for document in documents if document["kind"] not in CUSTOM]
    validate(plain, name)
    for document in documents:
        if document["kind"] in CUSTOM:
            version, fields = CUSTOM[document["kind"]]
            require(document["apiVersion"] == version, f"{name}: {document['kind']} of {document['apiVersion']}")
            require(document["spec"].keys() <= fields, f"{name}: {document['kind']} with {document['spec'].keys() - fields}")
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    require(len(names) == len(set(names)), f"{name}: twice the same object: {names}")
    kinds = {document["kind"]: document for document in documents}
    stateful = kinds["StatefulSet"]["spec"]
    shards = values.get("shards", 1)
    pod = stateful["template"]["spec"]
    container = pod["containers"][0]
    require(stateful["replicas"] == shards and f"--shard=auto/{shards}" in container["args"], f"{name}: shards")
    labels = stateful["template"]["metadata"]["labels"]
    for kind, selector in {
        "StatefulSet": stateful["selector"]["matchLabels"],
        "Service": kinds["Service"]["spec"]["selector"],
        "NetworkPolicy": kinds.get("NetworkPolicy", {}).get("spec", {}).get("podSelector", {}).get("matchLabels", labels),
        "PodDisruptionBudget": kinds.get("PodDisruptionBudget", {}).get("spec", {}).get("selector", {}).get("matchLabels", labels),
    }.items():
        require(selector and selector.items() <= labels.items(), f"{name}: {kind} selects {selector}")
    if "ServiceMonitor" in kinds:
        wanted = kinds["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        require(wanted.items() <= kinds["Service"]["metadata"]["labels"].items(), f"{name}: the monitor selects {wanted}")
    context, own = pod["securityContext"], container["securityContext"]
    require(context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}, f"{name}: {context}")
    require("runAsUser" not in context and "runAsGroup" not in context, f"{name}: a fixed id nobody asked for")
    require(own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] and own["capabilities"] == {"drop": ["ALL"]}, f"{name}: {own}")
    require(pod["automountServiceAccountToken"] is False, f"{name}: a token is mounted")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in stateful.get("volumeClaimTemplates", [])}
    require(mounted == volumes, f"{name}: {mounted} are mounted of {volumes}")
    return kinds, container


def rules(documents):
    """The rules of the object, through promtool with the unit tests of the repository."""
    groups = next(document for document in documents if document["kind"] == "PrometheusRule")["spec"]["groups"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
        files = []
        for path in sorted((ROOT / "dashboards/rules/tests").glob("*.yaml")):
            text = re.sub(r"(?m)^rule_files: .*$", "rule_files: [rules.yaml]", path.read_text())
            files.append(Path(folder, path.name))
            files[-1].write_text(text)
        for command in (["check", "rules", "--lint=all", f"{folder}/rules.yaml"], ["test", "rules", *map(str, files)]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
            require(done.returncode == 0, f"promtool {command[0]}: {(done.stdout + done.stderr)[-4000:]}")
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def alerts(all_alerts):
    """Each alert can be turned off and changed, and nothing else can be named."""
    rendered = lambda settings: build.render(merged(BASE, {"prometheusRule": {"enabled": True, "alerts": settings}}))
    off = [document for document in rendered({name: {"enabled": False} for name in all_alerts}) if document["kind"] == "PrometheusRule"]
    left = [rule for group in off[0]["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    require(not left, f"alerts that stay on: {left}")
    with_number = [name for name, rule in all_alerts.items() if re.search(r"[<>=] *[0-9.e+-]+\s*$", rule["expr"])]
    changed = {name: {"severity": "page", "for": "3h", "labels": {"a": "b"}, "annotations": {"c": "d"}} for name in all_alerts}
    for name in with_number:
        changed[name]["threshold"] = 42
    changed = {rule["alert"]: rule for document in rendered(changed) if document["kind"] == "PrometheusRule" for group in document["spec"]["groups"] for rule in group["rules"] if "alert" in rule}
    require(changed.keys() == all_alerts.keys() and with_number, f"{changed.keys() ^ all_alerts.keys()}")
    for name, rule in changed.items():
        require(rule["labels"]["severity"] == "page" and rule["labels"]["a"] == "b" and rule["for"] == "3h" and rule["annotations"]["c"] == "d", f"{name}: {rule}")
    for name in with_number:
        require(changed[name]["expr"].rstrip().endswith("42"), f"{name}: {changed[name]['expr']}")
    moved = build.render(merged(BASE, {"prometheusRule": {"enabled": True, "runbookBase": "https://wiki.example.org/", "grafanaBase": "https://grafana.example.org/"}}))
    text = json.dumps([document for document in moved if document["kind"] == "PrometheusRule"])
    require("github.com" not in text and "grafana.example.com" not in text and "https://wiki.example.org/CSP" in text, "the bases of runbooks and Grafana")
    return len(all_alerts)


def refused():
    """Values that are unknown or impossible."""
    cases = yaml.safe_load((ROOT / "tests/real/bad_values.yaml").read_text())
    for what, values in cases.items():
        try:
            build.render(merged(BASE, values))
        except helm_python.HelmError:
            continue
        require(False, f"not refused: {what}")
    return len(cases)


def understood():
    """The container's arguments, its configuration and its files, through the binary."""
    values = merged(BASE, SWITCHES["files"], SWITCHES["tls"], {"shards": 7, "organizationFiles": {"configMaps": [], "secrets": []}})
    documents = build.render(values)
    container = next(document for document in documents if document["kind"] == "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    done = subprocess.run([BINARY, *[one.replace("auto/7", "1/7") for one in container["args"]], "--help"], capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"the arguments: {done.stderr}")
    maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    with tempfile.TemporaryDirectory() as folder:
        here = lambda text: text.replace("/etc/csp-invitations-exporter", folder).replace("/run/secrets/csp", folder)
        for name, data in maps.items():
            target = Path(folder, "organizations.d/values" if name.endswith("-organizations") else "config")
            target.mkdir(parents=True, exist_ok=True)
            for file, text in data.items():
                Path(target, file).write_text(here(text))
        Path(folder, "acme").write_text("made-up\n")
        done = subprocess.run([BINARY, "check", f"--config.file={folder}/config/config.yaml", "--shard=1/1"], capture_output=True, text=True, check=False)
        require(done.returncode == 0 and "organizations: 2" in done.stdout, f"the configuration: {done.stdout}{done.stderr}")


def apart():
    """Organization files of one name from several sources are each in a folder of their own, which the configuration names."""
    both = merged(BASE, {"organizationFiles": {"inline": {"a.yaml": {"organizations": []}}, "configMaps": ["team", "other"], "secrets": ["team"]}})
    for values in (both, both | {"config": "organization_files: [/etc/csp-invitations-exporter/organizations.d/*/*.yaml]"}):
        documents = build.render(values)
        container = next(one for one in documents if one["kind"] == "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
        paths = [mount["mountPath"] for mount in container["volumeMounts"] if "/organizations.d/" in mount["mountPath"]]
        require(len(set(paths)) == 4, f"{paths}")
        config = yaml.safe_load(next(one for one in documents if one["kind"] == "ConfigMap" and "config.yaml" in one["data"])["data"]["config.yaml"])
        (pattern,) = config["organization_files"]
        require(all(fnmatch(f"{path}/a.yaml", pattern) for path in paths), f"{pattern} does not find {paths}")


def openshift():
    """Nothing that the SCC restricted-v2 would refuse: no ids of ours."""
    kinds = {document["kind"]: document for document in build.render(merged(BASE, SWITCHES["policy"], OPENSHIFT))}
    context = kinds["StatefulSet"]["spec"]["template"]["spec"]["securityContext"]
    require(context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, f"{context}")
    ports = [port["port"] for rule in kinds["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]]
    require(ports == [5353, 5353, 443], f"{ports}")


def check():
    done = subprocess.run([sys.executable, ROOT / "deploy/helm/build.py", "--check"], capture_output=True, text=True, check=False)
    require(done.returncode == 0, done.stderr)
    count = objects = 0
    for name, values in matrix():
        report = helm_python.lint(CHART, values, strict=True)
        worse = [one for one in report["messages"] if one["severity"] >= 2]
        require(not report["errors"] and not worse, f"{name}: {report}")
        documents = build.render(values)
        sound(name, documents, values)
        count, objects = count + 1, objects + len(documents)
    as_they_are = build.render(merged(BASE, {"prometheusRule": {"enabled": True}}))
    number = alerts(rules(as_they_are))
    understood()
    apart()
    openshift()
    dashboards = [document for document in build.render(merged(BASE, SWITCHES["dashboards"])) if document["metadata"]["labels"].get("grafana_dashboard") == "1"]
    sources = sorted(path.read_text() for path in (ROOT / "dashboards").glob("*.json"))
    rendered = sorted(text for document in dashboards for text in document["data"].values())
    require([json.loads(text) for text in rendered] == [json.loads(text) for text in sources], "the dashboards differ")
    print(f"Helm {helm_python.helm_sdk_version()}: {objects} objects of {count} renderings, {number} alerts off and on, {refused()} bad values refused")


main(check)
