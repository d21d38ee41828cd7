#!/usr/bin/env python3
"""What the documentation offers to paste works as it stands: docs/rehearse.md from end to end, with a real Prometheus; each command of the
other pages, as reader.py says; and each YAML block through whatever reads it: the binary's `check`, promtool, or Helm's values against the chart.
What it shows of the log is what the source says.

Needs Prometheus, promtool, jq, htpasswd (apache2-utils), PyYAML and `helm-python-sdk`, and for the commands root or sudo without a password.
"""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reader
import yaml
from exporter import BINARY, ROOT, main, require

sys.path.insert(0, str(ROOT / "deploy/helm"))
import build  # noqa: E402

REHEARSAL = ROOT / "docs/rehearse.md"
# Its commands are those of install.py.
CHART = ROOT / "deploy/helm/csp-invitations-exporter/README.md"
# In the order in which a reader comes to them.
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), ROOT / "dashboards/README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {REHEARSAL})]
CONFIGURATION = {"api", "poll", "metrics", "credentials", "organizations", "organization_files"}
WEB = {"tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"}


# What a rehearsal has said by its end.
SAID = ["confirmed: the answer is a bare JSON array", 'msg="the first list of invitations is there" organization=initech',
        "CSPInvitationsPrivilegedPending acme\n", "CSPCredentialsRejected acme\n", '"reason": "credentials"', "organization,username,status"]


def rehearsal(folder):
    """docs/rehearse.md, block for block, in one shell; the list of people is as long as the alert says."""
    lines = ["set -euo pipefail", f"export CHECKOUT={ROOT}"]
    for language, text, _ in reader.blocks(REHEARSAL):
        require(language == "console", f"rehearse.md has a block of {language}, which nobody pastes")
        lines += reader.commands(language, text)
    out = reader.run(folder, "\n".join(lines), 300)
    if out is None:
        return False
    for words in SAID:
        require(words in out, f"rehearse.md: nothing says {words!r}: {out[-3000:]}")
    number, listed = re.search(r"(?s)\n(\d+) available invitations of organization acme .*?\nORGANIZATION [^\n]*\n(.*?)\norganization,username", out).groups()
    require(len(listed.splitlines()) == int(number), f"rehearse.md: the alert says {number}, and listed are\n{listed}")
    return True


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


def web_configuration(text, where):
    """A web configuration, with the certificate that the comment of the smallest one makes, and its hash where a hash is left out."""
    smallest = (ROOT / "examples/web.yaml").read_text()
    command = re.search(r"(?ms)openssl req.*?server\.crt", smallest)[0].replace("\\\n  #", "")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True)
        text = re.sub(r"\$2y\$10\$…", re.search(r"\$2y\S+", smallest)[0], text)
        text = re.sub(r"((?:cert|client_ca)_file: )[^\s,}]+", r"\1server.crt", text)
        Path(folder, "web.yaml").write_text(re.sub(r"(key_file: )[^\s,}]+", r"\1server.key", text))
        Path(folder, "config.yaml").write_text((ROOT / "examples/minimal.yaml").read_text())
        done = subprocess.run([BINARY, "check", f"--config.file={folder}/config.yaml", f"--web.config.file={folder}/web.yaml"], capture_output=True, text=True, check=False)
        require("is fine" in done.stdout, f"{where}: {done.stdout}")
    return "web configuration"


def yaml_blocks():
    """Each YAML block of the pages, through its reader."""
    counts = {}
    for path in [*PAGES, CHART]:
        for number, (language, text, file) in enumerate(reader.blocks(path)):
            if language != "yaml":
                continue
                continue
            where = f"{path.relative_to(ROOT)}, block {number + 1}"
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError as error:
                require(False, f"{where}: {error}")
            keys = value.keys() if isinstance(value, dict) else set()
            kind = "of other programs, read as YAML"
            if file == "my-overlay/kustomization.yaml":
                kind = "overlay, which is applied"
            elif keys and keys <= WEB:
                kind = web_configuration(text, where)
            elif path == CHART and "apiVersion" not in keys:
                build.render({"config": {}, **value})
                kind = "values"
            elif keys & CONFIGURATION and keys <= CONFIGURATION and "…" not in text:
                kind = configuration(text, where)
            elif keys & {"scrape_configs", "rule_files"}:
                with tempfile.TemporaryDirectory() as folder:
                    Path(folder, "prometheus.yml").write_text(text)
                    done = subprocess.run(["promtool", "check", "config", "--syntax-only", f"{folder}/prometheus.yml"], capture_output=True, text=True, check=False)
                    require(done.returncode == 0, f"{where}: {done.stdout}{done.stderr}")
                kind = "of Prometheus"
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def said_by_the_source():
    """What the texts of the source can become, as expressions: a placeholder is any few words, and a text is more than that."""
    for path in (ROOT / "crates/csp-api/src").rglob("*.rs"):
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', re.sub(r"\\\n\s*", "", path.read_text())):
            if len(re.sub(r"\{[^{}]*\}", "", literal)) > 20:
                yield re.compile(re.sub(r"\\\{[^{}]*\\\}", ".{1,60}", re.escape(literal)))


def log_lines():
    """What a page shows of the log is what the program says: meaning and action of a failed poll."""
    texts, count = list(said_by_the_source()), 0
    for path in PAGES:
        for text in re.findall(r'(?:meaning|action)="([^"]*)"', path.read_text()):
            require(any(one.fullmatch(text) for one in texts), f"{path.relative_to(ROOT)}: nothing says {text!r}")
            count += 1
    return count


def check():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, ThreadPoolExecutor() as pool:
        rehearsed, pasted = pool.submit(rehearsal, Path(one)), pool.submit(reader.paste, PAGES, Path(other))
        documented_hash()
        web_configuration((ROOT / "examples/web.yaml").read_text(), "examples/web.yaml")
        counts = yaml_blocks()
        rehearsed, pasted = rehearsed.result(), pasted.result()
    print(f"{log_lines()} texts of the log are said")
    print(f"YAML: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}")
    if not rehearsed or pasted is None:
        print("commands of the pages: no namespaces to paste them in are to be had here")
        sys.exit(75)
    print(f"rehearsed; {pasted.pop('run')} commands of other pages pasted")
    for reason, count in pasted.most_common():
        print(f"{count} not run: each {reason}")


main(check)
