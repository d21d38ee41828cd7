"""Queries and panels that more than one dashboard shows.

A gauge of an organization is the maximum over the instances that show it and a sum of counters is divided by their
number, so that a pair of exporters counts once; see the recording rules.
"""

from grafana import (AGE_COLORS, EVENT_COLORS, GREEN, GREY, LEFT_COLORS, ORANGE, POLLED, RED, STATE_COLORS, YELLOW, colors, lines,
                     quantile, query, stat, steps, timeline)

RAISED = steps((GREEN, None), (ORANGE, 1))
ALARMING = steps((GREEN, None), (RED, 1))


def per_organization(family, labels=""):
    """One number for each organization."""
    selector = f"{family}@{{{labels}}}"
    split = next((label for label in ("age", "time_left") if family.endswith(f"_by_{label}")), None)
    return f"max by (organization) (sum without ({split}) ({selector}))" if split else f"max by (organization) ({selector})"


def total(family, labels=""):
    """One number over the chosen organizations."""
    return f"sum({per_organization(family, labels)})"


def by(label, family, labels=""):
    """The same, split by a label."""
    return f"sum by ({label}) (max by (organization, {label}) ({family}@{{{labels}}}))"


# Graphs of one organization per line show so many of them.
MOST = 15
# The organizations whose data is withdrawn first, as seen from the end of the chosen time: the same ones in each step. The last hour
# counts, so that they stay while the exporter is away.
OLDEST = (f" and on (organization) bottomk({MOST}, max by (organization) ("
          "last_over_time(csp_poll_last_success_timestamp_seconds@{}[1h] @ end()) + last_over_time(csp_poll_stale_after_seconds@{}[1h] @ end())))")
OF_THE_OLDEST = f" Of more than {MOST} organizations those whose data is withdrawn first."


def events(event):
    """Lifecycle events of the chosen time, right for moved pods and for pairs."""
    return (f"sum(sum by (organization) (increase(csp_invitation_events_total@{{event=\"{event}\"}}[$__range]))"
            " / on (organization) count by (organization) (csp_poll_interval_seconds@{}))")


def events_of_day(event):
    """Lifecycle events of the day that begins at a step, so that today shows what it has brought so far.

    Divided by the instances that showed the organization on average; in the first minutes of all by those that there are.
    """
    return (f"sum(sum by (organization) (increase(csp_invitation_events_total@{{event=\"{event}\"}}[1d] offset -1d)) / on (organization)"
            " (avg_over_time((count by (organization) (csp_poll_interval_seconds@{}))[1d:5m] offset -1d)"
            " or count by (organization) (last_over_time(csp_poll_interval_seconds@{}[1d] offset -1d))))")


def buckets(family, label, names):
    """One query for each value of a label that has an order of its own, so that legend and stack have it too."""
    return [query(f'sum(max by (organization) ({family}@{{{label}="{name}"}}))', name) for name in names]


def headline():
    """The numbers that the team which invites people looks at first."""
    return [
        stat("Pending", "Invitations that can still be accepted, with their course over the chosen time.",
             total("csp_invitations", 'status="available"'), gone="no data"),
        stat("Expiring soon", "Pending invitations that expire within 24 hours: the last chance for a reminder.",
             total("csp_invitations_pending_by_time_left", 'time_left=~"0-1h|1-24h"'), thresholds=RAISED, alerts=["CSPInvitationsExpiringSoon"], gone="no data"),
        stat("Older than three days", "Pending invitations that nobody has accepted for three days or longer.",
             total("csp_invitations_pending_by_age", 'age=~"3-7d|7-30d|30d[+]"'), thresholds=RAISED, alerts=["CSPInvitationsPendingTooLong"], gone="no data"),
        stat("Expired unredeemed", "Invitations in the list that were not accepted before their expiration, however long ago.",
             total("csp_invitations", 'status="expired"'), gone="no data"),
        stat("Lapsed in a week", "People whose invitation expired in the last seven days and who have no newer one: they were lost.",
             total("csp_invitations_lapsed_by_age", 'age=~"0-1d|1-3d|3-7d"'), thresholds=RAISED, alerts=["CSPInvitationsLapsed"], gone="no data"),
        stat("Privileged pending", "Pending invitations that carry a privileged role, directly or through an expanded group.",
             total("csp_invitations_privileged", 'status="available"'), thresholds=ALARMING, alerts=["CSPInvitationsPrivilegedPending"], gone="no data"),
        stat("External pending", "Pending invitations to mail domains that are not trusted. No number where no trusted domains are configured, or no data is there.",
             total("csp_invitations_external", 'status="available"'), thresholds=ALARMING, gone="not counted",
             alerts=["CSPInvitationsExternalPending"]),
        stat("Duplicates", "Pending invitations beyond the first for the same person.",
             total("csp_invitations_duplicate"), thresholds=RAISED, alerts=["CSPInvitationsDuplicated"], gone="no data"),
    ]


