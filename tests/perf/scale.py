#!/usr/bin/env python3
"""Many organizations in one process: how long a round of polls takes, what it costs, and what is left at rest.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/scale.py [ORGANIZATIONS...]

Organizations of 100 invitations. The simulated API answers in 50 ms; the exporter has 64 requests under way at once, no
request budget, and a minute between polls. Printed for each number of organizations: the start (from exec to the first 200
of /healthz), the first round, the rounds after it, CPU time per poll, memory, and the CPU at rest, with an hour between
polls. Nobody scrapes: what scrapes cost has a script of its own. The simulator runs on the same processors, and its share
is not the exporter's.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import scrape

INVITATIONS = 100
LATENCY = 50
INTERVAL = 60
REST = 20


def memory(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def switches(pid):
    """How often the process has given up a processor of its own accord: each time it was woken up."""
    return sum(int(line.split()[1]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
               for line in (task / "status").read_text().splitlines() if line.startswith("voluntary_ctxt_switches"))


def put(url, body):
    request = urllib.request.Request(url, data=body, method="PUT")
    urllib.request.urlopen(request, timeout=30).read()


class Run:
    """An exporter beside a simulator."""

    def __init__(self, folder, organizations, invitations, interval, extra="", latency=LATENCY, speed=0):
        self.folder, self.processes = pathlib.Path(folder), []
        variable, self.control, self.ids = scrape.simulator(
            self.folder, organizations, invitations, self.processes, speed)
        put(f"{self.control}/latency", str(latency).encode())
        scrape.configure(self.folder, variable, self.ids,
                         api="requests_per_second: 0, max_concurrent_requests: 64", interval=interval)
        with open(self.folder / "config.yaml", "a") as file:
            file.write(extra)

    def start(self, prefix=()):
        """Starts the exporter; `prefix` is a command that runs it."""
        port = scrape.free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.begin = time.monotonic()
        self.exporter = subprocess.Popen(
            [*prefix, scrape.BINARY, f"--config.file={self.folder / 'config.yaml'}",
             f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
        self.processes.append(self.exporter)
        return self.exporter.pid

    def first_answer(self, path):
        while True:
            try:
                scrape.get(self.base + path, scrape.GZIP[1])
                return time.monotonic() - self.begin
            except OSError:
                time.sleep(0.001)

    def ready(self):
        def is_ready():
            if self.exporter.poll() is not None:
                sys.exit(f"the exporter ended with {self.exporter.returncode}")
            return scrape.get(f"{self.base}/readyz", {}) is not None
        scrape.wait_until(is_ready, "the first round", 600)
        return time.monotonic() - self.begin

    def polls(self):
        """What the simulator was asked, so that nobody has to scrape."""
        operations = json.loads(scrape.get(f"{self.control}/requests", {}))["operations"]
        return operations.get("invitations", {}).get("total", 0)

    def end(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)


def rounds(organizations):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, organizations, INVITATIONS, f"{INTERVAL}s")
        try:
            pid = run.start()
            first_answer = run.first_answer("/healthz")
            first_round = run.ready()
            first_cpu = scrape.cpu_seconds(pid)
            # Rounds follow each other without a pause of their own: one takes as long as the interval, or as it takes.
            counted, cpu, since = run.polls(), scrape.cpu_seconds(pid), time.monotonic()
            time.sleep(2 * INTERVAL)
            took, done = time.monotonic() - since, run.polls() - counted
            spent = scrape.cpu_seconds(pid) - cpu
            print(f"{organizations:>6} organizations: first 200 after {first_answer * 1000:.0f} ms; first round (with the "
                  f"exchange of credentials and the names) {first_round:.1f} s and {first_cpu:.2f} s of CPU; then "
                  f"{organizations / (done / took):.1f} s a round, {spent / done * 1e6:.0f} µs of CPU a poll; "
                  f"{memory(pid, 'VmRSS'):.0f} MiB resident, {memory(pid, 'VmHWM'):.0f} MiB at most", flush=True)
        finally:
            run.end()


def rest(organizations):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, organizations, INVITATIONS, "1h")
        try:
            pid = run.start()
            run.ready()
            # Names are asked for after the first polls.
            time.sleep(REST)
            cpu, woken, since = scrape.cpu_seconds(pid), switches(pid), time.monotonic()
            time.sleep(REST)
            took = time.monotonic() - since
            print(f"{organizations:>6} organizations at rest: {(scrape.cpu_seconds(pid) - cpu) / took * 100:.3f} % of a "
                  f"core, {(switches(pid) - woken) / took:.1f} wake-ups a second, {memory(pid, 'VmRSS'):.0f} MiB resident",
                  flush=True)
        finally:
            run.end()


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ["10", "100", "1000", "10000"]):
        rounds(count)
        rest(count)
