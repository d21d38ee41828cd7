"""Queries and panels that more than one dashboard shows.

A gauge of an organization is the maximum over the instances that show it and a sum of counters is divided by their
number, so that a pair of exporters counts once; see the recording rules.
"""

from grafana import (AGE_COLORS, BLUE, EVENT_COLORS, GREEN, GREY, LEFT_COLORS, ORANGE, POLLED, RED, STATE_COLORS, WHERE, YELLOW, colors, lines,
                     quantile, query, stat, steps, timeline)

RAISED = steps((GREEN, None), (ORANGE, 1))
ACCEPTED = steps((RED, None), (ORANGE, 0.5), (GREEN, 0.8))
ALARMING = steps((GREEN, None), (RED, 1))


def per_organization(family, labels=""):
    """One number for each organization."""
    selector = f"{family}@{{{labels}}}"
    split = next((label for label in ("age", "time_left") if family.endswith(f"_by_{label}")), None)
    return f"max by (<organization>) (sum without ({split}) ({selector}))" if split else f"max by (<organization>) ({selector})"


# Why no instance can poll an organization. Of a pair that fails for two reasons one is shown.
REASON = ("topk by (<organization>) (1, group by (<organization>, reason) (csp_poll_failing@{}) unless on (<organization>)"
          " max by (<organization>) (csp_up@{}) == 1)")


def total(family, labels=""):
    """One number over the chosen organizations."""
    return f"sum({per_organization(family, labels)})"


def by(label, family, labels=""):
    """The same, split by a label."""
    return f"sum by ({label}) (max by (<organization>, {label}) ({family}@{{{labels}}}))"


# Graphs of one organization per line show so many of them.
MOST = 15
# The organizations whose data is withdrawn first, as seen from the end of the chosen time: the same ones in each step. The last hour
# counts, so that they stay while the exporter is away.
OLDEST = (f" and on (<organization>) bottomk({MOST}, max by (<organization>) ("
          "last_over_time(csp_poll_last_success_timestamp_seconds@{}[1h] @ end()) + last_over_time(csp_poll_stale_after_seconds@{}[1h] @ end())))")
OF_THE_OLDEST = f" Of more than {MOST} organizations those whose data is withdrawn first."


ENDED = "redeemed|expired|revoked"


def age():
    """Seconds from the last good poll to the last scrape, by the exporter's own clock where it tells that; see the recording rules."""
    last = "(csp_poll_last_success_timestamp_seconds@{} > 0)"
    return ("min by (<organization>) (max by (<target>) (csp_exporter_scheduler_heartbeat_timestamp_seconds#{})"
            f" - on (<target>) group_right () {last} or time() - {last})")


def events(event, window="$__range"):
    """Lifecycle events of the time before a step, right for moved pods and for pairs."""
    return (f"sum(sum by (<organization>) (increase(csp_invitation_events_total@{{event=~\"{event}\"}}[{window}]))"
            " / on (<organization>) count by (<organization>) (csp_poll_interval_seconds@{}))")


def recorded_events(event, window):
    """The same from the recording rules, which add up so many days once for all who look."""
    return f'sum(sum by (<organization>) (organization_event:csp_invitation_events:increase{window}&{{event=~"{event}"}}))'


def recorded_redemption(q):
    """How long a share of those who redeemed in the last week took at most, from the recording rules; both kinds of histograms."""
    recorded = "csp_invitation_redemption_duration_seconds:increase7d&{}"
    return f"histogram_quantile({q}, sum by (le) (organization_le:{recorded})) >= 0 or histogram_quantile({q}, sum(organization:{recorded})) >= 0"


# A lifecycle is drawn per day; per hour where the chosen time, or what is known at its end, goes back less than two days.
_LONG = "(vector($__range_s) >= 172800 and on () group(last_over_time(csp_poll_interval_seconds@{}[1h] @ end() offset 2d)))"
PERIODS = {"1d": f" and on () {_LONG}", "1h": f" unless on () {_LONG}"}
PER_PERIOD = "of each day, which stands at its beginning; of each hour, where less than two days are shown or known. The last one is not over yet."


