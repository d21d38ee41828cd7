#!/usr/bin/env python3
"""What deploy/release packs, without its compiler: tarball, image, chart, bill of materials and notes of one binary, made twice in two folders
of different names, times and permissions. The bytes are the same, and in them is what a release promises.

tests/real/reproducible.sh does the same with everything, from the source on. Needs objcopy (binutils), and from PyPI `helm-python-sdk` and
`cyclonedx-python-lib[json-validation]`.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zlib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from exporter import BINARY, ROOT, main, require

NAME = "csp-invitations-exporter"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
EPOCH = 1_700_000_000
REVISION = "0123456789ab"
# What the toolchain's own packages are in a release.
BUILDINFO = "libc6-dev:amd64=2.43-7\nlibgcc-16-dev:amd64=16.1.0-3\nlibstd-rust-dev:amd64=1.97.1+dfsg1-1\n"


def audited(binary, folder):
    """A copy of the binary that says which crates it is made of, as `cargo auditable` writes it."""
    lock = {package["name"]: package["version"] for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    crates = {
        "packages": [
            {"name": NAME, "version": VERSION, "source": "local", "dependencies": [1, 2], "root": True},
            {"name": "csv", "version": lock["csv"], "source": "crates.io"},
            {"name": "prost-build", "version": lock["prost-build"], "source": "crates.io", "kind": "build"},
        ]
    }
    Path(folder, "crates").write_bytes(zlib.compress(json.dumps(crates).encode()))
    subprocess.run(["objcopy", "--add-section", f".dep-v0={folder}/crates", binary, f"{folder}/{NAME}"], check=True)
    return Path(folder, NAME)


def checkout(folder, mode):
    """The files of the checkout, each with another time and other permissions than in it."""
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in names.stdout.splitlines():
        if not (ROOT / name).is_file():
            continue
        copy = Path(folder, name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy)
        copy.chmod(mode)


def files(source, binary, manual, metadata, output):
    """Everything that is packed, by its name."""
    parts = source / "deploy/release.d"
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "random"}
    base = f"{output}/{NAME}-{VERSION}"
    Path(f"{base}.buildinfo").write_text(BUILDINFO)
    for arguments in (
        ["tarball.py", VERSION, "amd64", binary, manual, f"{base}.linux-amd64.tar.gz"],
        ["sbom.py", binary, metadata, f"{base}.buildinfo", f"{base}.linux-amd64.cdx.json"],
        ["image.py", VERSION, REVISION, "/etc/ssl/certs/ca-certificates.crt", f"{base}.image.tar", f"amd64={binary}", f"arm64={binary}"],
        ["chart.py", VERSION, f"{base}.tgz"],
    ):
        subprocess.run([sys.executable, parts / arguments[0], *arguments[1:]], env=environment, check=True)
    notes = subprocess.run([sys.executable, parts / "notes.py", VERSION, "--rehearsal"], env=environment, capture_output=True, check=True)
    Path(output, "RELEASE_NOTES.md").write_bytes(notes.stdout)
    return {path.name: path.read_bytes() for path in Path(output).iterdir()}


def tarball(data, folder):
    """Runs what somebody finds who has neither Debian nor containers."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {member.name: member for member in archive}
        archive.extractall(folder, filter="data")
    top = f"{NAME}-{VERSION}.linux-amd64"
    require({name.split("/")[0] for name in members} == {top}, "the tarball has other folders than its own")
    for name in ("LICENSE", f"systemd/{NAME}.service", f"man/man1/{NAME}.1", f"completions/{NAME}.bash", "dashboards/invitations-overview.json", "dashboards/rules/alerts.yaml", "docs/runbooks/CSPPollsFailing.md", "examples/config.yaml"):
        require(f"{top}/{name}" in members, f"the tarball lacks {name}")
    times = {member.mtime for member in members.values()}
    require(times == {EPOCH}, f"times in the tarball: {times}")
    require({(member.uid, member.gid) for member in members.values()} == {(0, 0)}, "owners in the tarball")
    shown = subprocess.run([f"{folder}/{top}/{NAME}", "--version"], capture_output=True, text=True, check=True).stdout
    require(VERSION in shown, shown)


