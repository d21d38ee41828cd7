#!/usr/bin/env python3
"""Many organizations in one process: how long a round of polls takes, what it costs, and what is left at rest.

    EXPORTER_BINARY=target/release/csp-invitations-exporter tests/perf/scale.py [ORGANIZATIONS...]

The simulated API answers in 50 ms; the exporter has 64 requests under way at once and no request budget. Printed for each
number of organizations: the start (from exec to the first 200 of /metrics), the rounds, CPU time per organization and
round, CPU and memory at rest. The simulator runs on the same processors, and its share is not the exporter's.
"""

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


def memory(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def put(url, body):
    request = urllib.request.Request(url, data=body, method="PUT")
    urllib.request.urlopen(request, timeout=30).read()


def polls(base):
    total = 0
    for line in scrape.get(f"{base}/metrics", scrape.PLAIN[1]).splitlines():
        if line.startswith(b"csp_polls_total{"):
            total += int(float(line.rsplit(b" ", 1)[1]))
    return total


def measure(organizations):
    with tempfile.TemporaryDirectory() as name:
        folder, processes = pathlib.Path(name), []
        try:
            variable, control, ids = scrape.simulator(folder, organizations, INVITATIONS, processes)
            put(f"{control}/latency", str(LATENCY).encode())
            scrape.configure(folder, variable, ids,
                             api="requests_per_second: 0, max_concurrent_requests: 64", interval=f"{INTERVAL}s")
            port = scrape.free_port()
            base = f"http://127.0.0.1:{port}"
            begin = time.monotonic()
            exporter = subprocess.Popen([scrape.BINARY, f"--config.file={folder / 'config.yaml'}",
                                         f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
            processes.append(exporter)
            while True:
                try:
                    scrape.get(f"{base}/metrics", scrape.PLAIN[1])
                    break
                except OSError:
                    time.sleep(0.001)
            first_answer = time.monotonic() - begin
            scrape.wait_until(lambda: scrape.get(f"{base}/readyz", {}) is not None, "the first round", 600)
            first_round = time.monotonic() - begin
            # Rounds run without a pause of their own: a round is as long as the interval, or as it takes.
            counted, cpu, since = polls(base), scrape.cpu_seconds(exporter.pid), time.monotonic()
            # As rarely as a Prometheus scrapes: what is measured is the polls.
            scrape.wait_until(lambda: polls(base) >= counted + 2 * organizations, "two rounds", 600, pause=15)
            took = time.monotonic() - since
            done = polls(base) - counted
            spent = scrape.cpu_seconds(exporter.pid) - cpu
            print(f"{organizations:>6} organizations: first 200 after {first_answer * 1000:.0f} ms, first round (with the "
                  f"exchange of credentials) {first_round:.1f} s, then {done / took:.0f} polls a second "
                  f"({organizations / (done / took):.1f} s a round), {spent / done * 1e6:.0f} µs of CPU a poll, "
                  f"{memory(exporter.pid, 'VmRSS'):.0f} MiB resident, {memory(exporter.pid, 'VmHWM'):.0f} MiB at most")
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ["10", "100", "1000", "10000"]):
        measure(count)
