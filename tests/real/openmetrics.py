#!/usr/bin/env python3
"""A strict OpenMetrics parser reads the OpenMetrics format, and finds in it what the text format says.

Needs `prometheus-client` from PyPI.
"""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import OPENMETRICS, Demo, main, require, until

# They move with each scrape, or with time alone.
MOVING = ("process_", "csp_exporter_http_requests_total", "csp_exporter_scheduler_heartbeat_timestamp_seconds")


def samples(families):
    """Values by name and labels; a bucket's bound is compared as a number."""
    found = {}
    for family in families:
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = {name: str(float(value)) if name == "le" else value for name, value in sample.labels.items()}
            key = (sample.name, *sorted(labels.items()))
            require(key not in found, f"twice: {key}")
            found[key] = sample.value
    return found


def one_moment(demo):
    """Both formats of the same moment: the text format says the same before and after."""

    def attempt():
        before, openmetrics, after = demo.metrics(), demo.metrics(OPENMETRICS), demo.metrics()
        first, last = samples(parse_text(before)), samples(parse_text(after))
        moved = {key for key in first.keys() | last.keys() if first.get(key) != last.get(key)}
        return all(key[0].startswith(MOVING) for key in moved) and (first, openmetrics)

    return until("two equal scrapes in a row", attempt)


def compare(demo, name):
    text, body = one_moment(demo)
    families = list(parse_openmetrics(body))
    names = [family.name for family in families]
    require(len(names) == len(set(names)), f"{name}: a family twice")
    parsed = samples(families)
    # Requests are counted once answered: the first scrape of a kind can't contain itself.
    alone = [key for key in parsed.keys() ^ text.keys() if key[0] != "csp_exporter_http_requests_total"]
    require(not alone, f"{name}: only in one format: {alone[:5]}")
    different = [key for key in text.keys() & parsed.keys() if text[key] != parsed[key] and not key[0].startswith(MOVING)]
    require(not different, f"{name}: different values: {different[:5]}")
    helped = [family.name for family in families if not family.documentation]
    require(not helped, f"{name}: no HELP: {helped}")
    exemplars = [s.exemplar for family in families for s in family.samples if s.exemplar]
    require(all("request_id" in exemplar.labels and exemplar.timestamp for exemplar in exemplars), f"{name}: an exemplar without its id")
    print(f"{name}: {len(families)} families, {len(parsed)} samples, {len(exemplars)} exemplars")
    return exemplars


def check():
    with Demo(flags=["--speed=0"]) as demo:
        require(compare(demo, "steady"), "there are no exemplars")
        organization = demo.organizations()[0]
        demo.set_scenario(organization, "malformed")
        until("a failed poll", lambda: any(one["consecutive_failures"] for one in demo.status()["organizations"]))
        demo.set_scenario(organization, "steady")
        until("a good poll", lambda: not any(one["consecutive_failures"] for one in demo.status()["organizations"]))
        compare(demo, "after a failure")
    with Demo("outage", flags=["--speed=0"]) as demo:
        compare(demo, "outage")


main(check)
