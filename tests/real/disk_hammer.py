#!/usr/bin/env python3
"""Polls, changes, scrapes in every format, reloads, stops, kills and a disk that hangs, fails, is full and is slow, all at once.

    tests/real/disk_hammer.py [--seconds 300] [--seed 1]

One exporter has its state on a disk that does as it is told (FUSE). No counter may ever fall or show what has not happened, health and
scrapes answer at once whatever the disk does, and at the end the counters are exactly what has happened. It is stopped and killed only
while all that was counted is on disk: what a disk never took cannot be there afterwards. Where FUSE does not run, this exits with 75.
"""

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from exporter import Failed, fetch, main, require, until
from fuse_disk import Disk, needed
from served import AT_ONCE
from soak import EVENTS, FORMATS, WEATHER, WRITTEN, Exporter, Service, Written, events_of


class Hammer:
    def __init__(self, service, disk, base, seed):
        self.service, self.disk, self.dice = service, disk, random.Random(seed)
        self.done, self.troubles, self.over = Counter(), [], threading.Event()
        service.put("/token-lifetime", "20")
        self.written = [Written(service, number, self.dice) for number in range(WRITTEN)]
        self.exporter = Exporter("hammered", service, base, state=disk.path / "state")
        # Held by who counts on the process, and by who ends and starts it.
        self.alive, self.changes, self.faults = threading.RLock(), threading.Lock(), threading.Lock()
        self.most = {}

    def run(self, seconds):
        self.exporter.start()
        end = time.monotonic() + seconds
        work = [self.scrape, self.scrape, self.change, self.reload, self.fault]
        threads = [threading.Thread(target=self.again, args=(one, random.Random(number))) for number, one in enumerate(work)]
        for thread in threads:
            thread.start()
        try:
            while time.monotonic() < end and not self.troubles:
                time.sleep(self.dice.uniform(3, 8))
                self.restart()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        require(not self.troubles, self.troubles[:1])
        self.disk.answer()
        self.settled()
        self.exporter.kill(signal.SIGTERM)
        total = sum(sum(one.events.values()) for one in self.written)
        print(f"all {total} events counted exactly; {dict(self.done)}")

    def again(self, work, dice):
        """Does it over and over, each with dice of its own."""
        while not self.over.is_set():
            try:
                work(dice)
            except Exception as trouble:
                self.troubles.append(f"{work.__name__}: {type(trouble).__name__} {trouble}")
                self.over.set()

    def scrape(self, dice):
        with self.alive:
            start = time.monotonic()
            status, _ = fetch(f"{self.exporter.url}/healthz")
            self.exporter.scrape(dice.choice(FORMATS), dice.random() < 0.5)
            samples = self.exporter.samples()
            took = time.monotonic() - start
            require(status == 200 and took < 3 * AT_ONCE, f"/healthz answers {status}, and with two scrapes that took {took:.1f} s")
            for organization in self.written:
                organization.look(self.exporter, samples)
                for event, count in events_of(samples, organization.name).items():
                    key = (organization.name, event)
                    # Absent as long as the stored state cannot be read.
                    if count is not None and samples.get("csp_exporter_state_durable") == 1:
                        require(count >= self.most.get(key, 0), f"{key} fell from {self.most.get(key)} to {count}")
                        require(count <= organization.events[event], f"{key} is {count}, and {organization.events[event]} have happened")
                        self.most[key] = count
        self.done["scrapes"] += 2
        time.sleep(0.02)

    def change(self, _dice):
        with self.changes:
            for organization in self.written:
                if organization.is_seen([self.exporter]):
                    with self.alive:
                        organization.change()
                    self.done["changes"] += 1
        time.sleep(0.1)

    def reload(self, dice):
        time.sleep(dice.uniform(0.1, 0.8))
        with self.alive:
            if dice.random() < 0.3:
                (self.exporter.folder / "config.yaml").write_text("api: {url: 5}\n")
                status, answer = fetch(f"{self.exporter.url}/-/reload", method="POST", body=b"")
                require(status == 500, f"a reload answers {status}: {answer}")
            else:
                self.exporter.rotate()
                self.exporter.configure(dice.choice([200, 100]), dice.randrange(1, WEATHER + 1))
                status, answer = fetch(f"{self.exporter.url}/-/reload", method="POST", body=b"")
                require(status == 200, f"a reload answers {status}: {answer}")
            self.exporter.configure(200, WEATHER)
        self.done["reloads"] += 1

    def fault(self, dice):
        with self.faults:
            self.trouble(dice)
            self.over.wait(dice.uniform(0.2, 7))
            self.disk.answer()
        self.over.wait(dice.uniform(0.5, 4))

    def trouble(self, dice):
        """Something is wrong with the disk."""
        match dice.choice(["hang", "hang", "ENOSPC", "EIO", "all EIO", "slow"]):
            case "hang":
                self.disk.hang()
            case "slow":
                self.disk.be_slow(dice.choice([0.01, 0.1]))
            case error:
                self.disk.fail(error)
        self.done["faults"] += 1

    def settled(self):
        """Everything that has happened is counted, and on disk."""
        def is_so():
            samples = self.exporter.samples()
            counted = {one.name: events_of(samples, one.name) for one in self.written}
            return samples.get("csp_exporter_state_durable") == 1 and counted == {one.name: dict(one.events) for one in self.written}

        try:
            until("all is counted and on disk", is_so, 60)
        except Failed as failure:
            samples = self.exporter.samples()
            raise Failed(f"{[(events_of(samples, one.name), one.events) for one in self.written]}: {failure}") from failure
        require(self.exporter.samples()["csp_exporter_state_resets_total"] == 0, "a state was set aside")

    def end(self, how):
        """Ends the process, whatever the disk does."""
        process = self.exporter.process
        process.send_signal(how)
        if how == signal.SIGTERM:
            until("it stops", lambda: process.poll() is not None or b"msg=stopped" in (self.exporter.folder / "log").read_bytes()[self.exporter.begun:], 20)
        # Of a process that has ended, the kernel closes the files, and FUSE makes it wait for the answer to that, whatever signals come.
        self.disk.answer()
        code = process.wait(timeout=20)
        require(how == signal.SIGKILL or code == 0, f"it ended with {code}")

    def restart(self):
        """An end and a start with the disk in any state, but with everything on it."""
        with self.changes, self.faults:
            self.disk.answer()
            self.settled()
            with self.alive:
                how = self.dice.choice([signal.SIGKILL, signal.SIGTERM])
                if self.dice.random() < 0.7:
                    self.trouble(self.dice)
                self.end(how)
                self.done["kills" if how == signal.SIGKILL else "stops"] += 1
                if self.dice.random() < 0.5:
                    self.trouble(self.dice)
                self.exporter.start()
                for organization in self.written:
                    # What the former process has polled is no poll of this one.
                    organization.seen = {}
            time.sleep(self.dice.uniform(0, 3))
            self.disk.answer()


def check():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        needed(base)
        service = Service()
        try:
            with Disk(base, "disk") as disk:
                (disk.path / "state").mkdir()
                hammer = Hammer(service, disk, base, options.seed)
                try:
                    hammer.run(options.seconds)
                finally:
                    hammer.exporter.process.kill()
                    hammer.exporter.process.wait()
        finally:
            service.process.kill()
            service.process.wait()


if __name__ == "__main__":
    main(check)
