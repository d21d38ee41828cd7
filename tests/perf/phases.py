#!/usr/bin/env python3
"""Many organizations in one budget: whether their polls are spread, and whether any of them suffers from the others.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/phases.py [SECONDS]

Takes about fifteen minutes and little of the processors: all of it runs at once. The simulated API answers in 50 ms.

1. 1,000 organizations at the defaults (five minutes, ten requests a second): the first round, and two intervals after it.
   No poll may fail, the median poll may take no longer than that of one alone in an exporter beside it, and the requests a
   second may vary by less than a fifth: from minute to minute at the most, in windows of ten seconds by their standard
   deviation.
2. 300 organizations with an interval of a minute and ten requests a second: enough, though the first round alone takes a
   minute. `check` has nothing to say, and no poll may fail.
3. 700 of them: too many. `check` has to say so, and they have to be served in turn without failing.

With SECONDS, the first of them alone, and so long instead of 600. Ends with 1 where something of this does not hold.
"""

import concurrent.futures
import re
import statistics
import subprocess
import sys
import tempfile
import time

import scale
import scrape

WINDOW = 10
#: How much longer than a poll of one alone still counts as the same: only a quiet machine can tell.
LATE = 1.1


class Report:
    """What is said of one of the cases, in one piece."""

    def __init__(self, title):
        self.lines, self.is_good = [title], True

    def say(self, text):
        self.lines.append(f"  {text}")

    def require(self, holds, what):
        self.say(f"{'ok   ' if holds else 'WRONG'} {what}")
        self.is_good &= holds


def start(folder, organizations, api, interval):
    """An exporter beside a simulator, not yet started, with this budget."""
    run = scale.Run(folder, organizations, 10, interval)
    config = run.folder / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("requests_per_second: 0, max_concurrent_requests: 64", api))
    return run


def metrics(run):
    return scrape.get(f"{run.base}/metrics", scrape.PLAIN[1]).decode()


def values(text, family):
    return [float(value) for value in re.findall(rf"^{family}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)]


def total(text, family):
    return sum(values(text, family))


def windows(run, alone, seconds):
    """Requests a second in windows that follow each other, and how long the polls of one alone took meanwhile."""
    rates, single, before, at = [], [], total(metrics(run), "csp_api_requests_total"), time.monotonic()
    end = at + seconds
    while at < end:
        while time.monotonic() < at + WINDOW:
            time.sleep(2)
            single += values(metrics(alone), "csp_poll_duration_seconds")
        now, count = time.monotonic(), total(metrics(run), "csp_api_requests_total")
        rates.append((count - before) / (now - at))
        before, at = count, now
    return rates, single


def spread(seconds):
    report = Report("1,000 organizations at the defaults")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        run, alone = start(folder, 1000, "requests_per_second: 10", "5m"), start(other, 1, "requests_per_second: 10", "2s")
        try:
            alone.start()
            alone.first_answer("/healthz")
            pid = run.start()
            run.first_answer("/healthz")
            first = run.ready()
            report.require(195 <= first <= 230,
                           f"the first round, a token and a list each, takes {first:.0f} s of the 200 s that ten a second leave")
            # Names follow, and the second polls of those who were polled last.
            time.sleep(60)
            cpu = scrape.cpu_seconds(pid)
            rates, single = windows(run, alone, seconds)
            spent = scrape.cpu_seconds(pid) - cpu
            minutes = [statistics.mean(rates[n:n + 6]) for n in range(0, len(rates) - 5, 6)]
            mean = statistics.mean(minutes)
            text = metrics(run)
            durations = values(text, "csp_poll_duration_seconds")
            deviation = max(abs(minute / mean - 1) for minute in minutes)
            report.say(f"requests a second: {mean:.2f} on average; by the minute {min(minutes):.2f} to {max(minutes):.2f}; in windows of "
                  f"{WINDOW} s {min(rates):.2f} to {max(rates):.2f}, standard deviation {statistics.pstdev(rates):.2f}; "
                  f"{spent / seconds * 100:.2f} % of a core")
            report.require(deviation < 0.2, f"requests a second vary by {deviation * 100:.1f} % at the most from minute to minute")
            off = statistics.pstdev(rates) / mean
            report.require(off < 0.2, f"and by {off * 100:.1f} % (standard deviation) in windows of {WINDOW} s")
            failed, polls = total(text, "csp_poll_failures_total"), total(text, "csp_polls_total")
            report.require(failed == 0, f"{failed:.0f} of {polls:.0f} polls failed")
            median, single = statistics.median(durations), statistics.median(single)
            report.require(median <= single * LATE,
                           f"the median poll takes {median * 1000:.1f} ms, that of one alone {single * 1000:.1f} ms")
        finally:
            run.end()
            alone.end()
    return report


def by_the_minute(organizations, is_enough):
    report = Report(f"{organizations} organizations by the minute")
    with tempfile.TemporaryDirectory() as folder:
        run = start(folder, organizations, "requests_per_second: 10", "1m")
        try:
            check = subprocess.run([scrape.BINARY, "check", f"--config.file={run.folder / 'config.yaml'}"],
                                   capture_output=True, text=True, check=False)
            said = [line for line in check.stdout.splitlines() + check.stderr.splitlines() if "are needed" in line]
            report.require(len(said) == (0 if is_enough else 1), f"check says: {' '.join(said).strip() or 'nothing'}")
            run.start()
            run.first_answer("/healthz")
            run.ready()
            time.sleep(180)
            text = metrics(run)
            polls = values(text, "csp_polls_total")
            failed = total(text, "csp_poll_failures_total")
            report.require(failed == 0, f"{failed:.0f} of {sum(polls):.0f} polls failed")
            report.require(min(polls) >= max(polls) - 2, f"each was polled {min(polls):.0f} to {max(polls):.0f} times")
            report.require(total(text, "csp_api_throttle_wait_seconds_total") > 0, "the wait shows in csp_api_throttle_wait_seconds_total")
        finally:
            run.end()
    return report


if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor() as cases:
        running = [cases.submit(spread, int(sys.argv[1]) if len(sys.argv) > 1 else 600)]
        if len(sys.argv) == 1:
            running += [cases.submit(by_the_minute, 300, True), cases.submit(by_the_minute, 700, False)]
        reports = [case.result() for case in running]
    print("\n".join(line for report in reports for line in report.lines))
    sys.exit(not all(report.is_good for report in reports))
