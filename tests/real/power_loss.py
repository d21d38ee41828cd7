#!/usr/bin/env python3
"""The power goes off at any moment: the stored counters are those of some poll that was written, whole, and of none before one
that a scrape has shown.

    tests/real/power_loss.py [--points 500] [--seed 1]

The binary runs with its state on a disk that writes down each change (FUSE), while the lists that it polls change; now and then it
is stopped or killed. Then the disk is built as it can be found after a loss of power at many points of that record: what was synced
is there; of the rest, all, nothing, the last write alone, some sectors of 512 bytes, or all but a part of the last write. On each
such disk the binary is started twice: with a service that is gone, to see what the file holds, and with the newest lists, to see that
from there on nothing is counted twice or left out. Where FUSE does not run, this exits with 75 and says so.
"""

import argparse
import bisect
import json
import pickle
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from exporter import BINARY, Failed, main, require, until
from fuse_disk import Disk, needed
from served import Exporter
from soak import EVENTS, Service, events_of

ORGANIZATIONS, SECTOR, DAY = 3, 512, 24 * 3600 * 1000


class File:
    """A file: what is safe, and the writes that may be lost."""

    def __init__(self):
        self.safe, self.pending = b"", []

    def sync(self):
        self.safe, self.pending = self.after(self.pending), []

    def after(self, changes):
        """The content once these changes have reached the disk. A write beyond the end has nowhere to go: its file was not made longer."""
        content = bytearray(self.safe)
        for change in changes:
            if change[0] == "truncate":
                length = change[1]
                content[length:] = b"\0" * (length - len(content))
            else:
                _, offset, data, grows = change
                if grows and offset + len(data) > len(content):
                    content.extend(b"\0" * (offset + len(data) - len(content)))
                data = data[:max(0, len(content) - offset)]
                content[offset:offset + len(data)] = data
        return bytes(content)

    def lost(self, how, dice):
        """The content after a loss of power."""
        match how:
            case "all":
                return self.after(self.pending)
            case "nothing":
                return self.safe
            case "last":
                return self.after(self.pending[-1:])
            case "torn":
                *before, last = self.pending or [("truncate", len(self.safe))]
                if last[0] == "write":
                    sectors = sectors_of(last)
                    before += sectors[:dice.randrange(len(sectors))]
                return self.after(before)
            case "sectors":
                share, kept = dice.choice([0.1, 0.5, 0.9]), []
                for change in self.pending:
                    pieces = sectors_of(change) if change[0] == "write" else [change]
                    kept += [piece for piece in pieces if dice.random() < share]
                return self.after(kept)


WAYS = ["all", "nothing", "last", "torn", "sectors", "sectors"]


def sectors_of(write):
    """A write as one of each sector of the disk that it touches."""
    _, offset, data, grows = write
    bounds = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    return [("write", offset + a, data[a:b], grows) for a, b in zip(bounds, bounds[1:])]


class Record:
    """What was done to a disk, and what is left of it."""

    def __init__(self):
        self.names, self.safe_names, self.pending_names = {"/": None}, {"/": None}, []

    def do(self, change):
        kind, path, *rest = change
        match kind:
            case "write":
                file, (offset, data) = self.names[path], rest
                file.pending.append(("write", offset, data, offset + len(data) > len(file.after(file.pending))))
            case "truncate":
                self.names[path].pending.append(("truncate", rest[0]))
            case "fsync" if self.names[path]:
                self.names[path].sync()
            case "fsync":
                # The names in a folder.
                for change in [one for one in self.pending_names if path in (str(PurePosixPath(name).parent) for name in one[1:2])]:
                    rename(self.safe_names, change)
                    self.pending_names.remove(change)
            case _:
                content = File() if kind == "create" else None
                if kind == "create" and path in self.names:
                    return
                entry = (kind, path, *(rest or [content]))
                rename(self.names, entry)
                self.pending_names.append(entry)

    def is_settled(self):
        return not self.pending_names and not any(file.pending for file in self.names.values() if file)

    def write(self, folder, how, dice):
        """Writes the disk into a folder as it is found after a loss of power."""
        names = dict(self.safe_names)
        keep = {"all": len(self.pending_names), "nothing": 0}.get(how, dice.randint(0, len(self.pending_names)))
        for change in self.pending_names[:keep]:
            rename(names, change)
        for path, file in sorted(names.items()):
            if file is None:
                (folder / path[1:]).mkdir(exist_ok=True)
            elif (folder / path[1:]).parent.exists():
                (folder / path[1:]).write_bytes(file.lost(how, dice))


