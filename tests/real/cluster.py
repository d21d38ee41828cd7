"""A stand-in for a cluster, for what a reader of the chart's README pastes: `cluster.py helm|kubectl ARGUMENTS...`.

It runs on the reader's machine of reader.py. Helm's own library renders, and kubectl itself makes the objects that need no server. What a
cluster does with them is done here: the kubelet's part, which lays out volumes with their links and runs the containers as the image's
user in a root of their own; that of the Prometheus Operator, which takes monitors and rules by their labels and tells a real
Prometheus; that of Grafana's sidecar. Not here: the API server, what it refuses and what it fills in; network policies; more pods than one.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import helm_python
import yaml

from exporter import BINARY, ROOT, Failed, require, until

sys.path.insert(0, str(ROOT / "deploy/helm"))
import build  # noqa: E402

HOME = Path("/run/cluster")
# The image's user, and the group that the chart asks for.
USER = 65532
KUBECTL = Path(sys.executable).with_name("kubectl")
# What the Prometheus of the README selects monitors and rules by, and where it is.
RELEASE, MONITORING = {"release": "kube-prometheus-stack"}, "monitoring"


def stored(kind, namespace, name):
    return HOME / "objects" / f"{kind}.{namespace}.{name}.json"


def store(document):
    metadata = document["metadata"]
    path = stored(document["kind"], metadata.get("namespace", ""), metadata["name"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def find(kind, namespace, name):
    path = stored(kind, namespace, name)
    require(path.exists(), f"there is no {kind} {name} in {namespace or 'the cluster'}")
    return json.loads(path.read_text())


# --- The kubelet -------------------------------------------------------------------------------------------------------------


def keys(source, namespace):
    """The files of a ConfigMap or Secret, as a volume names it, by their paths."""
    if "configMap" in source:
        data = {key: text.encode() for key, text in find("ConfigMap", namespace, source["configMap"]["name"])["data"].items()}
        own = source["configMap"]
    else:
        own = source["secret"]
        name = own.get("secretName") or own["name"]
        data = {key: base64.b64decode(text) for key, text in find("Secret", namespace, name)["data"].items()}
    if "items" in own:
        return {item["path"]: data[item["key"]] for item in own["items"]}
    return data


def lay_out(volume, folder, namespace):
    """A volume as the kubelet writes it: files in a folder with the time in its name, and a link that changes all of them at once."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = next(key for key in volume if key != "name")
    sources = volume["projected"]["sources"] if kind == "projected" else [volume]
    mode = volume[kind].get("defaultMode", 0o644)
    fresh = folder / f"..{time.time_ns()}"
    fresh.mkdir()
    for source in sources:
        for path, data in keys(source, namespace).items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            # fsGroup: the group may read what the mode grants.
            os.chown(file, 0, USER)
            file.chmod(mode)
    (folder / "..new").symlink_to(fresh.name)
    (folder / "..new").replace(folder / "..data")
    for path in fresh.iterdir():
        if not (folder / path.name).is_symlink():
            (folder / path.name).symlink_to(f"..data/{path.name}")


def environment(container):
    """What the image's ENV and the container's `env` say."""
    return [f"{one['name']}={one['value']}" for one in [{"name": "PATH", "value": "/"}, *container.get("env", [])]]


def start(name, pod, volumes):
    """Runs the pod's container in a root that nobody writes to, with the volumes where it wants them."""
    container, root = pod["containers"][0], HOME / "pods" / name / "root"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    for path in ("usr", "etc/ssl", "proc", *(path.lstrip("/") for path in mounts)):
        (root / path).mkdir(parents=True, exist_ok=True)
    for link in ("lib", "lib64"):
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(f"usr/{link}")
    (root / "csp-invitations-exporter").write_bytes(BINARY.read_bytes())
    (root / "csp-invitations-exporter").chmod(0o755)
    steps = [f"mount --bind {root} {root}", f"mount --rbind /usr {root}/usr", f"mount --bind /etc/ssl {root}/etc/ssl", f"mount -t proc proc {root}/proc"]
    for path, mount in mounts.items():
        steps.append(f"mount --bind {volumes / mount['name']} {root}{path}")
        steps += [f"mount -o remount,bind,ro {root}{path}"] if mount.get("readOnly") else []
    steps.append(f"mount -o remount,bind,ro {root}")
    script = "\n".join(["set -e", f"hostname {name}", *steps, 'exec "$@"'])
    command = ["unshare", "--mount", "--uts", "sh", "-c", script, "sh", *inside(root, container), "/csp-invitations-exporter", *container["args"]]
    log = (HOME / "pods" / name / "log").open("a")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (HOME / "pods" / name / "pid").write_text(str(process.pid))


def inside(root, container):
    """The beginning of a command that runs in the container."""
    return ["chroot", f"--userspec={USER}:{USER}", f"--groups={USER}", str(root), "/usr/bin/env", "-i", *environment(container)]


def run_pod(namespace, stateful):
    """Brings the first pod to what the StatefulSet says: a new process where its template is new, else new content of its volumes."""
    require(stateful["spec"]["replicas"] == 1, "the stand-in has one pod")
    name, pod = f"{stateful['metadata']['name']}-0", stateful["spec"]["template"]["spec"]
    place = HOME / "pods" / name
    volumes = place / "volumes"
    for volume in pod["volumes"]:
        lay_out(volume, volumes / volume["name"], namespace)
    for claim in stateful["spec"].get("volumeClaimTemplates", []):
        folder = volumes / claim["metadata"]["name"]
        folder.mkdir(exist_ok=True)
        os.chown(folder, 0, USER)
        folder.chmod(0o2775)
    wanted = json.dumps(stateful["spec"]["template"])
    if (place / "template").exists() and (place / "template").read_text() == wanted:
        return
    if (place / "pid").exists():
        os.kill(int((place / "pid").read_text()), signal.SIGTERM)
    (place / "template").write_text(wanted)
    start(name, pod, volumes)


# --- The operator and the sidecar --------------------------------------------------------------------------------------------


def selected(kind, documents):
    """The objects of a kind that the Prometheus takes."""
    return [one for one in documents if one["kind"] == kind and RELEASE.items() <= one["metadata"]["labels"].items()]


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
                             "scheme": endpoint["scheme"], "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]})
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


def upgrade(release, chart, namespace, files):
    """helm upgrade --install."""
    find("Namespace", "", namespace)
    require(Path(chart).resolve() == build.CHART, f"{chart} is not the chart")
    (values,) = [helm_python.values_from_yaml(Path(file).read_text()) for file in files]
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