def periods(make, legend):
    """A query for days and one for hours, of which one has results; `make` gets the window."""
    return [query(f"({make(window)}){where}", legend, interval=window) for window, where in PERIODS.items()]


def events_of(window):
    """Lifecycle events of the period that begins at a step, so that the current one shows what it has brought so far.

    Divided by the instances that showed the organization on average; in the first minutes of all by those that there are.
    """
    return (f"sum by (event) (sum by (<organization>, event) (increase(csp_invitation_events_total@{{}}[{window}] offset -{window})) / on (<organization>)"
            f" group_left () (avg_over_time((count by (<organization>) (csp_poll_interval_seconds@{{}}))[{window}:5m] offset -{window})"
            f" or count by (<organization>) (last_over_time(csp_poll_interval_seconds@{{}}[{window}] offset -{window}))))")


def redemption(q, window, offset=""):
    """How long a share of the redeemed took at most."""
    return quantile(q, "csp_invitation_redemption_duration_seconds", [], "@{}", window, offset)


def buckets(family, label, names):
    """One query for each value of a label that has an order of its own, so that legend and stack have it too."""
    return [query(f'sum(max by (<organization>) ({family}@{{{label}="{name}"}}))', name) for name in names]


FROM_RULES = "From the recording rules, every five minutes."


def at_a_glance():
    """What whoever opens a dashboard wants to know first: whether people get in, how long it takes, who is being lost, how far to trust it."""
    return [
        stat("Acceptance, 7 days", "Whether people get in: of the invitations that ended in the last seven days (redeemed, expired or revoked) the share that was"
             " redeemed.", f"{events('redeemed', '7d')} / ({events(ENDED, '7d')} > 0)", w=6, unit="percentunit", decimals=0, thresholds=ACCEPTED, gone="none ended", alerts=["CSPInvitationsAcceptanceDropped"]),
        stat("Acceptance, 30 days", f"The same of the last thirty days, to compare with. {FROM_RULES}",
             f"{recorded_events('redeemed', '30d')} / ({recorded_events(ENDED, '30d')} > 0)",
             w=6, unit="percentunit", decimals=0, thresholds=ACCEPTED, gone="none ended"),
        stat("Median time to redeem", f"How long it takes: half of the invitations that were redeemed in the last seven days took at most this long. {FROM_RULES}",
             recorded_redemption(0.5), w=6, unit="s", decimals=1, gone="none redeemed"),
        stat("Nine tenths redeem within", f"Nine tenths of the invitations that were redeemed in the last seven days took at most this long. {FROM_RULES}",
             recorded_redemption(0.9), w=6, unit="s", decimals=1, gone="none redeemed"),
        stat("Lapsed in a week", "Who was lost: people whose invitation expired in the last seven days and who have no newer one.",
             total("csp_invitations_lapsed_by_age", 'age=~"0-1d|1-3d|3-7d"'), w=5, thresholds=RAISED, alerts=["CSPInvitationsLapsed"], gone="no data"),
        stat("Expiring in a day", "Who is about to be lost: available invitations that expire within 24 hours, the last chance for a reminder.",
             total("csp_invitations_pending_by_time_left", 'time_left=~"0-1h|1-24h"'), w=5, thresholds=RAISED, alerts=["CSPInvitationsExpiringSoon"], gone="no data"),
        stat("Expected to expire", "How many of the available invitations will expire unless somebody acts, if things go on as in each organization's own last 30"
             " days: the older one is, the likelier. The runbook of CSPInvitationsExpiringSoon says how it is computed and when not to trust it."
             f" {FROM_RULES}",
             "sum(organization:csp_invitations_pending:expected_to_expire&{})", w=6, decimals=0, gone="no history"),
        stat("Without data", "Whether the numbers are current: organizations that are missing from everything here, because their data is too old to show or was"
             " never fetched.",
             'sum(max by (<organization>) (csp_organization_data_state@{state=~"fresh|held"}) == bool 0)',
             w=4, thresholds=ALARMING, gone="no exporter", alerts=["CSPDataWithdrawn"]),
        stat("Oldest data", "The age of the oldest numbers that are shown here.",
             f"max({age()} and on (<organization>) max by (<organization>) (csp_organization_data_state@{{state=~\"fresh|held\"}}) == 1)", w=4, unit="s",
             decimals=0, thresholds=steps((BLUE, None)), gone="no data", alerts=["CSPDataHeld"]),
    ]