def image(data):
    """The image's parts hang together, and are what the Dockerfile says."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    for name, content in parts.items():
        if name.startswith("blobs/"):
            require(hashlib.sha256(content).hexdigest() == name.rsplit("/", 1)[1], f"{name} is not what it is called")

    def blob(descriptor):
        content = parts["blobs/" + descriptor["digest"].replace(":", "/")]
        require(len(content) == descriptor["size"], f"the size of {descriptor}")
        return content

    index = json.loads(blob(json.loads(parts["index.json"])["manifests"][0]))
    require([one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"], "the image's architectures")
    for one, loadable in zip(index["manifests"], json.loads(parts["manifest.json"]), strict=True):
        manifest = json.loads(blob(one))
        require(loadable["Config"].endswith(manifest["config"]["digest"][7:]), "`docker load` gets another image")
        whole = json.loads(blob(manifest["config"]))
        layer = gzip.decompress(blob(manifest["layers"][0]))
        require(whole["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"], "the layer's digest")
        config = whole["config"]
        require(config["User"] == "65532:65532" and config["Entrypoint"] == [f"/{NAME}"] and config["Volumes"] == {"/state": {}}, f"{config}")
        require({"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"} < set(config["Env"]), f"{config['Env']}")
        require(config["Healthcheck"]["Test"] == ["CMD", f"/{NAME}", "healthcheck"] and config["Healthcheck"]["Interval"] == 15 * 10**9, f"{config}")
        labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
        require(labels["version"] == VERSION and labels["revision"] == REVISION and labels["licenses"] == "Apache-2.0", f"{labels}")
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            found = {member.name: (member.uid, member.mode) for member in archive}
        require(found == {NAME: (0, 0o755), "state": (65532, 0o755), "etc": (0, 0o755), "etc/ssl": (0, 0o755), "etc/ssl/certs": (0, 0o755), "etc/ssl/certs/ca-certificates.crt": (0, 0o644)}, f"{found}")


def materials(data):
    """The bill of materials is one, and names what is linked and nothing else."""
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    require(problem is None, f"CycloneDX: {problem}")
    document = json.loads(data)
    names = {component["name"] for component in document["components"]}
    require(names == {"csv", "glibc", "libgcc", "rust-std"}, f"components: {names}")
    csv = next(component for component in document["components"] if component["name"] == "csv")
    require(csv["licenses"] == [{"expression": "Unlicense OR MIT"}] and len(csv["hashes"][0]["content"]) == 64, f"{csv}")
    require(document["metadata"]["component"]["name"] == NAME, "the component that it is about")


def check():
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        manual, metadata = work / "manual", work / "metadata.json"
        subprocess.run(["cargo", "run", "--quiet", "--locked", "--example", "manual", "--", manual], cwd=ROOT, check=True)
        metadata.write_bytes(subprocess.run(["cargo", "metadata", "--locked", "--format-version=1"], cwd=ROOT, capture_output=True, check=True).stdout)
        binary = audited(BINARY, work)
        made = []
        for name, mode in (("here", 0o600), ("in/another/place", 0o755)):
            source, output = work / name, work / f"{name}.files"
            source.mkdir(parents=True)
            output.mkdir()
            checkout(source, mode)
            made.append(files(source, binary, manual, metadata, output))
        first, second = made
        for name in sorted(first | second):
            require(first.get(name) == second.get(name), f"{name} differs between two folders")
        base = f"{NAME}-{VERSION}"
        tarball(first[f"{base}.linux-amd64.tar.gz"], work)
        image(first[f"{base}.image.tar"])
        materials(first[f"{base}.linux-amd64.cdx.json"])
        require(first["RELEASE_NOTES.md"].decode().startswith(f"# {VERSION}\n\n"), "the notes")
        for plain in (["sbom.py", BINARY, metadata, output / f"{base}.buildinfo", work / "none"], ["notes.py", "99.0.0"]):
            done = subprocess.run([sys.executable, ROOT / "deploy/release.d" / plain[0], *plain[1:]], capture_output=True, text=True, env=os.environ | {"SOURCE_DATE_EPOCH": "0"}, check=False)
            require(done.returncode == 1 and "Traceback" not in done.stderr, f"{plain[0]} takes what it cannot use: {done.stderr}")
        print(f"{len(first)} files, the same twice: {', '.join(sorted(first))}")


main(check)
