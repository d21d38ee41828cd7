#!/usr/bin/env python3
"""`docker run` and `docker exec` for a reader who has no Docker: the binary in a root that it cannot write, as the image's user, with the
volumes that the command names. The network is the machine's: `-p` has nothing to do. `container.py run|exec ARGUMENTS...`
"""

import os
import subprocess
import sys
from pathlib import Path

from exporter import BINARY, require
from kubelet import USER, inside

HOME = Path("/run/containers")
# Options that take the next word, and what else a page may ask for.
WITH_VALUE = {"--name", "-p", "-v"}
OTHERS = {"--rm", "-d", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=256m"}
IMAGE = "csp-invitations-exporter"


def parsed(arguments):
    """Options with their values, and what stands behind the image."""
    found, words = {}, iter(arguments)
    for word in words:
        if word in WITH_VALUE:
            found.setdefault(word, []).append(next(words))
        elif word.startswith("-"):
            require(word in OTHERS, f"nobody here knows docker's {word}")
            found[word] = True
        else:
            require(word.partition(":")[0] == IMAGE, f"there is no image {word}")
            return found, list(words)
    sys.exit("no image is named")


def mounts(root, volumes):
    """The lines that mount what `-v` names; a name without a slash is a volume of Docker's, which takes the owner that the image's folder has."""
    for volume in volumes:
        source, target, *read_only = volume.split(":")
        source, place = Path(source), root / target.lstrip("/")
        if len(source.parts) == 1:
            source = HOME / "volumes" / source
            source.mkdir(parents=True, exist_ok=True)
            os.chown(source, USER, USER)
        require(source.exists(), f"{source} is not there: docker would make a folder of it")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
        yield f"mount --bind {source} {place}"
        if read_only == ["ro"]:
            yield f"mount -o remount,bind,ro {place}"


def run(arguments):
    options, command = parsed(arguments)
    name = options.get("--name", [f"run-{os.getpid()}"])[0]
    root = HOME / name
    require(not root.exists(), f"there is a container {name}")
    for path in ("usr", "etc/ssl", "proc", "run"):
        (root / path).mkdir(parents=True)
    for link in ("lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    (root / IMAGE).write_bytes(BINARY.read_bytes())
    (root / IMAGE).chmod(0o755)
    lines = [f"mount --bind {root} {root}", f"mount --rbind /usr {root}/usr", f"mount --bind /etc/ssl {root}/etc/ssl", f"mount -t proc proc {root}/proc",
             *mounts(root, options.get("-v", [])), *([f"mount -o remount,bind,ro {root}"] if "--read-only" in options else [])]
    words = ["unshare", "--mount", "sh", "-c", "\n".join(["set -e", *lines, 'exec "$@"']), "sh", *inside(root, {}), f"/{IMAGE}", *command]
    if "-d" not in options:
        os.execvp(words[0], words)
    log = (HOME / f"{name}.log").open("w")
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (HOME / f"{name}.pid").write_text(str(process.pid))
    print(name)


def execute(name, command):
    """In the mounts and the root of the container's process."""
    pid = (HOME / f"{name}.pid").read_text()
    os.execvp("nsenter", ["nsenter", f"--target={pid}", "--mount", *inside(HOME / name, {}), *command])


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "run":
        run(words)
    elif verb == "exec":
        execute(words[0], words[1:])
    else:
        sys.exit(f"nobody here does docker {verb}")
