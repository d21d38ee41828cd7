"""What the dashboards' own arithmetic gives for a pair of exporters, for a moved pod, and where there is no data."""

import json

SERIES = {
    # A pair that both see one event each ten minutes, for three days; and a pod that moves half-way through the third day.
    "pair": [("a", "0+1x432", "300x432"), ("b", "0+1x432", "300x432")],
    "moved": [("a", "0+1x360 stale", "300x360 stale"), ("b", "_x360 0+1x72", "_x360 300x72")],
}
STATES = {
    # Nothing of this one, and the better instance of a pair gets data after ten minutes; its scrapes end after half an hour.
    "a": {"fresh": "0x30 stale", "held": "0x30 stale", "withdrawn": "1x30 stale", "waiting": "0x30 stale"},
    "b": {"fresh": "0x30 stale", "held": "0x9 1x20 stale", "withdrawn": "1x9 0x20 stale", "waiting": "0x30 stale"},
}
FILLED = {"$cluster": ".*", "$job": ".+", "$instance": ".+", "$organization": ".+", "$__range_s": "172800", "$__range": "1d"}


def _series(family, labels, values):
    listed = ",".join(f'{name}="{value}"' for name, value in {**labels, "job": "csp-invitations"}.items())
    return {"series": f"{family}{{{listed}}}", "values": values}


def _expect(expression, time, labels, *values):
    return {"expr": expression, "eval_time": time, "exp_samples": [{"labels": labels, "value": value} for value in values]}


def _test(interval, series, expected, last):
    # Series are loaded up to the last moment that is asked for, and what a day brings is read from its beginning.
    return {"interval": interval, "input_series": series, "promql_expr_test": [*expected, _expect("vector(1)", last, "{}", 1)]}


def cases(dashboards):
    """A file of tests for promtool, as text."""
    panels = {panel["title"]: panel for dashboard in dashboards if dashboard["uid"] == "csp-invitations-overview" for panel in dashboard["panels"]}

    def query(title, number=0):
        text = panels[title]["targets"][number]["expr"]
        for name, value in FILLED.items():
            text = text.replace(name, value)
        # promtool evaluates at one moment, which it does not call the end.
        return text.replace(" @ end()", "")

    tests = []
    days, hours = query("Lifecycle"), query("Lifecycle", 1)
    redeemed = '{event="redeemed"}'
    for organization, instances in SERIES.items():
        series = [one for instance, events, interval in instances for one in (
            _series("csp_invitation_events_total", {"organization": organization, "event": "redeemed", "instance": instance}, events),
            _series("csp_poll_interval_seconds", {"organization": organization, "instance": instance}, interval))]
        # To the nearest four, because increase() extrapolates to the ends of its range.
        # Drawn per day once two days are known, and per hour before; what a step shows begins there.
        tests.append(_test("10m", series, [_expect(f"round({days}, 4)", "48h", redeemed, 144), _expect(hours, "48h", "{}"),
                                           _expect(days, "24h", "{}"), _expect(f"round({hours}, 2)", "24h", redeemed, 6),
                                           _expect(f"round({query('Funnel', 1)}, 4)", "48h", "{}", 144)], "72h"))
    one = {"organization": "acme", "instance": "a"}
    series = [_series("csp_organization_data_state", {"organization": "acme", "state": state, "instance": instance}, values)
              for instance, states in STATES.items() for state, values in states.items()]
    series += [_series("csp_poll_last_success_timestamp_seconds", one, "0x30"), _series("csp_poll_stale_after_seconds", one, "1200x30"),
               _series("csp_poll_interval_seconds", one, "300x30"),
               # As much trouble as can be, and still less than no data.
               _series("csp_invitations_privileged", {**one, "status": "available"}, "1500x30")]
    acme = '{organization="acme"}'
    tests.append(_test("1m", series, [
        _expect(query("Without data"), "5m", "{}", 1), _expect(query("Without data"), "15m", "{}", 0),
        # Nothing known is not nothing wrong.
        _expect(f"({query('Without data')}) >= 0", "35m", "{}"),
        _expect(query("Organizations, trouble first"), "5m", acme, 1_015_000), _expect(query("Organizations, trouble first"), "15m", acme, 15_000),
        _expect(query("Data state"), "5m", acme, 1), _expect(query("Data state"), "15m", acme, 2)], "40m"))
    # JSON is YAML.
    return json.dumps({"evaluation_interval": "10m", "tests": tests})
