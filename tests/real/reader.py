"""What a reader pastes into a shell, pasted: the blocks of a page, command by command, on a machine of its own.

The machine is this one seen through namespaces: a network in which nobody else listens, and files of the system that can be written
without anybody noticing. A simulated service on it has the organizations acme and globex, with configuration and secret where the pages
have them. Programs that a reader has and this machine need not, `sudo`, an editor, `kubectl exec`, are small stand-ins that do what is
meant; manifests.py stands for a cluster, container.py for Docker, and the container that docs/deployment.md starts is the exporter of all
pages that come after it. What is what other steps of the test command do is not run, and counted with its reason.

Needs root, or sudo without a password. `reader.py FOLDER` is what runs inside.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

from exporter import BINARY, ROOT, require

# A block, and the file that the words in front of it name.
BLOCK = re.compile(r"(?ms)(?:`([\w./-]+)`:\n\n)?^( *)```(\w*)\n(.*?)^\2```$")
SHELL = {"console", "sh"}
CRON = "*/5 * * * * "

# What is not run, by what it begins with, and why.
ELSEWHERE = [
    (r"docker (build|load)\b", "needs Docker: tests/real/docker.sh builds and loads images"),
    (r"cargo install\b|tar -xf csp-|sudo (apt|systemctl|useradd|install csp-|install -D|install -d -m 0750|install -m)\b", "changes the machine: tests/real/deb.sh and systemd.sh do it"),
    (r"(dashboards/check\.py|tests/|promtool check config|cd dashboards/preview|PROMETHEUS=|cargo (run -- demo|test|clippy|bench))\b", "is what other steps of the test command run"),
    (r"deploy/release\b|for script in deb", "makes a release"),
]
# What runs until it is stopped, which it is as soon as it answers.
LASTING = re.compile(r"(csp-invitations-exporter|cargo run --release --|docker run --rm\b.*) (demo\b.*|--config\.file \S+)$")

PROGRAMS = {
    "sudo": r"""
        [[ $1 == -u ]] && shift 2
        [[ $1 == -e ]] && set -- sudoedit "${@:2}"
        exec "$@"
    """,
    # Whoever edits types a secret; the configuration is there already.
    "sudoedit": r"""
        [[ $1 == *.yaml ]] || printf '%s\n' "$SECRET" >"$1"
    """,
    "cargo": r"""
        [[ "$1 $2 $3" == 'run --release --' ]] || exit 64
        exec csp-invitations-exporter "${@:4}"
    """,
    "kubectl": r"""
        exec "$PYTHON" "$TESTS/manifests.py" "$@"
    """,
    "docker": r"""
        exec "$PYTHON" "$TESTS/container.py" "$@"
    """,
}

SETUP = r"""
value() { sed -n "s/^export $1=//p" console.txt; }
csp-invitations-exporter simulate --listen 127.0.0.1:8091 --organizations 2 >console.txt 2>/dev/null &
until grep -q CSP_CLIENT_SECRET console.txt; do sleep 0.05; done
SECRET=$(value CSP_CLIENT_SECRET) ORGANIZATION_ID=$(value CSP_ORGANIZATION_ID | cut -d, -f1) CONSOLE=http://127.0.0.1:8091
export SECRET ORGANIZATION_ID CONSOLE
printf '%s' "$SECRET" >/run/secrets/acme
cat >config.yaml <<END
api: {url: "$CONSOLE"}
metrics: {trusted_domains: [example.com]}
credentials:
  acme-app: {client_id: $(value CSP_CLIENT_ID), client_secret_file: /run/secrets/acme}
organizations:
  - {id: $ORGANIZATION_ID, name: acme, credentials: acme-app}
  - {id: $(value CSP_ORGANIZATION_ID | cut -d, -f2), name: globex, credentials: acme-app}