def rename(names, change):
    """Changes names as `create`, `mkdir`, `rename` and `unlink` do."""
    kind, path, *rest = change
    match kind:
        case "create" | "mkdir":
            names[path] = rest[0]
        case "rename" if path in names:
            names[rest[0]] = names.pop(path)
        case "unlink":
            names.pop(path, None)


class Organization:
    """A list that is written here. Each invitation changes once at the most, so that it does not matter which states of it are seen."""

    def __init__(self, service, number, dice):
        self.service, self.id, self.name, self.dice = service, service.organizations[number], f"org-{number}", dice
        now = int(time.time() * 1000)
        self.made, self.list = 0, {}
        # What has happened by each version of the list, and how long the record was before it was served and once it was seen.
        self.versions, self.served, self.seen = [], [], []
        self.events = Counter(dict.fromkeys(EVENTS, 0))
        for _ in range(100):
            self.make(now)
        self.waiting = list(self.list)

    def make(self, now):
        self.made += 1
        key = f"{self.id}/{self.made}"
        self.list[key] = {"refLink": f"/csp/{key}", "username": f"u{self.made}@example.com", "status": "AVAILABLE",
                          "generatedAt": now, "expirationTime": now + 7 * DAY, "orgRoleNames": ["org_member"]}

    def change(self):
        now = int(time.time() * 1000)
        for key in self.dice.sample(self.waiting, min(self.dice.randint(1, 3), len(self.waiting))):
            self.waiting.remove(key)
            event = self.dice.choice(["redeemed", "revoked", "vanished"])
            if event == "vanished":
                del self.list[key]
            else:
                self.list[key] |= {"status": event.upper(), f"{event}At": now}
            self.events[event] += 1
        for _ in range(self.dice.randint(1, 4)):
            self.make(now)
            self.events["generated"] += 1

    def serve(self, length):
        self.versions.append({event: float(count) for event, count in self.events.items()})
        self.served.append(length)
        self.service.put(f"/organizations/{self.id}/invitations", json.dumps(list(self.list.values())))

    def possible(self, point):
        """What the counters may be when so much of the record is on disk; `None` is that there are none yet."""
        newest = bisect.bisect_right(self.served, point)
        oldest = bisect.bisect_right(self.seen, point) - 1
        return ([None] if oldest < 0 else []) + self.versions[max(oldest, 0):newest]


class Recording:
    """The binary at work, with everything that it did to its disk."""

    def __init__(self, base, service, rounds, dice):
        self.base, self.journal = base, base / "journal"
        self.organizations = [Organization(service, number, dice) for number in range(ORGANIZATIONS)]
        self.config = configuration(base, service, service.environment["CSP_URL"], "1s")
        self.journal.touch()
        with Disk(base, "disk", self.journal) as disk:
            for number in range(rounds):
                for organization in self.organizations:
                    if number:
                        organization.change()
                    organization.serve(self.length())
                if number % 8 == 0:
                    exporter = Exporter(f"--config.file={self.config}", f"--state.dir={disk.path}/state").listening()
                until(f"version {number} is counted", lambda: self.is_counted(exporter), 60)
                length = self.length()
                for organization in self.organizations:
                    organization.seen.append(length)
                if number % 8 == 7 or number == rounds - 1:
                    if dice.random() < 0.5:
                        exporter.stop(15)
                    else:
                        exporter.process.send_signal(signal.SIGKILL)
                        exporter.process.wait()

    def length(self):
        return len(list(self.changes()))

    def changes(self):
        with open(self.journal, "rb") as journal:
            while True:
                try:
                    yield pickle.load(journal)
                except EOFError:
                    return

    def is_counted(self, exporter):
        found = {}
        for line in exporter.scrape().splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                found[series] = float(value)
        # Before its first poll, an organization has counted nothing, which is what it has at the baseline.
        return all(events_of(found, one.name) == one.versions[-1] and found.get(f'csp_up{{organization="{one.name}"}}') == 1 for one in self.organizations)


