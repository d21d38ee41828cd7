"""Servers that the checks of this folder run on loopback: Prometheus, Alertmanager, the simulated API, exporters."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import urllib.parse
from pathlib import Path

from exporter import BINARY, OUT, ROOT, Report, fetch, require, stop, until


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def end_at_signals():
    """Ends every server when this program is told to end, whatever it waits for."""

    def handler(number, _):
        for server in list(Server.running):
            server.process.kill()
            server._folder.cleanup()
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def tried(run, lacking):
    """Tries all that `run(stack, report)` does; the exit code. 75 with the reason where something is `lacking`."""
    require(BINARY.exists(), f"there is no {BINARY}")
    if lacking:
        print(lacking)
        return 75
    OUT.mkdir(parents=True, exist_ok=True)
    end_at_signals()
    report = Report()
    with report.case("all of it could be tried"), contextlib.ExitStack() as stack:
        run(stack, report)
    return report.end()


def packaged(name):
    """A program that a Python package brings, else the one of the path."""
    there = Path(sysconfig.get_path("scripts"), name)
    return str(there) if there.exists() else name


def example(path, replacements):
    """A file of examples/, with what a check has elsewhere in place of what a reader has: each has to be there."""
    text = (ROOT / "examples" / path).read_text()
    for there, here in replacements.items():
        require(there in text, f"examples/{path} has no {there}")
        text = text.replace(there, str(here))
    return text


class Server:
    """A process with a folder and a log of its own; `with` ends it and removes the folder, not the log."""

    running = set()

    def __init__(self, name):
        self.name, self.log = name, OUT / f"{name}.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self._folder = tempfile.TemporaryDirectory(prefix="csp-")
        self.folder = Path(self._folder.name)
        self.log.unlink(missing_ok=True)

    def command(self):
        """The command line."""
        raise NotImplementedError

    def start(self):
        """Runs it, once more if it has ended; does not wait for it."""
        with self.log.open("a") as log:
            # Python ignores SIGXFSZ, and so does what it starts: a write past a limit is an error then, and not the end.
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, restore_signals=False)
        Server.running.add(self)
        return self

    def end(self, kill=False):
        """Ends the process."""
        if self.process and self.process.poll() is None:
            if kill:
                self.process.kill()
                self.process.wait()
            else:
                stop(self.process)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end(kill=True)
        Server.running.discard(self)
        self._folder.cleanup()

    def answers(self, path):
        """Whether `path` is answered with 200; a process that has ended is a failure."""
        require(self.process.poll() is None, f"{self.command()[0]} ended; see {self.log}")
        try:
            return fetch(self.url + path)[0] == 200
        except OSError:
            return False


class Nginx(Server):
    """An nginx with these `server` blocks."""

    def configure(self, servers):
        """Writes the configuration, before the start."""
        folders = "".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(f"""
pid {self.folder}/pid; daemon off; master_process off;
events {{ worker_connections 64; }}
http {{ access_log off; {folders}
{servers}
}}
""")
        return self

    def command(self):
        return ["nginx", "-e", f"{self.folder}/error.log", "-c", f"{self.folder}/nginx.conf"]


class Proxy(Nginx):
    """An nginx that serves `target` below a path of its own, by the line of docs/http.md."""

    def __init__(self, name, prefix, target):
        super().__init__(f"nginx-{name}")
        self.url += prefix
        line = re.search(r"```nginx\n(.*)\n```", (ROOT / "docs/http.md").read_text())[1]
        line = line.replace("/prefix", prefix).replace("http://127.0.0.1:10094", target)
        self.configure(f"server {{ listen 127.0.0.1:{self.port}; {line} }}")


class Prometheus(Server):
    """A Prometheus with an empty store; its configuration is the text that is given."""

    def __init__(self, name, configuration="", features="", binary="prometheus"):
        super().__init__(f"prometheus-{name}")
        self.binary, self.features = binary, features
        self.configure(configuration)

    def configure(self, configuration):
        """Writes the configuration, before the start."""
        # No file of rules, which are looked for in the same folder as *.yaml.
        (self.folder / "prometheus.conf").write_text(configuration)

    def remember(self, openmetrics):
        """Fills the store with samples of the past, before the start."""
        (self.folder / "past").write_text(openmetrics)
        done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", self.folder / "past", self.folder / "data"],
                              capture_output=True, text=True, check=False)
        require(done.returncode == 0, f"promtool: {done.stdout}{done.stderr}")

    def command(self):
        features = [f"--enable-feature={self.features}"] if self.features else []
        return [self.binary, f"--config.file={self.folder}/prometheus.conf", f"--storage.tsdb.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=debug", *features]

    def api(self, path, **query):
        """Data of an answer, or nothing while the server is not there yet."""
        require(self.process.poll() is None, f"prometheus ended; see {self.log}")
        try:
            status, body = fetch(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        except OSError:
            return None
        return json.loads(body)["data"] if status == 200 else None

    def query(self, expression):
        """Series of an instant query."""
        data = self.api("query", query=expression)
        return data["result"] if data else []

    def value(self, expression):
        """The value of a query that has one."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if len(result) == 1 else None


