#!/usr/bin/env python3
"""What the documentation offers to paste works as it stands: docs/rehearse.md from end to end in a shell, and each YAML block of the other
pages through whatever reads it: the binary's `check`, promtool, or Helm's values against the chart.

Needs promtool, htpasswd (apache2-utils), PyYAML and `helm-python-sdk`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from exporter import BINARY, ROOT, main, require

sys.path.insert(0, str(ROOT / "deploy/helm"))
import build  # noqa: E402

BLOCK = re.compile(r"(?ms)^( *)```(\w+)\n(.*?)^\1```$")
CONFIGURATION = {"api", "poll", "metrics", "credentials", "organizations", "organization_files"}
WEB = {"tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"}


def blocks(path):
    """Language and text of each fenced block, without its indentation."""
    for indent, language, text in BLOCK.findall(path.read_text()):
        yield language, re.sub(rf"(?m)^{indent}", "", text)


def pasted(text):
    """What a reader types: the lines behind the prompt, here-documents as they are."""
    return re.sub(r"(?m)^\$ ", "", text)


def rehearsal(folder):
    """docs/rehearse.md, block for block, in one shell."""
    path = ROOT / "docs/rehearse.md"
    script = ["set -euo pipefail", f'export PATH="{folder}/bin:$PATH"']
    for language, text in blocks(path):
        if language == "console":
            script.append(pasted(text))
        elif language == "yaml":
            Path(folder, "prometheus.yml").write_text(text)
    os.mkdir(f"{folder}/bin")
    os.symlink(BINARY.resolve(), f"{folder}/bin/csp-invitations-exporter")
    os.symlink(ROOT / "dashboards/rules", f"{folder}/rules")
    shell = subprocess.Popen(["bash", "-c", "\n".join(script)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, errors = shell.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        out, errors = shell.communicate()
        require(False, f"rehearse.md: not within three minutes: {out[-3000:]}{errors[-3000:]}")
    finally:
        # The page's last line ends what it began; a failure in between does not.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
    require(shell.returncode == 0, f"rehearse.md: {out[-3000:]}{errors[-3000:]}")
    for words in ("confirmed: the answer is a bare JSON array", 'csp_poll_failing{organization="acme",reason="credentials"} 1', "organization,username,status"):
        require(words in out, f"rehearse.md: nothing says {words!r}: {out[-3000:]}")
    checked = subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=folder, capture_output=True, text=True, check=False)
    require(checked.returncode == 0, f"rehearse.md: {checked.stdout}{checked.stderr}")


def configuration(text, where):
    """A whole configuration, or a part of one that is completed."""
    value = yaml.safe_load(text)
    with tempfile.TemporaryDirectory() as folder:
        if "organizations" not in value and "organization_files" not in value:
            return "part"
        Path(folder, "config.yaml").write_text(text)
        done = subprocess.run([BINARY, "check", f"--config.file={folder}/config.yaml"], capture_output=True, text=True, check=False)
        problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
        # The secrets are the reader's.
        left = [line for line in problems if "cannot be read" not in line and "not there" not in line and "No such file" not in line]
        require(not left, f"{where}: {left}")
    return "configuration"


def documented_hash():
    """The command for a user's hash gives what the web configuration takes."""
    text = (ROOT / "docs/http.md").read_text()
    command = re.search(r"# (htpasswd .*)", text)[1]
    require(command == "htpasswd -nBC 10 \"\" | tr -d ':\\n'", f"docs/http.md: {command}")
    batch = command.replace("-nBC 10 \"\"", "-nbBC 10 '' rehearsal")
    made = subprocess.run(["bash", "-c", batch], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "web.yaml").write_text(f"basic_auth_users:\n  prometheus: {made}\n")
        Path(folder, "config.yaml").write_text((ROOT / "examples/minimal.yaml").read_text())
        done = subprocess.run([BINARY, "check", f"--config.file={folder}/config.yaml", f"--web.config.file={folder}/web.yaml"], capture_output=True, text=True, check=False)
        require("web configuration:" in done.stdout and "is fine" in done.stdout, f"the hash of docs/http.md: {done.stdout}")


def smallest_web_configuration():
    """examples/web.yaml, with the certificate that its comment makes."""
    text = (ROOT / "examples/web.yaml").read_text()
    command = re.search(r"(?ms)openssl req.*?server\.crt", text)[0].replace("\\\n  #", "")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True)
        Path(folder, "web.yaml").write_text(text)
        Path(folder, "config.yaml").write_text((ROOT / "examples/minimal.yaml").read_text())
        done = subprocess.run([BINARY, "check", f"--config.file={folder}/config.yaml", f"--web.config.file={folder}/web.yaml"], capture_output=True, text=True, check=False)
        require("is fine" in done.stdout, f"examples/web.yaml: {done.stdout}")


def yaml_blocks():
    """Each YAML block of the pages, through its reader."""
    counts = {}
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy/helm/csp-invitations-exporter/README.md"]
    for path in pages:
        for number, (language, text) in enumerate(blocks(path)):
            if language != "yaml" or path.name == "rehearse.md":
                continue
            where = f"{path.relative_to(ROOT)}, block {number + 1}"
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError as error:
                require(False, f"{where}: {error}")
            keys = value.keys() if isinstance(value, dict) else set()
            kind = "other"
            if path.parent.name == "csp-invitations-exporter" and "apiVersion" not in keys:
                build.render({"config": {}, **value})
                kind = "values"
            elif keys & CONFIGURATION and keys <= CONFIGURATION and "…" not in text:
                kind = configuration(text, where)
            elif "scrape_configs" in keys:
                with tempfile.TemporaryDirectory() as folder:
                    Path(folder, "prometheus.yml").write_text(text)
                    done = subprocess.run(["promtool", "check", "config", "--syntax-only", f"{folder}/prometheus.yml"], capture_output=True, text=True, check=False)
                    require(done.returncode == 0, f"{where}: {done.stdout}{done.stderr}")
                kind = "scrape configuration"
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def consoles():
    """Each command of a console block is one that this or another test runs, or one of the binary with flags that it knows."""
    count = 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for language, text in blocks(path):
            if language != "console" or path.name == "rehearse.md":
                continue
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                command = line.removeprefix("$ ").removeprefix("sudo ")
                found = re.search(r"(?:^|-- |target/release/)csp-invitations-exporter((?: [^|;&>]*)?)", command)
                if not line.startswith("$ ") or not found or "docker" in command:
                    continue
                flags = found[1].replace("…", "").split("#")[0]
                done = subprocess.run(["bash", "-c", f"{BINARY} {flags} --help"], capture_output=True, text=True, check=False)
                require(done.returncode == 0, f"{path.relative_to(ROOT)}: {command}: {done.stderr}")
                count += 1
    return count


def check():
    with tempfile.TemporaryDirectory() as folder:
        rehearsal(folder)
    documented_hash()
    smallest_web_configuration()
    counts = yaml_blocks()
    print(f"rehearsed; {consoles()} commands known; YAML: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}")


main(check)