def configuration(base, service, url, name):
    """A configuration for the written organizations, which need no more than one attempt."""
    (base / "secret").write_text(service.environment["CSP_CLIENT_SECRET"])
    path = base / f"{name}.yaml"
    organizations = "".join(f"  - {{id: {one}, name: org-{number}, credentials: app}}\n" for number, one in enumerate(service.organizations[:ORGANIZATIONS]))
    path.write_text(f"api: {{url: '{url}', requests_per_second: 0, max_attempts: 1}}\npoll: {{interval: 1s, deadline: 900ms, stale_after: 10m}}\n"
                    f"credentials:\n  app: {{client_id: {service.environment['CSP_CLIENT_ID']}, client_secret_file: secret}}\norganizations:\n{organizations}")
    return path


def once(config, state, expected):
    """The counters of each organization, as a start with this state finds or makes them."""
    for _ in range(3):
        done = subprocess.run([BINARY, "once", f"--config.file={config}", f"--state.dir={state}"], capture_output=True, text=True, timeout=60, check=False, env={})
        # A poll has less than a second, on a machine that may be busy; what it has not counted is counted the next time.
        if done.returncode == expected:
            break
    require(done.returncode == expected, f"it ends with {done.returncode}: {done.stderr[-1000:]}")
    found = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if not line.startswith("#"))
    return [events_of({series: float(value) for series, value in found.items()}, f"org-{number}") for number in range(ORGANIZATIONS)]


def judge(disk, point, organizations, gone, here):
    """Whether the disk holds what it may, and is gone on from rightly."""
    state = disk / "state"
    held = once(gone, state, 2)
    for organization, counted in zip(organizations, held):
        possible = organization.possible(point)
        # What has no baseline yet has counted nothing, and so has the first version.
        require(counted in possible or possible[0] is None and not any(counted.values()), f"{organization.name} has {counted}, and may have {possible}")
    require(not list(state.glob("*set-aside*")), "the state was set aside")
    made = once(here, state, 0)
    for organization, before, after in zip(organizations, held, made):
        is_new = organization.possible(point)[0] is None and not any(after.values())
        require(is_new or after == organization.versions[-1], f"{organization.name} goes on from {before} to {after} instead of {organization.versions[-1]}")


def check():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--points", type=int, default=500)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        needed(base)
        service = Service()
        try:
            sys.exit(run(base, service, options.points, dice))
        finally:
            service.process.kill()


def run(base, service, points, dice):
    recording = Recording(base, service, 12 if points < 200 else 40, dice)
    changes = list(recording.changes())
    # Where nothing is on its way to the disk, a loss of power takes nothing.
    chosen = Counter(dice.choices(range(1, len(changes) + 1), k=points) if points < len(changes) else
                     [*range(1, len(changes) + 1), *dice.choices(range(1, len(changes) + 1), k=points - len(changes))])
    gone = configuration(base, service, "http://127.0.0.1:1", "gone")
    here = configuration(base, service, service.environment["CSP_URL"], "here")
    here.write_text(here.read_text().replace("interval: 1s, deadline: 900ms", "interval: 1m"))
    record, jobs, failures, found = Record(), [], [], Counter()

    def one(disk, point, how):
        try:
            judge(disk, point, recording.organizations, gone, here)
        except Failed as failure:
            failures.append(f"after change {point} of {len(changes)}, {how}: {failure}")

    with ThreadPoolExecutor(2) as pool:
        for point, change in enumerate(changes, 1):
            record.do(change)
            for number in range(chosen[point]):
                how = WAYS[(point + number) % len(WAYS)]
                disk = base / f"{point}-{number}"
                disk.mkdir()
                record.write(disk, how, dice)
                found[how if not record.is_settled() else "nothing on its way"] += 1
                jobs.append(pool.submit(one, disk, point, how))
        for job in jobs:
            job.result()
    lengths = [len(change[3]) for change in changes if change[0] == "write"]
    print(f"{len(changes)} changes of the disk, {len(lengths)} of them writes of {sum(lengths)} bytes; {sum(chosen.values())} losses of power: {dict(found)}")
    for failure in failures[:20]:
        print(f"FAILED {failure}")
    print(f"{len(jobs) - len(failures)} passed, {len(failures)} failed")
    return bool(failures or not jobs)


if __name__ == "__main__":
    main(check)
