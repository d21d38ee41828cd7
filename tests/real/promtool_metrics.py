#!/usr/bin/env python3
"""promtool finds nothing to say about the text format, whatever the service does."""

import subprocess

from exporter import Demo, main, require, until

SCENARIOS = ["steady", "rate-limit-storm", "outage", "slow", "credentials-revoked", "malformed"]
# In these, every poll fails.
FAILING = ["rate-limit-storm", "outage", "credentials-revoked"]


def lint(name, text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    require(done.returncode == 0 and not said, f"{name}: promtool exits {done.returncode} and says:\n{said}")
    print(f"{name}: {len(text.splitlines())} lines, clean")


def check():
    for scenario in SCENARIOS:
        with Demo(scenario) as demo:
            lint(scenario, demo.metrics())
    # What a service that breaks leaves behind: series of every kind at once.
    with Demo() as demo:
        for organization, scenario in zip(demo.organizations(), FAILING, strict=True):
            demo.set_scenario(organization, scenario)
        until("failures", lambda: all(one["consecutive_failures"] for one in demo.status()["organizations"]))
        lint("steady, then failing", demo.metrics())


main(check)