def lifecycle(w):
    """What happened to invitations, per day."""
    return lines("Lifecycle per day",
                 "Invitations generated, redeemed, expired, revoked and vanished in each day, which stands at its beginning; the last one is today,"
                 " so far. Counted from the differences between polls: what the very first poll found is not an event. Values can have a"
                 " fraction, because Prometheus extrapolates.",
                 [query(events_of_day(event), event, interval="1d") for event in EVENT_COLORS], w=w, fill=0, unit="locale", decimals=0,
                 overrides=colors(EVENT_COLORS), legend="table", custom={"showPoints": "always", "pointSize": 6, "lineWidth": 2})


def time_to_redeem(w):
    """How long people take to accept."""
    return lines("Time to redeem",
                 "From the generation of an invitation to its redemption, of the redemptions of each day, which stands at its beginning: half of"
                 " them (the median) and nine tenths took at most this long.",
                 [query(quantile(q, "csp_invitation_redemption_duration_seconds", [], "@{}", " offset -1d"), name, interval="1d")
                  for q, name in ((0.5, "median"), (0.9, "nine tenths"))],
                 w=w, unit="s", custom={"showPoints": "always", "pointSize": 6})


def ages(w):
    """The pending by age, stacked."""
    return lines("Age of the pending", "Pending invitations by the time since their generation.",
                 buckets("csp_invitations_pending_by_age", "age", AGE_COLORS), w=w, stack=True, bars=True, overrides=colors(AGE_COLORS),
                 alerts=["CSPInvitationsPendingTooLong"])


def time_left(w):
    """The pending by time to expiration, stacked."""
    return lines("Time left of the pending", "Pending invitations by the time to their expiration.",
                 buckets("csp_invitations_pending_by_time_left", "time_left", LEFT_COLORS), w=w, stack=True, bars=True,
                 overrides=colors(LEFT_COLORS), alerts=["CSPInvitationsExpiringSoon"])


def lapsed(w):
    """Lost people by time since the expiration, stacked."""
    return lines("Lapsed without a new invitation", "People whose invitation expired and who have no newer one, by the time since the expiration.",
                 buckets("csp_invitations_lapsed_by_age", "age", [age for age in AGE_COLORS if age != "unknown"]), w=w, stack=True, bars=True, overrides=colors(AGE_COLORS),
                 alerts=["CSPInvitationsLapsed"])



def data_states(w, h=8):
    """How current each organization's data is."""
    best = ("max by (organization) (sum without (state) (3 * csp_organization_data_state@{state=\"fresh\"}) > 0"
            " or sum without (state) (2 * csp_organization_data_state@{state=\"held\"}) > 0"
            " or sum without (state) (csp_organization_data_state@{state=\"withdrawn\"}) > 0"
            " or sum without (state) (0 * csp_organization_data_state@{state=\"waiting\"}))")
    mapping = {"type": "value", "options": {str(number): {"text": state, "color": STATE_COLORS[state], "index": 3 - number}
                                            for number, state in ((3, "fresh"), (2, "held"), (1, "withdrawn"), (0, "waiting"))}}
    return timeline("Data state",
                    "How current each organization's numbers are, the best of all instances: fresh; held (the last poll failed, old numbers are"
                    f" shown); withdrawn (too old to show); waiting (no success yet).{OF_THE_OLDEST}",
                    [query(f"({best}){OLDEST}", "{{organization}}")], w=w, h=h, unit="none", mappings=[mapping], thresholds=steps((GREY, None)),
                    color={"mode": "thresholds"}, alerts=["CSPDataHeld", "CSPDataWithdrawn"])


def freshness(w):
    """The age of each organization's data against its own limit."""
    return lines("Age of the data against its limit",
                 "Time since the last good poll as a share of the organization's own stale_after. At 100 % its invitation families are"
                 f" withdrawn; above 25 % polls have failed, with the default limits. Drawn up to 200 %.{OF_THE_OLDEST}",
                 [query("(time() - max by (organization) (csp_poll_last_success_timestamp_seconds@{} > 0))"
                        f" / on (organization) max by (organization) (csp_poll_stale_after_seconds@{{}}){OLDEST}", "{{organization}}")],
                 w=w, unit="percentunit", maximum=2, thresholds=steps((GREEN, None), (YELLOW, 0.5), (RED, 1)), color={"mode": "palette-classic"},
                 custom={"thresholdsStyle": {"mode": "dashed"}}, alerts=["CSPPollsFailing", "CSPDataHeld"])


def poll_failures(w):
    """Why polls fail."""
    return lines("Failed polls", "Polls that failed, by reason, in each step of the graph. Empty is good.",
                 [query("sum by (reason) (increase(csp_poll_failures_total@{}[$__rate_interval])) > 0", "{{reason}}")],
                 w=w, bars=True, stack=True, no_value="none", interval=POLLED, alerts=["CSPPollsFailing", "CSPCredentialsRejected", "CSPForbidden"])
