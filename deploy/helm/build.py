#!/usr/bin/env python3
"""Brings together what the chart shares with the rest of the repository; with --check only says what is out of date.

- files/ of the chart: the dashboards and rules of dashboards/, since a chart can read nothing outside of its folder;
- the table of values in the chart's README, from the comments of values.yaml;
- deploy/kubernetes, for people without Helm: what the chart renders with kubernetes-values.yaml.

Needs `helm-python-sdk` and PyYAML from PyPI (tests/real/requirements.txt).
"""

import json
import re
import sys
from pathlib import Path

import helm_python
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = HERE / "csp-invitations-exporter"
KUBERNETES = ROOT / "deploy/kubernetes"
NAME = "csp-invitations-exporter"
BEGIN, END = "<!-- values: written by ../build.py -->\n", "<!-- end of values -->\n"


def copies():
    """The files of the chart that are files of the repository."""
    yield from ((CHART / "files/dashboards" / path.name, path.read_text()) for path in sorted((ROOT / "dashboards").glob("*.json")))
    yield from ((CHART / "files/rules" / name, (ROOT / "dashboards/rules" / name).read_text()) for name in ("recording.yaml", "alerts.yaml"))


def documented(text):
    """Each value with its comment, in the order of the file."""
    values, comment, path = yaml.safe_load(text), None, []
    for line in text.splitlines():
        if match := re.match(r"\s*# -- (.*)", line):
            comment = match[1]
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            path = path[: len(match[1]) // 2] + [match[2]]
            value = values
            for key in path:
                value = value[key]
            if comment:
                yield ".".join(path), value, comment
            comment = None


def leaves(value, path=()):
    """The paths of values, down to where a map is free."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield ".".join(path)


def table():
    text = (CHART / "values.yaml").read_text()
    rows = list(documented(text))
    names = [name for name, _, _ in rows]
    missing = [path for path in leaves(yaml.safe_load(text)) if not any(path == name or path.startswith(f"{name}.") for name in names)]
    if missing:
        sys.exit(f"values.yaml says nothing about {', '.join(missing)}")
    shown = lambda value: f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")
    lines = [f"| `{name}` | {shown(value)} | {comment} |" for name, value, comment in rows]
    return "| value | default | meaning |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def readme():
    path = CHART / "README.md"
    text = path.read_text()
    before, rest = text.split(BEGIN)
    return path, before + BEGIN + table() + END + rest.split(END)[1]


def render(values, namespace="csp-invitations", release=NAME):
    """The objects of the chart, as Helm would send them to the cluster."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name=release, namespace=namespace)
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def without_helm(value):
    """Without the labels that only Helm has a use for."""
    if isinstance(value, dict):
        gone = ("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance")
        return {key: without_helm(inner) for key, inner in value.items() if key not in gone}
    return [without_helm(one) for one in value] if isinstance(value, list) else value


FILES = {
    "StatefulSet": "stateful-set.yaml",
    "Service": "service.yaml",
    "ServiceAccount": "service-account.yaml",
    "NetworkPolicy": "network-policy.yaml",
    "PodDisruptionBudget": "pod-disruption-budget.yaml",
    "ServiceMonitor": "prometheus-operator/service-monitor.yaml",
    "PrometheusRule": "prometheus-operator/prometheus-rule.yaml",
}


def manifests():
    """The objects for people without Helm; the namespace comes from their kustomization."""
    values = yaml.safe_load((HERE / "kubernetes-values.yaml").read_text())
    for document in render(values):
        name = FILES.get(document["kind"])
        if name is None:
            continue
        document = without_helm(document)
        document["metadata"].pop("namespace", None)
        text = yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True)
        yield KUBERNETES / name, f"# Written by deploy/helm/build.py from the chart: change that, or an overlay of yours.\n{text}"


def main():
    stale = []
    # Copies first: the manifests are rendered from them.
    for produce in (copies, lambda: [readme()], manifests):
        for path, text in produce():
            if path.is_file() and path.read_text() == text:
                continue
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv[1:]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(stale)}; run deploy/helm/build.py")
    print(", ".join(stale) or "up to date")


if __name__ == "__main__":
    main()
