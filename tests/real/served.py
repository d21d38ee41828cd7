"""`serve` against the simulated API, as the checks of disks run it: with a log to look at, and answers that must come at once."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time

from exporter import BINARY, Failed, fetch, require, until

# Long for an answer that needs no disk, on a busy machine.
AT_ONCE = 2.0


class Simulator:
    """The simulated API, in which time runs fast: something happens in every poll."""

    def __init__(self, organizations):
        self._command = [BINARY, "simulate", "--listen=127.0.0.1:0", "--control.listen=127.0.0.1:0", "--invitations=200",
                         f"--organizations={organizations}", "--speed=20000"]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        found = {}
        while not {"URL", "ORGANIZATION_ID", "CLIENT_ID", "CLIENT_SECRET"} <= found.keys():
            line = self._process.stdout.readline()
            require(line, "the simulator ended")
            if said := re.match(r"export CSP_(\w+)=(\S+)", line):
                found[said[1]] = said[2].strip("'\"")
        self.url, self.client_id, self.secret = (found[name] for name in ("URL", "CLIENT_ID", "CLIENT_SECRET"))
        self.ids = found["ORGANIZATION_ID"].split(",")
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def configuration(self, secret, *, interval="2s", api=""):
        """One organization for each of the two credentials: `one` uses the file `secret`, `two` one that is always there."""
        return (f"api: {{url: '{self.url}', requests_per_second: 0{api}}}\npoll: {{interval: {interval}, deadline: 1900ms}}\n"
                f"credentials:\n  own: {{client_id: {self.client_id}, client_secret_file: {secret}}}\n"
                f"  sound: {{client_id: {self.client_id}, client_secret_file: sound}}\n"
                f"organizations:\n  - {{id: {self.ids[0]}, name: one, credentials: own}}\n"
                f"  - {{id: {self.ids[1]}, name: two, credentials: sound}}\n")


class Exporter:
    """`serve`; `with` kills it."""

    def __init__(self, *flags):
        self.log_file = tempfile.TemporaryFile()
        command = [BINARY, "--web.listen-address=127.0.0.1:0", "--web.probe-listen-address=127.0.0.1:0", *map(str, flags)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file, env={})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise Failed("it can't be killed: it waits for a disk that has taken its request") from None

    def listening(self):
        """Waits until it listens, and returns itself."""
        def address(serves):
            return re.search(rf'listening address=(\S+) serves="?{serves}', self.log())

        until("it listens", lambda: address("health") or self.process.poll() is not None, 20)
        require(self.process.poll() is None, f"it ended with {self.process.poll()}: {self.log()}")
        scheme = "https" if "tls" in self.log() else "http"
        self.address = address("everything")[1]
        self.url, self.probes = f"{scheme}://{self.address}", f"http://{address('health')[1]}"
        return self

    def log(self):
        """All that it has logged."""
        size = os.fstat(self.log_file.fileno()).st_size
        return os.pread(self.log_file.fileno(), size, 0).decode()

    def sample(self, name):
        """The value of the sample that is written so; `None` when there is none."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.scrape(), re.M)
        return float(found[1]) if found else None

    def scrape(self):
        """One scrape."""
        status, text = fetch(f"{self.url}/metrics")
        require(status == 200, f"/metrics answers {status}: {text}")
        return text

    def total(self, family, organization="one"):
        """The sum over an organization's samples of a family."""
        found = re.findall(rf'^{family}\{{organization="{organization}"[^}}]*\}} (\S+)$', self.scrape(), re.M)
        return sum(map(float, found)) if found else None

    def is_well(self, *, polls="two"):
        """Scrapes, health and the page answer at once, and this organization is polled on."""
        until("it is ready", lambda: fetch(f"{self.url}/readyz")[0] == 200)
        for url in (f"{self.url}/metrics", f"{self.url}/", f"{self.url}/readyz", f"{self.probes}/livez"):
            start = time.monotonic()
            status, text = fetch(url)
            took = time.monotonic() - start
            require(status == 200 and took < AT_ONCE, f"{url} answers {status} after {took:.1f} s: {text[:200]}")
        before = self.total("csp_polls_total", polls)
        until(f"polls of {polls} go on", lambda: self.total("csp_polls_total", polls) >= before + 2)
        until(f"{polls} is up", lambda: self.sample(f'csp_up{{organization="{polls}"}}') == 1)

    def reload(self, expected, at_most=AT_ONCE):
        """`POST /-/reload`, and its answer."""
        start = time.monotonic()
        status, text = fetch(f"{self.url}/-/reload", method="POST", body=b"")
        took = time.monotonic() - start
        require(status == expected and took < at_most, f"a reload answers {status} after {took:.1f} s: {text}")
        return text

    def stop(self, at_most):
        """SIGTERM, and its end within so many seconds."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=at_most + 10)
        except subprocess.TimeoutExpired:
            raise Failed(f"it does not end: {self.log()[-2000:]}") from None
        took = time.monotonic() - start
        require(code == 0 and took < at_most, f"it ended with {code} after {took:.1f} s")
