#!/usr/bin/env python3
"""Ten thousand organizations in one process, scraped every 30 seconds: whether polls start when they are due, requests are
even, and scrapes are as quick as at rest.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/steady.py [MINUTES [ORGANIZATIONS]]

Organizations of 100 invitations with few values of each open label, a hundred requests a second, an interval of five minutes;
the simulated API answers in 50 ms, its time runs, and it is on the same processors. First MINUTES of scrapes at rest, of an
exporter that has polled everything once, as far apart as later: after half a minute processors have forgotten what they served. Then the first round, and after it MINUTES (6) of what is looked at:

- when each poll began (its end, less its duration), against the organization's phase in its interval, which is made of
  its id: the 99th percentile may be two seconds late;
- the requests of each 60 seconds, every 30 seconds: at most 1.1 times the average;
- the scrapes: their 99th percentile may be 1.5 times that at rest.

And `check` has to say in one line, of the same organizations with the default budget, that it does not suffice, and what would.
Ends with 1 where something of this does not hold.
"""

import gzip
import http.client
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import memory
import phases
import scale
import scrape

INTERVAL = 300
BUDGET = "requests_per_second: 100"
EVERY = 30
LATE = 2.0
UNEVEN = 1.1
SLOWER = 1.5
#: Fibonacci hashing, as the exporter has it.
SPREAD = int("9e3779b9" * 4, 16)


def phase(organization):
    number = int(organization.replace("-", ""), 16)
    return (number * SPREAD % 2**128 >> 64) / 2**64 * INTERVAL


def timed(run):
    """How long a scrape took, in milliseconds, when it was, and what it said; on a connection of its own."""
    connection = http.client.HTTPConnection(run.base.removeprefix("http://"), timeout=30)
    begin = time.perf_counter()
    connection.request("GET", "/metrics", headers=memory.HEADERS)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - begin
    connection.close()
    assert answer.status == 200 and body.startswith(b"\x1f\x8b")
    return took * 1000, time.time(), body


def quantile(values, share):
    return sorted(values)[int((len(values) - 1) * share)]


def configure(run, api, interval):
    config = run.folder / "config.yaml"
    text = re.sub(r"requests_per_second: \d+[^}]*", api, config.read_text())
    config.write_text(re.sub(r"interval: \w+", f"interval: {interval}", text))


def at_rest(run, scrapes):
    configure(run, "requests_per_second: 0, max_concurrent_requests: 64", "6h")
    run.start()
    run.ready()
    # The first scrape of a form makes what later ones find.
    timed(run)
    times = [(time.sleep(EVERY), timed(run)[0])[1] for _ in range(scrapes)]
    run.processes.pop().kill()
    run.exporter.wait()
    return times


def check(run, report):
    configure(run, "requests_per_second: 10", f"{INTERVAL}s")
    done = subprocess.run([scrape.BINARY, "check", f"--config.file={run.folder / 'config.yaml'}"],
                          capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if "are needed" in line]
    report.require(len(said) == 1 and "What would do" in said[0],
                   f"check says of the default budget: {' '.join(said).strip() or 'nothing'}")


def series(text, family):
    """The values of a family with the label `organization` alone, by it."""
    found = re.findall(rf'^{family}{{organization="([^"]*)"}} (\S+)$', text, re.MULTILINE)
    return {organization: float(value) for organization, value in found}


def look(run, scrapes, report):
    """What the scrapes say of polls and requests."""
    names = {f"organization-{number}": phase(id) for number, id in enumerate(run.ids)}
    began, requests = {}, []
    since = scrapes[0][1]
    for _, at, body in scrapes:
        text = gzip.decompress(body).decode()
        ends, durations = series(text, "csp_poll_last_attempt_timestamp_seconds"), series(text, "csp_poll_duration_seconds")
        for name, end in ends.items():
            if end > since + 1:
                began[name, end] = end - durations[name]
        requests.append((at, phases.total(text, "csp_api_requests_total")))
        failed, polls = phases.total(text, "csp_poll_failures_total"), phases.total(text, "csp_polls_total")
    report.require(failed == 0, f"{failed:.0f} of {polls:.0f} polls failed; {scrape.series_of(text.encode())} series")
    late = [(began_at - names[name]) % INTERVAL for (name, _), began_at in began.items()]
    late = [seconds - INTERVAL if seconds > INTERVAL / 2 else seconds for seconds in late]
    shares = ", ".join(f"{label} {quantile(late, share):.3f}" for label, share in
                       (("least", 0), ("median", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("most", 1)))
    report.require(quantile(late, 0.99) <= LATE, f"{len(late)} polls began behind their phase by, in seconds: {shares}")
    step = 60 // EVERY
    rates = [(requests[n + step][1] - requests[n][1]) / (requests[n + step][0] - requests[n][0]) * 60
             for n in range(len(requests) - step)]
    mean = (requests[-1][1] - requests[0][1]) / (requests[-1][0] - requests[0][0]) * 60
    report.require(max(rates) / mean <= UNEVEN, f"requests a minute: {mean:.0f} on average, {min(rates):.0f} to "
                   f"{max(rates):.0f}: at most {max(rates) / mean:.3f} times the average")


def main(minutes, organizations):
    report = phases.Report(f"{organizations} organizations, {minutes:.0f} minutes after the first round")
    scrapes_at_rest = round(minutes * 60 / EVERY)
    with tempfile.TemporaryDirectory() as folder:
        run = scale.Run(folder, organizations, scale.INVITATIONS, "6h", memory.FEW, speed=1)
        try:
            check(run, report)
            rest = at_rest(run, scrapes_at_rest)
            configure(run, BUDGET, f"{INTERVAL}s")
            pid = run.start()
            run.first_answer("/healthz")
            first = run.ready()
            report.say(f"the first round took {first:.0f} s")
            cpu, start, scrapes = scale.scrape.cpu_seconds(pid), time.monotonic(), []
            for number in range(1 + round(minutes * 60 / EVERY)):
                time.sleep(max(0.0, start + (number + 1) * EVERY - time.monotonic()))
                scrapes.append(timed(run))
            spent = (scale.scrape.cpu_seconds(pid) - cpu) / (time.monotonic() - start)
            report.say(f"{spent * 100:.1f} % of a core, {scale.memory(pid, 'VmRSS'):.0f} MiB resident, "
                       f"{scale.memory(pid, 'VmHWM'):.0f} MiB at most; {len(scrapes[-1][2]) / 1e6:.1f} MB a scrape")
        finally:
            run.end()
        look(run, scrapes, report)
        # The first scrape of a form makes what later ones find.
        times = [took for took, _, _ in scrapes[1:]]
        for label, values in (("at rest", rest), ("while polls go on", times)):
            report.say(f"{len(values)} scrapes {label}, ms: median {statistics.median(values):.1f}, "
                       f"p99 {quantile(values, 0.99):.1f}, {min(values):.1f} to {max(values):.1f}")
        ratio = quantile(times, 0.99) / quantile(rest, 0.99)
        report.require(ratio <= SLOWER, f"p99 while polls go on is {ratio:.2f} times that at rest")
    print("\n".join(report.lines))
    sys.exit(not report.is_good)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(float(arguments[0]) if arguments else 6, int(arguments[1]) if len(arguments) > 1 else 10_000)
