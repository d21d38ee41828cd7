#!/usr/bin/env python3
"""Polls through a real squid, with the configuration of examples/proxies: by CONNECT, with a password, to a service whose certificate is
of a private authority, and with a squid that opens TLS. What goes wrong is named as what it is.

The service is the simulated one, behind an nginx that speaks TLS and HTTP/2. Needs squid-openssl, nginx, htpasswd (apache2-utils) and openssl.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from exporter import BINARY, fetch, require, until
from pki import Authority
from servers import Exporter, Nginx, Server, Simulator, example, free_port, tried

HOST, OTHER = "console.tanzu.broadcom.com", "console.cloud.vmware.com"
PASSWORD = "rehearsal"
CERTIFICATES = "/usr/lib/squid/security_file_certgen"
# Debian's user; squid does not run as root.
AS_USER = ["setpriv", "--reuid=proxy", "--regid=proxy", "--clear-groups"] if os.geteuid() == 0 else []


class Squid(Server):
    """A squid that opens TLS on its second port, and knows where the service is."""

    def __init__(self, name, service_port, service_ca):
        super().__init__(name)
        self.intercepting, folder = free_port(), self.folder
        for file in ("passwords", "hosts"):
            (folder / file).touch()
        shutil.copy(service_ca, folder / "service.crt")
        authority = Authority(folder, "squid")
        (folder / "ca.pem").write_text(authority.certificate.read_text() + authority.key.read_text())
        subprocess.run(["htpasswd", "-bB", folder / "passwords", "exporter", PASSWORD], check=True, capture_output=True)
        (folder / "hosts").write_text(f"127.0.0.1 {HOST} {OTHER}\n")
        rules = {"http_port 3128": f"http_port 127.0.0.1:{self.port}", "/etc/squid/": f"{folder}/", "acl https port 443": f"acl https port {service_port}"}
        opens = {"http_port 3129": f"http_port 127.0.0.1:{self.intercepting}", "/etc/squid/": f"{folder}/", "/var/spool/squid/": f"{folder}/",
                 "/etc/ssl/certs/ca-certificates.crt": f"{folder}/service.crt"}
        (folder / "squid.conf").write_text(f"""
{example("proxies/squid.conf", rules)}
{example("proxies/squid-intercept.conf", opens)}
hosts_file {folder}/hosts
pid_filename {folder}/pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
cache_mem 8 MB
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
visible_hostname squid.example.com
""")
        if AS_USER:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "proxy", "proxy")
        subprocess.run([*AS_USER, CERTIFICATES, "-c", "-s", folder / "certificates", "-M", "4MB"], check=True, capture_output=True)

    def command(self):
        # Its shared memory has this name: another squid on the machine may have the usual one.
        return [*AS_USER, "squid", "-N", "-n", f"csp{self.port}", "-f", f"{self.folder}/squid.conf"]

    def end(self, kill=False):
        """Ends it in good order, which takes a moment: only then it gives its shared memory back."""
        super().end()

    def ready(self):
        """Waits until both ports answer."""
        for port in (self.port, self.intercepting):
            until(f"squid; see {self.folder}/cache.log", lambda: self.heard(port), 30)

    def heard(self, port):
        """Whether anything answers at a port."""
        require(self.process.poll() is None, f"squid ended: {self.log.read_text()[-2000:]}")
        try:
            return fetch(f"http://127.0.0.1:{port}/")[0] >= 400
        except OSError:
            return False

    def seen(self):
        """What squid says of its requests."""
        return (self.folder / "access.log").read_text()

    def has_seen(self, pattern):
        """Waits for a line: a tunnel has its own once both sides have closed it, which is after the poll."""
        until(f"{pattern} in {self.folder}/access.log", lambda: re.search(pattern, self.seen()), 10)


class Bench:
    """A service that only squid can find, and the configuration that leads there."""

    def __init__(self, stack):
        enter = stack.enter_context
        self.simulator = enter(Simulator("squid", 1))
        self.terminator = Nginx("squid-service")
        self.port, tls = self.terminator.port, self.terminator.folder
        self.service_ca = Authority(tls, "service").certificate
        authority = Authority(tls, "service")
        authority.sign("console", f"DNS:{HOST}", f"DNS:{OTHER}")
        self.terminator.configure(f"""
  server {{ listen 127.0.0.1:{self.port} ssl http2; ssl_certificate {tls}/console.crt; ssl_certificate_key {tls}/console.key;
    location / {{ proxy_pass {self.simulator.url}; proxy_set_header Authorization $http_authorization; }} }}""")
        enter(self.terminator)
        self.squid = enter(Squid("squid-proxy", self.port, self.service_ca))
        self.squid.ready()

    def configuration(self, *, ca, host=HOST, proxy=None, password=PASSWORD):
        """examples/proxies/polls.yaml for here."""
        given = f"http://exporter:{password}@127.0.0.1:{proxy or self.squid.port}" if password else f"http://127.0.0.1:{proxy or self.squid.port}"
        text = example("proxies/polls.yaml", {
            f"proxy_url: http://exporter:{PASSWORD}@squid.example.com:3128": f"proxy_url: {given}", "/etc/tls/ca.crt": ca,
            "client_id: abc": f"client_id: {self.simulator.client_id}", "/run/secrets/acme": self.simulator.client_secret_file,
            "0b0a6c5e-3f0e-4a8b-9c1d-2e3f40516273": self.simulator.ids[0]})
        return text.replace("api:\n", f"api:\n  url: https://{host}:{self.port}\n")

    def run(self, command, text, environment=None):
        """Exit code, standard output and standard error of a command that polls once."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "config.yaml").write_text(text)
            clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            done = subprocess.run([BINARY, *command.split(), f"--config.file={folder}/config.yaml"], env={**clean, **(environment or {})},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        require("nobody-guesses" not in done.stdout + done.stderr and f":{PASSWORD}@" not in done.stdout + done.stderr, "the proxy's password is shown")
        return done.returncode, done.stdout, done.stderr

    def polls(self, *arguments):
        """A poll that works."""
        code, out, errors = self.run("once", *arguments)
        require(code == 0 and 'csp_up{organization="acme"} 1' in out, f"exit {code}: {errors}")

    def fails(self, reason, words, *arguments):
        """A poll that fails, and what has to be said of it."""
        code, out, errors = self.run("once", *arguments)
        require(code == 2 and f'csp_poll_failing{{organization="acme",reason="{reason}"}} 1' in out, f"exit {code}: {errors}")
        missing = [word for word in words if word not in errors]
        require(not missing, f"nothing says {missing}: {errors}")


def run(stack, report):
    bench = Bench(stack)
    squid, service = bench.squid, bench.service_ca
    own = squid.folder / "squid.crt"
    proxy = f"the proxy http://127.0.0.1:{squid.port}"
    with report.case("polls go by CONNECT, with a password, to a service of a private authority"):
        bench.polls(bench.configuration(ca=service))
        squid.has_seen(rf"TCP_TUNNEL/200 \d+ CONNECT {HOST}:{bench.port} exporter ")
        require("https://" not in squid.seen(), f"squid saw what is inside: {squid.seen()}")
    with report.case("check --online names the proxy, and works through it"):
        code, out, errors = bench.run("check --online", bench.configuration(ca=service))
        require(code == 0 and f"proxy: http://127.0.0.1:{squid.port} (api.proxy_url)" in out, f"exit {code}: {out}{errors}")
    with report.case("check --online says what the proxy refuses"):
        code, out, errors = bench.run("check --online", bench.configuration(ca=service, password="nobody-guesses"))
        require(code == 1 and "407" in out and "user and password" in out, f"exit {code}: {out}{errors}")
    with report.case("HTTPS_PROXY does what api.proxy_url does"):
        text = re.sub(r" +proxy_url: .*\n", "", bench.configuration(ca=service))
        bench.polls(text, {"HTTPS_PROXY": f"http://exporter:{PASSWORD}@127.0.0.1:{squid.port}"})
    for password in ("nobody-guesses", None):
        with report.case(f"{'a wrong' if password else 'no'} password is `connect`, and says 407 and what to do"):
            bench.fails("connect", ("status=407", proxy, "user and password", "api.proxy_url"), bench.configuration(ca=service, password=password))
    with report.case("a host that squid does not allow is `connect`, and says 403 and whom to ask"):
        bench.fails("connect", ("status=403", proxy, "allow CONNECT", "whoever runs the proxy"), bench.configuration(ca=service, host=OTHER))
        squid.has_seen(rf"TCP_DENIED/403 \d+ CONNECT {OTHER}:{bench.port} ")
    with report.case("without the service's authority a poll fails as `tls`, and says what to name"):
        bench.fails("tls", ("unknown issuer", "api.tls.ca_file"), bench.configuration(ca=own))
    with report.case("polls go through a squid that opens TLS, when its authority is named"):
        bench.polls(bench.configuration(ca=own, proxy=squid.intercepting))
        squid.has_seen(rf"TCP_MISS/200 \d+ GET https://{HOST}:{bench.port}/csp/gateway/am/api/orgs/\S+/invitations")
    with report.case("without it a poll fails as `tls`, and says that the proxy may be the one"):
        bench.fails("tls", ("unknown issuer", f"if the proxy http://127.0.0.1:{squid.intercepting} (api.proxy_url) opens TLS"), bench.configuration(ca=service, proxy=squid.intercepting))
    with report.case("polls go on after squid was away"):
        survives(bench, stack)
    with report.case("a service that squid does not reach is `connect`, and says 503 and what it means"):
        bench.terminator.end()
        bench.fails("connect", ("status=503", proxy, "why it does not reach"), bench.configuration(ca=service))


def survives(bench, stack):
    """A running exporter whose tunnels end with squid: polls fail meanwhile, and come back without it being told."""
    text = bench.configuration(ca=bench.service_ca) + "poll: {interval: 1s}\n"
    exporter = stack.enter_context(Exporter("squid", text))

    def value(name):
        found = re.search(rf"(?m)^{name} (\S+)$", fetch(f"{exporter.url}/metrics")[1])
        return float(found[1]) if found else 0.0

    good, up = 'csp_poll_failures_total{organization="acme",reason="connect"}', 'csp_up{organization="acme"}'
    until("the exporter", lambda: exporter.answers("/readyz"))
    until("a good poll", lambda: value(up) == 1)
    bench.squid.end()
    until("a poll that fails as connect", lambda: value(good) >= 1 and value(up) == 0)
    bench.squid.start()
    bench.squid.ready()
    until("a good poll", lambda: value(up) == 1)
    exporter.end()


def main():
    is_there = Path(CERTIFICATES).exists() and shutil.which("nginx")
    return tried(run, None if is_there else "there is no nginx, or no squid that opens TLS: Debian's package is squid-openssl")


if __name__ == "__main__":
    sys.exit(main())
