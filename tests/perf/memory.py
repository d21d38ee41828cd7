#!/usr/bin/env python3
"""How much memory the exporter has: idle, with a thousand organizations, and over ten thousand polls.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/memory.py

What is scraped is scraped as Prometheus does (OpenMetrics, gzip). All figures are resident memory in MiB. A list of a
million invitations has a bench of its own: cargo bench --bench fold_ratio.
"""

import tempfile
import time

import scale
import scrape

HEADERS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
POLLS = 10_000
#: Few values of each open label: about 150 series an organization.
FEW = "\nmetrics: {joint: false, max_roles: 4, max_groups: 2}\n"


def run(organizations, invitations, interval, extra="", speed=0):
    folder = tempfile.TemporaryDirectory()
    started = scale.Run(folder.name, organizations, invitations, interval, extra, latency=0, speed=speed)
    started.temporary = folder
    started.start()
    started.ready()
    return started


def resident(started):
    return scale.memory(started.exporter.pid, "VmRSS"), scale.memory(started.exporter.pid, "VmHWM")


def scraped(started, times):
    for _ in range(times):
        scrape.get(f"{started.base}/metrics", HEADERS)
        time.sleep(0.5)


def fixed(label, organizations, invitations, extra=""):
    started = run(organizations, invitations, "1h", extra)
    try:
        time.sleep(15)
        before = resident(started)
        scraped(started, 20)
        after = resident(started)
        series = scrape.series_of(scrape.get(f"{started.base}/metrics", scrape.PLAIN[1]))
        plain = resident(started)
        print(f"{label}: {series} series ({series / organizations:.0f} an organization); {before[0]:.1f} before the first "
              f"scrape, {after[0]:.1f} after twenty ({after[1]:.1f} at most), {plain[0]:.1f} after a plain one", flush=True)
    finally:
        started.end()


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
    fixed("one organization of 300 invitations", 1, 300)
    fixed("1,000 organizations of 100 invitations, few values", 1000, 100, FEW)
    fixed("1,000 organizations of 100 invitations, all values", 1000, 100)
    curve()
