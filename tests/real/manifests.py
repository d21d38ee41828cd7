#!/usr/bin/env python3
"""`kubectl` for a reader who has no cluster: what it would send is made by the real one, has to be valid, and is kept; what would run in a pod
runs here. `manifests.py ARGUMENTS...`; cluster.py is what the chart is installed in.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from exporter import BINARY, ROOT, require

KUBECTL = Path(sys.executable).with_name("kubectl")
OBJECTS = Path("/run/objects.json")
# Kinds of operators, of which the published schemas know nothing; the step `chart` looks at their fields.
CUSTOM = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "GrafanaDashboard"}
NAME = "csp-invitations-exporter"
REPOSITORY = f"github.com/example/{NAME}/"


def objects():
    return json.loads(OBJECTS.read_text()) if OBJECTS.exists() else []


def keep(documents):
    """Takes objects as a cluster would."""
    # The schemas take their time, and most commands need none.
    from kubernetes import validate

    validate([one for one in documents if one["kind"] not in CUSTOM], "what is applied")
    for rules in (one["spec"] for one in documents if one["kind"] == "PrometheusRule"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(rules, file)
            file.flush()
            subprocess.run(["promtool", "check", "rules", file.name], check=True, stdout=sys.stderr)
    identity = lambda one: (one["kind"], one["metadata"]["name"])  # noqa: E731
    new = {identity(one) for one in documents}
    OBJECTS.write_text(json.dumps([one for one in objects() if identity(one) not in new] + documents))
    for one in documents:
        print(f"{one['kind'].lower()}/{one['metadata']['name']}")


def made(*arguments, text=None):
    """What the real kubectl makes, without asking a cluster."""
    done = subprocess.run([KUBECTL, *arguments], input=text, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}")
    return list(yaml.safe_load_all(done.stdout))


def overlay(folder):
    """What an overlay gives, with this checkout in place of the repository's address."""
    kustomization = Path(folder, "kustomization.yaml")
    text = kustomization.read_text()
    value = yaml.safe_load(text)
    for key in ("resources", "components"):
        require(all(one.startswith(REPOSITORY) and "?ref=v" in one for one in value[key]), f"{key}: {value[key]}")
        here = [ROOT / one.removeprefix(REPOSITORY).partition("?")[0] for one in value[key]]
        value[key] = [os.path.relpath(path, Path(folder).resolve()) for path in here]
    try:
        kustomization.write_text(yaml.safe_dump(value))
        documents = made("kustomize", folder)
    finally:
        kustomization.write_text(text)
    require("ghcr.io/example" not in json.dumps(documents), "the placeholder of the image is applied")
    return documents


def in_pod(command):
    """A command in the container, which finds the configuration where the manifests say."""
    require(command[0] in (NAME, f"/{NAME}"), f"the image has no {command[0]}")
    environment = os.environ | {"CSP_EXPORTER_CONFIG_FILE": f"/etc/{NAME}/config.yaml"}
    sys.exit(subprocess.run([BINARY, *command[1:]], env=environment, check=False).returncode)


def found(kinds, selector):
    """Objects of the kinds, and pods as their sets make them, that carry the labels."""
    wanted = dict(pair.split("=", 1) for pair in selector.split(",")) if selector else {}
    for one in objects():
        pods = [one["spec"]["template"]["metadata"]["labels"]] * one["spec"]["replicas"] if one["kind"] == "StatefulSet" else []
        candidates = [(f"pod/{one['metadata']['name']}-{number}", labels) for number, labels in enumerate(pods)]
        candidates.append((f"{one['kind'].lower()}/{one['metadata']['name']}", one["metadata"].get("labels", {})))
        yield from (name for name, labels in candidates if name.split("/")[0] in kinds and wanted.items() <= labels.items())


def kubectl(arguments):
    if "exec" in arguments:
        end = arguments.index("--")
        pods = list(found({"pod"}, ""))
        require(f"pod/{arguments[end - 1]}" in pods, f"kubectl {' '.join(arguments)}: there are {pods}")
        in_pod(arguments[end + 1 :])
    elif arguments == ["apply", "-f", "-"]:
        keep(list(yaml.safe_load_all(sys.stdin)))
    elif arguments[:2] == ["apply", "-k"]:
        keep(overlay(arguments[2]))
    elif "create" in arguments:
        keep(made(*arguments, "--dry-run=client", "--output=yaml"))
    elif arguments[0] == "label":
        kind, name, *labels = arguments[1:]
        one = next(one for one in objects() if (one["kind"].lower(), one["metadata"]["name"]) == (kind, name))
        keep(made("label", "--local", "--filename=-", "--output=yaml", *labels, text=yaml.safe_dump(one)))
    elif arguments[0] == "get":
        selector = arguments[arguments.index("-l") + 1] if "-l" in arguments else ""
        names = list(found({kind.rstrip("s") for kind in arguments[1].split(",")}, selector))
        require(names, f"nothing is found by kubectl {' '.join(arguments)}")
        print("\n".join(names))
    else:
        sys.exit(f"nobody here does kubectl {' '.join(arguments)}")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        kubectl(sys.argv[1:])
