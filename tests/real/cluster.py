"""A stand-in for a cluster, for what a reader of the chart's README pastes: `cluster.py helm|kubectl ARGUMENTS...`.

It runs on the reader's machine of reader.py. Helm's own library renders, and kubectl itself makes the objects that need no server. What a
cluster does with them is done by kubelet.py and here: the part of the Prometheus Operator, which takes monitors and rules by their
labels and tells a real Prometheus, and that of Grafana's sidecar. Not here: the API server, what it refuses and what it fills in; network policies; more pods than one.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import helm_python
import yaml

from exporter import BINARY, ROOT, Failed, require, until
from kubelet import HOME, find, inside, keys, run_pod, store

sys.path.insert(0, str(ROOT / "deploy/helm"))
import build  # noqa: E402

KUBECTL = Path(sys.executable).with_name("kubectl")
# What the Prometheus of the README selects monitors and rules by, and where it is.
RELEASE, MONITORING = {"release": "kube-prometheus-stack"}, "monitoring"


# --- The operator and the sidecar --------------------------------------------------------------------------------------------


def selected(kind, documents):
    """The objects of a kind that the Prometheus takes."""
    return [one for one in documents if one["kind"] == kind and RELEASE.items() <= one["metadata"]["labels"].items()]


def secured(endpoint, namespace, folder):
    """TLS and user of a scrape, whose parts are in Secrets beside the monitor."""

    def secret(selector):
        path = folder / f"{selector['name']}.{selector['key']}"
        path.write_bytes(keys({"secret": {"name": selector["name"]}}, namespace)[selector["key"]])
        return str(path)

    found = {}
    if tls := endpoint.get("tlsConfig"):
        found["tls_config"] = {"ca_file": secret(tls["ca"]["secret"]), "server_name": tls["serverName"]}
    if user := endpoint.get("basicAuth"):
        name = Path(secret(user["username"])).read_text()
        found["basic_auth"] = {"username": name, "password_file": secret(user["password"])}
    return found


def operate(namespace, documents):
    """What the Prometheus Operator makes of monitors and rules, for a Prometheus on port 9090. Rules don't wait as long as they say."""
    folder, jobs = HOME / "prometheus", []
    folder.mkdir(exist_ok=True)
    for monitor in selected("ServiceMonitor", documents):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        for service in (one for one in documents if one["kind"] == "Service" and wanted <= one["metadata"]["labels"].items()):
            for endpoint in monitor["spec"]["endpoints"]:
                name = service["metadata"]["name"]
                port = next(port["port"] for port in service["spec"]["ports"] if port["name"] == endpoint["port"])
                labels = {"namespace": namespace, "service": name, "pod": f"{name}-0", "container": "exporter", "endpoint": endpoint["port"], "job": name}
                jobs.append({"job_name": f"serviceMonitor/{namespace}/{name}", "honor_labels": endpoint["honorLabels"], "metrics_path": endpoint["path"],
                             "scheme": endpoint["scheme"], **secured(endpoint, namespace, folder),
                             "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]})
    groups = [group for rule in selected("PrometheusRule", documents) for group in rule["spec"]["groups"]]
    for rule in (rule for group in groups for rule in group["rules"]):
        rule |= {key: "1s" for key in ("for", "keep_firing_for") if key in rule}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(
        {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"], "scrape_configs": jobs}))
    subprocess.run(["promtool", "check", "config", folder / "prometheus.yml"], check=True, stdout=subprocess.DEVNULL)
    if (folder / "pid").exists():
        os.kill(int((folder / "pid").read_text()), signal.SIGHUP)
        return
    log = (folder / "log").open("w")
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:9090"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "pid").write_text(str(process.pid))


def dashboards(documents):
    """What the sidecar of kube-prometheus-stack hands to Grafana."""
    maps = [one for one in documents if one["kind"] == "ConfigMap" and one["metadata"]["labels"].get("grafana_dashboard") == "1"]
    return [json.loads(text)["title"] for one in maps for text in one["data"].values()]


# --- The commands ------------------------------------------------------------------------------------------------------------


def options(arguments, known):
    """Splits `--name value` and `-n value` off."""
    rest, found = [], {}
    arguments = iter(arguments)
    for one in arguments:
        if one in known:
            found.setdefault(one, []).append(next(arguments))
        else:
            rest.append(one)
    return rest, found


def merged(values, more):
    """Values as Helm merges them: maps grow together, everything else is replaced."""
    both = {key: merged(values[key], more[key]) for key in values.keys() & more.keys() if isinstance(values[key], dict) and isinstance(more[key], dict)}
    return values | more | both


def upgrade(release, chart, namespace, files):
    """helm upgrade --install."""
    find("Namespace", "", namespace)
    require(Path(chart).resolve() == build.CHART, f"{chart} is not the chart")
    values = {}
    for file in files:
        values = merged(values, helm_python.values_from_yaml(Path(file).read_text()))
    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        rendered = loaded.render(values, name=release, namespace=namespace)
    documents = [one for path, text in rendered.items() if path.endswith(".yaml") for one in yaml.safe_load_all(text) if one]
    for document in documents:
        store(document)
    (stateful,) = [one for one in documents if one["kind"] == "StatefulSet"]
    run_pod(namespace, stateful)
    operate(namespace, documents)
    for title in dashboards(documents):
        print(f"dashboard: {title}")
    print(next(text for path, text in rendered.items() if path.endswith("NOTES.txt")))


def test(release, namespace):
    """helm test: the hook's container, on the machine whose hosts file knows the pod's name."""
    (pod,) = [one for path in (HOME / "objects").glob(f"Pod.{namespace}.*") if (one := json.loads(path.read_text()))["metadata"]["labels"]["app.kubernetes.io/instance"] == release]
    (container,) = pod["spec"]["containers"]
    host = next(one.partition("=")[2].rpartition(":")[0] for one in container["args"] if one.startswith("--web.probe"))
    with open("/etc/hosts", "a", encoding="utf-8") as hosts:
        hosts.write(f"127.0.0.1 {host}\n")
    return subprocess.run([BINARY, *container["args"]], check=False).returncode


def ready(namespace, name):
    """kubectl rollout status: until the probe that the pod names says so."""
    pod = find("StatefulSet", namespace, name)["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    probe = pod["containers"][0]["readinessProbe"]["httpGet"]
    url = f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}"

    def answers():
        try:
            return urllib.request.urlopen(url, timeout=5).status == 200
        except OSError:
            return False

    try:
        until("readiness", answers, 30)
    except Failed:
        sys.exit((HOME / "pods" / f"{name}-0" / "log").read_text())


def execute(namespace, pod, command):
    """kubectl exec: in the mounts and the root of the pod's process."""
    container = find("StatefulSet", namespace, pod.removesuffix("-0"))["spec"]["template"]["spec"]["containers"][0]
    place = HOME / "pods" / pod
    pid = (place / "pid").read_text()
    os.execvp("nsenter", ["nsenter", f"--target={pid}", "--mount", "--uts", *inside(place / "root", container), *command])


def kubectl(arguments):
    rest, found = options(arguments[: arguments.index("--")] if "--" in arguments else arguments, ("--namespace", "-n", "--timeout"))
    namespace = next(iter(found.get("--namespace", found.get("-n", ["default"]))))
    match rest:
        case ["create", *_]:
            made = subprocess.run([KUBECTL, *arguments, "--dry-run=client", "-o", "json"], check=True, capture_output=True, text=True).stdout
            store(json.loads(made))
        case ["label", "namespace", name, *labels]:
            before = json.dumps(find("Namespace", "", name))
            made = subprocess.run([KUBECTL, "label", "--local", "-f", "-", *labels, "-o", "json"], input=before, check=True, capture_output=True, text=True).stdout
            store(json.loads(made))
        case ["rollout", "status", what]:
            ready(namespace, what.removeprefix("statefulset/"))
        case ["exec", pod]:
            execute(namespace, pod, arguments[arguments.index("--") + 1 :])
        case ["port-forward", "service/prometheus-operated", "9090"]:
            # It listens there already.
            require(namespace == MONITORING, f"there is no Prometheus in {namespace}")
        case _:
            return f"kubectl {rest}: unknown here"


def helm(arguments):
    rest, found = options(arguments, ("--namespace", "--values"))
    (namespace,) = found["--namespace"]
    match rest:
        case ["upgrade", "--install", release, chart]:
            upgrade(release, chart, namespace, found["--values"])
        case ["test", release]:
            return test(release, namespace)
        case _:
            return f"helm {rest}: unknown here"


if __name__ == "__main__":
    sys.exit({"kubectl": kubectl, "helm": helm}[sys.argv[1]](sys.argv[2:]))
