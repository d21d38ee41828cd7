#!/usr/bin/env python3
"""The container image for several architectures, as one archive: image.py VERSION REVISION CERTIFICATES OUTPUT ARCH=BINARY...

The archive is an OCI layout, for skopeo, oras, podman, containerd and newer Dockers, and has beside it the list that `docker load` of any
version reads. What the image says of itself (user, variables, health check, labels) is read out of the last stage of the Dockerfile.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
https://github.com/moby/moby/blob/master/image/spec/spec.md (`Healthcheck`, `manifest.json`)
"""

import hashlib
import json
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from archive import NAME, ROOT, Entry, compress, epoch, tar

OCI = "application/vnd.oci.image"
# The user of the image, who owns the state folder.
OWNER = 65532
VARIANTS = {"arm64": {"variant": "v8"}}


def last_stage(text):
    """The instructions of the Dockerfile's last stage, as words."""
    lines = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").splitlines()
    instructions = [line.split(None, 1) for line in lines if line.strip()]
    last = max(number for number, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[last + 1 :]


def nanoseconds(text):
    """`15s`, as the configuration has it."""
    return int(text.removesuffix("s")) * 10**9


def health(rest):
    """What HEALTHCHECK says."""
    options, command = rest.split(" CMD ", 1)
    given = dict(option.removeprefix("--").split("=") for option in options.split())
    names = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
    times = {name: nanoseconds(given[option]) for option, name in names.items()}
    return {"Test": ["CMD", *json.loads(command)], "Retries": int(given["retries"])} | times


def configuration(text, arguments):
    """What the Dockerfile's last stage says about how the image is run; an instruction that is not known here ends it."""
    config, variables = {"Env": [], "Labels": {}, "ExposedPorts": {}, "Volumes": {}}, {}
    for word, rest in last_stage(text):
        match word:
            case "ARG":
                name, _, default = rest.partition("=")
                variables[name] = arguments.get(name, default)
            case "LABEL":
                for pair in shlex.split(rest):
                    name, value = pair.split("=", 1)
                    config["Labels"][name] = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], value)
            case "ENV":
                config["Env"] += shlex.split(rest)
            case "USER":
                config["User"] = rest
            case "EXPOSE":
                config["ExposedPorts"][f"{rest}/tcp"] = {}
            case "VOLUME":
                config["Volumes"] |= {path: {} for path in json.loads(rest)}
            case "HEALTHCHECK":
                config["Healthcheck"] = health(rest)
            case "ENTRYPOINT":
                config["Entrypoint"] = json.loads(rest)
            case "COPY":
                pass
            case _:
                sys.exit(f"the Dockerfile's {word} is not known here")
    return config


class Layout:
    """The blobs of an OCI layout, by their digest."""

    def __init__(self):
        self.entries = {}

    def add(self, media, content):
        """Keeps a blob; returns its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.entries[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}


def path(descriptor):
    """Where in the archive a blob is."""
    return "blobs/" + descriptor["digest"].replace(":", "/")


def add_platform(layout, arch, binary, certificates, config, created):
    """The image of one architecture: the descriptors of its manifest, its configuration and its layer."""
    files = tar(
        [
            Entry(NAME, binary, 0o755),
            Entry("etc/ssl/certs/ca-certificates.crt", certificates),
            Entry("state", None, 0o755, OWNER),
        ]
    )
    layer = layout.add(f"{OCI}.layer.v1.tar+gzip", compress(files))
    platform = {"os": "linux", "architecture": arch} | VARIANTS.get(arch, {})
    image = platform | {
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(files).hexdigest()}"]},
        "history": [{"created": created, "created_by": "deploy/release"}],
    }
    configured = layout.add(f"{OCI}.config.v1+json", image)
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": configured,
        "layers": [layer],
        "annotations": config["Labels"],
    }
    return layout.add(manifest["mediaType"], manifest) | {"platform": platform}, configured, layer


def build(version, revision, certificates, binaries):
    """The archive with the images of all architectures."""
    created = datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = configuration((ROOT / "Dockerfile").read_text(), {"VERSION": version, "REVISION": revision})
    config["Labels"]["org.opencontainers.image.created"] = created
    layout, manifests, loadable = Layout(), [], []
    for arch, binary in sorted(binaries.items()):
        manifest, configured, layer = add_platform(layout, arch, binary, certificates, config, created)
        manifests.append(manifest)
        loadable.append({"Config": path(configured), "RepoTags": [f"{NAME}:v{version}-{arch}"], "Layers": [path(layer)]})
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests, "annotations": config["Labels"]}
    whole = layout.add(index["mediaType"], index) | {"annotations": {"org.opencontainers.image.ref.name": f"v{version}"}}
    top = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [whole]},
        "manifest.json": loadable,
    }
    files = layout.entries | {name: json.dumps(value, sort_keys=True).encode() for name, value in top.items()}
    return tar([Entry(name, data) for name, data in files.items()])


def main():
    version, revision, certificates, output, *pairs = sys.argv[1:]
    binaries = {arch: Path(binary).read_bytes() for arch, binary in (pair.split("=", 1) for pair in pairs)}
    Path(output).write_bytes(build(version, revision, Path(certificates).read_bytes(), binaries))


if __name__ == "__main__":
    main()