def headline():
    """What is open, by what it takes to act on it."""
    return [
        stat("Available", "Invitations that can still be redeemed, the status available. Names of metrics call some of them pending; it is the same.",
             total("csp_invitations", 'status="available"'), w=4, gone="no data"),
        stat("Older than 3 days", "Available invitations that were generated three days ago or earlier.",
             total("csp_invitations_pending_by_age", 'age=~"3-7d|7-30d|30d[+]"'), w=5, thresholds=RAISED, alerts=["CSPInvitationsPendingTooLong"], gone="no data"),
        stat("Privileged", "Available invitations that carry a privileged role, directly or through an expanded group.",
             total("csp_invitations_privileged", 'status="available"'), w=4, thresholds=ALARMING, alerts=["CSPInvitationsPrivilegedPending"], gone="no data"),
        stat("External", "Available invitations to mail domains that are not trusted. No number where no trusted domains are configured, or no data is there.",
             total("csp_invitations_external", 'status="available"'), w=4, thresholds=ALARMING, gone="not counted",
             alerts=["CSPInvitationsExternalPending"]),
        stat("Duplicates", "Available invitations beyond the first for the same person.",
             total("csp_invitations_duplicate"), w=4, thresholds=RAISED, alerts=["CSPInvitationsDuplicated"], gone="no data"),
        stat("Expired", "Invitations in the list that were not redeemed before their expiration, however long ago.",
             total("csp_invitations", 'status="expired"'), w=3, gone="no data"),
    ]


def lifecycle(w):
    """What happened to invitations, per day or hour."""
    return lines("Lifecycle",
                 f"Invitations generated, redeemed, expired, revoked and vanished {PER_PERIOD}"
                 " Counted from the differences between polls: what the very first poll found is not an event. Values can have a"
                 " fraction, because Prometheus extrapolates.",
                 periods(events_of, "{{event}}"), w=w, fill=0, unit="locale", decimals=0,
                 overrides=colors(EVENT_COLORS), legend="table", custom={"showPoints": "always", "pointSize": 6, "lineWidth": 2})


def acceptance_over_time(w):
    """Whether people get in, as it changes."""
    return lines("Acceptance",
                 f"Of the invitations that ended in the 7 or 30 days before each point (redeemed, expired or revoked) the share that was redeemed. {FROM_RULES}",
                 [query(f"{recorded_events('redeemed', window)} / ({recorded_events(ENDED, window)} > 0)", f"{window[:-1]} days", interval=POLLED)
                  for window in ("7d", "30d")], w=w, unit="percentunit", minimum=0, maximum=1, fill=0, overrides=colors({"7 days": GREEN, "30 days": GREY}),
                 custom={"lineWidth": 2}, alerts=["CSPInvitationsAcceptanceDropped"])


def time_to_redeem(w):
    """How long people take to redeem."""
    return lines("Time to redeem",
                 f"From the generation of an invitation to its redemption, for the redemptions {PER_PERIOD} Half of"
                 " them (the median) and nine tenths took at most this long.",
                 [one for q, name in ((0.5, "median"), (0.9, "nine tenths"))
                  for one in periods(lambda window, q=q: f"({redemption(q, window, f' offset -{window}')}) / 86400", name)],
                 w=w, unit="suffix:days", custom={"showPoints": "always", "pointSize": 6})


def ages(w):
    """The available by age, stacked."""
    return lines("Available by age", "Available invitations by the time since their generation.",
                 buckets("csp_invitations_pending_by_age", "age", AGE_COLORS), w=w, stack=True, bars=True, overrides=colors(AGE_COLORS),
                 alerts=["CSPInvitationsPendingTooLong"])


