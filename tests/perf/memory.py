#!/usr/bin/env python3
"""How much memory the exporter has: idle, scraped, after a plain scrape, five minutes later; and over ten thousand polls.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/memory.py [usual|many|limits|curve...]

What is scraped is scraped as Prometheus does (OpenMetrics, gzip) where nothing else is said. Figures are resident memory in
MiB, and bytes a series above the idle process. `limits` runs it in a control group of its own (needs root), with the limits
that docs/performance.md names: scrapers of all formats at once, slow ones among them, may not have it killed. A list of a
million invitations has a bench of its own: cargo bench --bench fold_ratio.
"""

import os
import pathlib
import socket
import sys
import tempfile
import threading
import time

import scale
import scrape

#: As the image and the systemd unit have it.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "131072")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
FORMS = [{"Accept": accept, **coding} for accept in (OPENMETRICS, PROTOBUF, "text/plain;version=0.0.4")
         for coding in ({}, {"Accept-Encoding": "gzip"})]
HEADERS = FORMS[1]
POLLS = 10_000
#: Organizations, invitations of each, the limit in MiB, the interval: 10,000 series, 200,000, a million, two million.
LIMITS = ((11, 300, 64, "1m"), (220, 300, 128, "1m"), (1100, 300, 256, "1m"), (2200, 300, 512, "2m"))
#: Few values of each open label: about 150 series an organization.
FEW = "\nmetrics: {joint: false, max_roles: 4, max_groups: 2}\n"


def run(organizations, invitations, interval, extra="", speed=0, prefix=()):
    folder = tempfile.TemporaryDirectory()
    started = scale.Run(folder.name, organizations, invitations, interval, extra, latency=0, speed=speed)
    started.temporary = folder
    started.start(prefix)
    try:
        started.ready()
    except BaseException:
        started.end()
        raise
    return started


def resident(started):
    return scale.memory(started.exporter.pid, "VmRSS"), scale.memory(started.exporter.pid, "VmHWM")


def scraped(started, times, pause=0.5):
    for _ in range(times):
        scrape.get(f"{started.base}/metrics", HEADERS)
        time.sleep(pause)


def fixed(label, organizations, invitations, extra=""):
    started = run(organizations, invitations, "1h", extra)
    try:
        time.sleep(15)
        idle = resident(started)[0]
        scraped(started, 20)
        after = resident(started)[0]
        series = scrape.series_of(scrape.get(f"{started.base}/metrics", scrape.PLAIN[1]))
        plain = resident(started)[0]
        # Who goes on is the Prometheus, who has stopped is the one who was curious.
        scraped(started, 10, 30)
        later, most = resident(started)

        def above(now):
            return f"{now:.1f} ({(now - idle) * 1024 * 1024 / series:.0f} B a series)"
        print(f"{label}: {series} series ({series / organizations:.0f} an organization); {idle:.1f} before the first scrape, "
              f"{above(after)} after twenty, {above(plain)} after a plain one, {above(later)} five minutes later, "
              f"{most:.1f} at most", flush=True)
    finally:
        started.end()


class Group:
    """A control group with a limit of memory and no swap, of either version."""

    def __init__(self, limit):
        root = pathlib.Path("/sys/fs/cgroup")
        self.is_old = (root / "memory").is_dir()
        self.folder = (root / "memory" if self.is_old else root) / f"csp-exporter-{os.getpid()}"
        self.folder.mkdir()
        self.set("memory.limit_in_bytes" if self.is_old else "memory.max", limit)

    def set(self, name, value):
        (self.folder / name).write_text(str(value))

    def most(self):
        return int((self.folder / ("memory.max_usage_in_bytes" if self.is_old else "memory.peak")).read_text())

    def remove(self):
        self.folder.rmdir()


def scrape_for(started, headers, seconds, is_slow, sizes):
    """Scrapes again and again; a slow one takes 64 KiB every tenth of a second. What is cut off is not what is asked here."""
    host, port = started.base.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    end = time.monotonic() + seconds
    while time.monotonic() < end and started.exporter.poll() is None:
        size = 0
        try:
            with socket.create_connection((host, int(port)), 60) as connection:
                connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}\r\n".encode())
                while taken := connection.recv(65536):
                    size += len(taken)
                    if is_slow and time.monotonic() < end:
                        time.sleep(0.1)
        except OSError:
            pass
        sizes.append(size)


def survives(organizations, invitations, limit, interval, seconds=60):
    """Whether a process of this many MiB outlives twelve scrapers at once while all organizations are polled at this interval."""
    group = Group(limit * 1024 * 1024)
    join = ["sh", "-c", f'echo $$ >{group.folder}/cgroup.procs && exec "$@"', "sh"]
    started = None
    try:
        started = run(organizations, invitations, interval, prefix=join)
        sizes = [[] for _ in range(2 * len(FORMS))]
        scrapers = [threading.Thread(target=scrape_for, args=(started, FORMS[n // 2], seconds, n % 2 == 1, into))
                    for n, into in enumerate(sizes)]
        for scraper in scrapers:
            scraper.start()
        for scraper in scrapers:
            scraper.join()
        code = started.exporter.poll()
        series = scrape.series_of(scrape.get(f"{started.base}/metrics", scrape.PLAIN[1])) if code is None else 0
        print(f"  {organizations} organizations, {series} series, limit {limit} MiB: {'killed' if code else 'lives'}, "
              f"{sum(map(len, sizes))} scrapes, {group.most() / 1024 / 1024:.0f} MiB at most", flush=True)
        return code is None
    except (OSError, SystemExit) as error:
        print(f"  {organizations} organizations, limit {limit} MiB: did not come up ({error})", flush=True)
        return False
    finally:
        if started:
            started.end()
        group.remove()


def limits():
    return all([survives(*tried) for tried in LIMITS])


def curve():
    """A hundred organizations polled every second, whose invitations change, scraped every five seconds."""
    started = run(100, 100, "1s", speed=3600)
    try:
        print("polls, resident:", end="", flush=True)
        done, shown = started.polls(), 0
        while done < POLLS:
            if done >= shown:
                print(f"  {done} {resident(started)[0]:.1f}", end="", flush=True)
                shown += 1000
            scraped(started, 1)
            time.sleep(4)
            done = started.polls()
        print(f"  {done} {resident(started)[0]:.1f} ({resident(started)[1]:.1f} at most)", flush=True)
    finally:
        started.end()


if __name__ == "__main__":
    parts = sys.argv[1:] or ["usual", "many", "limits", "curve"]
    if "usual" in parts:
        fixed("one organization of 300 invitations", 1, 300)
        fixed("1,000 organizations of 100 invitations, few values", 1000, 100, FEW)
    if "many" in parts:
        fixed("1,000 organizations of 300 invitations, all values", 1000, 300)
        fixed("1,000 organizations of 1,500 invitations, all values", 1000, 1500)
    if "limits" in parts and not limits():
        sys.exit(1)
    if "curve" in parts:
        curve()
