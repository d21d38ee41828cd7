#!/usr/bin/env python3
"""Hours under way: polls every second, faults of the service, reloads, rotations, scrapes in every format, kills.

    tests/real/soak.py [--hours 2] [--seed 1]

Two exporters poll one simulated service. One is never stopped: its memory, descriptors, threads and series have to stay flat.
The other is killed and stopped again and again. Some organizations have lists that are written here, one change after the
other; at the end the events that both exporters have counted have to be the events that have happened. The others have the
weather: every scenario of the simulator. Not part of tests/run. Draws target/tests/soak.svg and writes soak.csv beside it.
"""

import argparse
import csv
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from exporter import BINARY, OUT, Failed, fetch, main, require, until

WRITTEN, WEATHER = 3, 3
# Failing polls alone: what these answer is never a list, so the written ones stay what they are.
FAULTS = ["outage", "rate-limit-storm", "slow", "credentials-revoked", "wrapped"]
SCENARIOS = [*FAULTS, "malformed", "large", "api-2020", "seconds", "rfc3339", "nulls", "camel-case", "steady", "steady"]
FORMATS = [
    None,
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
]
EVENTS = ["generated", "redeemed", "revoked", "expired", "vanished"]
DAY = 24 * 3600 * 1000
# As the image and the systemd unit set it.
SHIPPED = {"MALLOC_MMAP_THRESHOLD_": "131072"}


class Service:
    """The simulated service as a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [BINARY, "simulate", "--control.listen=127.0.0.1:0", f"--organizations={WRITTEN + WEATHER}", "--invitations=200", "--log.level=error"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.environment, self.tokens = {}, {}
        for line in self.process.stdout:
            if found := re.match(r"Control endpoint: (\S+)", line):
                self.control = found[1]
            elif found := re.match(r"export (\w+)=(\S+)", line):
                self.environment[found[1]] = found[2]
            elif found := re.match(r"([0-9a-f-]{36})  (\S+)  #", line):
                self.tokens[found[1]] = found[2]
                if len(self.tokens) == WRITTEN + WEATHER:
                    break
        self.organizations = list(self.tokens)

    def put(self, path, body="", method="PUT"):
        status, answer = fetch(f"{self.control}{path}", method=method, body=body.encode())
        require(status in (200, 204), f"the simulator answers {status} to {path}: {answer}")


class Exporter:
    """One exporter with a state folder of its own."""

    def __init__(self, name, service, folder, state=None):
        self.name, self.service, self.folder, self.process = name, service, folder / name, None
        self.state = state or self.folder / "state"
        self.folder.mkdir(parents=True)
        self.log = open(self.folder / "log", "ab")
        self.rotate()
        self.configure(200, WEATHER)
        self.starts = 0

    def rotate(self):
        """New files with the secrets, put in place at once."""
        secrets = {"app": self.service.environment["CSP_CLIENT_SECRET"], "token": self.service.tokens[self.service.organizations[0]]}
        for name, secret in secrets.items():
            (self.folder / "next").write_text(secret + "\n")
            os.replace(self.folder / "next", self.folder / name)

    def configure(self, max_roles, weather):
        service = self.service
        organizations = "".join(
            f"  - {{id: {one}, name: org-{number}, credentials: {'token' if number == 0 else 'app'}}}\n"
            for number, one in enumerate(service.organizations[:WRITTEN + weather]))
        (self.folder / "next").write_text(
            f"api: {{url: {service.environment['CSP_URL']}, requests_per_second: 0, timeout: 5s}}\n"
            "poll: {interval: 1s, deadline: 900ms, stale_after: 10m}\n"
            f"metrics: {{max_roles: {max_roles}}}\n"
            f"credentials:\n  app: {{client_id: {service.environment['CSP_CLIENT_ID']}, client_secret_file: app}}\n"
            f"  token: {{api_token_file: token}}\norganizations:\n{organizations}")
        os.replace(self.folder / "next", self.folder / "config.yaml")

    def start(self):
        self.starts += 1
        self.begun = offset = os.path.getsize(self.folder / "log")
        self.process = subprocess.Popen(
            [BINARY, f"--config.file={self.folder}/config.yaml", "--web.listen-address=127.0.0.1:0", f"--state.dir={self.state}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, env=os.environ | SHIPPED)

        def address():
            text = (self.folder / "log").read_bytes()[offset:].decode(errors="replace")
            found = re.search(r"listening[^\n]*address=\"?([\d.]+:\d+)[^\n]*everything", text) or re.search(r"listening[^\n]*address=\"?([\d.]+:\d+)", text)
            return found and found[1]

        self.url = "http://" + until(f"{self.name} listens", address, 60)

    def kill(self, how):
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        require(how == signal.SIGKILL or code == 0, f"{self.name} ended with {code}")

    def scrape(self, accept=None, packed=False):
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Accept": accept or "*/*", "Accept-Encoding": "gzip" if packed else "identity"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            require(answer.status == 200, f"a scrape answers {answer.status}")
            return answer.read()

    def samples(self):
        """Values by name and labels."""
        found = {}
        for line in self.scrape().decode().splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                found[series] = float(value)
        return found

    def usage(self, samples):
        """Of the process: MiB of memory, descriptors, threads. Only root sees from outside what it has open."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1])
        return number("VmRSS") / 1024, samples["process_open_fds"], number("Threads")


