#!/usr/bin/env python3
"""How long a scrape takes while polls are under way, against the same scrape at rest.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/latency.py [ROUNDS]

Two pairs: 100 organizations of 100 invitations, at rest and with ten of them polled a second (all that the default budget
allows); and one organization of 100,000 invitations, at rest and polled every five seconds. Each situation has an exporter
and an upstream of its own, stopped while it is another's turn. One keep-alive client scrapes as Prometheus does (OpenMetrics,
gzip), but more often: seldom enough that every scrape shows the exporter's own metrics as they are. The lists are the
simulator's, served as a static file by nginx: what is measured is not an upstream that makes them on the same processors.
Printed are the medians and spreads of each turn's quantiles, and of their ratios turn by turn.
"""

import contextlib
import http.client
import os
import pathlib
import signal
import sys
import tempfile
import time
import uuid

import poll
import scale
import scrape

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SCRAPES = 300
PAUSE = 0.06
HEADERS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}


class Static(scale.Run):
    """An exporter beside an upstream that has the same list ready for every organization."""

    def __init__(self, folder, organizations, invitations, interval):
        self.folder, self.processes = pathlib.Path(folder), []
        os.chmod(folder, 0o755)
        variable, _, _ = scrape.simulator(self.folder, 1, invitations, self.processes)
        poll.fetch(self.folder, variable, True)
        self.processes.pop().kill()
        variables = {"CSP_URL": poll.upstream(self.folder, self.processes), "CSP_CLIENT_ID": "any",
                     "CSP_CLIENT_SECRET": "any"}
        ids = [str(uuid.uuid4()) for _ in range(organizations)]
        scrape.configure(self.folder, variables.__getitem__, ids, api="requests_per_second: 0", interval=interval)


class Situation:
    """An exporter that is scraped, and what it polls."""

    def __init__(self, folder, organizations, invitations, interval):
        self.run = Static(folder, organizations, invitations, interval)
        self.run.start()
        self.run.ready()
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        for process in self.run.processes:
            os.kill(process.pid, number)

    def turn(self):
        """How long each scrape of a turn took, in milliseconds, sorted."""
        self.signal(signal.SIGCONT)
        connection = http.client.HTTPConnection(self.run.base.removeprefix("http://"), timeout=30)
        times = []
        # The first ones make what later ones find.
        for number in range(-20, SCRAPES):
            begin = time.perf_counter()
            connection.request("GET", "/metrics", headers=HEADERS)
            answer = connection.getresponse()
            body = answer.read()
            took = time.perf_counter() - begin
            assert answer.status == 200 and body.startswith(b"\x1f\x8b")
            if number >= 0:
                times.append(took * 1000)
            time.sleep(PAUSE)
        connection.close()
        self.signal(signal.SIGSTOP)
        return sorted(times)

    def end(self):
        self.signal(signal.SIGCONT)
        self.run.end()


def compare(label, organizations, invitations, busy):
    with contextlib.ExitStack() as stack:
        def situation(interval):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            made = Situation(folder, organizations, invitations, interval)
            stack.callback(made.end)
            return made

        rest, polled = situation("6h"), situation(busy)
        figures = {(name, share): [] for name in ("at rest", "polled", "ratio") for share in (0.5, 0.99)}
        for _ in range(ROUNDS):
            at_rest, while_polled = rest.turn(), polled.turn()
            for share in (0.5, 0.99):
                quantile = [times[int((len(times) - 1) * share)] for times in (at_rest, while_polled)]
                figures["at rest", share].append(quantile[0])
                figures["polled", share].append(quantile[1])
                figures["ratio", share].append(quantile[1] / quantile[0])
        print(label)
        for (name, share), values in figures.items():
            scrape.show(f"p{share * 100:.0f} {name}", values, "" if name == "ratio" else " ms")


if __name__ == "__main__":
    compare("100 organizations of 100 invitations, ten polls a second", 100, 100, "10s")
    # A poll of so long a list takes a good part of the interval.
    compare("one organization of 100,000 invitations, polled every five seconds", 1, 100_000, "5s")
