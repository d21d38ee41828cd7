#!/usr/bin/env python3
"""Every panel of every dashboard has data, in a real Prometheus that has seen the demo in each of its scenarios.

Each organization passes through all scenarios, each at another time. Then the variables are filled with what Prometheus
has, as Grafana does it, and each query is run over the whole time. Two servers watch: one keeps the classic buckets of
histograms, the other one native histograms alone.
"""

import json
import math
import re
import signal
import sys
import tempfile
import time

import fast_rules
from exporter import BINARY, OUT, ROOT, Demo, Failed, require, until
from servers import Prometheus

# An organization that has failed for long is polled too seldom to meet each kind of malformed list: steady comes before.
SCENARIOS = ["steady", "malformed", "outage", "rate-limit-storm", "credentials-revoked", "slow", "large"]
# Scrapes in each scenario, seconds between them, and the shortest step of a graph.
SCRAPES = 20
SCRAPE = 1
STEP = 5
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# The one server knows a cluster, the other one no such label.
CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{folder}/recording.yaml"]
scrape_configs:
  - job_name: csp-invitations
    static_configs: [{{targets: ["{target}"], labels: {labels}}}]
"""
# Recorded series look back over days, which this run does not have.
FACTOR = 60

# Queries that may be empty here, by panel and refId, and why.
FOLDED = "the demo has fewer roles and groups than the limits, so none is folded"
YOUNG = "what is drawn per day is drawn per hour while less than two days are known"
EMPTY = {("Oddities of the lists", "B"): FOLDED, ("Oddities of the list", "B"): FOLDED,
         ("Lifecycle", "A"): YOUNG, ("Time to redeem", "A"): YOUNG, ("Time to redeem", "C"): YOUNG}


def live(demo, prometheus):
    """Takes the demo through its scenarios while Prometheus watches."""
    organizations = demo.organizations()
    until("the first scrape", lambda: prometheus.value("up") == 1, 60)
    scrapes = 0
    # Steady once more at the end: what is recovering shows too.
    for turn in range(len(SCENARIOS) + 1):
        for index, organization in enumerate(organizations):
            demo.set_scenario(organization, SCENARIOS[(turn + 2 * index) % len(SCENARIOS)] if turn < len(SCENARIOS) else "steady")
        scrapes += SCRAPES
        until(f"{scrapes} scrapes", lambda: (prometheus.value("count_over_time(up[1h])") or 0) >= scrapes, 60)
        if turn == SCENARIOS.index("malformed"):
            until("malformed lists that count", lambda: prometheus.value("max(max_over_time(csp_decode_anomalies[1h])) > 0"), 60)
    until("recovery", lambda: all(one["consecutive_failures"] == 0 for one in demo.status()["organizations"]), 60)
    until("a scrape of it", lambda: prometheus.value("min(csp_up)") == 1)


def fill(expression, values):
    """The expression with its variables replaced."""
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], expression)


def variables(dashboard, prometheus, values):
    """Adds the values of the dashboard's variables: everything that Prometheus knows, as a choice of several; all, where it need not know any."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
        found = sorted({one[label] for one in prometheus.api("series", **{"match[]": fill(selector, values)}) or [] if label in one})
        require(found or re.fullmatch(variable["allValue"], ""), f"{dashboard['title']}: the variable {variable['name']} has no values")
        values[variable["name"]] = "|".join(re.escape(value).replace("\\", "\\\\") for value in found) or variable["allValue"]
    return values


def answers(prometheus, panel, target, values, start, end):
    """How many numbers and native histograms a query of a panel brings, with the windows that Grafana gives it."""
    least = target.get("interval") or panel.get("interval") or "0s"
    step = max(STEP, int(least[:-1]) * SECONDS[least[-1]])
    expression = fill(target["expr"], {**values, "__rate_interval": f"{max(step + SCRAPE, 4 * SCRAPE)}s", "__interval": f"{step}s"})
    # A graph has its points at multiples of its step. CompleteList days are far apart; what is shorter can fall on any moment of this run.
    moments = {"start": start // step * step, "end": end // step * step, "step": step} if step >= SECONDS["d"] else {"start": start, "end": end, "step": STEP}
    data = prometheus.api("query_range", query=expression, **moments)
    require(data is not None, f"Prometheus refuses {expression}")
    return sum(math.isfinite(float(value)) for one in data["result"] for _, value in one.get("values", [])) + sum(
        len(one.get("histograms", [])) for one in data["result"])


def walk(prometheus, start, end):
    """Runs every query of every dashboard; how many panels have data, and how many lack some without a reason."""
    passed = failed = 0
    unused = set(EMPTY)
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        values = variables(dashboard, prometheus, {"__range": f"{int(end - start)}s", "__range_s": f"{int(end - start)}"})
        panels = [inner for panel in dashboard["panels"] for inner in [panel, *panel.get("panels", [])] if inner["type"] != "row"]
        print(f"{dashboard['title']}: {len(panels)} panels", flush=True)
        for panel in panels:
            bare = []
            for target in panel["targets"]:
                key = (panel["title"], target["refId"])
                if answers(prometheus, panel, target, values, start, end):
                    continue
                if key in EMPTY:
                    unused.discard(key)
                    print(f"empty  {panel['title']}, {target['refId']}: {EMPTY[key]}")
                else:
                    bare.append(f"{target['refId']}: {target['expr']}")
            passed += not bare
            failed += bool(bare)
            if bare:
                print(f"FAILED {panel['title']} has no data for", *bare, sep="\n         ")
    for panel, query in sorted(unused):
        failed += 1
        print(f"FAILED {panel}, {query} has data, and a reason why it has none")
    return passed, failed


def main():
    require(BINARY.exists(), f"there is no {BINARY}")
    OUT.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed, failed = 0, 1
    try:
        with tempfile.TemporaryDirectory() as state, Demo(flags=[f"--state.dir={state}"]) as demo:
            classic, native = Prometheus("dashboards"), Prometheus("dashboards-native", features="native-histograms")
            for server, labels in ((classic, '{cluster: "west"}'), (native, "{}")):
                fast_rules.write(server.folder, FACTOR)
                server.configure(CONFIGURATION.format(target=demo.url.removeprefix("http://"), folder=server.folder, labels=labels))
            start = time.time()
            with classic, native:
                live(demo, classic)
                print(f"{time.time() - start:.0f} s of {', '.join(SCENARIOS)}", flush=True)
                require(native.value("max(max_over_time(up[1h]))") == 1 and not native.query("csp_api_request_duration_seconds_bucket"),
                        "the second server should have native histograms alone")
                found = [walk(prometheus, start, time.time()) for prometheus in (classic, native)]
                passed, failed = (sum(counts) for counts in zip(*found, strict=True))
    except Failed as failure:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