END
cp config.yaml /etc/csp-invitations-exporter/
ACCESS_TOKEN=$(curl -fsS -u "$(value CSP_CLIENT_ID):$SECRET" -d grant_type=client_credentials "$CONSOLE/csp/gateway/am/api/auth/token" | jq -r .access_token)
export ACCESS_TOKEN
# A release of this folder, signed as a maintainer does it.
release() { sha256sum alerts.yaml >SHA256SUMS; openssl dgst -sha256 -sign release.key -out SHA256SUMS.sig SHA256SUMS; }
own_values() { sed -E "s/my-client-id/$(value CSP_CLIENT_ID)/; s/id: 0b0a[0-9a-f-]{32}/id: $ORGANIZATION_ID/; 1i api: {url: '$CONSOLE'}"; }
ready() { until curl -fsS -o /dev/null http://localhost:10094/readyz 2>/dev/null; do sleep 0.05; done; }
end() { kill "$1"; wait "$1"; }
"""


def blocks(path):
    """Language and text of each fenced block, without its indentation, and the file that it is to be, if any."""
    for file, indent, language, text in BLOCK.findall(path.read_text()):
        yield language, re.sub(rf"(?m)^{indent}", "", text), file


def commands(language, text):
    """The commands of a block, each as it is pasted; of a console those behind the prompt."""
    if text.startswith(CRON):
        # Behind the time stands the user.
        return [text.removeprefix(CRON).partition(" ")[2].strip()]
    if language == "console" and text.startswith("$ "):
        return [one.rstrip("\n") for one in re.split(r"(?m)^\$ ", text)[1:]]
    found, begun = [], ""
    for line in text.splitlines(keepends=True):
        begun += line
        # A command goes on as long as the shell wants more.
        is_whole = subprocess.run(["bash", "-n"], input=begun, text=True, capture_output=True, check=False).returncode == 0
        if is_whole and not line.endswith(("\\\n", "|\n")):
            found.append(begun.rstrip("\n"))
            begun = ""
    require(not begun, f"no whole command: {begun}")
    return found


def script(pages, counts):
    """All pages as one script; each in a shell of its own. Says at each command where it is, on descriptor 3."""
    text = ["set -euo pipefail", SETUP]
    for page in pages:
        lines = []
        for language, block, file in blocks(page):
            if language == "yaml" and file:
                # The reader's own values take the place of those that say so.
                write = "own_values" if file == "config.yaml" else "cat"
                lines += [f"{write} >{file} <<'END'", block.rstrip("\n"), "END"]
            if language not in SHELL and not block.startswith(CRON):
                continue
            for command in commands(language, block):
                reason = next((reason for pattern, reason in ELSEWHERE if re.match(pattern, command)), None)
                counts[reason or "run"] += 1
                if reason:
                    continue
                lines.append(f"printf '%s\\n' {quoted(f'{page.relative_to(ROOT)}: {command}')} >&3")
                is_lasting = LASTING.match(command)
                lines.append(f"{command} >/dev/null 2>&1 & lasting=$!; ready; end $lasting" if is_lasting else command)
                lines += ["ready"] if command.startswith("docker run -d") else []
        if page.name == "SECURITY.md":
            lines.insert(0, "release")
        if lines:
            text.append("(\n" + "\n".join(lines) + "\n) </dev/null")
        if page == ROOT / "README.md":
            # From here on what the pages call `config.yaml` has both organizations.
            text.append("cp /etc/csp-invitations-exporter/config.yaml .")
    return "\n".join([*text, ""])


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def enter(folder):
    """The command that goes into namespaces of its own and runs `script.sh` of the folder there; None where that is not allowed."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    command = command if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=EXPORTER_BINARY", *command]
    tried = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, check=False)
    return None if tried.returncode else [*command, sys.executable, __file__, str(folder)]


def furnish(folder):
    """The reader's machine, from inside its namespaces."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        # SIOCSIFFLAGS with IFF_UP: nothing but loopback.
        fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 1))
    mount = lambda *arguments: subprocess.run(["mount", *arguments], check=True)  # noqa: E731
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "tmpfs", "/run")
    for name in ("secrets", "over", "work", "var"):
        os.mkdir(f"/run/{name}")
    mount("-t", "overlay", "overlay", "-o", "lowerdir=/etc,upperdir=/run/over,workdir=/run/work", "/etc")
    mount("--bind", "/run/var", "/var/lib")
    for path in ("/etc/csp-invitations-exporter", "/var/lib/csp-invitations-exporter", "/var/lib/prometheus/node-exporter"):
        os.makedirs(path, exist_ok=True)
    users = {"exporter": 64001, "csp-invitations-exporter": 64002}
    for name, line in (("passwd", "{0}:x:{1}:{1}::/:/bin/false\n"), ("group", "{0}:x:{1}:\n"), ("hosts", "")):
        with open(f"/etc/{name}", "a", encoding="utf-8") as file:
            file.write("".join(line.format(*user) for user in users.items()) or "127.0.0.1 localhost exporter exporter.example\n")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "csp-invitations-exporter").symlink_to(BINARY.resolve())
    for name, text in PROGRAMS.items():
        (programs / name).write_text("#!/bin/bash\n" + text)
        (programs / name).chmod(0o755)
    os.environ["PYTHON"], os.environ["TESTS"], os.environ["EDITOR"] = sys.executable, str(ROOT / "tests/real"), "sudoedit"
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)


def run(folder, text, seconds):
    """Runs a script on the reader's machine, in the folder. What it wrote; None where there can be no such machine."""
    command = enter(folder)
    if command is None:
        return None
    (folder / "script.sh").write_text(text)
    shell = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, errors = shell.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        out, errors = shell.communicate()
        errors += f"\nnot within {seconds} s"
    place = folder / "place"
    where = place.read_text().splitlines()[-1] if place.exists() and place.stat().st_size else "before the first command"
    require(shell.returncode == 0, f"{where}\n{out[-3000:]}{errors[-3000:]}")
    return out


def paste(pages, folder):
    """Every command of the pages' shell blocks; how many ran, and how many did not for which reason. None as in `run`."""
    counts = Counter()
    # What pages take from a checkout.
    (folder / "dashboards").mkdir()
    shutil.copytree(ROOT / "dashboards/rules", folder / "dashboards/rules")
    shutil.copy(ROOT / "dashboards/rules/alerts.yaml", folder)
    shutil.copy(ROOT / "dashboards/invitations-overview.json", folder / "dashboards")
    return counts if run(folder, script(pages, counts), 300) is not None else None


if __name__ == "__main__":
    inside = Path(sys.argv[1])
    furnish(inside)
    os.dup2(os.open(inside / "place", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 3)
    os.set_inheritable(3, True)
    os.execvp("bash", ["bash", "script.sh"])