def time_left(w):
    """The available by time to expiration, stacked."""
    return lines("Available by time left", "Available invitations by the time to their expiration.",
                 buckets("csp_invitations_pending_by_time_left", "time_left", LEFT_COLORS), w=w, stack=True, bars=True,
                 overrides=colors(LEFT_COLORS), alerts=["CSPInvitationsExpiringSoon"])


def lapsed(w):
    """Lost people by time since the expiration, stacked."""
    return lines("Lapsed without a new invitation", "People whose invitation expired and who have no newer one, by the time since the expiration.",
                 buckets("csp_invitations_lapsed_by_age", "age", [age for age in AGE_COLORS if age != "unknown"]), w=w, stack=True, bars=True, overrides=colors(AGE_COLORS),
                 alerts=["CSPInvitationsLapsed"])


def data_states(w, h=8):
    """How current each organization's data is."""
    best = ("max by (<organization>) (sum without (state) (3 * csp_organization_data_state@{state=\"fresh\"}) > 0"
            " or sum without (state) (2 * csp_organization_data_state@{state=\"held\"}) > 0"
            " or sum without (state) (csp_organization_data_state@{state=\"withdrawn\"}) > 0"
            " or sum without (state) (0 * csp_organization_data_state@{state=\"waiting\"}))")
    mapping = {"type": "value", "options": {str(number): {"text": state, "color": STATE_COLORS[state], "index": 3 - number}
                                            for number, state in ((3, "fresh"), (2, "held"), (1, "withdrawn"), (0, "waiting"))}}
    return timeline("Data state",
                    "How current each organization's numbers are, the best of all instances: fresh; held (the last poll failed, old numbers are"
                    f" shown); withdrawn (too old to show); waiting (no success yet).{OF_THE_OLDEST}",
                    [query(f"({best}){OLDEST}", WHERE + "{{organization}}")], w=w, h=h, unit="none", mappings=[mapping], thresholds=steps((GREY, None)),
                    color={"mode": "thresholds"}, alerts=["CSPDataHeld", "CSPDataWithdrawn"])


def freshness(w):
    """The age of each organization's data against its own limit."""
    return lines("Age of the data against its limit",
                 "Time since the last good poll as a share of the organization's own stale_after. At 100 % its invitation families are"
                 f" withdrawn; above 25 % polls have failed, with the default limits. Drawn up to 200 %.{OF_THE_OLDEST}",
                 [query(f"{age()} / on (<organization>) max by (<organization>) (csp_poll_stale_after_seconds@{{}}){OLDEST}", WHERE + "{{organization}}")],
                 w=w, unit="percentunit", minimum=0, maximum=2, thresholds=steps((GREEN, None), (YELLOW, 0.5), (RED, 1)), color={"mode": "palette-classic"},
                 custom={"thresholdsStyle": {"mode": "dashed"}}, alerts=["CSPPollsFailing", "CSPDataHeld"])


def failing(w):
    """For which reasons organizations fail now."""
    return lines("Failing organizations by reason", "Organizations whose last poll failed on every instance, by the reason of that failure. Empty is good.",
                 [query("count by (reason) (group by (<organization>, reason) (csp_poll_failing@{}) unless on (<organization>)"
                        " max by (<organization>) (csp_up@{}) == 1)", "{{reason}}")],
                 w=w, stack=True, no_value="none", alerts=["CSPPollsFailing", "CSPCredentialsRejected", "CSPForbidden"])


def poll_failures(w):
    """Why polls fail."""
    return lines("Failed polls", "Polls that failed, by reason, in each step of the graph. Empty is good.",
                 [query("sum by (reason) (increase(csp_poll_failures_total@{}[$__rate_interval])) > 0", "{{reason}}")],
                 w=w, bars=True, stack=True, no_value="none", interval=POLLED, alerts=["CSPPollsFailing"])
