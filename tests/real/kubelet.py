"""The kubelet's part of cluster.py: keeps objects, lays volumes out as a kubelet does, runs the container as the image's user in them.

Runs on the reader's machine of reader.py, which is gone afterwards.
"""

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from exporter import BINARY, require

HOME = Path("/run/cluster")
# The image's user, and the group that the chart asks for.
USER = 65532


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
