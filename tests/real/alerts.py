#!/usr/bin/env python3
"""Every alert fires and resolves for real: the binary, a Prometheus, an Alertmanager, and a webhook that is told.

While one about invitations fires, the command in which its runbook ends has to list the people it is about.

The rules are the product's own, with every duration divided by FACTOR, thresholds in seconds included: an hour takes a
minute. Poll intervals of the exporters are short to match. Prints one line for each alert, then one for each alert that
silences another in the product's own Alertmanager configuration.
"""

import json
import os
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import exporter
import fast_rules
from alert_cases import STEADY, Bench, Case, all_cases, history, targets
from exporter import BINARY, OUT, Failed, require, until
from fakes import Receiver
from inhibitions import Inhibitions
from servers import Alertmanager, Prometheus, end_at_signals

FACTOR = 60
# An hour pending, an hour until a window has filled or emptied, and a machine that has other things to do.
PATIENCE = 3 * 3600 / FACTOR
# These look at how fast the exporter and this machine are, which the factor does not change.
MACHINE = {"CSPExporterSchedulerStalled", "CSPApiLatencyHigh"}

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{folder}/*.yaml"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}", "{product}"]}}]}}]
scrape_configs:
  - job_name: csp
    file_sd_configs: [{{files: ["{folder}/targets.json"], refresh_interval: 1s}}]
"""
ALERTMANAGER = """
route: {{receiver: check, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: check
    webhook_configs: [{{url: "http://{receiver}/", send_resolved: true}}]
"""


class Report(exporter.Report):
    """Remembers which alerts were tried."""

    def __init__(self):
        super().__init__()
        self.alerts = set()

    def alert(self, name, good, text):
        self.line(good, f"{name:<33}{text}")
        self.alerts.add(name)


def watch(case, receiver, report):
    """Brings the alerts of a case, waits until each fires, repairs, and waits until each resolves."""
    before = [name for name, labels in case.alerts for _, found in receiver.seen() if {"alertname": name, **labels}.items() <= found.items()]
    start = time.monotonic()
    fired, troubles = {}, dict.fromkeys(before, "fired before there was a reason")
    try:
        case.trigger()
        for name, labels in case.alerts:
            fired[name] = receiver.wait("firing", {"alertname": name, **labels}, start, start + PATIENCE - time.monotonic())
        case.look()
    except (Failed, OSError) as failure:
        troubles = {name: f"cannot be brought, or leads nowhere: {failure}" for name, _ in case.alerts}
    repaired = time.monotonic()
    try:
        case.repair()
    except (Failed, OSError) as failure:
        troubles = {name: f"cannot be repaired: {failure}" for name, _ in case.alerts}
    for name, labels in case.alerts:
        said = troubles.get(name)
        if not said and not fired.get(name):
            said = f"did not fire in {PATIENCE:.0f} s"
        resolved = None if said else receiver.wait("resolved", {"alertname": name, **labels}, fired[name], repaired + PATIENCE - time.monotonic())
        if not said and not resolved:
            said = f"fired after {fired[name] - start:.1f} s, did not resolve in {PATIENCE:.0f} s"
        if said:
            report.alert(name, False, said)
            continue
        by_itself = resolved < repaired
        ended = f"{resolved - (fired[name] if by_itself else repaired):.1f} s {'later, before' if by_itself else 'after'} the repair"
        report.alert(name, True, f"fired after {fired[name] - start:5.1f} s, resolved {ended}{f' [{case.fake}]' if case.fake else ''}")


def unfounded(receiver):
    """What was said about the exporter and the organization that had no trouble."""
    return sorted({labels["alertname"] for _, labels in receiver.seen()
                   if (labels.get("job") == STEADY or labels.get("organization") == "steady") and labels["alertname"] not in MACHINE})


def run(stack, report):
    enter = stack.enter_context
    receiver = enter(Receiver())
    alertmanager = enter(Alertmanager("alerts", ALERTMANAGER.format(receiver=receiver.address)))
    inhibitions = enter(Inhibitions())
    until("the Alertmanagers", lambda: alertmanager.answers("/-/ready") and inhibitions.server.answers("/-/ready"))
    prometheus = Prometheus("alerts")
    fast_rules.write(prometheus.folder, FACTOR)
    prometheus.configure(PROMETHEUS.format(
        folder=prometheus.folder, alertmanager=f"127.0.0.1:{alertmanager.port}", product=f"127.0.0.1:{inhibitions.server.port}"))
    target_file = prometheus.folder / "targets.json"

    def publish(found):
        (prometheus.folder / "new").write_text(json.dumps(found))
        os.replace(prometheus.folder / "new", target_file)

    publish([])
    prometheus.remember(history(FACTOR))
    enter(prometheus)
    bench = Bench(stack)
    with ThreadPoolExecutor(64) as pool:
        there = threading.Event()
        absent = Case([("CSPExporterAbsent", {})], lambda: None, lambda: (there.wait(PATIENCE), publish(targets(bench))))
        first = pool.submit(watch, absent, receiver, report)
        try:
            cases = all_cases(bench, FACTOR)
        finally:
            there.set()
        until("all targets are scraped", lambda: prometheus.value("count(up == 1)") == len(targets(bench)), 90)
        for one in [first, *(pool.submit(watch, case, receiver, report) for case in cases)]:
            one.result()
    inhibitions.report(report.line)
    found = unfounded(receiver)
    report.line(not found, f"what had no trouble has no alert{': ' + ', '.join(found) if found else ''}")


def main():
    require(BINARY.exists(), f"there is no {BINARY}")
    OUT.mkdir(parents=True, exist_ok=True)
    end_at_signals()
    start, report = time.monotonic(), Report()
    try:
        with ExitStack() as stack:
            run(stack, report)
    except Failed as failure:
        report.line(False, str(failure))
    except Exception:
        report.line(False, traceback.format_exc())
    for name in sorted(set(fast_rules.names()) - report.alerts):
        report.alert(name, False, "was not tried")
    print(f"{len(report.alerts)} alerts in {time.monotonic() - start:.0f} s")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
