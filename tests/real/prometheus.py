#!/usr/bin/env python3
"""A real Prometheus scrapes the exporter without a complaint, in OpenMetrics and, with native histograms, in protobuf.

The server is `prometheus` of the path, or the binary that is given as argument.
"""

import re
import subprocess
import sys
import time

from exporter import OPENMETRICS, Demo, fetch, main, require, until
from servers import Prometheus

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: csp-invitations
    {extra}
    static_configs: [{{targets: ["{target}"]}}]
"""


def scraper(binary, demo, name, features, extra=""):
    """A server with an empty store that scrapes the demo."""
    target = demo.url.removeprefix("http://")
    return Prometheus(name, CONFIG.format(target=target, extra=extra), features, binary)


def series(exposition):
    """How many samples a scrape has, and how many without the classic parts of histograms, each histogram one."""
    histograms = set(re.findall(r"^# TYPE (\S+) histogram$", exposition, re.M))
    lines = [line for line in exposition.splitlines() if line and not line.startswith("#")]
    classic, counts = 0, 0
    for line in lines:
        name = re.match(r"[a-zA-Z_:0-9]+", line)[0]
        family, _, part = name.rpartition("_")
        if family in histograms and part in ("bucket", "sum", "count"):
            classic += 1
            counts += part == "count"
    return len(lines), len(lines) - classic + counts


def complaints(server):
    """What the log says about scrapes, and what the server counts as dropped."""
    wrong = re.compile(r"level=(warn|error)|Scrape failed|Append failed|ingesting|out.of.order|[Dd]uplicate", re.I)
    found = [line for line in server.log.read_text().splitlines() if "scrape" in line and wrong.search(line)]
    own = fetch(f"{server.url}/metrics")[1]
    found += [line for line in own.splitlines() if re.match(r"prometheus_target_scrapes_\S+_total [1-9]|prometheus_\w*exemplars?_out_of_order\w*_total [1-9]", line)]
    return found


def scraped(server, expected):
    """Waits for three good scrapes in a row, each of `expected` samples."""
    until("the first scrape", lambda: server.value("up") == 1, 60)
    until("three scrapes", lambda: (server.value("count_over_time(up[1m])") or 0) >= 3, 60)
    require(server.value("min_over_time(up[1m])") == 1, "a scrape failed")
    target = server.api("targets")["activeTargets"][0]
    require(target["health"] == "up" and not target["lastError"], f"the target's last error: {target['lastError']}")
    # A count that is one scrape behind catches up; one that is wrong never does.
    until(f"{expected()} samples in a scrape, not {server.value('scrape_samples_scraped')}",
          lambda: server.value("scrape_samples_scraped") == expected(), 20)
    until("samples after relabelling", lambda: server.value("scrape_samples_post_metric_relabeling") == expected(), 20)


def openmetrics(binary, demo, name):
    """Classic histograms and exemplars."""
    with scraper(binary, demo, f"{name}-openmetrics", "exemplar-storage") as server:
        scraped(server, lambda: series(demo.metrics(OPENMETRICS))[0])
        now = time.time()
        found = server.api("query_exemplars", query="csp_api_request_duration_seconds_bucket", start=now - 3600, end=now + 60)
        ids = [one["labels"].get("request_id") for result in found or [] for one in result["exemplars"]]
        require(ids and all(ids), f"exemplars with a request id: {ids}")
        require(server.query("histogram_quantile(0.9, csp_api_request_duration_seconds_bucket)"), "no quantile from classic buckets")
        require(not (found := complaints(server)), "\n".join(found))
        print(f"OpenMetrics: {server.value('scrape_samples_scraped'):.0f} samples, {len(ids)} exemplars, no complaints")


def native(binary, demo, name, extra=""):
    """Native histograms, which only protobuf carries."""
    with scraper(binary, demo, f"{name}-native", "native-histograms", extra) as server:
        scraped(server, lambda: series(demo.metrics(OPENMETRICS))[1])
        for family in ("csp_api_request_duration_seconds", "csp_invitation_redemption_duration_seconds"):
            result = server.query(family)
            require(result and all("histogram" in one for one in result), f"{family} is no native histogram: {result[:1]}")
        quantile = server.value('histogram_quantile(0.9, csp_api_request_duration_seconds{operation="invitations"})')
        require(quantile is not None and 0 < quantile < 60, f"the native quantile is {quantile}")
        require(not server.query("csp_api_request_duration_seconds_bucket"), "classic buckets next to native ones")
        require(not (found := complaints(server)), "\n".join(found))
        print(f"protobuf: {server.value('scrape_samples_scraped'):.0f} samples, native quantile {quantile:.4f} s, no complaints")


def check():
    binary = sys.argv[1] if len(sys.argv) > 1 else "prometheus"
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"version (\S+)", done.stdout + done.stderr)[1]
    print(f"Prometheus {version}")
    # As of 3.0 a configuration asks for native histograms per job.
    extra = "scrape_native_histograms: true" if int(version.split(".")[0]) >= 3 and version >= "3.8" else ""
    with Demo(flags=["--speed=0"]) as demo:
        openmetrics(binary, demo, version)
        native(binary, demo, version, extra)


main(check)