class Written:
    """An organization whose list is written here, and what has happened in it."""

    def __init__(self, service, number, dice):
        self.service, self.id, self.name, self.dice = service, service.organizations[number], f"org-{number}", dice
        self.list, self.count, self.events = {}, 0, dict.fromkeys(EVENTS, 0)
        # The time of the last change, and the good polls since, by exporter.
        self.changed, self.seen = 0.0, {}
        self.put()

    def put(self):
        self.service.put(f"/organizations/{self.id}/invitations", json.dumps(list(self.list.values())))
        self.changed, self.seen = time.time(), {}

    def look(self, exporter, samples):
        """Two good polls that ended after the change: the second has begun after it."""
        at = samples.get(f'csp_poll_last_success_timestamp_seconds{{organization="{self.name}"}}', 0.0)
        if at > self.changed:
            self.seen.setdefault(exporter.name, set()).add(at)

    def is_seen(self, exporters):
        return all(len(self.seen.get(one.name, ())) >= 2 for one in exporters)

    def change(self):
        """Some changes of those that both exporters are to see; the list keeps its length, about."""
        now = int(time.time() * 1000)
        gone = [key for key, one in self.list.items() if one["status"] != "AVAILABLE"]
        for key in self.dice.sample(gone, len(gone) // 2):
            # Purged, which is no event.
            del self.list[key]
        waiting = [key for key, one in self.list.items() if one["status"] == "AVAILABLE" and one["expirationTime"] > now]
        for key in self.dice.sample(waiting, len(waiting) // 2):
            match self.dice.randrange(4):
                case 0:
                    self.list[key] |= {"status": "REDEEMED", "redeemedAt": now}
                    self.events["redeemed"] += 1
                case 1:
                    self.list[key] |= {"status": "REVOKED", "revokedAt": now}
                    self.events["revoked"] += 1
                case 2:
                    self.list[key]["expirationTime"] = now - 1000
                    self.events["expired"] += 1
                case 3:
                    del self.list[key]
                    self.events["vanished"] += 1
        over = [key for key, one in self.list.items() if one["status"] == "AVAILABLE" and one["expirationTime"] <= now]
        for key in over[:len(over) // 2]:
            if self.list[key]["expirationTime"] < now - 2000:
                del self.list[key]
                self.events["vanished"] += 1
        for _ in range(60 - len(self.list)):
            self.count += 1
            key = f"{self.id}/{self.count}"
            self.list[key] = {
                "refLink": f"/csp/{key}", "username": f"u{self.count}@example.com", "status": "AVAILABLE", "generatedAt": now,
                "expirationTime": now + 7 * DAY, "orgRoleNames": [f"role-{self.count % 5}"]}
            self.events["generated"] += 1
        self.put()


def events_of(samples, organization):
    return {event: samples.get(f'csp_invitation_events_total{{organization="{organization}",event="{event}"}}') for event in EVENTS}


class Soak:
    def __init__(self, hours, seed):
        self.dice, self.end = random.Random(seed), time.monotonic() + hours * 3600
        self.folder = OUT / f"soak-{os.getpid()}"
        self.service = Service()
        self.steady, self.killed = (Exporter(name, self.service, self.folder) for name in ("steady", "killed"))
        self.exporters, self.rows, self.done = [self.steady, self.killed], [], dict.fromkeys(
            ["scrapes", "changes", "scenarios", "reloads", "bad reloads", "rotations", "kills", "stops"], 0)

    def run(self):
        service = self.service
        service.put("/token-lifetime", "20")
        self.written = [Written(service, number, self.dice) for number in range(WRITTEN)]
        for one in self.exporters:
            one.start()
            until(f"{one.name} is ready", lambda one=one: fetch(f"{one.url}/readyz")[0] == 200, 120)
        start, number = time.monotonic(), 0
        while time.monotonic() < self.end:
            number += 1
            self.step(number)
            if number % 10 == 0:
                samples = self.steady.samples()
                memory, descriptors, threads = self.steady.usage(samples)
                written = sum(f'organization="org-{n}"' in series for series in samples for n in range(WRITTEN))
                self.rows.append((time.monotonic() - start, memory, descriptors, threads, written, len(samples)))
                if len(self.rows) % 60 == 0:
                    print(f"{(time.monotonic() - start) / 60:.0f} min: {memory:.1f} MiB, {descriptors} descriptors, {threads} threads, {len(samples)} series; {self.done}", flush=True)
            time.sleep(0.5)
        self.settle()

    def step(self, number):
        """One half second: scrapes always, everything else now and then."""
        for one in self.exporters:
            samples = one.samples()
            one.scrape(self.dice.choice(FORMATS), self.dice.random() < 0.5)
            self.done["scrapes"] += 2
            for organization in self.written:
                organization.look(one, samples)
        for organization in self.written:
            if organization.is_seen(self.exporters):
                organization.change()
                self.done["changes"] += 1
        if number % 20 == 0:
            which = self.dice.randrange(WRITTEN + WEATHER)
            word = self.dice.choice(SCENARIOS if which >= WRITTEN else [*FAULTS, "steady", "steady", "steady", "steady"])
            self.service.put(f"/organizations/{self.service.organizations[which]}/scenario", word)
            self.done["scenarios"] += 1
        if number % 30 == 0:
            # No fault of a written one lasts: its list has to be seen.
            for organization in self.written:
                self.service.put(f"/organizations/{organization.id}/scenario", method="DELETE")
        if number % 14 == 0:
            self.reload(self.dice.choice(self.exporters))
        if number % 50 == 0:
            self.service.put("/access-tokens", method="DELETE")
            for one in self.exporters:
                one.rotate()
            self.done["rotations"] += 1
        if number % 61 == 0:
            how = self.dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            self.killed.kill(how)
            self.killed.start()
            self.done["kills" if how == signal.SIGKILL else "stops"] += 1

    def reload(self, one):
        is_bad = self.dice.random() < 0.3
        if is_bad:
            (one.folder / "config.yaml").write_text("api: {url: 5}\nnonsense: yes\n")
        else:
            one.configure(self.dice.choice([200, 100]), self.dice.randrange(1, WEATHER + 1))
        status, answer = fetch(f"{one.url}/-/reload", method="POST", body=b"")
        require(status == (500 if is_bad else 200), f"a reload answers {status}: {answer}")
        self.done["bad reloads" if is_bad else "reloads"] += 1
        if is_bad:
            one.configure(200, WEATHER)

    def settle(self):
        """Everything is well again; then both have to have counted what has happened."""
        for organization in self.service.organizations:
            self.service.put(f"/organizations/{organization}/scenario", method="DELETE")
        wanted = {one.name: {event: float(count) for event, count in one.events.items()} for one in self.written}
        for exporter in self.exporters:
            counted = lambda: {name: events_of(exporter.samples(), name) for name in wanted}
            try:
                until("the events", lambda: counted() == wanted, 60)
            except Failed as failure:
                raise Failed(f"{exporter.name} has counted {counted()}, and {wanted} has happened") from failure
            samples = exporter.samples()
            require(samples["csp_exporter_panics_total"] == 0, f"{exporter.name} has panicked")
            require(samples["csp_exporter_state_durable"] == 1 and samples["csp_exporter_state_resets_total"] == 0, f"{exporter.name} has lost its state")
        total = sum(sum(one.events.values()) for one in self.written)
        print(f"both counted all {total} events: {wanted}")
        for exporter in self.exporters:
            exporter.kill(signal.SIGTERM)

    def report(self):
        names = ["seconds", "memory (MiB)", "descriptors", "threads", "series of the organizations that are written", "series"]
        with open(OUT / "soak.csv", "w", newline="") as file:
            csv.writer(file).writerows([names, *self.rows])
        (OUT / "soak.svg").write_text(picture(names, self.rows))
        troubles = []
        # After a start, memory grows until everything has happened once: the second quarter is what the last is held against.
        quarter = len(self.rows) // 4
        for column, allowed in ((1, 6.0), (2, 12), (3, 4), (4, 0)):
            early, late = ([row[column] for row in rows] for rows in (self.rows[quarter:2 * quarter], self.rows[-quarter:]))
            grown = statistics.median(late) - statistics.median(early)
            print(f"{names[column]}: {statistics.median(early):.1f} in the second quarter, {statistics.median(late):.1f} in the last, at most {max(row[column] for row in self.rows):.1f}")
            if grown > allowed:
                troubles.append(f"{names[column]} grew by {grown:.1f}")
        print(f"done: {self.done}; the killed one was started {self.killed.starts} times")
        require(not troubles, "; ".join(troubles))


def picture(names, rows):
    """The curves, one below the other."""
    width, height, left = 900, 130, 60
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + left + 20}" height="{(height + 40) * (len(names) - 1) + 20}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    end = rows[-1][0]
    for panel, name in enumerate(names[1:]):
        top = 25 + panel * (height + 40)
        values = [row[panel + 1] for row in rows]
        most = max(values) or 1
        points = " ".join(f"{left + row[0] / end * width:.1f},{top + height - value / most * height:.1f}" for row, value in zip(rows, values))
        parts += [
            f'<text x="{left}" y="{top - 6}">{name}</text>',
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#ccc"/>',
            f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most:.0f}</text>', f'<text x="{left - 6}" y="{top + height}" text-anchor="end">0</text>',
            f'<polyline points="{points}" fill="none" stroke="#1f77b4"/>',
            f'<text x="{left + width}" y="{top + height + 14}" text-anchor="end">{end / 60:.0f} min</text>']
    return "\n".join([*parts, "</svg>"])


def check():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--hours", type=float, default=2.0)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    soak = Soak(options.hours, options.seed)
    try:
        soak.run()
    finally:
        for process in (soak.service.process, *(one.process for one in soak.exporters)):
            if process and process.poll() is None:
                process.kill()
    soak.report()


if __name__ == "__main__":
    main(check)
