#!/usr/bin/env python3
"""A Prometheus that remembers eight days of the simulated service, for pictures of a whole week. Takes some 25 minutes.

The simulated time runs 600 times as fast, and every scrape is written down with the time that it would have had. Near the end one
organization is cut off and another one is told to slow down. Recorded series are filled in as the rules would have. Then the
Prometheus runs until it is interrupted, for `npm run shoot`. Needs promtool and prometheus; EXPORTER_BINARY names another build.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests" / "real")]
sys.dont_write_bytecode = True

from checks.rules import RULES, read  # noqa: E402
from exporter import OPENMETRICS, OUT, fetch, until  # noqa: E402
from servers import Exporter, Prometheus, Simulator, end_at_signals  # noqa: E402

# Seconds that one second stands for, and scrapes in all.
SPEED, SCRAPES = 600, 1152
# Prometheus forgets a sample after five minutes: each scrape is written down three times.
REPEATED = (0, 200, 400)
NAMES = ["acme", "globex", "initech", "umbrella", "hooli", "vandelay"]
TARGET = 'job="csp-invitations",instance="exporter:10094"'
# Moments in the time of the exporter, which passes as fast as that of the week. Others are those of invitations and tokens.
PASSED = ("csp_poll_last_", "process_start_time_seconds", "csp_exporter_config_last_reload_success_timestamp_seconds")
# What panels show as it is now, and nothing else: only the last scrapes have it.
NOW = ("csp_invitations_by_role", "csp_invitations_by_group", "csp_group_info")


class Lively(Simulator):
    """The simulated service with the lifecycle of the demonstration."""

    def command(self):
        return [*(word for word in super().command() if not word.startswith(("--speed", "--invitations"))), f"--speed={SPEED}"]

    def put_list(self, organization, invitations):
        pass


def sample(line, now, moment):
    """A line of a scrape as it would have been at `moment`."""
    name, _, value = line.split(" # ")[0].rpartition(" ")
    family, number = name.partition("{")[0], float(value)
    if family in ("csp_poll_interval_seconds", "csp_poll_stale_after_seconds"):
        number *= SPEED
    elif family.startswith(PASSED) and number:
        number = moment - (now - number) * SPEED
    elif family.endswith("_timestamp_seconds") and number:
        number += moment - now
    labels = f"{name[:-1]},{TARGET}}}" if name.endswith("}") else f"{name}{{{TARGET}}}"
    ahead = family == "csp_exporter_scheduler_heartbeat_timestamp_seconds"
    return "".join(f"{labels} {number + (later if ahead else 0)!r} {moment + later:.3f}\n" for later in REPEATED)


def record(path):
    """Writes the scrapes of the week as OpenMetrics; the end of its data."""
    with Lively("week", len(NAMES)) as service, path.open("w") as out:
        exporter = Exporter("csp-invitations", {
            "api": {"url": service.url, "requests_per_second": 0},
            "poll": {"interval": "3s", "deadline": "2900ms", "stale_after": "30s"},
            "metrics": {"trusted_domains": ["example.com"]},
            "credentials": {"app": {"client_id": service.client_id, "client_secret_file": str(service.client_secret_file)},
                            "acme-token": {"api_token_file": str(service.api_token_files[service.ids[0]])}},
            "organizations": [{"id": one, "name": f"{name}-production", "credentials": "acme-token" if name == "acme" else "app"}
                              for one, name in zip(service.ids, NAMES, strict=True)]})
        exporter.flags = [f"--state.dir={exporter.folder}/state"]
        with exporter:
            until("readiness", lambda: exporter.answers("/readyz"), 60)
            start = time.time()
            end = start + SCRAPES
            for number in range(SCRAPES):
                time.sleep(max(0, start + number - time.time()))
                if number in (SCRAPES - 90, SCRAPES - 70):
                    service.scenario(*((service.ids[1], "outage") if number == SCRAPES - 90 else (service.ids[2], "rate-limit-storm")))
                now, moment = time.time(), end - (SCRAPES - number) * SPEED
                for line in ["up 1", *fetch(f"{exporter.url}/metrics", OPENMETRICS)[1].splitlines()]:
                    if not line.startswith("#") and (number > SCRAPES - 10 or not line.startswith(NOW)):
                        out.write(sample(line, now, moment))
        out.write("# EOF\n")
    return end


def promtool(*words):
    subprocess.run(["promtool", "tsdb", "create-blocks-from", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def fill_in(prometheus, end):
    """Fills in the recorded series: first those of scraped series, then those of recorded ones."""
    left = read(RULES / "recording.yaml")
    while left:
        waiting = {rule.name for rule in left}
        ready = [rule for rule in left if not any(name in rule.expression for name in waiting)]
        file, made = prometheus.folder / "rules.json", prometheus.folder / "made"
        file.write_text(json.dumps({"groups": [{"name": "week", "rules": [{"record": rule.name, "expr": rule.expression} for rule in ready]}]}))
        prometheus.start()
        until("Prometheus", lambda: prometheus.answers("/-/ready"), 60)
        promtool("rules", f"--start={int(end) - SCRAPES * SPEED}", f"--end={int(end)}", "--eval-interval=5m", f"--url={prometheus.url}",
                 f"--output-dir={made}", file)
        prometheus.end()
        for block in made.iterdir():
            block.rename(prometheus.folder / "data" / block.name)
        left = [rule for rule in left if rule not in ready]


def main():
    end_at_signals()
    OUT.mkdir(parents=True, exist_ok=True)
    prometheus = Prometheus("week")
    scrapes = prometheus.folder / "scrapes"
    end = record(scrapes)
    promtool("openmetrics", "--max-block-duration=240h", scrapes, prometheus.folder / "data")
    fill_in(prometheus, end)
    with prometheus:
        print(f"NOW={int(end)} PROMETHEUS={prometheus.url} npm run shoot -- pictures 10080 light acme-production", flush=True)
        prometheus.process.wait()


if __name__ == "__main__":
    main()