class Alertmanager(Server):
    """An Alertmanager; its configuration is the text that is given."""

    def __init__(self, name, configuration):
        super().__init__(f"alertmanager-{name}")
        self.binary = next(filter(shutil.which, ("prometheus-alertmanager", "alertmanager")), None)
        require(self.binary, "there is no Alertmanager; Debian's package is prometheus-alertmanager")
        (self.folder / "alertmanager.yml").write_text(configuration)

    def command(self):
        return [self.binary, f"--config.file={self.folder}/alertmanager.yml", f"--storage.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]

    def alerts(self):
        """Every alert that it holds, suppressed ones included."""
        return json.loads(fetch(f"{self.url}/api/v2/alerts")[1])


class Simulator(Server):
    """The simulated API of the binary, with lists that the check itself puts there: empty ones at first."""

    def __init__(self, name, organizations):
        super().__init__(f"simulator-{name}")
        self.count, self.control = organizations, f"http://127.0.0.1:{free_port()}"

    def command(self):
        return [str(BINARY), "simulate", f"--listen=127.0.0.1:{self.port}", f"--control.listen={self.control.removeprefix('http://')}",
                f"--organizations={self.count}", "--invitations=3", "--speed=0"]

    def __enter__(self):
        super().__enter__()
        until("the simulated API", lambda: self.process.poll() is not None or "# " in self.log.read_text(), 30)
        banner = self.log.read_text()
        self.client_id = re.search(r"CSP_CLIENT_ID=(\S+)", banner)[1]
        self.client_secret_file = self.folder / "client-secret"
        self.client_secret_file.write_text(re.search(r"CSP_CLIENT_SECRET=(\S+)", banner)[1])
        # By organization, of the first ones.
        self.api_token_files = {}
        for organization, token in re.findall(r"^([0-9a-f-]{36})  (\S+)", banner, re.M):
            self.api_token_files[organization] = self.folder / organization
            self.api_token_files[organization].write_text(token)
        self.ids = [one["id"] for one in json.loads(fetch(f"{self.control}/organizations")[1])]
        for organization in self.ids:
            self.put_list(organization, [])
        return self

    def put(self, path, text, method="PUT"):
        """Changes something through the control endpoint."""
        status, body = fetch(self.control + path, method=method, body=text.encode())
        require(status == 204, f"the simulator answers {status}: {body}")

    def put_list(self, organization, invitations):
        """Makes these the invitations of an organization."""
        self.put(f"/organizations/{organization}/invitations", json.dumps(invitations))

    def scenario(self, organization, name):
        """Changes what the API does to one organization."""
        self.put(f"/organizations/{organization}/scenario", name)


class Exporter(Server):
    """`serve` with a configuration of its own, which may change while it runs."""

    def __init__(self, job, configuration, flags=(), name=None):
        super().__init__(f"exporter-{name or job}")
        self.job, self.flags = job, list(flags)
        self.configure(configuration)

    def configure(self, configuration):
        """Writes the configuration file: a dictionary, or text as it is."""
        text = configuration if isinstance(configuration, str) else json.dumps(configuration)
        (self.folder / "config.yaml").write_text(text)

    def command(self):
        return [str(BINARY), "serve", f"--config.file={self.folder}/config.yaml", f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn", *self.flags]

    @property
    def address(self):
        """What Prometheus scrapes."""
        return self.url.removeprefix("http://")

    def reload(self):
        """Status of a reload."""
        return fetch(f"{self.url}/-/reload", method="POST", body=b"")[0]
