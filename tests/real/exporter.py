"""Starts the binary's `demo` on loopback for the checks of this folder, and talks to it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("EXPORTER_BINARY", ROOT / "target/release/csp-invitations-exporter"))
OUT = ROOT / "target/tests"

TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"

# Everything is on loopback: whatever proxy the environment names must not see it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """A check that did not hold."""


def require(condition, message):
    """Ends the check unless `condition` holds."""
    if not condition:
        raise Failed(message)


def until(what, probe, seconds=30.0):
    """Asks `probe` until it answers with something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        require(time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def fetch(url, accept=None, method="GET", body=None):
    """Status and body; a status of 400 and more is an answer like any other."""
    request = urllib.request.Request(url, method=method, data=body, headers={"Accept": accept} if accept else {})
    try:
        with _opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def stop(process):
    """SIGTERM, and SIGKILL for what does not listen."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class Demo:
    """A running `demo` in which each organization has been polled once; `with` ends it."""

    def __init__(self, scenario="steady", *, organizations=3, invitations=300, flags=()):
        self.command = [
            str(BINARY), "demo", "--web.listen-address=127.0.0.1:0", f"--scenario={scenario}",
            f"--organizations={organizations}", f"--invitations={invitations}", *flags,
        ]

    def __enter__(self):
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True)
        try:
            self._read_banner()
            until("readiness", lambda: fetch(f"{self.url}/readyz")[0] == 200, 60)
        except BaseException:
            self.__exit__(None, None, None)
            self._log.seek(0)
            sys.stderr.write(self._log.read().decode()[-4000:])
            raise
        return self

    def __exit__(self, *_):
        self.exit_code = stop(self.process)
        self.process.stdout.close()

    def _read_banner(self):
        self.url = self.control = None
        for line in self.process.stdout:
            if found := re.search(r"Metrics +http://localhost:(\d+)/metrics", line):
                self.url = f"http://127.0.0.1:{found[1]}"
            elif found := re.search(r"(http://\S+)/scenario", line):
                self.control = found[1]
            if line.startswith("Scenarios:"):
                break
        require(self.url and self.control, f"no addresses in what {self.command[1]} prints")

    def metrics(self, accept=TEXT):
        """One scrape."""
        status, body = fetch(f"{self.url}/metrics", accept)
        require(status == 200, f"/metrics answers {status}")
        return body

    def status(self):
        """The status as data."""
        return json.loads(fetch(f"{self.url}/api/v1/status")[1])

    def organizations(self):
        """Ids of the simulated organizations."""
        return [one["id"] for one in json.loads(fetch(f"{self.control}/organizations")[1])]

    def set_scenario(self, organization, scenario):
        """Changes what the simulated API does to one organization."""
        status, body = fetch(f"{self.control}/organizations/{organization}/scenario", method="PUT", body=scenario.encode())
        require(status == 204, f"the simulator answers {status}: {body}")


class Report:
    """A line for each thing that was tried, and their number at the end; for several threads."""

    def __init__(self):
        self._lock, self.passed, self.failed = threading.Lock(), 0, 0

    def line(self, good, text):
        """What was tried, and whether it held."""
        with self._lock:
            self.passed += good
            self.failed += not good
            print(f"{'ok    ' if good else 'FAILED'} {text}", flush=True)

    @contextlib.contextmanager
    def case(self, text):
        """The body is one thing that is tried; what comes after it runs also when it fails."""
        try:
            yield
        except Failed as failure:
            self.line(False, f"{text}: {failure}")
        except Exception:
            self.line(False, f"{text}: {traceback.format_exc()}")
        else:
            self.line(True, text)

    def end(self):
        """Prints the result, which tests/run reads, and is the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def main(check):
    """Runs a check; its failure is a message, not a trace."""
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        check()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
